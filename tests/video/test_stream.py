"""A stream gives the frames of a file one at a time. Live sources are in tests/inference."""

import numpy as np
import pytest
from conftest import moving_texture, write_video
from write_videos import encode

from src.video.reading import read_frames
from src.video.rules import VideoError
from src.video.segments import read_segments
from src.video.stream import FrameStream

FPS = 12


def test_a_stream_gives_the_frames_of_the_file(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(9, 2, 1, 48, 64), FPS)
    stream = FrameStream(path, 32)
    frames = list(stream)
    (segment,) = read_segments(path, 1, 9, 32)
    assert not stream.live
    assert [frame.index for frame in frames] == list(range(9))
    assert [frame.seconds for frame in frames] == pytest.approx(np.arange(9) / FPS, abs=1e-3)
    assert np.array_equal([frame.gray for frame in frames], segment.gray)
    assert np.array_equal([frame.rgb for frame in frames], read_frames(path, 32))


def test_repeats_are_dropped_and_counted(tmp_path):
    doubled = np.repeat(moving_texture(6, 2, 0, 48, 64), 2, axis=0)
    path = write_video(tmp_path / "clip.webm", doubled, 2 * FPS)
    frames = list(FrameStream(path, 48))
    assert [frame.index for frame in frames] == [0, 2, 4, 6, 8, 10]
    assert [frame.seconds for frame in frames] == pytest.approx(np.arange(6) / FPS, abs=2e-3)


def test_seconds_start_at_the_first_frame(tmp_path):
    path = encode(tmp_path / "clip.webm", frames=moving_texture(4, 2, 1, 48, 64), times=[9000, 9500, 10_000, 10_500])
    assert [frame.seconds for frame in FrameStream(path, 48)] == [0, 0.5, 1, 1.5]


@pytest.mark.parametrize(
    "source, reason",
    [
        ("absent.webm", r"absent\.webm: must be a video file; there is no regular file"),
        (63, "camera 63: must be a camera or a stream that OpenCV can open"),
        ("http://127.0.0.1:9/stream", "http:.*: must be a camera or a stream that OpenCV can open"),
    ],
)
def test_a_source_that_cannot_be_opened_is_named(source, reason):
    with pytest.raises(VideoError, match=reason):
        FrameStream(source, 48)


def test_a_single_frame_is_too_short(tmp_path):
    path = write_video(tmp_path / "one.webm", moving_texture(1, 0, 0, 48, 64))
    with pytest.raises(VideoError, match=r"one\.webm: too short: .*; the file holds 1"):
        list(FrameStream(path, 48))
