"""A subset as a CSV file."""

import os

import pandas as pd
import pytest

from src.store.contents import MANIFEST_COLUMNS, OLD_COLUMNS, SPANS
from src.store.manifest import manifest_digest, read_manifest, with_spans, write_manifest

STRANGE = [  # paths that exist; the first is Latin-1, in Python's form of bytes that are not UTF-8
    *("videos/caf\udce9.webm", "videos/two\nlines.webm", "videos/carriage\rreturn.webm", "videos/both\r\n.webm"),
    *("videos/ends in one\r", "\nvideos/begins with one", 'videos/"quoted", and more.webm', "videos/ blanks .webm "),
    *("videos/#, ; and \ttab.webm", "videos/\u2028手.webm", "NA"),
]


NAMES = [  # labels and ids
    *("nan", "None", "null", "NaN", "1e5", "007", "café", " blanks ", "\t", "\r", "\n", '"', '""', "a\0b", "\ufeffbom"),
    "$x$",
]


def difficult():
    """A table of names that CSV readers easily change."""
    labels = ("007", "NA", 'a, "b"', "café")
    rows = [(label, split) for label in labels for split in ("train", "train", "validation", "test")]
    table = pd.DataFrame(rows, columns=["label", "split"])
    table["video_id"] = [f"{index:05d}" for index in table.index]
    table["group"] = [f"v{index:04d}" for index in table.index]
    table["path"] = "videos/" + table["video_id"] + ".mp4"
    table["class_index"] = [labels.index(label) for label in table["label"]]
    table["digest"] = [f"{index:016d}" for index in table.index]
    return with_spans(table)[MANIFEST_COLUMNS]


def test_manifest_round_trip(tmp_path):
    table, path = difficult(), tmp_path / "new" / "manifest.csv"
    table.loc[: len(STRANGE) - 1, "path"] = STRANGE
    table.loc[: len(NAMES) - 1, "label"] = table.loc[: len(NAMES) - 1, "video_id"] = NAMES
    table.loc[2:4, "start"], table.loc[3:5, "end"], table.loc[4, "rate"] = [0.0, 0.1 + 0.2, 1e-7], 1 / 3, 29.97
    table.loc[:1, "digest"] = ["1e5", ""]
    write_manifest(table.assign(clip_name="not written"), path)
    pd.testing.assert_frame_equal(read_manifest(path), table)
    assert "café".encode() in path.read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns=["group", "path"]), "Missing: path, group"),
        (lambda table: table.drop(columns="digest"), "Missing: digest. Prepare the subset again"),
        (lambda table: table.assign(split="tset"), "split must be one of train.*16 rows"),
        (lambda table: table.assign(class_index="x"), "class_index a number"),
        (lambda table: table.assign(start="soon"), "start, end and rate numbers"),
        (lambda table: table.assign(end="inf"), "start, end and rate numbers"),
        (lambda table: table.assign(group="g"), "A group must be in one split"),
    ],
)
def test_an_invalid_manifest_is_refused(tmp_path, change, message):
    change(difficult()).to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.raises(ValueError, match=message):
        read_manifest(tmp_path / "manifest.csv")


def test_a_manifest_of_an_older_version_is_read(tmp_path):
    """It has no parts of videos."""
    table = difficult()
    table[OLD_COLUMNS].to_csv(tmp_path / "manifest.csv", index=False)
    pd.testing.assert_frame_equal(read_manifest(tmp_path / "manifest.csv"), table)


@pytest.mark.parametrize("content", [b"", b"\0", b'"', b"a,b\n1,2,3\n"])
def test_what_is_no_manifest_is_refused(tmp_path, content):
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(ValueError, match="manifest.csv: "):
        read_manifest(tmp_path / "manifest.csv")


# The digest of a subset


def test_the_digest_identifies_the_subset():
    subset = difficult()
    digest = manifest_digest(subset)
    assert digest == "24eab7927975"
    assert manifest_digest(subset.sample(frac=1, random_state=0)) == digest
    assert manifest_digest(subset.assign(path="/other/machine/" + subset.path)) == digest
    assert manifest_digest(subset[OLD_COLUMNS]) == digest
    for column in ("video_id", "label", "split", "group", "digest"):
        assert manifest_digest(subset.assign(**{column: subset[column] + "x"})) != digest
    for column in SPANS:
        assert manifest_digest(subset.assign(**{column: 1.0})) != digest
    assert manifest_digest(subset[1:]) != digest
    assert len(manifest_digest(subset.assign(video_id="caf\udce9"))) == 12


def test_the_digest_that_older_runs_recorded():
    """It does not depend on the bytes."""
    subset = difficult()
    assert manifest_digest(subset, version=1) == "853621dd6012"
    assert manifest_digest(subset.assign(digest="x", start=1.0), version=1) == "853621dd6012"


def test_a_named_pipe_is_no_manifest(tmp_path):
    os.mkfifo(tmp_path / "manifest.csv")
    with pytest.raises(ValueError, match="manifest.csv: must be a manifest, but is no regular file"):
        read_manifest(tmp_path / "manifest.csv")
