import numpy as np
import pytest

from src.fusion import average_scores

SPATIAL = np.array([[0.7, 0.2, 0.1], [0.4, 0.3, 0.3]])
TEMPORAL = np.array([[0.1, 0.8, 0.1], [0.2, 0.6, 0.2]])


def test_average_by_hand():
    np.testing.assert_allclose(average_scores(SPATIAL, TEMPORAL), [[0.4, 0.5, 0.1], [0.3, 0.45, 0.25]])


def test_average_is_symmetric_and_stays_float32_probabilities():
    spatial, temporal = SPATIAL.astype(np.float32), TEMPORAL.astype(np.float32)
    fused = average_scores(spatial, temporal)
    assert fused.dtype == np.float32
    np.testing.assert_array_equal(fused, average_scores(temporal, spatial))
    np.testing.assert_allclose(fused.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    "scores",
    [
        np.log(SPATIAL),
        np.array([[2.0, -1.5, 0.5], [0.4, 0.3, 0.3]]),  # sums to 1, and is no probability
        SPATIAL * 2,
        np.full_like(SPATIAL, np.nan),
    ],
    ids=["logits", "negative", "not normalised", "nan"],
)
def test_what_is_not_after_softmax_is_refused_and_named(scores):
    """Defect 7: logits of two networks summed, and called an average of probabilities."""
    with pytest.raises(ValueError, match="spatial scores must be probabilities"):
        average_scores(scores, TEMPORAL)
    with pytest.raises(ValueError, match="temporal scores must be probabilities"):
        average_scores(SPATIAL, scores)


def test_streams_that_scored_different_videos_or_classes_are_refused():
    for other in (TEMPORAL[:1], TEMPORAL[:, :2]):
        with pytest.raises(ValueError, match=r"\(2, 3\)"):
            average_scores(SPATIAL, other)
