import dataclasses

import numpy as np
import pytest
from conftest import TINY_CONFIG, make_subset, prepare, write_good

from src.preprocessing.comparison import compare_stored
from src.store import ClipStore


@pytest.mark.parametrize("flow_source", ["store", "layer"])
def test_a_stored_clip_equals_a_fresh_one_but_for_jpeg(tmp_path, flow_source):
    subset = make_subset(write_good(tmp_path, 1))
    prepare(subset, tmp_path / "prepared", dataclasses.replace(TINY_CONFIG, flow_source=flow_source))
    found = compare_stored(tmp_path / "prepared", "good_0")
    assert found.is_same and found.label == "class 0"
    assert found.stored_frames.shape == found.fresh_frames.shape == (2, 48, 64, 3)
    assert found.stored_stacks.shape == found.fresh_stacks.shape == (2, 48, 64, 6)
    frames = np.abs(found.stored_frames.astype(int) - found.fresh_frames)
    assert frames.max() > 0 and frames.mean() < 10
    assert f"{frames.max()} at most, of 255" in str(found) and "byte for byte" in str(found)


def test_a_clip_that_was_altered_is_not_the_same(tmp_path):
    prepare(make_subset(write_good(tmp_path, 1)), tmp_path / "prepared")
    store = ClipStore(tmp_path / "prepared")
    [name] = store.names()
    frames = [store.folder / name / f"frame_{segment}.jpg" for segment in range(2)]
    content = frames[0].read_bytes()
    frames[0].write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    assert "other files than the stored ones" in str(compare_stored(tmp_path / "prepared", "good_0"))


def test_a_clip_that_is_not_stored_is_an_error(tmp_path):
    prepare(make_subset(write_good(tmp_path, 1)), tmp_path / "prepared")
    with pytest.raises(ValueError, match="no clip with video_id 'x' is stored"):
        compare_stored(tmp_path / "prepared", "x")
