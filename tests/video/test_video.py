import os
import signal
import weakref
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from conftest import moving_texture, write_video

from src.config import ClipConfig
from src.flow.optical_flow import compute_flow
from src.preprocessing.extraction import extract_clip
from src.video import video
from src.video.sampling import MAX_REPEATS
from src.video.video import VideoError, count_frames, read_frames, read_segments, stored_size

CODECS = [("VP80", ".webm"), ("VP90", ".webm"), ("MJPG", ".avi"), ("mp4v", ".mp4")]


@contextmanager
def seconds(limit):
    """Raises instead of hanging."""
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail(f"not done after {limit} s"))
    signal.alarm(limit)
    try:
        yield
    finally:
        signal.alarm(0)


def plain(colour, num_frames=5, height=48, width=64):
    return np.broadcast_to(np.uint8(colour), (num_frames, height, width, 3))


def cut(source, target, share):
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def with_element(source, target, name, value):
    """A copy of a WebM file with the content of one header element (Matroska id) replaced."""
    data = bytearray(source.read_bytes())
    start = data.index(name) + len(name)
    size = data[start] & 0x7F
    data[start + 1 : start + 1 + size] = value(size)
    target.write_bytes(data)
    return target


def with_default_duration(source, target, nanoseconds):
    return with_element(source, target, b"\x23\xe3\x83", lambda size: nanoseconds.to_bytes(size, "big"))


def with_duration(source, target, milliseconds):
    return with_element(source, target, b"\x44\x89", lambda _: np.array(milliseconds, ">f8").tobytes())


def with_index_in_front(source, target):
    """A copy of an MP4 file as web servers hold them: the index (moov), with its offsets, before the data (mdat)."""
    data = source.read_bytes()
    start, end = data.index(b"mdat") - 4, data.rindex(b"moov") - 4
    index = bytearray(data[end:])
    table = index.index(b"stco") + 8
    count = int.from_bytes(index[table : table + 4], "big")
    offsets = np.frombuffer(index, ">u4", count, table + 4) + len(index)
    index[table + 4 : table + 4 + 4 * count] = offsets.astype(">u4").tobytes()
    target.write_bytes(data[:start] + index + data[start:end])
    return target


@pytest.fixture(scope="module")
def webm(tmp_path_factory):
    """45 frames at 12 fps that move by (2, 1) px/frame, 64 × 48 pixels."""
    return write_video(tmp_path_factory.mktemp("videos") / "45.webm", moving_texture(45, 2, 1, 48, 64))


# What comes out


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
    path = write_video(tmp_path / f"clip{suffix}", plain(colour), fourcc=fourcc)
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


@pytest.mark.parametrize("height, width", [(48, 64), (64, 48), (96, 96), (50, 118)])
def test_frames_have_the_stored_size(tmp_path, height, width):
    path = write_video(tmp_path / "clip.webm", moving_texture(4, 0, 0, height, width))
    for short_side in (32, 64):  # smaller and larger than the file
        found = read_frames(path, short_side)
        assert found.shape == (4, *stored_size(height, width, short_side), 3)
        assert min(found.shape[1:3]) == short_side


def test_portrait_keeps_its_direction(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(5, 0, 3, 96, 48))
    assert np.median(compute_flow(read_frames(path)), axis=(0, 1, 2)) == pytest.approx([0, 3], abs=0.5)


# Segments


def test_segments_are_runs_of_consecutive_frames(webm):
    frames = read_frames(webm, 32)
    segments = list(read_segments(webm, 3, 11, 32))
    assert [segment.indices for segment in segments] == [
        tuple(range(2, 13)), tuple(range(17, 28)), tuple(range(32, 43)),
    ]  # fmt: skip
    for indices, gray, frame, start in segments:
        assert gray.dtype == frame.dtype == np.uint8 and gray.shape == (11, *frame.shape[:2])
        assert start == 0 and np.array_equal(frame, frames[indices[5]])
        as_gray = np.dot(frames[list(indices)], (0.299, 0.587, 0.114))
        assert np.abs(gray - as_gray).max() < 3  # grey first, then resized, or the other way round: rounding


@pytest.mark.parametrize("num_frames", [2, 3, 6, 10])
def test_a_short_clip_gives_all_it_has(tmp_path, num_frames):
    path = write_video(tmp_path / "clip.webm", moving_texture(num_frames, 2, 1, 48, 64))
    frames = read_frames(path)
    segments = list(read_segments(path, 3, 11, 48))
    assert len(segments) == 3
    for segment in segments:
        assert segment.indices == tuple(range(num_frames))
        assert segment.gray.shape == (num_frames, 48, 64)
        assert np.array_equal(segment.frame, frames[min(5, num_frames - 1)])


