"""The subsets that a prepared folder records, by name."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import make_subset

from src.config import ClipConfig
from src.fingerprint import Choice
from src.sample import write_sample
from src.store.clip_store import ClipStore, clip_name
from src.store.encoding import Clip
from src.store.manifest import name_clips, read_manifest, with_spans
from src.store.records import forget_subset, list_subsets, read_choice, read_prepared, read_subset, record_subset
from src.subsets.classes import class_sets

CONFIG = ClipConfig(short_side=48, num_segments=1, flow_length=2)
OTHER = ClipConfig(short_side=32, num_segments=1, flow_length=2)


def with_digests(count):
    videos = [(f"clip {index}", f"videos/{index}.webm") for index in range(count)]
    return with_spans(make_subset(videos)).assign(digest=[f"{index:016x}" for index in range(count)])


@pytest.fixture
def store(tmp_path):
    store = ClipStore(tmp_path, CONFIG)
    store.prepare()
    return store


def assert_equal(table, subset):
    pd.testing.assert_frame_equal(table[list(subset)], subset, check_dtype=False)


def test_every_subset_is_recorded_and_the_last_one_is_current(store, tmp_path):
    first, second = with_digests(2), with_digests(3)
    names = [record_subset(subset, store) for subset in (first, second, first)]
    assert names[0] == names[2] != names[1] and re.fullmatch("videos-2-classes-2-clips-[0-9a-f]{6}", names[0])
    assert_equal(read_subset(tmp_path, names[0]), first)
    assert_equal(read_subset(tmp_path, names[1]), second)
    assert_equal(read_manifest(tmp_path / "manifest.csv"), first)
    table = list_subsets(tmp_path).set_index("name")
    assert list(table) == ["prepared", "classes", "train", "validation", "test", "parameters", "current"]
    assert table.loc[names, ["classes", "train", "test"]].to_numpy().tolist() == [[2, 2, 0], [2, 3, 0], [2, 2, 0]]
    assert table.current.to_dict() == {names[0]: True, names[1]: False}


def test_the_name_says_which_set_of_classes_and_which_splits_were_chosen(store, tmp_path):
    """Also when a recorded subset is prepared again."""
    labels = sorted(class_sets()["camera"])
    subset = with_digests(6).assign(label=labels, class_index=range(6))
    by_objects = subset.assign(group="objects: cup")
    for table, start in ((subset, "videos-camera"), (by_objects, "videos-camera-by-objects")):
        name = record_subset(table, store)
        assert re.fullmatch(f"{start}-6-classes-6-clips-[0-9a-f]{{6}}", name)
        assert record_subset(read_subset(tmp_path, name), store) == name
        assert read_prepared(tmp_path)[0].attrs["subset"] == name
    part = subset[:5]
    assert record_subset(part, store).startswith("videos-5-classes-5-clips-")


def test_what_is_prepared_is_read_back(store, tmp_path):
    subset = with_digests(3)
    name = record_subset(subset, store)
    clip = Clip(np.zeros((1, 48, 48, 3), np.uint8), np.full((1, 48, 48, 4), 128, np.uint8), [(0, 1, 2)])
    names = name_clips(subset).clip_name.tolist()
    for written in (names[0], names[2], clip_name("clip 1", "f" * 16)):
        store.write(written, clip, "", store.make_staging())
    record_subset(with_digests(1), store)  # by another job
    for handle, count in ((name, 3), (None, 1)):
        table, found = read_prepared(tmp_path, handle)
        assert found.config == CONFIG and found.root == tmp_path
        assert table.clip_name.tolist() == names[:count]
        assert table.stored.tolist() == [True, False, True][:count]  # a clip of other bytes does not count
        assert_equal(table, subset[:count])
    assert read_prepared(tmp_path, name)[0].attrs["subset"] == name
    assert read_prepared(tmp_path)[0].attrs["subset"] == list_subsets(tmp_path).name.iloc[-1]


def test_a_name_stands_for_one_table_of_one_configuration(store, tmp_path):
    """Two jobs on one folder do not see each other's subset."""
    other = ClipStore(tmp_path, OTHER)
    other.prepare()
    subset = with_digests(2)
    replaced = subset.assign(digest="f" * 16)
    names = [record_subset(table, into) for table in (subset, replaced) for into in (store, other)]
    assert len(set(names)) == 4
    assert [read_prepared(tmp_path, name)[1].config for name in names] == [CONFIG, OTHER] * 2
    assert read_prepared(tmp_path, names[0])[0].digest.tolist() == subset.digest.tolist()
    assert record_subset(subset, store, "mine") == record_subset(subset, store, "mine") == "mine"
    for table, into in ((replaced, store), (subset, other)):
        with pytest.raises(ValueError, match="'mine' is that of another subset"):
            record_subset(table, into, "mine")
    assert_equal(read_subset(tmp_path, "mine"), subset)


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "-x", "a/b", "../x", "a\nb", "a\0b", "x" * 101, 7])
def test_a_name_that_is_no_file_name_is_refused(store, tmp_path, name):
    with pytest.raises(ValueError, match="plain file name"):
        record_subset(with_digests(1), store, name)
    assert list_subsets(tmp_path).empty


