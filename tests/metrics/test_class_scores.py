import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from src.metrics import accuracy_interval, class_scores


def test_scores_by_class_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 4, 60), rng.random((60, 4))
    table = class_scores(scores, labels, list("abcd"))
    expected = precision_recall_fscore_support(labels, scores.argmax(axis=1))
    np.testing.assert_allclose(table[["precision", "recall", "f1", "clips"]].T, expected)
    assert table.index.tolist() == list("abcd")


def test_the_interval_of_f1_is_that_of_the_jaccard_index():
    """Class a: 3 right, 1 of it is missed, 1 is wrongly found: J = 3 / 5, F1 = 6 / 8."""
    labels, found = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 0, 1])
    row = class_scores(np.eye(2)[found], labels, ["a", "b"]).loc["a"]
    low, high = accuracy_interval(np.array([True] * 3 + [False] * 2))
    assert row.f1 == pytest.approx(0.75)
    assert (row.f1_low, row.f1_high) == pytest.approx((2 * low / (1 + low), 2 * high / (1 + high)))
    assert (row.recall_low, row.recall_high) == accuracy_interval(np.array([True] * 3 + [False]))


def test_groups_widen_the_intervals():
    labels, found = np.zeros(40, int), np.repeat([0, 0, 0, 1], 10)
    alone, grouped = (class_scores(np.eye(2)[found], labels, ["a", "b"], groups).loc["a"] for groups in (None, found))
    assert grouped.recall_high - grouped.recall_low > alone.recall_high - alone.recall_low


def test_what_cannot_be_counted_is_nan():
    table = class_scores(np.eye(3)[[0, 1]], np.array([0, 0]), ["there", "only predicted", "absent"])
    assert table.clips.tolist() == [2, 0, 0]
    assert table.recall.isna().tolist() == [False, True, True] and table.f1.isna().tolist() == [False, True, True]
    assert table.precision.isna().tolist() == [False, False, True] and table.precision["only predicted"] == 0
