"""Videos of the same bytes: no two splits share one, and each is named."""

import shutil

import numpy as np
import pytest
from conftest import TINY_CONFIG, make_subset, write_good

from src.preprocessing import plan_preprocessing, preprocess
from src.preprocessing.copies import describe_copies, describe_emptied, find_copies, find_transcoded, leave_out
from src.store import read_prepared

WHOLE = (np.nan, np.nan)


def table(*rows):
    """A subset of (digest, label, split[, start, end])."""
    subset = make_subset([(str(n), f"videos/{n}.webm") for n in range(len(rows))])
    columns = zip(*(row if len(row) == 5 else (*row, *WHOLE) for row in rows), strict=True)
    return subset.assign(**dict(zip(("digest", "label", "split", "start", "end"), columns, strict=True)))


def left_out(subset):
    copies = find_copies(subset)
    left = leave_out(subset, copies)
    assert set(left.video_id) == set(subset.video_id) - set(copies.video_id[copies.left_out])
    return copies.video_id[copies.left_out].tolist()


def test_without_copies_nothing_happens():
    subset = table(("a", "x", "train"), ("b", "x", "test"), ("", "x", "train"), ("", "y", "test"))
    assert find_copies(subset).empty and describe_copies(find_copies(subset)) == [] and left_out(subset) == []


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (("train", "test"), ["1"]),
        (("test", "train"), ["0"]),
        (("test", "validation"), ["0"]),
        (("test", "validation", "train"), ["1", "0"]),
        (("train", "train"), []),
        (("test", "train", "test", "train"), ["0", "2"]),
    ],
)
def test_the_copy_of_the_earliest_split_stays(splits, expected):
    others = [(f"other {split}", "x", split) for split in ("train", "validation", "test")]
    subset = table(*(("a", "x", split) for split in splits), *others)
    assert left_out(subset) == expected


def test_parts_of_a_video_that_overlap_are_copies():
    parts = [(0.0, 2.0), (2.0, 4.0), (3.0, 5.0), (np.nan, 1.0), (4.5, np.nan)]
    splits = ("train", "test", "test", "validation", "test")
    others = [(f"other {split}", "x", split) for split in ("train", "validation", "test")]
    subset = table(*(("a", "x", split, *part) for split, part in zip(splits, parts, strict=True)), *others)
    copies = find_copies(subset)
    assert copies.video_id[copies.left_out].tolist() == ["3"]  # validation, of the seconds that train has
    assert copies.video_id[~copies.left_out].tolist() == ["2", "4"]  # of their own split
    assert left_out(subset.assign(start=np.nan, end=np.nan)) == ["3", "1", "2", "4"]


def test_copies_in_two_classes_are_named():
    same = [("a", "run", "train"), ("a", "walk", "train"), ("b", "run", "train"), ("b", "walk", "test")]
    copies = find_copies(table(*same, ("c", "run", "test")))
    assert copies.label.tolist() == ["walk"] * 2 and copies.other_label.tolist() == ["run"] * 2
    assert copies.left_out.tolist() == [False, True]
    across, classes = describe_copies(copies)
    assert across.startswith("Left out, because a video of an earlier split has the same bytes (1): ")
    assert "videos/3.webm (test, walk) = videos/2.webm (train, run)" in across
    assert classes.startswith("Same bytes in two classes; one of the two labels is wrong")
    assert "videos/1.webm (train, walk) = videos/0.webm (train, run)" in classes


def test_a_class_that_lacks_a_split_without_its_copies_is_named():
    subset = table(("a", "x", "train"), ("b", "y", "train"), ("a", "x", "test"), ("c", "y", "test"))
    assert describe_emptied(subset, leave_out(subset, find_copies(subset))) == [
        "All videos were copies, and are left out: 'x' in test."
    ]


def test_a_split_of_nothing_but_copies_is_refused():
    subset = table(("a", "x", "train"), ("b", "x", "train"), ("a", "x", "test"), ("b", "x", "test"))
    message = "All 2 videos of the split 'test' are copies.*videos/2.webm has the same bytes as videos/0.webm"
    with pytest.raises(ValueError, match=message):
        left_out(subset)


def test_one_video_in_two_formats_is_named():
    subset = make_subset([("a", "v/x.avi"), ("b", "v/x.mp4"), ("c", "w/x.mp4"), ("d", "v/y.avi"), ("e", "v/y.mp4")])
    assert find_transcoded(subset) == []
    [sentence] = find_transcoded(subset.assign(split=["train", "test", "test", "train", "train"]))
    assert sentence.startswith("In two splits") and "v/x.avi and v/x.mp4" in sentence
    one = make_subset([("a", "v/x.avi"), ("b", "v/x.avi")]).assign(split=["train", "test"])
    assert find_transcoded(one) == []  # two parts of one file


def test_copies_are_named_before_the_extraction_and_not_in_the_manifest(tmp_path):
    videos = write_good(tmp_path, 4)
    shutil.copy(videos[0][1], tmp_path / "copy.webm")
    subset = make_subset([*videos, ("copy", tmp_path / "copy.webm")])
    subset = subset.assign(split=["train", "train", "validation", "test", "test"], label="one", class_index=0)
    with pytest.warns(UserWarning, match=r"Left out, .* \(1\): .*copy\.webm \(test, one\) = .*good 0\.webm"):
        plan = plan_preprocessing(subset, tmp_path / "prepared", TINY_CONFIG, 1)
    assert plan.subset.video_id.tolist() == [name for name, _ in videos]
    assert plan.copies.video_id.tolist() == ["copy"]
    assert plan.table()["plan"]["equal bytes"] == "1 copies, 1 of them left out"
    report = preprocess(plan)
    table, _ = read_prepared(tmp_path / "prepared", report.subset)
    assert table.digest.is_unique and len(table) == 4
