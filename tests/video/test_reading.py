"""Frames come back as they were written. Files that cannot be used are in test_bad_videos.py."""

import numpy as np
import pytest
from conftest import moving_texture, write_video

from src.flow import compute_flow
from src.video.reading import VideoError, count_frames, read_frames, stored_size
from src.video.segments import read_segments

CODECS = [("VP80", ".webm"), ("VP90", ".webm"), ("MJPG", ".avi"), ("mp4v", ".mp4")]


@pytest.mark.parametrize("fourcc, suffix", CODECS)
def test_frames_come_back(tmp_path, fourcc, suffix):
    frames = moving_texture(20, 2, 1, 48, 64)
    path = write_video(tmp_path / f"clip{suffix}", frames, fourcc=fourcc)
    found = read_frames(path)
    assert found.shape == frames.shape and found.dtype == np.uint8
    assert count_frames(path) == 20
    assert np.abs(found.astype(int) - frames).mean() < 8


@pytest.mark.parametrize("fourcc, suffix", CODECS)
@pytest.mark.parametrize("colour", [(220, 20, 20), (20, 20, 220)])
def test_red_stays_red(tmp_path, fourcc, suffix, colour):
    frames = np.broadcast_to(np.uint8(colour), (5, 48, 64, 3))
    path = write_video(tmp_path / f"clip{suffix}", frames, fourcc=fourcc)
    assert np.abs(read_frames(path).mean(axis=(0, 1, 2)) - colour).max() < 12
    segment = next(read_segments(path, 1, 3, 32))
    assert np.abs(segment.frame.mean(axis=(0, 1)) - colour).max() < 12
    assert np.abs(segment.gray.mean() - np.dot(colour, (0.299, 0.587, 0.114))) < 12


@pytest.mark.parametrize(
    "height, width, short_side, expected",
    [
        (240, 320, 128, (128, 171)),
        (240, 427, 256, (256, 455)),
        (320, 240, 128, (171, 128)),
        (100, 100, 128, (128, 128)),
        (1, 3, 2, (2, 6)),
    ],
)
def test_stored_size(height, width, short_side, expected):
    assert stored_size(height, width, short_side) == expected


@pytest.mark.parametrize("height, width", [(48, 64), (64, 48), (50, 118)])
def test_frames_have_the_stored_size(tmp_path, height, width):
    path = write_video(tmp_path / "clip.webm", moving_texture(4, 0, 0, height, width))
    for short_side in (32, 64):  # smaller and larger than the file
        found = read_frames(path, short_side)
        assert found.shape == (4, *stored_size(height, width, short_side), 3)
        assert min(found.shape[1:3]) == short_side


def test_motion_keeps_its_direction_in_a_portrait_video(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(5, 0, 3, 96, 48))
    assert np.median(compute_flow(read_frames(path)), axis=(0, 1, 2)) == pytest.approx([0, 3], abs=0.5)


def test_the_given_indices_are_read(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(20, 2, 1, 48, 64))
    assert np.array_equal(read_frames(path, 24, indices=[3, 11]), read_frames(path, 24)[[3, 11]])


def test_a_relative_path_is_not_taken_for_a_protocol(tmp_path, monkeypatch):
    write_video(tmp_path / "1.webm", moving_texture(3, 2, 1, 48, 64)).rename(tmp_path / "concat:a|b.webm")
    monkeypatch.chdir(tmp_path)
    assert count_frames("concat:a|b.webm") == 3


@pytest.mark.parametrize("read", [count_frames, read_frames])
def test_a_file_that_is_not_a_video_is_named(tmp_path, read):
    (tmp_path / "clip 1.webm").write_text("not a video")
    with pytest.raises(VideoError, match=r"clip 1\.webm: must be a video .* It begins with b'not a video'"):
        read(tmp_path / "clip 1.webm")


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