def test_a_forgotten_subset_is_not_there(store, tmp_path):
    first, second = (record_subset(with_digests(count), store) for count in (2, 3))
    forget_subset(tmp_path, first)
    assert list_subsets(tmp_path).name.tolist() == [second]
    for use in (forget_subset, read_subset, read_prepared):
        with pytest.raises(FileNotFoundError, match=f"no subset '{first}'. Prepared there: '{second}'"):
            use(tmp_path, first)
    forget_subset(tmp_path, second)
    assert list_subsets(tmp_path).empty
    with pytest.raises(FileNotFoundError, match="no subset is the current one. Prepared there: none"):
        read_prepared(tmp_path)


def test_the_record_of_an_older_version_is_read(store, tmp_path):
    record_subset(with_digests(2), store, "853621dd6012")
    (tmp_path / "manifest.csv").rename(tmp_path / "subsets" / "x.csv")
    assert list_subsets(tmp_path).name.tolist() == ["853621dd6012"]


def test_a_file_of_the_users_is_not_written_over(store, tmp_path):
    (tmp_path / "manifest.csv").write_text("path,label\na.webm,run\n")
    with pytest.raises(ValueError, match=r"manifest\.csv: must have the first line .*not written over"):
        record_subset(with_digests(1), store)
    assert list_subsets(tmp_path).empty and (tmp_path / "manifest.csv").read_text().startswith("path,label")


def test_a_subset_of_the_sample_is_called_so(tmp_path):
    """Not after the folder of its videos, which has the name of another data set."""
    folder = write_sample(tmp_path / "download", 1, 0, 0, workers=1)
    videos = [(path.stem, path) for path in sorted(folder.glob("*/*.webm"))]
    store = ClipStore(tmp_path / "prepared", CONFIG)
    store.prepare()
    subset = with_spans(make_subset(videos)).assign(digest="0" * 16)
    assert record_subset(subset, store).startswith("sample-2-classes-12-clips-")


def make_choice(reason="why"):
    rows = [
        ("short_side", 48, "chosen", reason),
        ("flow_bound", 2.5, "given", "é"),
        ("flow_algorithm", "dis", "given", ""),
    ]
    return Choice(CONFIG, pd.DataFrame(rows, columns=["parameter", "value", "origin", "reason"]))


def test_the_parameters_and_their_reasons_are_recorded_once(store, tmp_path):
    name = record_subset(with_digests(2), store, choice=make_choice())
    choice = read_choice(tmp_path, name)
    assert choice.config == CONFIG
    pd.testing.assert_frame_equal(choice.reasons, make_choice().reasons, check_dtype=False)
    record_subset(with_digests(2), store, choice=make_choice("another"))
    record_subset(with_digests(2), store)
    assert read_choice(tmp_path, name).reasons.reason[0] == "why"
    assert list_subsets(tmp_path).name.tolist() == [name]
    forget_subset(tmp_path, name)
    assert not list((tmp_path / "subsets").rglob("*.*"))


def test_the_parameters_of_subsets_that_were_recorded_without(store, tmp_path):
    name = record_subset(with_digests(2), store)
    choice = read_choice(tmp_path, name)
    assert choice.config == CONFIG and choice.reasons.empty
    (store.folder / "config.json").unlink()
    assert read_choice(tmp_path, name) is None
    with pytest.raises(FileNotFoundError, match="there is no subset 'x'"):
        read_choice(tmp_path, "x")


def test_a_file_of_parameters_that_is_not_ours_is_named(store, tmp_path):
    name = record_subset(with_digests(2), store, choice=make_choice())
    (path,) = (tmp_path / "subsets").rglob("*.json")
    for content in ("[]", "no JSON", '{"config": {}, "reasons": []}', '{"config": 1}'):
        path.write_text(content)
        with pytest.raises(ValueError, match="must hold the parameters of the subset"):
            read_choice(tmp_path, name)
