"""Repeats of a raised frame rate are dropped; motion and still scenes are not taken for them."""

import numpy as np
import pytest
from conftest import moving_texture, write_video

from src.flow import compute_flow
from src.video.repeats import drop_repeats
from src.video.segments import read_segments

codecs = pytest.mark.parametrize(
    "fourcc, suffix", [("VP80", ".webm"), ("VP90", ".webm"), ("MJPG", ".avi"), ("mp4v", ".mp4")]
)


def kept(shown):
    """Indices kept of frames given by what they show: "aab" is two equal frames and another."""
    return list(drop_repeats((i, i > 0 and shown[i] == shown[i - 1]) for i in range(len(shown))))


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


# Indices


@pytest.mark.parametrize("source_rate, rate", [(12, 30), (12, 24), (12, 60), (25, 30), (24, 30), (10, 30)])
def test_each_source_frame_is_kept_once(source_rate, rate):
    shown = [index * source_rate // rate for index in range(4 * rate)]
    assert [shown[index] for index in kept(shown)] == list(range(4 * source_rate))


@pytest.mark.parametrize(
    "shown, expected",
    [
        ("", []),
        ("abcabc", range(6)),
        ("aabbbc", [0, 2, 5]),
        ("a" * 20, [0, *range(5, 20)]),  # a still scene
        ("b" + "a" * 10 + "b", [0, 1, *range(6, 12)]),
    ],
)
def test_the_first_of_equal_frames_is_kept_and_those_after_four_repeats(shown, expected):
    assert kept(shown) == list(expected)
