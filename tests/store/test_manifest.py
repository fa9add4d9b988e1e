"""What a prepared folder records of its subsets."""

import numpy as np
import pandas as pd
import pytest
from conftest import make_subset

from src.config import ClipConfig
from src.sources import COLUMNS
from src.store.clip_store import ClipStore, clip_name
from src.store.encoding import Clip
from src.store.manifest import manifest_digest, read_manifest, read_prepared, record_subset, write_manifest

CONFIG = ClipConfig(short_side=48, num_segments=1, flow_length=2)
STRANGE = [  # paths that exist; the first is Latin-1, in Python's form of bytes that are not UTF-8
    *("videos/caf\udce9.webm", "videos/two\nlines.webm", "videos/carriage\rreturn.webm", "videos/both\r\n.webm"),
    *("videos/ends in one\r", "\nvideos/begins with one", 'videos/"quoted", and more.webm', "videos/ blanks .webm "),
    *("videos/#, ; and \ttab.webm", "videos/\u2028手.webm", "NA"),
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
    return table[[*COLUMNS, "digest"]]


def with_digests(count):
    videos = [(f"clip {index}", f"videos/{index}.webm") for index in range(count)]
    return make_subset(videos).assign(digest=[f"a{index}" for index in range(count)])


@pytest.fixture
def store(tmp_path):
    store = ClipStore(tmp_path, CONFIG)
    store.prepare()
    return store


# One file


def test_manifest_round_trip(tmp_path):
    table, path = difficult(), tmp_path / "new" / "manifest.csv"
    table.loc[: len(STRANGE) - 1, "path"] = STRANGE
    table.loc[:1, "digest"] = ["1e5", ""]
    write_manifest(table.assign(clip_name="not written"), path)
    pd.testing.assert_frame_equal(read_manifest(path), table)
    assert "café".encode() in path.read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns=["group", "path"]), "Missing: path, group"),
        (lambda table: table.drop(columns="digest"), "Missing: digest. Write it again with preprocess_data.ipynb"),
        (lambda table: table.assign(split="tset"), "split must be one of train.*16 rows"),
        (lambda table: table.assign(class_index="x"), "class_index a number"),
        (lambda table: table.assign(group="g"), "A group must be in one split"),
    ],
)
def test_an_invalid_manifest_is_refused(tmp_path, change, message):
    change(difficult()).to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.raises(ValueError, match=message):
        read_manifest(tmp_path / "manifest.csv")


# The name of a subset


def test_the_digest_identifies_the_subset():
    subset = difficult()
    digest = manifest_digest(subset)
    assert digest == "853621dd6012"
    assert manifest_digest(subset.sample(frac=1, random_state=0)) == digest
    assert manifest_digest(subset.assign(path="/other/machine/" + subset.path)) == digest
    for column in ("video_id", "label", "split", "group"):
        assert manifest_digest(subset.assign(**{column: subset[column] + "x"})) != digest
    assert manifest_digest(subset[1:]) != digest
    assert len(manifest_digest(subset.assign(video_id="caf\udce9"))) == 12


# A prepared folder


def test_every_subset_is_recorded_and_the_last_one_is_current(store, tmp_path):
    first, second = with_digests(2), with_digests(3)
    for subset in (first, second, first):
        record_subset(subset, store)
    recorded = [read_manifest(path) for path in (tmp_path / "subsets" / CONFIG.key).iterdir()]
    for subset, found in zip((first, second), sorted(recorded, key=len), strict=True):
        pd.testing.assert_frame_equal(found, subset, check_dtype=False)
    pd.testing.assert_frame_equal(read_manifest(tmp_path / "manifest.csv"), first, check_dtype=False)


def test_what_is_prepared_is_read_back(store, tmp_path):
    subset = with_digests(3)
    record_subset(subset, store)
    clip = Clip(np.zeros((1, 48, 48, 3), np.uint8), np.full((1, 48, 48, 4), 128, np.uint8), [(0, 1, 2)])
    names = [clip_name(f"clip {index}", f"a{index}") for index in range(3)]
    for name in (names[0], names[2], clip_name("clip 1", "another")):
        store.write(name, clip, "", store.make_staging())
    table, found = read_prepared(tmp_path)
    assert found.config == CONFIG and found.root == tmp_path
    assert table.clip_name.tolist() == names
    assert table.stored.tolist() == [True, False, True]  # a clip of other bytes does not count
    pd.testing.assert_frame_equal(table[[*COLUMNS, "digest"]], subset, check_dtype=False)
