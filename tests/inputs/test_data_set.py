import numpy as np
import pytest
from conftest import TINY_CONFIG, TINY_COUNTS, TINY_NAMES

from src.inputs.data_set import read_clips
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


def test_failed_clips_are_left_out_and_class_indices_stay(tiny_store, tmp_path):
    subset = tiny_store[1]
    failed = subset.video_id[(subset.class_index == 0) | (subset.index == 5)]
    clips, _, names = read_clips(copy_store(tiny_store, tmp_path, failed))
    assert set(clips.video_id) == set(subset.video_id) - set(failed) and clips.index.tolist() == list(range(len(clips)))
    assert names == TINY_NAMES and set(clips.class_index) == {1, 2}


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_split_without_clips_is_refused(tiny_store, tmp_path, split):
    subset = tiny_store[1]
    with pytest.raises(ValueError, match=f"'{split}' has none"):
        read_clips(copy_store(tiny_store, tmp_path, subset.video_id[subset.split == split]))


def test_a_folder_that_was_never_prepared_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="Run preprocess_data.ipynb"):
        read_clips(tmp_path)