def test_a_clip_as_long_as_a_window(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(11, 2, 1, 48, 64))
    assert [segment.indices for segment in read_segments(path, 2, 11, 48)] == [tuple(range(11))] * 2


# Repeated frames


@pytest.mark.parametrize("rate", [24, 30, 60])
@pytest.mark.parametrize("fourcc, suffix", CODECS)
def test_a_raised_frame_rate_is_undone(tmp_path, fourcc, suffix, rate):
    source = moving_texture(40, 2, 1, 72, 96)
    shown = source[np.arange(40 * rate // 12) * 12 // rate]
    path = write_video(tmp_path / f"clip{suffix}", shown, rate, fourcc)
    flow = np.concatenate([compute_flow(segment.gray) for segment in read_segments(path, 3, 11, 72)])
    horizontal = np.median(flow[..., 0], axis=(1, 2))
    assert (horizontal < 1).mean() <= 0.1  # some key frames differ much from what they repeat; undetected: 0.5 to 0.8
    assert np.median(horizontal) == pytest.approx(2, abs=0.5)


@pytest.mark.parametrize("fourcc, suffix", CODECS)
@pytest.mark.parametrize("u", [0.3, 2, 6])
def test_real_motion_is_not_taken_for_repeats(tmp_path, fourcc, suffix, u):
    path = write_video(tmp_path / f"clip{suffix}", moving_texture(30, u, 0, 96, 128), fourcc=fourcc)
    for indices, *_ in read_segments(path, 2, 11, 96):
        assert (np.diff(indices) == 1).all()


def test_a_small_moving_thing_is_motion(tmp_path):
    frames = np.repeat(moving_texture(1, 0, 0, 120, 160), 30, axis=0)
    thing = moving_texture(1, 0, 0, 16, 16, seed=1)[0]
    for index, frame in enumerate(frames):
        frame[50:66, 20 + 3 * index : 36 + 3 * index] = thing
    path = write_video(tmp_path / "clip.webm", frames)
    assert all((np.diff(indices) == 1).all() for indices, *_ in read_segments(path, 2, 11, 120))


def test_equal_frames_are_a_still_scene(tmp_path):
    path = write_video(tmp_path / "clip.avi", np.repeat(moving_texture(1, 0, 0, 48, 64), 45, axis=0), fourcc="MJPG")
    clip = extract_clip(path, ClipConfig(short_side=48))
    assert clip.stacks.shape == (3, 48, 64, 20)
    assert (clip.stacks == 128).all()


def test_a_still_start_does_not_hide_the_motion_after_it(tmp_path):
    moving = moving_texture(30, 2, 1, 48, 64)
    path = write_video(tmp_path / "clip.webm", np.concatenate([np.repeat(moving[:1], 30, axis=0), moving]))
    still, motion = (compute_flow(segment.gray)[..., 0] for segment in read_segments(path, 2, 11, 48))
    assert np.abs(np.median(still, axis=(1, 2))).max() < 0.1
    assert np.median(motion, axis=(1, 2)) == pytest.approx(2, abs=0.5)


# One decode, only as far as needed


class CountingCapture:
    """A VideoCapture that notes what is asked of it."""

    made = []

    def __init__(self, *arguments):
        self.capture = RealCapture(*arguments)
        self.raw, self.grabs, self.retrieves = False, 0, 0
        self.made.append(self)

    def set(self, name, value):
        self.raw = name == cv2.CAP_PROP_FORMAT and value == -1
        return self.capture.set(name, value)

    def grab(self):
        self.grabs += 1
        return self.capture.grab()

    def retrieve(self):
        self.retrieves += 1
        return self.capture.retrieve()

    def __getattr__(self, name):
        return getattr(self.capture, name)


RealCapture = cv2.VideoCapture


@pytest.fixture
def captures(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", CountingCapture)
    monkeypatch.setattr(CountingCapture, "made", [])
    return CountingCapture.made


def test_decoded_once_and_as_far_as_the_last_segment(webm, captures):
    segments = list(read_segments(webm, 3, 5, 48))
    packets, decoded = captures
    assert packets.raw and packets.retrieves == 0
    assert not decoded.raw
    assert decoded.grabs == segments[-1][0][-1] + 1 == 40  # of 45 frames


def test_frames_far_from_every_segment_are_not_converted(tmp_path, captures):
    path = write_video(tmp_path / "clip.webm", moving_texture(200, 1, 0, 32, 48))
    indices, *_ = next(read_segments(path, 1, 5, 32))
    assert indices == (98, 99, 100, 101, 102)
    assert captures[1].grabs == 103
    assert captures[1].retrieves <= 5 * (MAX_REPEATS + 1) + 3


def test_memory_does_not_grow_with_the_number_of_segments(tmp_path, monkeypatch):
    path = write_video(tmp_path / "clip.webm", moving_texture(400, 1, 0, 32, 48))
    resize, alive, most = video._resize, set(), 0

    def counted(image, size):
        nonlocal most
        frame = resize(image, size).copy()
        alive.add(id(frame))
        weakref.finalize(frame, alive.discard, id(frame))
        most = max(most, len(alive))
        return frame

    monkeypatch.setattr(video, "_resize", counted)
    assert len(list(read_segments(path, 10, 3, 32))) == 10
    assert most <= 2 * 3 * (MAX_REPEATS + 1)  # of some 300 that are converted


def test_a_large_image_is_not_held_as_decoded(tmp_path, monkeypatch):
    path = write_video(tmp_path / "clip.webm", moving_texture(12, 2, 1, 64, 80))
    as_decoded = list(read_segments(path, 2, 5, 32))
    monkeypatch.setattr(video, "HELD_BYTES", 64 * 80 * 3 - 1)
    held, mark = [], video._mark_repeats
    monkeypatch.setattr(video, "_mark_repeats", lambda *given: held.append(given[2]) or mark(*given))
    for before, after in zip(as_decoded, read_segments(path, 2, 5, 32), strict=True):
        assert np.array_equal(before.frame, after.frame)
    assert {image.shape for _, image in held[0].values()} == {(32, 40, 3)}


def test_only_the_frames_asked_for_are_read(webm, captures):
    frames = read_frames(webm, 24, indices=[3, 11])
    assert captures[0].retrieves == 2
    assert np.array_equal(frames, read_frames(webm, 24)[[3, 11]])


# Files that are no videos


def make_missing(path):
    pass


def make_folder(path):
    path.mkdir()


def make_fifo(path):
    os.mkfifo(path)


def make_empty(path):
    path.touch()


def make_text(path):
    path.write_text("It was a dark and stormy night. " * 100)


def make_noise(path):
    path.write_bytes(np.random.default_rng(0).bytes(20_000))


def make_header_only(path):
    write_video(path, moving_texture(20, 1, 0, 48, 64))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75") + 20])  # the first cluster, without a frame


def make_broken_link(path):
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    "make, rule",
    [
        (make_missing, "must be a video file; there is no regular file"),
        (make_folder, "must be a video file; it is a folder"),
        (make_fifo, "must be a video file; there is no regular file"),
        (make_broken_link, "must be a video file; there is no regular file"),
        (make_empty, "empty: the file has 0 bytes"),
        (make_text, "must be a video that OpenCV can open"),
        (make_noise, "must be a video that OpenCV can open"),
        (make_header_only, "at least one frame"),
    ],
)
@pytest.mark.parametrize("read", [count_frames, read_frames, lambda path: list(read_segments(path, 3, 11, 48))])
def test_what_is_no_video_is_named_with_the_rule(tmp_path, make, rule, read):
    path = tmp_path / "clip 1.webm"
    make(path)
    with seconds(10), pytest.raises(VideoError, match=rule) as error:
        read(path)
    assert str(path) in str(error.value)


def test_a_single_frame_is_too_short(tmp_path):
    path = write_video(tmp_path / "one.webm", moving_texture(1, 0, 0, 48, 64))
    assert count_frames(path) == 1
    with pytest.raises(VideoError, match=r"one\.webm: too short: .* 2 frames or more; the file holds 1"):
        list(read_segments(path, 3, 11, 48))


# Truncated and damaged files


@pytest.mark.parametrize("share", [0.2, 0.3, 0.5, 0.7, 0.85])
@pytest.mark.parametrize("fourcc, suffix", CODECS[:3])
def test_a_file_that_was_cut_off_is_called_truncated(tmp_path, fourcc, suffix, share):
    whole = write_video(tmp_path / f"whole{suffix}", moving_texture(45, 2, 1, 48, 64), fourcc=fourcc)
    path = cut(whole, tmp_path / f"cut{suffix}", share)
    with pytest.raises(VideoError, match=r"cut\..*: truncated: the header announces 3\.75 s, the file holds \d\.\d"):
        list(read_segments(path, 3, 11, 48))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_an_mp4_without_its_index_cannot_be_opened(tmp_path, share):
    whole = write_video(tmp_path / "whole.mp4", moving_texture(45, 2, 1, 48, 64), fourcc="mp4v")
    path = cut(whole, tmp_path / "cut.mp4", share)
    with pytest.raises(VideoError, match=r"cut\.mp4: must be a video that OpenCV can open"):
        list(read_segments(path, 3, 11, 48))


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_an_mp4_with_its_index_in_front_is_called_truncated(tmp_path, share):
    whole = write_video(tmp_path / "whole.mp4", moving_texture(45, 2, 1, 48, 64), fourcc="mp4v")
    front = with_index_in_front(whole, tmp_path / "front.mp4")
    assert np.array_equal(read_frames(front), read_frames(whole))
    with pytest.raises(VideoError, match=r"cut\.mp4: truncated: the header announces 3\.75 s"):
        list(read_segments(cut(front, tmp_path / "cut.mp4", share), 3, 11, 48))


def test_a_few_frames_less_than_announced_are_used(tmp_path, webm):
    path = cut(webm, tmp_path / "cut.webm", 0.97)
    assert 41 <= count_frames(path) < 45
    assert len(list(read_segments(path, 3, 11, 48))) == 3


@pytest.mark.parametrize("fourcc, suffix", CODECS)
def test_packets_that_cannot_be_decoded_are_called_damage(tmp_path, fourcc, suffix):
    path = write_video(tmp_path / f"clip{suffix}", moving_texture(45, 2, 1, 48, 64), fourcc=fourcc)
    capture, packets = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    capture.set(cv2.CAP_PROP_FORMAT, -1)
    while capture.grab():
        packets.append(capture.retrieve()[1].tobytes())
    data = path.read_bytes()
    for packet in packets[20:]:
        data = data.replace(packet, bytes(len(packet)))
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"damaged: it holds 45 frames, of which only \d+ can be decoded"):
        list(read_segments(path, 3, 11, 48))


def test_no_window_spans_frames_that_were_skipped(tmp_path, monkeypatch):
    """A long video whose decoding ends early: the last window must not reach back over a gap."""
    path = write_video(tmp_path / "clip.webm", moving_texture(400, 1, 0, 32, 48))
    decode = video._decode

    def ends_early(*arguments):
        for index, frame in decode(*arguments):
            if index >= 327:
                return
            yield index, frame

    monkeypatch.setattr(video, "_decode", ends_early)  # the segment at 340 would need 325 to 355
    segments = read_segments(path, 10, 3, 32)
    with pytest.raises(VideoError, match="damaged: frames that a segment needs cannot be decoded"):
        for indices, *_ in segments:
            assert (np.diff(indices) == 1).all()


@pytest.mark.parametrize("seed", range(4))
def test_overwritten_bytes_give_frames_or_a_reason(tmp_path, webm, seed):
    generator = np.random.default_rng(seed)
    data = bytearray(webm.read_bytes())
    for start in generator.integers(300, len(data) - 100, 5):
        data[start : start + 50] = generator.bytes(50)
    path = tmp_path / "clip.webm"
    path.write_bytes(data)
    with seconds(20):
        try:
            assert len(list(read_segments(path, 3, 11, 48))) == 3
        except VideoError as error:
            assert str(path) in str(error)


# Headers that lie


@pytest.mark.parametrize("nanoseconds", [1_000_000, 16_666_667, 40_000_000, 200_000_000])
def test_a_wrong_frame_rate_does_not_matter(tmp_path, webm, nanoseconds):
    path = with_default_duration(webm, tmp_path / "lies.webm", nanoseconds)
    rate = RealCapture(str(path), cv2.CAP_FFMPEG).get(cv2.CAP_PROP_FPS)
    assert rate == pytest.approx(1e9 / nanoseconds, rel=0.01)  # the file does lie
    assert count_frames(path) == 45


@pytest.mark.parametrize("milliseconds", [0.0, 500.0, 1e300, float("nan"), -1.0])
def test_a_wrong_duration_does_not_matter(tmp_path, webm, milliseconds):
    path = with_duration(webm, tmp_path / "lies.webm", milliseconds)
    assert count_frames(path) == 45
    assert [len(segment.indices) for segment in read_segments(path, 3, 11, 48)] == [11] * 3


def test_a_cut_file_is_called_truncated_whatever_its_rate(tmp_path, webm):
    path = with_default_duration(webm, tmp_path / "lies.webm", 1_000_000)
    with pytest.raises(VideoError, match="truncated"):
        count_frames(cut(path, path, 0.6))


# Names


@pytest.mark.parametrize(
    "name",
    ["with space.webm", "ünïcödé 视频.webm", "%03d.webm", "frame_%d.webm", "-i.webm", "a'b\"c.webm", "x:y.webm",
     "concat:a|b.webm", "*.webm", "no_suffix", "wrong.mp4", "UPPER.WEBM", "[1].webm", "a&b;c.webm"],
)  # fmt: skip
def test_unusual_names(tmp_path, webm, monkeypatch, name):
    (tmp_path / name).write_bytes(webm.read_bytes())
    assert count_frames(tmp_path / name) == 45
    monkeypatch.chdir(tmp_path)
    assert count_frames(name) == 45  # relative
    assert read_frames(str(tmp_path / name)).shape == (45, 48, 64, 3)


def test_a_link_to_a_video(tmp_path, webm):
    (tmp_path / "link.webm").symlink_to(webm)
    assert count_frames(tmp_path / "link.webm") == 45
