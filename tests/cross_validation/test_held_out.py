"""Validation and test clips together, and what their scores doubt."""

import numpy as np
import pandas as pd
import pytest

from src.cross_validation import pool_splits

CLIPS = pd.DataFrame(
    {"video_id": list("abcde"), "split": ["test", "train", "validation", "test", "validation"], "group": list("12345")}
).assign(class_index=[0, 0, 1, 1, 0], path=[f"{name}.mp4" for name in "abcde"])


def make_scores(winners):
    rows = np.where(np.arange(2) == np.array(winners)[:, None], 0.9, 0.1).astype(np.float32)
    return {"spatial": rows, "temporal": rows[:, ::-1], "fused": rows}


def test_splits_are_pooled_in_the_order_of_their_clips():
    scores = {"validation": make_scores([1, 0]), "test": make_scores([1, 1])}
    found = pool_splits(CLIPS, scores)
    assert found.clips.video_id.tolist() == ["c", "e", "a", "d"]
    assert found.scores["fused"].argmax(axis=1).tolist() == [1, 0, 1, 1]
    assert found.folds is None and found.description.startswith("4 validation and test clips")
    table = found.accuracy_table()
    assert table.top1.tolist() == [0.75, 0.25, 0.75]
    assert table.balanced["fused"] == pytest.approx((0.5 + 1) / 2)


def test_doubtful_labels_can_be_watched():
    found = pool_splits(CLIPS, {"validation": make_scores([1, 0]), "test": make_scores([1, 1])})
    errors = found.label_errors(["x", "y"])
    columns = ["video_id", "split", "given", "answer", "score", "score_of_label", "suspect", "row", "path"]
    assert errors.columns.tolist() == columns
    first = ["a", "test", "x", "y", pytest.approx(0.9), pytest.approx(0.1), True, 2, "a.mp4"]
    assert errors.iloc[0].tolist() == first
    assert found.describe_labels(["x", "y"]) == "1 of 4 labels is suspect."
    right = pool_splits(CLIPS, {"test": make_scores([0, 1])})
    assert right.describe_labels(["x", "y"]).startswith("No label is suspect: these are only")


def test_few_clips_are_called_few():
    few = "That is few: set folds = 'groups' (or 5) to test all 5 clips."
    assert few in pool_splits(CLIPS, {"test": make_scores([0, 1])}).description
    many = CLIPS.iloc[[0] * 30].reset_index(drop=True)
    assert "few" not in pool_splits(many, {"test": make_scores([0] * 30)}).description


def test_one_split_is_enough():
    found = pool_splits(CLIPS, {"test": make_scores([0, 1])})
    assert found.clips.video_id.tolist() == ["a", "d"]
    assert found.description.startswith("2 test clips")
