"""Metrics against values computed by hand."""

import json

import numpy as np
import pytest

from src.metrics.accuracy import (
    accuracy_table,
    agreement,
    choose_examples,
    compute_metrics,
    confusion_matrix,
    evaluate_split,
    majority_class_accuracy,
    most_confused,
)

# Five videos of three classes; the predictions are 0, 1, 0, 2, 0.
SCORES = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.7, 0.1, 0.2], [0.1, 0.2, 0.7], [0.5, 0.4, 0.1]])
LABELS = np.array([0, 1, 1, 2, 0])

pytestmark = pytest.mark.filterwarnings("error")  # scikit-learn's, about few or missing classes


def test_metrics_by_hand():
    metrics = compute_metrics(SCORES, LABELS)
    assert set(metrics) == {"top1", "top1_interval", "balanced", "balanced_interval"}  # top-5 of three says nothing
    assert metrics["top1"] == pytest.approx(4 / 5) and metrics["balanced"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert json.loads(json.dumps(metrics)) == metrics
    low, high = metrics["balanced_interval"]
    assert 0 < low < metrics["balanced"] < high <= 1
    without = compute_metrics(SCORES, np.array([0, 0, 0, 2, 0]))
    assert without["balanced"] == pytest.approx((3 / 4 + 1) / 2)  # the class without videos is left out


def test_uniform_scores_do_not_get_a_perfect_top5():
    """Of ties, top-1 takes the lowest class index, top-5 the highest ones."""
    uniform = np.full((20, 20), 0.05)
    metrics = compute_metrics(uniform, np.arange(20))
    assert metrics["top1"] == pytest.approx(0.05) and metrics["top5"] == pytest.approx(0.25)
    assert confusion_matrix(uniform, np.arange(20))[:, 0].tolist() == [1] * 20
    top5 = [compute_metrics(uniform, np.full(20, label))["top5"] for label in (19, 0)]
    assert top5 == [1, 0]


def test_top5_is_told_of_more_than_ten_classes():
    assert [("top5" in compute_metrics(np.eye(count), np.arange(count))) for count in (2, 10, 11)] == [0, 0, 1]


@pytest.mark.parametrize("scores, labels", [(SCORES[:0], LABELS[:0]), (SCORES, LABELS[:4]), (SCORES[0], LABELS[:3])])
def test_metrics_of_no_videos_or_of_other_videos_are_refused(scores, labels):
    with pytest.raises(ValueError, match="Received"):
        compute_metrics(scores, labels)


def test_the_majority_class_is_that_of_the_training_clips():
    """Defect 6: not that of the split that is measured, where class 0 would give 3/5."""
    value = majority_class_accuracy(np.array([0, 0, 0, 1, 2]), np.array([1, 1, 0, 2]))
    assert value == pytest.approx(1 / 5) and type(value) is float


def test_rows_of_the_confusion_matrix_are_the_truth():
    matrix = confusion_matrix(SCORES, LABELS)
    assert matrix.tolist() == [[2, 0, 0], [1, 1, 0], [0, 0, 1]] and matrix.dtype == np.int64


def test_most_confused_pairs_in_order():
    matrix = np.array([[5, 3, 0], [1, 9, 0], [4, 0, 0]])
    table = most_confused(matrix, ["a", "b", "c"])
    assert table.to_numpy().tolist() == [["c", "a", 4, 1.0], ["a", "b", 3, 3 / 8], ["b", "a", 1, 1 / 10]]
    assert table.columns.tolist() == ["truth", "predicted", "clips", "share"]
    assert len(most_confused(matrix, ["a", "b", "c"], count=2)) == 2
    assert most_confused(np.diag([3, 2]), ["a", "b"]).columns.equals(table.columns)  # nothing is confused


def test_examples_are_half_right_and_half_wrong_and_the_same_each_time():
    scores = np.tile([0.9, 0.1], (20, 1))
    labels = np.repeat([0, 1], 10)
    chosen = choose_examples(scores, labels, count=6, seed=1)
    assert labels[chosen].tolist() == [0, 0, 0, 1, 1, 1] and len(set(chosen)) == 6
    np.testing.assert_array_equal(chosen, choose_examples(scores, labels, count=6, seed=1))
    assert len(set(choose_examples(scores, np.zeros(20, int), count=6))) == 6  # none is wrong


def test_splits_become_a_table():
    metrics = {
        "validation": evaluate_split({"spatial": SCORES, "fused": SCORES}, LABELS, majority_class=0.4),
        "test": evaluate_split({"spatial": SCORES[:2], "fused": SCORES[:2]}, LABELS[:2], majority_class=0.5),
        "protocol": {"subset": "0123456789ab"},
    }
    assert metrics["test"]["n"] == 2 and metrics["validation"]["spatial"]["top1"] == pytest.approx(0.8)
    table = accuracy_table(metrics)
    assert table.columns.tolist() == ["n", "majority_class", "top1", "top1 95 %", "balanced", "balanced 95 %"]
    assert table.index.tolist() == [(s, t) for s in ("validation", "test") for t in ("spatial", "fused")]
    assert table.loc[("test", "fused"), ["n", "majority_class", "top1", "balanced"]].tolist() == [2, 0.5, 1, 1]
    assert table.loc[("test", "fused"), "top1 95 %"].endswith(" … 1.000")


def test_baselines_stand_beside_the_streams():
    """Old metrics.json files have none, see above."""
    entry = evaluate_split({"fused": SCORES}, LABELS, 0.4, {"flow statistics": SCORES[:, ::-1]})
    assert entry["baselines"]["flow statistics"]["top1"] == pytest.approx(1 / 5)
    table = accuracy_table({"test": entry})
    assert table.index.tolist() == [("test", "fused"), ("test", "flow statistics")]
    assert table.top1.tolist() == pytest.approx([4 / 5, 1 / 5]) and table.n.tolist() == [5, 5]


def test_agreement_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1])
    spatial, temporal = np.eye(3)[[0, 0, 1, 2, 1, 0]], np.eye(3)[[0, 1, 0, 1, 1, 0]]
    table = agreement(spatial, temporal, labels, ["a", "b", "c"])
    assert table.columns.tolist() == ["both", "only_spatial", "only_temporal", "neither", "n"]
    assert table.to_numpy().tolist() == [[1, 1, 1, 1, 4], [1, 0, 0, 1, 2], [0, 0, 0, 0, 0]]
