"""What is known of a video without decoding it agrees with what decoding shows."""

import math

import cv2
import PIL.Image
import pytest
from bad_videos import KINDS, Shows
from write_videos import FRAMES, encode

from src.video import Excerpt, VideoError, count_frames, probe_video

SLOW = {"8K.avi"}


@pytest.mark.parametrize("name", [pytest.param(n, id=ascii(n)) for n in KINDS if n not in SLOW])
def test_every_kind_of_file_gives_its_size_and_length_or_a_reason(tmp_path, name):
    write, expected = KINDS[name]
    path = tmp_path / name
    write(path)
    try:
        probe = probe_video(path)
    except VideoError as error:
        assert not isinstance(expected, Shows), error
        assert str(error).startswith(f"{path}: ")
        return
    assert probe.frames >= 1 and 0 < probe.rate < math.inf
    if isinstance(expected, Shows):
        assert (probe.height, probe.width) == expected.frames.shape[1:3]
        assert probe.frames == pytest.approx(count_frames(path), abs=3)  # the end may be missing


def test_rate_and_seconds(tmp_path):
    probe = probe_video(encode(tmp_path / "a.mp4", "libx264", FRAMES, rate=10))
    assert probe == (14, 10, 64, 48) and probe.seconds == pytest.approx(1.4)
    times = [0, 40, 80, 120, 160, 200, 240, 280, 320, 360, 400, 440, 480, 780]  # ms: 13 changes in 0.78 s
    assert probe_video(encode(tmp_path / "b.webm", times=times)).rate == pytest.approx(13 / 0.78, rel=0.01)


def test_a_part_has_its_share_of_the_frames(tmp_path):
    path = encode(tmp_path / "a.mp4", "libx264", FRAMES, rate=10)
    assert probe_video(Excerpt(path, 0.2, 0.7)).frames == 5
    assert probe_video(Excerpt(path, 0.4)).frames == 10
    assert probe_video(Excerpt(path, math.nan, 99)).frames == 14
    with pytest.raises(VideoError, match="must hold at least one frame; the file has 1.4 s"):
        probe_video(Excerpt(path, 3, 4))


def test_a_folder_of_images(tmp_path):
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"{number}.png"), FRAMES[number])
    assert probe_video(tmp_path) == (6, 25, 64, 48)
    assert probe_video(Excerpt(tmp_path, rate=12)).seconds == 0.5
    assert probe_video(Excerpt(tmp_path, 0.25, rate=12)).frames == 3
    (tmp_path / "0.png").write_bytes(b"no image")
    with pytest.raises(VideoError, match="must be an image that can be read"):
        probe_video(tmp_path)


def test_an_image_that_is_to_be_turned(tmp_path):
    for number in range(2):
        exif = PIL.Image.Exif()
        exif[0x0112] = 6
        PIL.Image.fromarray(FRAMES[number]).save(tmp_path / f"{number}.jpg", exif=exif)
    assert probe_video(tmp_path)[2:] == (48, 64)
