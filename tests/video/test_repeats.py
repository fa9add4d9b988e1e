"""Repeats of a raised frame rate are dropped; motion and still scenes are not taken for them."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import moving_texture, write_video

from src.flow import compute_flow
from src.video.repeats import MAX_REPEATS, drop_repeats
from src.video.segments import read_segments

codecs = pytest.mark.parametrize(
    "fourcc, suffix", [("VP80", ".webm"), ("VP90", ".webm"), ("MJPG", ".avi"), ("mp4v", ".mp4")]
)


def kept(shown):
    """Indices kept of frames given by what they show: "aab" is two equal frames and another."""
    changes = [np.inf, *(10.0 * (before != after) for before, after in pairwise(shown))]
    return list(drop_repeats(zip(range(len(shown)), changes, strict=False)))


def kept_of(changes):
    """Number of frames kept, by their changes in grey levels after the first frame."""
    return len(list(drop_repeats(enumerate([np.inf, *changes]))))


def texture_at(speeds, height=72, width=96):
    """A texture that moves by `speeds`, px/frame, to the right."""
    places = np.round(4 * np.cumsum([0, *speeds])).astype(int)  # quarters of a pixel
    frames = moving_texture(places[-1] + 1, 0.25, 0, height, width)
    return frames[places]


# In videos


@pytest.mark.parametrize("rate", [24, 60])
@codecs
def test_a_raised_frame_rate_is_undone(tmp_path, fourcc, suffix, rate):
    source = moving_texture(40, 2, 1, 72, 96)
    shown = source[np.arange(40 * rate // 12) * 12 // rate]
    path = write_video(tmp_path / f"clip{suffix}", shown, rate, fourcc)
    flow = np.concatenate([compute_flow(segment.gray) for segment in read_segments(path, 3, 11, 72)])
    horizontal = np.median(flow[..., 0], axis=(1, 2))
    assert (horizontal < 1).mean() <= 0.1  # some key frames differ much from what they repeat; undetected: 0.5 to 0.8
    assert np.median(horizontal) == pytest.approx(2, abs=0.5)


@codecs
@pytest.mark.parametrize("u", [0.3, 6])
def test_motion_is_not_taken_for_repeats(tmp_path, fourcc, suffix, u):
    path = write_video(tmp_path / f"clip{suffix}", moving_texture(30, u, 0, 96, 128), fourcc=fourcc)
    assert all((np.diff(segment.indices) == 1).all() for segment in read_segments(path, 2, 11, 96))


def test_a_small_moving_object_is_motion(tmp_path):
    frames = np.repeat(moving_texture(1, 0, 0, 120, 160), 30, axis=0)
    moving = moving_texture(1, 0, 0, 16, 16, seed=1)[0]
    for index, frame in enumerate(frames):
        frame[50:66, 20 + 3 * index : 36 + 3 * index] = moving
    path = write_video(tmp_path / "clip.webm", frames)
    assert all((np.diff(segment.indices) == 1).all() for segment in read_segments(path, 2, 11, 120))


SPEEDS = {
    "slows down at once": [6] * 12 + [0.5] * 12,
    "slows down": np.linspace(6, 0.5, 24),
    "speeds up at once": [0.5] * 12 + [6] * 12,
    "speeds up": np.linspace(0.5, 6, 24),
    "comes to rest": [*np.linspace(6, 0.5, 12), *[0.5] * 12],
    "rests, then moves": [0, 0, 0, *[6] * 20],
    "swings": 4 * np.abs(np.cos(np.arange(24) / 4)),
}


@codecs
@pytest.mark.parametrize("speeds", SPEEDS.values(), ids=SPEEDS)
def test_motion_of_changing_speed_is_kept_with_its_flow(tmp_path, fourcc, suffix, speeds):
    speeds = np.round(4 * np.array(speeds)) / 4
    path = write_video(tmp_path / f"clip{suffix}", texture_at(speeds), 25, fourcc)
    (segment,) = read_segments(path, 1, len(speeds) + 1, 72)
    assert segment.indices == tuple(range(len(speeds) + 1))
    flow = np.median(compute_flow(segment.gray, "dis")[..., 0], axis=(1, 2))
    assert np.abs(flow - speeds).max() < 1


# Indices


@pytest.mark.parametrize("source_rate, rate", [(12, 30), (12, 24), (12, 60), (25, 30), (24, 30), (10, 30)])
def test_each_source_frame_is_kept_once(source_rate, rate):
    shown = [index * source_rate // rate for index in range(4 * rate)]
    assert [shown[index] for index in kept(shown)] == list(range(4 * source_rate))


@pytest.mark.parametrize(
    "shown, expected",
    [
        ("", []),
        ("a", [0]),
        ("abcabc", range(6)),
        ("aabbbcc", [0, 2, 5]),
        ("aab", range(3)),  # a rest at the start, and no other repeat
        ("abb", range(3)),
        ("a" * 20, range(20)),  # a still scene
        ("abbbbbc", [0, 1, 6]),
        ("abbbbbbc", range(8)),
        ("b" + "a" * 10 + "b", range(12)),
    ],
)
def test_runs_of_equal_frames_between_changes_are_dropped_up_to_four(shown, expected):
    assert kept(shown) == list(expected)


def test_a_change_is_judged_against_those_before_and_after_it():
    assert kept_of([10, 10, 1, 10, 10]) == 5
    assert kept_of([20, 20, 2, 10, 20]) == kept_of([20, 10, 2, 20, 20]) == 6
    assert kept_of([20, 20, 2, 2, 2, 2, 2, 2]) == kept_of([2, 2, 2, 2, 2, 2, 20, 20]) == 9
    assert kept_of([0.1, 0.5, 0.001, 0.5, 0.1]) == 6  # a still scene with noise
    assert kept_of([3, 3, 0.8, 3, 3]) == 5  # below the noise of a codec
    assert kept_of([3, 3, 0.8, 2, 3]) == kept_of([1.5, 0.9, 1.5]) + 2 == 6


def test_frames_come_as_soon_as_they_are_decided():
    read = []
    frames = drop_repeats((n, read.append(n) or change) for n, change in enumerate([np.inf, *[9] * 9, *[0.1] * 30]))
    assert [next(frames) for _ in range(8)] == list(range(8))  # of the first ones, what is before them is not known
    assert [(next(frames), len(read)) for _ in range(2)] == [(8, 9), (9, 10)]
    assert next(frames) == 10 and len(read) <= 10 + MAX_REPEATS + 1
