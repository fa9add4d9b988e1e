"""Networks that know the order of segments score the newest window with those before it, as if all came at once."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from conftest import TINY_CONFIG, TINY_NAMES, TINY_TRAINING, moving_texture, write_video
from keras import layers

from models.consensus import build_clip_network
from models.temporal_shift import TemporalShift
from models.two_stream import build_two_stream
from src.inference.prediction import score_clip
from src.inference.recent_windows import RecentWindows
from src.inference.sliding_window import predict_stream
from src.preprocessing import extract_clip

SEGMENTS, CROPS = 3, 3
CLIP = replace(TINY_CONFIG, num_segments=SEGMENTS)


def make_config(shift, crops=CROPS):
    return replace(TINY_TRAINING, consensus="ordered", temporal_shift=shift, test_crops=crops)


def make_two_stream(shift, segments=SEGMENTS):
    """Ordered streams with random weights, whose scores are far from 0 and 1."""
    keras.utils.set_random_seed(0)
    streams, size = [], TINY_TRAINING.crop_size
    for name, channels in (("spatial", 3), ("temporal", CLIP.stack_channels)):
        inputs = keras.Input((size, size, channels), dtype="uint8")
        x = layers.Conv2D(16, 5, strides=4, activation="relu")(layers.Rescaling(1 / 40, -3)(inputs))
        x = TemporalShift(segments)(x) if shift else x
        x = layers.Flatten()(layers.Conv2D(8, 3, activation="relu")(x))
        body = keras.Model(inputs, x, name="body")
        streams.append(build_clip_network(body, 3, segments, "ordered", 0.5, False, name))
    return build_two_stream(*streams)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """24 frames, of which no two are alike: 21 windows."""
    path = tmp_path_factory.mktemp("videos") / "changing.webm"
    return write_video(path, np.concatenate([moving_texture(8, 2, v, 48, 64, seed=v) for v in range(3)]))


@pytest.fixture(scope="module")
def windows(video):
    """(middle frames, frames, stacks) of all windows."""
    clip = extract_clip(video, replace(CLIP, num_segments=24))
    return [window[1] for window in clip.indices], clip.frames, clip.stacks


EVEN = {1: [1, 1, 1], 5: [1, 1, 5], 7: [1, 3, 7], 13: [5, 9, 13]}  # newest middle frame → those of the segments
UNEVEN = {10: [1, 7, 10], 19: [10, 16, 19]}  # the nearest to 2 and 6, and to 11 and 15


@pytest.mark.parametrize(
    "shift, step, spacing, cases", [(False, 2, 4, EVEN), (False, 3, 4, UNEVEN), (True, 2, 4, EVEN)]
)
def test_scores_are_those_of_all_windows_at_once(video, windows, shift, step, spacing, cases):
    config, two_stream, (indices, frames, stacks) = make_config(shift), make_two_stream(shift), windows
    moments = predict_stream(video, two_stream, TINY_NAMES, CLIP, config, step, spacing)
    moments = {moment.index: moment for moment in moments}
    for newest, middles in cases.items():
        assert moments[newest].first[0] == middles[0] and moments[newest].middle[0] == (middles[0] + newest) // 2
        places = [indices.index(middle) for middle in middles]
        for order, same in ((places, True), (places[::-1], len(set(places)) == 1)):
            expected = score_clip(frames[order], stacks[order], two_stream, TINY_NAMES, CLIP, config)
            for stream, scores in expected.items():
                assert (np.abs(moments[newest].scores[stream] - scores).max() < 1e-5) == same


def score_windows(count, two_stream, config, segments=SEGMENTS, step=2, spacing=5):
    """Scores windows of noise; yields how many windows are kept."""
    recent = RecentWindows(two_stream, TINY_NAMES, replace(CLIP, num_segments=segments), config, spacing)
    generator = np.random.default_rng(0)
    for index in range(0, count * step, step):
        frame, stack = (generator.integers(0, 256, (48, 64, n), np.uint8) for n in (3, CLIP.stack_channels))
        recent.score(index, frame, stack)
        yield len(recent._kept)


@pytest.mark.parametrize("segments", [2, 6])
def test_bodies_run_once_for_a_window_however_many_segments_a_clip_has(segments, monkeypatch):
    given, predict = [], keras.Model.predict_on_batch
    monkeypatch.setattr(
        keras.Model, "predict_on_batch", lambda model, x: given.append((model.name, len(x))) or predict(model, x)
    )
    two_stream = make_two_stream(False, segments)
    assert len(list(score_windows(5, two_stream, make_config(False), segments))) == 5
    assert given == 5 * [("body", CROPS), ("body", CROPS), ("head", CROPS), ("head", CROPS)]


@pytest.mark.parametrize("shift", [False, True])
def test_no_more_windows_are_kept_than_lie_in_a_clip(shift):
    """10 frames between the first and the last segment, and a window every 2 frames."""
    kept = list(score_windows(20, make_two_stream(shift), make_config(shift, crops=1)))
    assert kept == [1, 2, 3, 4, 5] + 15 * [6]


def test_networks_that_average_keep_the_newest_window_alone(two_stream):
    assert list(score_windows(3, two_stream, TINY_TRAINING)) == [1, 1, 1]
