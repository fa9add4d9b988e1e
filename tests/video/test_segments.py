"""Which frames a segment holds, and how much of a file is decoded and held for it."""

import cv2
import numpy as np
import pytest
from conftest import moving_texture, write_video

from src.flow import compute_flow
from src.video import segments
from src.video.reading import VideoError, read_frames
from src.video.repeats import MAX_REPEATS
from src.video.segments import hold_last, read_segments, read_window


@pytest.fixture(scope="module")
def webm(tmp_path_factory):
    """45 frames that move by (2, 1) px/frame, 64 × 48 pixels."""
    return write_video(tmp_path_factory.mktemp("videos") / "45.webm", moving_texture(45, 2, 1, 48, 64))


@pytest.fixture(scope="module")
def long_webm(tmp_path_factory):
    """400 frames that move by (1, 0) px/frame, 48 × 32 pixels."""
    return write_video(tmp_path_factory.mktemp("videos") / "400.webm", moving_texture(400, 1, 0, 32, 48))


def test_segments_are_consecutive_frames(webm):
    frames = read_frames(webm, 32)
    found = list(read_segments(webm, 3, 11, 32))
    assert [segment.indices for segment in found] == [tuple(range(first, first + 11)) for first in (2, 17, 32)]
    for indices, gray, frame, start in found:
        assert gray.dtype == frame.dtype == np.uint8 and gray.shape == (11, *frame.shape[:2])
        assert start == 0 and np.array_equal(frame, frames[indices[5]])
        as_gray = np.dot(frames[list(indices)], (0.299, 0.587, 0.114))
        assert np.abs(gray - as_gray).max() < 3  # converted before it is resized, or after: rounding


def test_a_longer_segment_has_its_window_in_the_middle(webm):
    windows = list(read_segments(webm, 3, 5, 48))
    for window, segment in zip(windows, read_segments(webm, 3, 5, 48, 15), strict=True):
        assert len(segment.indices) == 15 and segment.indices[segment.start :][:5] == window.indices
        assert np.array_equal(segment.gray[segment.start :][:5], window.gray)
        assert np.array_equal(segment.frame, window.frame)


@pytest.mark.parametrize("num_frames", [2, 3, 10, 11])
def test_a_short_clip_gives_all_its_frames(tmp_path, num_frames):
    path = write_video(tmp_path / "clip.webm", moving_texture(num_frames, 2, 1, 48, 64))
    frames = read_frames(path)
    found = list(read_segments(path, 3, 11, 48))
    assert len(found) == 3
    for segment in found:
        assert segment.indices == tuple(range(num_frames))
        assert segment.gray.shape == (num_frames, 48, 64)
        assert np.array_equal(segment.frame, frames[min(5, num_frames - 1)])


def test_a_still_beginning_does_not_hide_the_motion_after_it(tmp_path):
    moving = moving_texture(30, 2, 1, 48, 64)
    path = write_video(tmp_path / "clip.webm", np.concatenate([np.repeat(moving[:1], 30, axis=0), moving]))
    still, motion = (compute_flow(segment.gray)[..., 0] for segment in read_segments(path, 2, 11, 48))
    assert np.abs(np.median(still, axis=(1, 2))).max() < 0.1
    assert np.median(motion, axis=(1, 2)) == pytest.approx(2, abs=0.5)


def test_a_window_comes_from_the_middle_and_holds_its_last_frame(webm):
    frames = read_frames(webm)
    assert np.array_equal(read_window(webm, 5, 48, 64), frames[20:25])
    assert np.array_equal(read_window(webm, 47, 48, 64), frames[[*range(45), 44, 44]])
    assert read_window(webm, 5, 30, 30).shape == (5, 30, 30, 3)
    assert hold_last([1, 2], 4).tolist() == [1, 2, 2, 2]


# What is decoded and held


class CountingCapture(cv2.VideoCapture):
    made, grabs, retrieves = [], 0, 0

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.made.append(self)

    def grab(self):
        self.grabs += 1
        return super().grab()

    def retrieve(self):
        self.retrieves += 1
        return super().retrieve()


def test_a_file_is_decoded_once_up_to_its_last_segment_and_few_frames_are_converted(long_webm, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", CountingCapture)
    (segment,) = read_segments(long_webm, 1, 5, 32)
    packets, decoded = CountingCapture.made
    assert packets.retrieves == 0
    assert segment.indices == (198, 199, 200, 201, 202) and decoded.grabs == 203  # of 400 frames
    assert decoded.retrieves <= 5 * (MAX_REPEATS + 1) + 3


def test_few_frames_are_held_and_large_ones_at_the_stored_size(long_webm, monkeypatch):
    expected = [segment.frame for segment in read_segments(long_webm, 10, 3, 24)]
    monkeypatch.setattr("src.video.repeats.HELD_BYTES", 32 * 48 * 3 - 1)
    held, find_repeats = [], segments.find_repeats
    monkeypatch.setattr(segments, "find_repeats", lambda *given: held.append(given[2]) or find_repeats(*given))
    assert np.array_equal([segment.frame for segment in read_segments(long_webm, 10, 3, 24)], expected)
    assert {frame.image.shape for frame in held[0].values()} == {(24, 36, 3)}
    assert len(held[0]) <= 3 * (MAX_REPEATS + 1)  # of some 300 that are converted


def test_no_segment_spans_frames_that_were_skipped(long_webm, monkeypatch):
    """Decoding ends at frame 327; the segment at 340, which needs frames 325 to 355, must not reach back over a gap."""
    decode = segments.decode
    ends_early = lambda *given: (pair for pair in decode(*given) if pair[0] < 327)  # noqa: E731
    monkeypatch.setattr(segments, "decode", ends_early)
    found = read_segments(long_webm, 10, 3, 32)
    with pytest.raises(VideoError, match="damaged: frames that a segment needs cannot be decoded"):
        for segment in found:
            assert (np.diff(segment.indices) == 1).all()
