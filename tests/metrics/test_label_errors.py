"""Labels that may be wrong: ranks by hand, and labels that were flipped on purpose."""

import numpy as np
import pytest
from scipy.special import softmax

from src.metrics import find_label_errors


def test_other_answers_come_before_right_ones_by_margin():
    scores = np.array([[0.8, 0.2], [0.6, 0.4], [0.4, 0.6], [0.3, 0.7], [0.6, 0.4]])
    found = find_label_errors(scores, np.array([0, 0, 1, 1, 1]), ["x", "y"])
    # thresholds: x (0.8 + 0.6) / 2 = 0.7, y (0.6 + 0.7 + 0.4) / 3 = 0.5667
    assert found.columns.tolist() == ["given", "answer", "score", "score_of_label", "suspect", "row"]
    assert found.row.tolist() == [4, 1, 2, 3, 0]
    assert found.given.tolist() == list("yxyyx")
    assert found.answer.tolist() == list("xxyyx")
    assert found.score.tolist() == [0.6, 0.6, 0.6, 0.7, 0.8]
    assert found.score_of_label.tolist() == [0.4, 0.6, 0.6, 0.7, 0.8]
    assert not found.suspect.any()  # 0.6 is below the threshold of x


def test_suspect_is_the_confident_class_with_the_highest_score():
    scores = np.array([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.3, 0.4, 0.3], [0.45, 0.15, 0.4]])
    found = find_label_errors(scores, np.array([0, 1, 2, 2]), list("xyz")).set_index("row")
    # thresholds 0.5, 0.6, 0.35: no score of clip 2 reaches one, and of clip 3 only that of its label
    assert found.suspect.tolist() == [False] * 4
    scores[2] = [0.55, 0.1, 0.35]
    found = find_label_errors(scores, np.array([0, 1, 2, 2]), list("xyz")).set_index("row")
    assert found.suspect[2] and found.answer[2] == "x" and found.index[0] == 2


def test_an_answer_that_is_the_label_is_not_suspect():
    scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.65, 0.35]])
    found = find_label_errors(scores, np.array([0, 0, 1, 1]), ["x", "y"])
    # thresholds 0.75 and 0.325: clip 1 reaches that of y alone, but is answered x
    assert found.row.tolist() == [2, 3, 1, 0] and not found.suspect.any()


def test_suspects_are_ranked_by_the_adjusted_margin_and_come_first():
    scores = [[0.9, 0.1, 0], [0.5, 0.5, 0], [0, 0.4, 0.6], [0.1, 0.5, 0.4], [0.8, 0, 0.2], [0.05, 0.05, 0.9]]
    found = find_label_errors(np.array(scores), np.array([0, 0, 1, 2, 2, 2]), list("xyz"))
    # thresholds 0.7, 0.4, 0.5; margins: clip 4 -0.3 - 0.1, clip 3 -0.1 - 0.1, clip 2 0 - 0.1 (scores alone: -0.2)
    assert found.row.tolist() == [4, 3, 2, 1, 0, 5]
    assert found.suspect.tolist() == [True, True, True, False, False, False]


@pytest.mark.parametrize("num_classes", [2, 6, 40])
def test_flipped_labels_come_first(num_classes):
    rng = np.random.default_rng(num_classes)
    truth = np.repeat(np.arange(num_classes), 15)
    logits = rng.normal(size=(len(truth), num_classes))
    logits[np.arange(len(truth)), truth] += 6
    logits[:, 0] += 1  # networks are surer of one class
    flipped = rng.choice(len(truth), len(truth) // 10, replace=False)
    given = truth.copy()
    given[flipped] = (given[flipped] + rng.integers(1, num_classes, len(flipped))) % num_classes
    names = [f"class {number}" for number in range(num_classes)]
    found = find_label_errors(softmax(logits, axis=1), given, names)
    assert sorted(found.row) == list(range(len(truth)))
    first = found[: len(flipped)]
    assert np.isin(first.row, flipped).mean() >= 0.8
    right = np.array(names)[truth[first.row]] == first.answer
    assert right[np.isin(first.row, flipped)].mean() >= 0.9
    assert np.isin(found.row[found.suspect], flipped).mean() >= 0.6


def test_a_class_without_clips_makes_no_label_suspect():
    found = find_label_errors(np.array([[0.3, 0.3, 0.4], [0.2, 0.3, 0.5]]), np.array([0, 1]), list("xyz"))
    assert not found.suspect.any() and set(found.answer) == {"z"} and found.row.tolist() == [1, 0]
    one = find_label_errors(np.array([[0.3, 0.7]]), np.array([0]), list("xy"))
    assert not one.suspect[0]


def test_shapes_must_fit():
    for scores, labels, names in [((0, 2), 0, "xy"), ((3, 2), 2, "xy"), ((3, 2), 3, "xyz")]:
        with pytest.raises(ValueError, match=r"scores must be \(N, C\)"):
            find_label_errors(np.zeros(scores), np.zeros(labels, int), list(names))
