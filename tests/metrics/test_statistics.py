"""Intervals and tests against exact distributions, and against their definition: coverage and false alarms."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import beta, binom, binomtest

from src.metrics.statistics import accuracy_interval, sign_flip_test


def hits(right, wrong):
    return np.repeat([True, False], [right, wrong])


def discordant(only_a, only_b, both, neither):
    """The hits of two classifiers with these counts."""
    a = np.repeat([True, False, True, False], [only_a, only_b, both, neither])
    b = np.repeat([False, True, True, False], [only_a, only_b, both, neither])
    return a, b


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(("right", "wrong"), [(75, 25), (9, 1), (400, 600), (5, 0), (0, 5), (1, 0), (160, 0)])
def test_interval_of_independent_clips_is_that_of_clopper_and_pearson(right, wrong, level):
    exact = binomtest(right, right + wrong).proportion_ci(level)
    for groups in (None, np.arange(right + wrong)):
        found = accuracy_interval(hits(right, wrong), groups, level)
        np.testing.assert_allclose(found, (exact.low, exact.high), atol=1e-9)
        assert all(type(end) is float for end in found)


def test_all_right_is_not_certain():
    """By hand: the accuracy at which 160 of 160 has probability 2.5 %, 0.025^(1/160)."""
    assert accuracy_interval(hits(160, 0)) == (pytest.approx(0.025 ** (1 / 160)), 1)
    assert round(accuracy_interval(hits(160, 0))[0], 3) == 0.977


@pytest.mark.parametrize("accuracy", [0.5, 0.9, 0.98, 0.999])
def test_interval_covers_the_true_accuracy_of_160_clips(accuracy):
    """Exactly: the probability of the counts whose interval holds the true accuracy. At 0.98 a bootstrap has 0.83."""
    ends = np.array([accuracy_interval(hits(right, 160 - right)) for right in range(161)])
    covered = (ends[:, 0] <= accuracy) & (accuracy <= ends[:, 1])
    assert binom.pmf(np.flatnonzero(covered), 160, accuracy).sum() >= 0.95


@pytest.mark.parametrize(("alike", "accuracy"), list(product([0.3, 0.9], [0.6, 0.95])))
def test_interval_covers_the_true_accuracy_of_groups(alike, accuracy):
    """Twenty groups of 2 to 11 clips; their accuracies are beta distributed, with this intraclass correlation."""
    rng, covered = np.random.default_rng(0), []
    spread = (1 - alike) / alike
    for _ in range(300):
        groups = np.repeat(np.arange(20), rng.integers(2, 12, 20))
        right = rng.random(len(groups)) < rng.beta(accuracy * spread, (1 - accuracy) * spread, 20)[groups]
        low, high = accuracy_interval(right, groups)
        covered.append(low <= accuracy <= high)
    assert np.mean(covered) > 0.91


def test_groups_of_equal_clips_count_as_one_clip_each():
    """Ten clips of each of 20 scenes, all ten right or all wrong, say at most as much as 20 clips."""
    scenes = hits(14, 6)
    groups = np.array([f"scene {scene}" for scene in range(20)])
    low, high = accuracy_interval(np.repeat(scenes, 10), np.repeat(groups, 10))
    alone = accuracy_interval(scenes)
    assert low <= alone[0] and high >= alone[1] and high - low < 1.2 * (alone[1] - alone[0])
    assert accuracy_interval(np.repeat(scenes, 10))[0] > alone[0] + 0.1


def test_interval_of_few_groups_by_hand():
    """Four groups of ten with 10, 10, 8 and 4 right, 32 of 40. The variance of the accuracy is
    4/3 · (2² + 2² + 0² + 4²) / 40² = 0.02, as that of 0.8 · 0.2 / 0.02 = 8 clips. By the quantiles of t with 3 and with
    39 degrees of freedom, 3.182 and 2.023, they are worth 8 · (2.023 / 3.182)² = 3.23 clips."""
    right = np.concatenate([hits(n, 10 - n) for n in (10, 10, 8, 4)])
    clips = 8 * (2.0227 / 3.1824) ** 2
    expected = beta.ppf(0.025, 0.8 * clips, 0.2 * clips + 1), beta.ppf(0.975, 0.8 * clips + 1, 0.2 * clips)
    np.testing.assert_allclose(accuracy_interval(right, np.arange(40) // 10), expected, rtol=1e-3)


@pytest.mark.parametrize("right", [True, False])
def test_if_all_groups_are_right_each_counts_as_one_clip(right):
    found = accuracy_interval(np.full(200, right), np.arange(200) // 10)
    assert found == accuracy_interval(np.full(20, right))


def test_groups_that_do_not_resemble_one_another_leave_the_interval_as_it_is():
    """One of each pair is right: no variance between groups, so the clips count as independent, and not as more."""
    right = np.tile([True, False], 30)
    assert accuracy_interval(right, np.arange(60) // 2) == accuracy_interval(right)


def test_one_group_tells_as_much_as_one_clip():
    low, high = accuracy_interval(hits(30, 10), np.zeros(40))
    assert low < 0.05 and high > 0.95


@pytest.mark.parametrize("right", [np.array([], bool), np.array([0.5, 1]), np.array([0, 1]), np.ones((2, 2), bool)])
def test_interval_of_anything_but_right_or_wrong_is_refused(right):
    with pytest.raises(ValueError, match="right must be bool"):
        accuracy_interval(right)


@pytest.mark.parametrize(("only_a", "only_b"), [(8, 2), (1, 6), (12, 5), (1, 0), (6, 0), (20, 20), (0, 0), (900, 700)])
def test_sign_flips_of_independent_clips_are_mcnemars_exact_test(only_a, only_b):
    """Twice the tail of a fair coin. By hand: 6 of 6 for one, 2 / 2^6; 1 of 7, 2 (1 + 7) / 2^7."""
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1
    a, b = discordant(only_a, only_b, both=50, neither=7)
    for groups in (None, np.random.default_rng(0).permutation(len(a))):
        p = sign_flip_test(a, b, groups)
        assert p == pytest.approx(expected) and type(p) is float


def test_sign_flips_of_groups_by_hand():
    """Differences +3, +1, -1 and 0: of the 8 signs of the first three, 3 + 1 - 1 = 3 or more in absolute value have
    ±(3 + 1 + 1), ±(3 + 1 - 1), ±(3 - 1 + 1): 6 of 8."""
    a = np.array([1, 1, 1, 1, 0, 1, 0], bool)
    b = np.array([0, 0, 0, 0, 1, 0, 1], bool)
    groups = np.array([*"aaabcdd"])
    assert sign_flip_test(a, b, groups) == 6 / 8
    assert sign_flip_test(b, a, groups) == 6 / 8


def test_sign_flips_are_all_assignments_of_signs():
    rng = np.random.default_rng(0)
    a, b, groups = rng.random(60) < 0.7, rng.random(60) < 0.5, rng.integers(0, 9, 60)
    differences = np.array([a[groups == g].sum() - b[groups == g].sum() for g in range(9)])
    totals = [abs(differences @ signs) for signs in product([-1, 1], repeat=9)]
    expected = np.mean(np.array(totals) >= abs(differences.sum()))
    assert sign_flip_test(a, b, groups) == pytest.approx(expected)


def test_equal_classifiers_are_told_apart_in_one_of_twenty_comparisons_at_most():
    """Forty groups of ten clips that are all right or all wrong. A test that takes clips as independent fails."""
    rng, groups = np.random.default_rng(0), np.repeat(np.arange(40), 10)
    alarms = {"groups": 0, "clips": 0}
    for _ in range(1000):
        a, b = (np.repeat(rng.random(40) < 0.7, 10) for _ in range(2))
        alarms["groups"] += sign_flip_test(a, b, groups) < 0.05
        alarms["clips"] += sign_flip_test(a, b) < 0.05
    assert alarms["groups"] <= 60 and alarms["clips"] > 400


@pytest.mark.parametrize("other", [hits(3, 1), np.ones(5), np.ones((5, 1), bool)])
def test_other_clips_cannot_be_paired(other):
    with pytest.raises(ValueError, match="for the same clips. Received: bool"):
        sign_flip_test(hits(3, 2), other)


def test_groups_of_other_clips_are_refused():
    for measure in (accuracy_interval, lambda right, groups: sign_flip_test(right, right, groups)):
        with pytest.raises(ValueError, match=r"one value for each of 5 clips. Received: shape \(4,\)"):
            measure(hits(3, 2), np.zeros(4))


def test_the_interval_of_weighted_clips():
    """Two classes of 90 and 10 clips with recalls of 2/3 and 1/2: the small one decides how sure the mean is."""
    right = np.array([True, True, False] * 30 + [True, False] * 5)
    weights = np.repeat([1 / 90, 1 / 10], [90, 10])
    low, high = accuracy_interval(right, weights=weights)
    deviation = np.sqrt((2 / 9 / 90 + 1 / 4 / 10) / 4)
    assert low < 7 / 12 < high and (high - low) / (2 * 1.96 * deviation) == pytest.approx(1.05, abs=0.08)
    assert accuracy_interval(right, weights=np.full(100, 3)) == pytest.approx(accuracy_interval(right))
    few = accuracy_interval(np.ones(100, bool), weights=weights)  # all are right: worth 1 / (2 · (90 / 180² + …)) clips
    assert few[1] == 1 and few[0] == pytest.approx(0.025 ** (1 / (4 / (1 / 90 + 1 / 10))))
