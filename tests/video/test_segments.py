"""Which frames a segment holds, and how much of a file is decoded and held for it."""

import weakref
from functools import partial

import numpy as np
import pytest
from conftest import moving_texture, write_video
from write_videos import encode, garbled

from src.flow import compute_flow
from src.video import Excerpt, file_reader, segments
from src.video.file_reader import FileReader
from src.video.reading import count_frames, read_frames
from src.video.repeats import LOOK_AHEAD, MAX_REPEATS
from src.video.segments import pad_window, read_segments, read_windows


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
        assert np.array_equal(segment.frame, frames[(num_frames - 1) // 2])


def test_a_still_beginning_does_not_hide_the_motion_after_it(tmp_path):
    moving = moving_texture(30, 2, 1, 48, 64)
    path = write_video(tmp_path / "clip.webm", np.concatenate([np.repeat(moving[:1], 30, axis=0), moving]))
    still, motion = (compute_flow(segment.gray)[..., 0] for segment in read_segments(path, 2, 11, 48))
    assert np.abs(np.median(still, axis=(1, 2))).max() < 0.1
    assert np.median(motion, axis=(1, 2)) == pytest.approx(2, abs=0.5)


def test_windows_come_from_the_middles_of_segments_and_are_extended_on_both_sides(webm):
    frames = read_frames(webm)
    assert np.array_equal(read_windows(webm, 1, 5, 48, 64), frames[None, 20:25])
    assert np.array_equal(read_windows(webm, 1, 47, 48, 64), frames[None, [0, *range(45), 44]])
    windows = [frames[list(segment.indices)] for segment in read_segments(webm, 6, 9, 48)]  # which overlap
    assert np.array_equal(read_windows(webm, 6, 9, 48, 64), windows)
    assert read_windows(webm, 2, 5, 30, 30).shape == (2, 5, 30, 30, 3)
    assert pad_window([1, 2], 4).tolist() == [1, 1, 2, 2]
    assert pad_window([1, 2, 3], 8).tolist() == [1, 1, 1, 2, 3, 3, 3, 3]


# What is decoded and held


def test_a_file_is_decoded_once_to_its_end_and_few_frames_are_converted(long_webm, monkeypatch):
    decoded, converted = [], []
    decode, convert = file_reader.decode_packet, FileReader._convert
    monkeypatch.setattr(file_reader, "decode_packet", lambda packet: decoded.append(packet.size) or decode(packet))
    monkeypatch.setattr(FileReader, "_convert", lambda *given: converted.append(1) or convert(*given))
    (segment,) = read_segments(long_webm, 1, 5, 32)
    assert segment.indices == (198, 199, 200, 201, 202)
    assert sum(size > 0 for size in decoded) == 400
    assert len(converted) <= 5 * (MAX_REPEATS + 1) + LOOK_AHEAD + 3 + 1  # what is shown is converted twice


def test_few_frames_are_held_and_large_ones_at_the_stored_size(long_webm, monkeypatch):
    expected = [segment.frame for segment in read_segments(long_webm, 10, 3, 24)]
    monkeypatch.setattr("src.video.repeats.HELD_BYTES", 32 * 48 * 3 // 2 - 1)
    alive, most, shapes, measure = set(), [], set(), segments.measure_changes

    def watched(*given):
        for frame, change in measure(*given):
            alive.add(frame.index)
            shapes.add(frame.image().shape)
            weakref.finalize(frame.image, alive.discard, frame.index)
            most.append(len(alive))
            yield frame, change

    monkeypatch.setattr(segments, "measure_changes", watched)
    assert np.array_equal([segment.frame for segment in read_segments(long_webm, 10, 3, 24)], expected)
    assert shapes == {(24, 36, 3)}
    assert len(most) > 200 and max(most) <= 3 + LOOK_AHEAD + 2


@pytest.mark.parametrize("surplus", [0, 1, 2, 5])
def test_segments_are_placed_by_the_frames_that_decode(tmp_path, surplus):
    """At the end are packets that hold no frame."""
    frames = moving_texture(30 + surplus, 2, 1, 48, 64)
    alter = partial(garbled, range(30, 30 + surplus))
    path = encode(tmp_path / "clip.avi", "mjpeg", frames, "yuvj420p", full_range=True, alter=alter)
    assert FileReader(Excerpt.of(path)).estimate() == 30 + surplus
    assert count_frames(path) == 30
    found = [segment.indices for segment in read_segments(path, 3, 5, 48)]
    assert found == [tuple(range(first, first + 5)) for first in (3, 13, 23)]
