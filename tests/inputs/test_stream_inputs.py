import numpy as np
import pytest
from conftest import moving_texture, write_video

from src.config import ClipConfig, TrainConfig
from src.inputs.stream_inputs import StreamInputs
from src.preprocessing import extract_clip
from src.store import ClipStore

CONFIG = TrainConfig(crop_size=32)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Grey frames of one clip that moves by (2, 1), nine for windows of five."""
    root = tmp_path_factory.mktemp("frames")
    path = write_video(root / "clip.webm", moving_texture(40, 2, 1, 48, 64))
    store = ClipStore(root / "store", ClipConfig(short_side=48, num_segments=1, flow_length=4, flow_source="layer"))
    store.prepare()
    store.write("clip", extract_clip(path, store.config), "digest", store.make_staging())
    return store


def test_a_window_starts_where_asked_or_in_the_middle(store):
    inputs = StreamInputs(store, "temporal", CONFIG)
    frames, middle = store.read_segment("clip", 0)
    assert frames.shape == (9, 48, 64) and middle == 2
    np.testing.assert_array_equal(inputs.read("clip", 0), frames[2:7])
    np.testing.assert_array_equal(inputs.read("clip", 0, backwards=True), frames[2:7][::-1])
    for start, first in ((0.0, 0), (0.35, 1), (0.999, 4)):
        np.testing.assert_array_equal(inputs.read("clip", 0, start=start), frames[first : first + 5])


def test_a_window_is_changed_after_it_was_reversed(store):
    inputs = StreamInputs(store, "temporal", CONFIG, change=lambda window: window[:1])
    np.testing.assert_array_equal(inputs.read("clip", 0, backwards=True), store.read_segment("clip", 0)[0][6:7])


@pytest.mark.parametrize("stream, method", [("spatial", "read_frame"), ("temporal", "read_segment")])
def test_segments_are_decoded_once_while_there_is_memory(store, stream, method, monkeypatch):
    calls, read = [], getattr(ClipStore, method)
    monkeypatch.setattr(ClipStore, method, lambda *where: calls.append(where) or read(*where))
    for cache, expected in ((True, 1), (False, 3)):
        calls.clear()
        inputs = StreamInputs(store, stream, CONFIG, cache=cache)
        for _ in range(3):
            inputs.read("clip", 0)
        assert len(calls) == expected
