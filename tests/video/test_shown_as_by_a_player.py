"""Files whose headers mislead: what counts is what a player shows. Nothing but the file itself is opened."""

import os
from fractions import Fraction

import av
import numpy as np
import pytest
from write_videos import FRAMES, RATE, add_cover, encode, encode_frames, replaced, texture, video

from src.video import Excerpt, VideoError, count_frames, read_frames, read_segments


def write_with_aspect(path, aspect, codec="mpeg4", height=144, width=180):
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        frames = np.random.default_rng(0).integers(0, 255, (6, height, width, 3), np.uint8)
        file.mux(encode_frames(stream, frames, rate=25))
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mpg"])
@pytest.mark.parametrize("aspect, size", [((64, 45), (128, 228)), ((16, 11), (128, 233)), ((16, 15), (128, 171))])
def test_pixels_become_square(tmp_path, suffix, aspect, size):
    codec = "mpeg2video" if suffix == "mpg" else "mpeg4"
    path = write_with_aspect(tmp_path / f"clip.{suffix}", Fraction(*aspect), codec)
    (segment,) = read_segments(path, 1, 3, 128)
    if suffix == "mpg":  # which knows only aspects of the whole picture
        assert segment.frame.shape[0] == 128 and segment.frame.shape[1] in (170, 171, 227, 228)
    else:
        assert segment.frame.shape[:2] == size
        assert read_frames(path).shape[1:3] == (144, round(180 * aspect[0] / aspect[1]))


def test_tall_pixels_and_absurd_ones(tmp_path):
    assert read_frames(write_with_aspect(tmp_path / "1.mp4", Fraction(1, 2))).shape[1:3] == (288, 180)
    assert read_frames(write_with_aspect(tmp_path / "2.mp4", Fraction(200, 1))).shape[1:3] == (144, 180)
    with pytest.raises(VideoError, match="they are 1920 × 48 pixels"):
        count_frames(write_with_aspect(tmp_path / "3.mp4", Fraction(4, 1), height=48, width=480))


@pytest.mark.parametrize(
    "suffix, codec", [("mkv", "libx264"), ("webm", "libvpx"), ("mp4", "libx264"), ("mov", "mpeg4"), ("gif", "gif")]
)
def test_a_last_frame_that_is_held_is_no_truncation(tmp_path, suffix, codec):
    pixels = "rgb8" if codec == "gif" else "yuv420p"
    times = [40 * n for n in range(13)] + [10_000]
    path = encode(tmp_path / f"clip.{suffix}", codec, pixels=pixels, times=times)
    assert count_frames(path) == 14


@pytest.mark.parametrize(
    "codec, suffix", [("libsvtav1", "mp4"), ("libaom-av1", "mkv"), ("prores", "mov"), ("dnxhd", "mov")]
)
def test_codecs_that_opencv_lacks_are_decoded(tmp_path, codec, suffix):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV cannot write {codec}")
    if codec == "dnxhd":
        pytest.skip("needs sizes of television")
    frames = np.stack([np.kron(frame, np.ones((2, 2, 1), np.uint8)) for frame in FRAMES])
    pixels = "yuv422p10le" if codec == "prores" else "yuv420p"
    path = encode(tmp_path / f"clip.{suffix}", codec, frames, pixels)
    assert np.abs(read_frames(path).astype(int) - frames).mean() < 6


def test_the_shape_of_pixels_in_webm_is_that_of_the_container(tmp_path):
    """Its codecs have none: the colours that nobody needs become the width to display, and padding of 3 bytes."""
    path = tmp_path / "clip.webm"
    replaced(video("libvpx-vp9"), bytes.fromhex("55b084 55b98101"), bytes.fromhex("54b08160 ec8100"))(path)
    assert read_frames(path).shape[1:3] == (48, 96)


