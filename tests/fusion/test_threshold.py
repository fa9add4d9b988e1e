"""The threshold keeps a right prediction with 95 %, learned on clips that the fusion was not learned on."""

import numpy as np
import pytest
from made_scores import make_scores, random_labels

from src.fusion import average_scores, fit_threshold
from src.fusion.late_fusion import out_of_fold_hits, out_of_fold_scores


def make_sure(values, right=True):
    """Both streams' scores, of two classes, whose averages have these maxima; the true class is 0."""
    scores = np.stack([values, 1 - np.asarray(values)], axis=1)
    scores = scores if right else scores[:, ::-1]
    return {"spatial": scores, "temporal": scores}, np.zeros(len(values), int)


@pytest.mark.parametrize("number, rank", [(100, 5), (39, 2), (38, 1), (20, 1), (19, 1), (18, 0), (1, 0)])
def test_a_new_right_prediction_is_kept_with_95_percent(number, rank):
    values = 0.5 + 0.004 * np.arange(1, number + 1)
    expected = pytest.approx(0.5 + 0.004 * rank) if rank else None
    assert fit_threshold("average", *make_sure(values)) == expected
    assert rank / (number + 1) <= 0.05 < (rank + 1) / (number + 1)


def test_wrong_predictions_do_not_count():
    right, wrong = make_sure([0.9] * 18 + [0.8]), make_sure([0.6, 0.7], right=False)
    scores = {stream: np.concatenate([right[0][stream], wrong[0][stream]]) for stream in right[0]}
    assert fit_threshold("average", scores, np.zeros(21, int)) == pytest.approx(0.8)
    assert fit_threshold("average", *wrong) is None


def test_a_fusion_that_learns_is_scored_on_folds_that_it_has_not_seen():
    labels = random_labels(60, 3)
    scores = make_scores(labels, 3)
    fused = out_of_fold_scores("svm", scores, labels)
    np.testing.assert_allclose(fused.sum(axis=1), 1)
    right = fused.argmax(axis=1) == labels
    np.testing.assert_array_equal(out_of_fold_hits(["svm"], scores, labels)["svm"], right)
    sure = np.sort(fused.max(axis=1)[right])
    assert fit_threshold("svm", scores, labels) == sure[int(0.05 * (len(sure) + 1)) - 1]
    assert fit_threshold("svm", scores, labels, groups=np.zeros(60)) is None  # one group cannot be divided


def test_strangers_score_lower():
    """Clips of no class, with scores of noise alone: most of them are refused, and few of the known."""
    labels = random_labels(400, 6)
    threshold = fit_threshold("average", make_scores(labels, 6, spatial=4, temporal=4), labels)
    known = make_scores(labels, 6, seed=1, spatial=4, temporal=4)
    strangers = make_scores(labels, 6, seed=2, spatial=0, temporal=0)
    known, strangers = (average_scores(**scores).max(axis=1) for scores in (known, strangers))
    assert (known < threshold).mean() < 0.12 and (strangers < threshold).mean() > 0.5
