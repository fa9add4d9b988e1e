"""Parts of files and of folders: the right frames, without decoding all that lies before them."""

from fractions import Fraction

import cv2
import numpy as np
import PIL.Image
import pytest
from conftest import moving_texture
from write_videos import encode

from src.video import Excerpt, FrameStream, VideoError, count_frames, file_reader, read_frames, read_segments

RATE = 10
FRAMES = moving_texture(120, 2, 1, 32, 48)
WRITERS = {  # with a key frame a second
    "h264.mp4": ("libx264", {"g": "10", "bf": "2"}),
    "h264.mkv": ("libx264", {"g": "10", "bf": "2"}),
    "h264.ts": ("libx264", {"g": "10", "bf": "2"}),
    "vp9.webm": ("libvpx-vp9", {"g": "10"}),
    "mpeg4.avi": ("mpeg4", {"g": "10", "bf": "2"}),
    "mpeg2.mpg": ("mpeg2video", {"g": "10", "bf": "2"}),
}


@pytest.fixture(scope="module", params=WRITERS)
def path(request, tmp_path_factory):
    codec, options = WRITERS[request.param]
    rate = 25 if codec == "mpeg2video" else RATE  # which has no rate of 10
    return encode(tmp_path_factory.mktemp("videos") / request.param, codec, FRAMES, rate=rate, options=options), rate


@pytest.mark.parametrize(
    "start, end", [(0, 10), (30, 45), (33, 34), (57, 90), (101, 120), (110, 500), (None, 25), (95, None)]
)
def test_an_excerpt_is_the_frames_between_its_times(path, start, end):
    path, rate = path
    whole = read_frames(path)
    assert len(whole) == count_frames(path) == 120
    numbers = [np.nan if number is None else float(Fraction(number, rate)) for number in (start, end)]
    excerpt = Excerpt(str(path), *numbers)
    expected = whole[start:end]
    assert count_frames(excerpt) == len(expected)
    assert np.array_equal(read_frames(excerpt), expected)
    assert np.array_equal(read_frames(excerpt, indices=[len(expected) - 1, 0]), expected[[-1, 0]])


def test_only_what_the_excerpt_needs_is_decoded(path, monkeypatch):
    path, rate = path
    if path.suffix == ".mpg":
        pytest.skip("it is decoded from its start")
    decoded, decode = [], file_reader.decode_packet
    monkeypatch.setattr(file_reader, "decode_packet", lambda packet: decoded.append(1) or decode(packet))
    segments = list(read_segments(Excerpt(str(path), 95 / rate, 105 / rate), 2, 5, 32))
    assert [segment.indices for segment in segments] == [(0, 1, 2, 3, 4), (5, 6, 7, 8, 9)]
    # Of 120 packets: up to two groups of ten, the first ones, and those of a place from which it was read in vain.
    assert len(decoded) < (90 if path.suffix == ".ts" else 60)


def test_a_stream_of_an_excerpt_counts_from_its_start(path):
    path, rate = path
    frames = list(FrameStream(Excerpt(str(path), 50 / rate, 60 / rate), 32))
    assert [frame.index for frame in frames] == list(range(10))
    assert [frame.seconds for frame in frames] == pytest.approx(np.arange(10) / rate, abs=0.002)


@pytest.mark.parametrize("start, end, reason", [
    (13, np.nan, "shows none in these seconds, or ends before"),
    (5, 5, "0 ≤ start < end"),
    (-1, 5, "0 ≤ start < end"),
    (np.inf, np.nan, "0 ≤ start < end"),
])  # fmt: skip
def test_an_excerpt_without_frames_is_an_error(path, start, end, reason):
    for read in (count_frames, read_frames, lambda excerpt: list(read_segments(excerpt, 2, 5, 32))):
        with pytest.raises(VideoError, match=reason):
            read(Excerpt(str(path[0]), start, end))


# Folders of images


def write_images(folder, frames=FRAMES[:30], suffix=".png"):
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        cv2.imencode(suffix, frame[..., ::-1])[1].tofile(folder / f"img_{number}{suffix}")
    return folder


def test_a_folder_of_images_is_a_video(tmp_path):
    folder = write_images(tmp_path / "影片 \udcff")
    assert count_frames(folder) == 30
    assert np.array_equal(read_frames(folder), FRAMES[:30])
    assert np.array_equal(read_frames(Excerpt(str(folder), 0.5, 1.0, 10.0)), FRAMES[5:10])
    (segment,) = read_segments(Excerpt(str(folder), rate=10.0), 1, 5, 32)
    assert segment.indices == (13, 14, 15, 16, 17) and np.array_equal(segment.frame, FRAMES[15])
    assert [frame.seconds for frame in FrameStream(Excerpt(str(folder), rate=10.0), 32)][:3] == [0, 0.1, 0.2]


def test_photos_are_upright(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # orientation: turned clockwise to be upright
    for number, frame in enumerate(FRAMES[:3]):
        PIL.Image.fromarray(frame).save(tmp_path / f"{number}.jpg", quality=95, exif=exif)
    frames = read_frames(tmp_path)
    assert frames.shape == (3, 48, 32, 3)
    assert np.abs(frames - np.rot90(FRAMES[:3], -1, (1, 2)).astype(int)).mean() < 8


def test_images_that_are_no_clip_are_errors(tmp_path):
    with pytest.raises(VideoError, match="too short: .* holds 1"):
        list(read_segments(write_images(tmp_path / "one", FRAMES[:1]), 2, 5, 32))
    with pytest.raises(VideoError, match="the folder has 30 images, which take 3 s at 10 frames/s"):
        read_frames(Excerpt(str(write_images(tmp_path / "late")), 4, rate=10.0))
    folder = write_images(tmp_path / "sizes")
    cv2.imwrite(str(folder / "img_4.png"), FRAMES[0][:20])
    with pytest.raises(VideoError, match=r"img_4\.png: the images of a clip must be of one size, 48 × 32"):
        read_frames(folder)
    for content in (b"", b"text", b"GIF89a", (folder / "img_3.png").read_bytes()[:200]):
        (folder / "img_4.png").write_bytes(content)
        with pytest.raises(VideoError, match=r"img_4\.png: must be an image that can be decoded; [^<]*\. Download"):
            read_frames(folder)
