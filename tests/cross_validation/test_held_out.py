"""Validation and test clips together, and what their scores doubt."""

import numpy as np
import pandas as pd
import pytest

from src.cross_validation import pool_splits

CLIPS = pd.DataFrame(
    {"video_id": list("abcde"), "split": ["test", "train", "validation", "test", "validation"], "group": list("12345")}
).assign(class_index=[0, 0, 1, 1, 0])


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
    first = found.label_errors(["x", "y"]).iloc[0]
    assert (first.video_id, first.row, first.given, first.likely, first.suspect) == ("a", 2, "x", "y", True)


def test_one_split_is_enough():
    found = pool_splits(CLIPS, {"test": make_scores([0, 1])})
    assert found.clips.video_id.tolist() == ["a", "d"]
    assert found.description.startswith("2 test clips")
