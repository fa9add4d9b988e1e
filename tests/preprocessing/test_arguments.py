"""What a job is given is checked before anything is written."""

from pathlib import Path

import numpy as np
import pytest
from conftest import TINY_CONFIG, make_subset

from src.preprocessing import plan_preprocessing
from src.preprocessing.arguments import check_seconds, check_subset, check_workers


def test_numbers_of_workers():
    assert [check_workers(workers) for workers in (None, -1, 1, 7, np.int64(3))] == [None, None, 1, 7, 3]


@pytest.mark.parametrize("workers", [0, -2, 1.5, 2.0, "2", True, False, float("nan"), [2]])
def test_other_numbers_of_workers_are_refused(workers, tmp_path):
    with pytest.raises(ValueError, match="workers must be a whole number, 1 or more; None or -1 takes all cores. Rec"):
        check_workers(workers)
    with pytest.raises(ValueError, match="workers must be"):
        plan_preprocessing(make_subset([("a", "a.webm")]), tmp_path / "new", TINY_CONFIG, workers)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), "60", None, True])
def test_other_limits_are_refused(seconds):
    with pytest.raises(ValueError, match="seconds_per_clip must be a positive number"):
        check_seconds(seconds)


CHANGES = [
    (lambda table: table.drop(columns=["group"]), "Missing: group"),
    (lambda table: table[:0], "must hold videos"),
    (lambda table: table.assign(video_id="same"), "each video_id must be unique. 1 repeat, first 'same'"),
    (lambda table: table.assign(split="tset"), "split must be one of train, validation, test. Received: 'tset'"),
    (lambda table: table.assign(split=["train", "test"], group="g"), "A group must be in one split"),
    (lambda table: table.assign(path=[Path("a"), Path("b")]), "path must be text"),
    (lambda table: table.assign(label=7), "label must be text"),
    (lambda table: table.assign(label="\ud800"), "label must be text"),
    *((lambda table, name=name: table.assign(video_id=[name, "b"]), "a video_id becomes a folder name")
      for name in ("../../../escaped", "a/b", "", "..")),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_a_table_that_cannot_be_used_is_refused_before_anything_is_written(change, message, tmp_path):
    subset = make_subset([("a", "a.webm"), ("b", "b.webm")])
    check_subset(subset)
    with pytest.raises(ValueError, match=message):
        plan_preprocessing(change(subset), tmp_path / "new", TINY_CONFIG, 1)
    assert not (tmp_path / "new").exists()
