import numpy as np
import pandas as pd
import pytest
from conftest import TINY_CONFIG, TINY_COUNTS, TINY_NAMES

from src.inputs.data_set import read_clips
from src.sources import SPLITS
from src.store import Clip, ClipStore, read_prepared
from src.store.manifest import write_manifest


def copy_store(tiny_store, tmp_path, without=()):
    """The tiny store without the clips of some videos, as if these had failed."""
    table, store = read_prepared(tiny_store[0])
    (tmp_path / "config.json").write_text((store.root / "config.json").read_text())
    write_manifest(table, tmp_path / "manifest.csv")
    folder = ClipStore(tmp_path).folder
    folder.mkdir(parents=True)
    for name in table.clip_name[~table.video_id.isin(without)]:
        (folder / name).symlink_to(store.folder / name)
    return tmp_path


def test_class_names_are_ordered_by_class_index(tiny_store):
    clips, store, names = read_clips(tiny_store[0])
    assert names == TINY_NAMES and len(clips) == 3 * sum(TINY_COUNTS.values()) and store.config == TINY_CONFIG


def test_the_clip_of_the_recorded_bytes_is_read(tiny_store, tmp_path):
    """The store also holds a clip of another video with the same id."""
    root, name = copy_store(tiny_store, tmp_path), read_prepared(tiny_store[0])[0].clip_name[0]
    other = Clip(np.zeros((2, 48, 64, 3), np.uint8), np.full((2, 48, 64, 6), 128, np.uint8), [])
    ClipStore(root).write(f"{name.split('-')[0]}-{'0' * 16}", other, "0" * 16, ClipStore(root).make_staging())
    clips, store, _ = read_clips(root)
    assert len(clips) == len(tiny_store[1]) and clips.clip_name[0] == name
    assert store.read_frame(clips.clip_name[0], 0).any()


def failures(root, videos, reason="it is empty. Copy it again."):
    pd.DataFrame({"video_id": videos, "path": videos, "reason": reason}).to_csv(root / "failures.csv", index=False)


def test_failed_clips_are_left_out_and_class_indices_stay(tiny_store, tmp_path):
    subset = tiny_store[1]
    failed = subset.video_id[((subset.class_index == 0) & (subset.split == "test")) | (subset.index == 5)]
    root = copy_store(tiny_store, tmp_path, failed)
    failures(root, failed)
    with pytest.warns(UserWarning, match="None of the videos is stored: 'Holding something' in test. The results"):
        clips, _, names = read_clips(root)
    assert set(clips.video_id) == set(subset.video_id) - set(failed) and clips.index.tolist() == list(range(len(clips)))
    assert names == TINY_NAMES and set(clips.class_index[clips.split == "test"]) == {1, 2}


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_of_which_all_videos_failed_is_named_with_the_reason(tiny_store, tmp_path, split):
    failed = tiny_store[1].video_id[tiny_store[1].split == split]
    root = copy_store(tiny_store, tmp_path, failed)
    with pytest.raises(ValueError, match=f"none of the {len(failed)} {split} videos is stored, and failures.csv does"):
        read_clips(root)  # the job was interrupted
    failures(root, failed)
    message = f"all {len(failed)} {split} videos failed.*failures.csv has the reasons, first {failed.iloc[0]}: it is em"
    with pytest.raises(ValueError, match=message):
        read_clips(root)
    failures(root, failed[1:])
    with pytest.raises(ValueError, match=f"{len(failed) - 1} of {len(failed)} {split} videos failed to be read"):
        read_clips(root)


@pytest.mark.parametrize("content", [None, "", "x", "a,b\n1,2\n"])
def test_clips_that_are_missing_for_no_known_reason_are_named(tiny_store, tmp_path, content):
    subset = tiny_store[1]
    missing = subset.video_id[subset.index == 5]
    root = copy_store(tiny_store, tmp_path, missing)
    if content is not None:
        (root / "failures.csv").write_text(content)
    message = f"1 of {len(subset)} videos have no whole clip, and no reason in failures.csv: {missing.iloc[0]}. They"
    with pytest.warns(UserWarning, match=message):
        assert len(read_clips(root)[0]) == len(subset) - 1


def test_a_class_without_training_clips_is_named(tiny_store, tmp_path):
    subset = tiny_store[1]
    failed = subset.video_id[(subset.class_index == 1) & (subset.split == "train")]
    root = copy_store(tiny_store, tmp_path, failed)
    failures(root, failed)
    with pytest.raises(ValueError, match=f"all 4 training videos of class {TINY_NAMES[1]!r} failed.*it is empty"):
        read_clips(root)


@pytest.mark.parametrize(("split", "meaning"), [("validation", "the fusion is the average"), ("test", "of validation")])
def test_a_data_set_without_validation_or_test_is_read(tiny_store, tmp_path, split, meaning):
    root = copy_store(tiny_store, tmp_path)
    table = read_prepared(root)[0]
    write_manifest(table[table.split != split], root / "manifest.csv")
    with pytest.warns(UserWarning, match=f"no {split} clips .{split}_per_class=0.*{meaning}"):
        clips, _, names = read_clips(root)
    assert set(clips.split) == set(SPLITS) - {split} and names == TINY_NAMES


@pytest.mark.parametrize("splits", [["train"], ["validation", "test"], []])
def test_a_subset_without_what_training_needs_is_refused(tiny_store, tmp_path, splits):
    root = copy_store(tiny_store, tmp_path)
    table = read_prepared(root)[0]
    write_manifest(table[table.split.isin(splits)], root / "manifest.csv")
    with pytest.raises(ValueError, match=f"needs clips in train.*Received: {' and '.join(splits) or 'no clips'}"):
        read_clips(root)


def test_an_earlier_subset_is_read_by_name(tiny_store):
    root = tiny_store[0]
    (path,) = (root / "subsets").glob("*/*.csv")
    pd.testing.assert_frame_equal(read_clips(root, path.stem)[0], read_clips(root)[0])


def test_a_folder_that_was_never_prepared_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="Run preprocess_data.ipynb"):
        read_clips(tmp_path)