@pytest.mark.parametrize(
    "suffix, codec",
    [("ts", "libx264"), ("ts", "mpeg2video"), ("mpg", "mpeg2video"), ("avi", "mpeg4"), ("flv", "libx264")],
)
def test_a_recording_begins_at_its_first_key_frame(tmp_path, suffix, codec):
    """Of 60 frames with a key frame every 12, the first 5 packets are missing."""
    frames, options = texture(60), {"g": "12", "bf": "2"}
    whole = read_frames(encode(tmp_path / f"whole.{suffix}", codec, frames, rate=25, options=options))
    path = encode(
        tmp_path / f"part.{suffix}", codec, frames, rate=25, options=options,
        alter=lambda number, packet: packet if number >= 5 else None,
    )  # fmt: skip
    assert count_frames(path) == 48
    assert np.array_equal(read_frames(path), whole[12:])
    for start, end in ((0.4, 0.8), (1.8, 99)):
        excerpt = Excerpt(str(path), start, end)
        expected = whole[12:][int(25 * start) : int(25 * end)]
        assert np.array_equal(read_frames(excerpt), expected) and count_frames(excerpt) == len(expected)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_still_image_before_the_video_is_not_the_video(tmp_path, suffix):
    """MKV has no mark for covers."""
    path = tmp_path / f"clip.{suffix}"
    with av.open(str(path), "w") as file:
        cover = add_cover(file, None)
        stream = file.add_stream("libx264", rate=RATE)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        file.mux(cover + encode_frames(stream, FRAMES))
    assert read_frames(path).shape == FRAMES.shape


def test_a_header_that_points_before_the_file_is_no_crash(tmp_path):
    path = encode(tmp_path / "clip.nut", "mpeg4")
    os.truncate(path, path.stat().st_size - 100)
    assert count_frames(path) >= 13


PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile neighbour.webm\n",
    "concat, absolute": "ffconcat version 1.0\nfile {folder}/neighbour.webm\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nneighbour.webm\n#EXT-X-ENDLIST\n",
    "hls, absolute": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{folder}/neighbour.webm\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 0.0.0.0\ns=x\nc=IN IP4 0.0.0.0\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet '
    'mimeType="video/webm"><Representation id="1"><BaseURL>neighbour.webm</BaseURL></Representation></AdaptationSet>'
    "</Period></MPD>",
    "url": "[InternetShortcut]\nURL=http://127.0.0.1:9/1.webm\n",
}  # fmt: skip


@pytest.mark.parametrize("suffix", ["webm", "txt", "m3u8", "mp4"])
@pytest.mark.parametrize("text", PLAYLISTS.values(), ids=PLAYLISTS)
def test_text_that_names_other_files_is_refused(tmp_path, monkeypatch, suffix, text):
    monkeypatch.chdir(tmp_path)
    video()(tmp_path / "neighbour.webm")
    path = tmp_path / f"list.{suffix}"
    path.write_text(text.format(folder=tmp_path))
    with pytest.raises(VideoError, match="must be a video that FFmpeg can open; no video stream was found in it"):
        read_frames(path)


@pytest.mark.parametrize(
    "name", ["concat:a|b.webm", "http:x", "file:a.webm", "img_%03d.webm", "pipe:0", "subfile,,start,0,end,9,,:a"]
)
def test_a_name_is_a_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / "1.webm").rename(tmp_path / name)
    assert count_frames(name) == len(FRAMES)


def test_an_unknown_codec_is_named(tmp_path):
    path = tmp_path / "clip.mkv"
    replaced(video("ffv1"), b"V_FFV1", b"V_ODD9")(path)
    with pytest.raises(VideoError, match=r"clip\.mkv: must be of a codec that FFmpeg can decode"):
        count_frames(path)


def test_a_frame_that_does_not_exist_is_named(tmp_path):
    path = encode(tmp_path / "clip.webm", rate=RATE)
    assert read_frames(path, indices=[5, 5, 2]).shape[0] == 3
    for index in (14, 99, -1):
        with pytest.raises(
            VideoError, match=rf"frame {index} was asked for, counted from 0; 14 frames|frame -1 was asked"
        ):
            read_frames(path, indices=[0, index])
