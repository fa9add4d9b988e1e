"""Frames come back as they were written. Files that cannot be used are in test_bad_videos.py."""

import numpy as np
import pytest
from conftest import moving_texture, write_video

from src.video.reading import count_frames, read_frames
from src.video.rules import VideoError, stored_size
from src.video.segments import read_segments


@pytest.mark.parametrize("fourcc, suffix", [("VP80", ".webm"), ("VP90", ".webm"), ("MJPG", ".avi"), ("mp4v", ".mp4")])
def test_frames_come_back(tmp_path, fourcc, suffix):
    frames = moving_texture(20, 2, 1, 48, 64)
    path = write_video(tmp_path / f"clip{suffix}", frames, fourcc=fourcc)
    found = read_frames(path)
    assert found.shape == frames.shape and found.dtype == np.uint8
    assert count_frames(path) == 20
    assert np.abs(found.astype(int) - frames).mean() < 8


@pytest.mark.parametrize(
    "height, width, short_side, expected",
    [(48, 64, 32, (32, 43)), (48, 64, 72, (72, 96)), (64, 48, 32, (43, 32)), (50, 118, 32, (32, 76))],
)
def test_frames_have_the_stored_size(tmp_path, height, width, short_side, expected):
    path = write_video(tmp_path / "clip.webm", moving_texture(4, 0, 0, height, width))
    assert stored_size(height, width, short_side) == expected
    assert read_frames(path, short_side).shape == (4, *expected, 3)


def test_the_given_indices_are_read(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(20, 2, 1, 48, 64))
    assert np.array_equal(read_frames(path, 24, indices=[3, 11]), read_frames(path, 24)[[3, 11]])


def test_a_relative_path_is_not_taken_for_a_protocol(tmp_path, monkeypatch):
    write_video(tmp_path / "1.webm", moving_texture(3, 2, 1, 48, 64)).rename(tmp_path / "concat:a|b.webm")
    monkeypatch.chdir(tmp_path)
    assert count_frames("concat:a|b.webm") == 3


@pytest.mark.parametrize("seed", range(4))
def test_overwritten_bytes_give_frames_or_a_reason(tmp_path, seed):
    path, generator = tmp_path / "clip.webm", np.random.default_rng(seed)
    data = bytearray(write_video(path, moving_texture(45, 2, 1, 48, 64)).read_bytes())
    for start in generator.integers(300, len(data) - 100, 5):
        data[start : start + 50] = generator.bytes(50)
    path.write_bytes(data)
    try:
        assert len(list(read_segments(path, 3, 11, 48))) == 3
    except VideoError as error:
        assert str(path) in str(error)
