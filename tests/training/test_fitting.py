import pytest

from src.training.fitting import Phase, round_steps


@pytest.mark.parametrize(
    "steps, of_a_round, rounds",
    [(300, 25, 12), (301, 26, 12), (7, 1, 7), (1, 1, 1), (6000, 500, 12), (60_001, 2000, 31)],
)
def test_a_phase_has_twelve_rounds_or_more_of_at_most_2000_steps(steps, of_a_round, rounds):
    """A round ends with a backup, so that a kill loses little. The last round is whole, too."""
    assert round_steps(steps) == of_a_round
    assert Phase("all layers", steps, 1e-3, training=range(of_a_round), validation=None).rounds == rounds
