"""Writes the videos of `bad_videos` with PyAV, whose FFmpeg writes what OpenCV cannot."""

import io
import os
import zipfile
from fractions import Fraction

import av
import cv2
import numpy as np
from conftest import moving_texture

RATE = 12


def texture(num_frames=14, height=48, width=64):
    """uint8 (T, H, W, 3), RGB, moving by (2, 1) px/frame; pale, since most codecs halve the resolution of colours."""
    frames = moving_texture(num_frames, 2, 1, height, width)
    return (0.75 * frames[..., :1] + 0.25 * frames).astype(np.uint8)


def grey(frames):
    return np.stack([cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) for frame in frames])


def scaled(frames, height, width):
    return np.stack([cv2.resize(frame, (width, height)) for frame in frames])


def turned(degrees):
    """`FRAMES` turned counterclockwise."""
    return np.rot90(FRAMES, degrees // 90, axes=(1, 2))


FRAMES = texture()
BOX = FRAMES[:1, :48, :48]
NOISE = np.random.default_rng(0).bytes(20_000)


def encode(
    path,
    codec="libvpx",
    frames=FRAMES,
    pixels="yuv420p",
    rate=RATE,
    full_range=False,
    times=None,
    turn=0,
    options=None,
    container=None,
    alter=lambda number, packet: packet,
    more=lambda file, stream: [],
):
    """Writes a video.

    Args:
        times: time of each frame, ms.
        turn: rotation that a player applies, degrees, counterclockwise.
        options, container: FFmpeg's options of the codec and of the container.
        alter: (number, packet) → the packet to write, or None.
        more: (file, stream) → packets of other streams, written after the video's.
    """
    with av.open(str(path), "w", container_options=container or {}) as file:
        stream = file.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.codec_context.bit_rate = pixels, 4_000_000
        stream.codec_context.color_range = 2 if full_range else 1
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if turn:
            stream.set_display_rotation(turn)
        packets = encode_frames(stream, frames, pixels, rate, full_range, times)
        packets = [alter(number, packet) for number, packet in enumerate(packets)] + more(file, stream)
        file.mux([packet for packet in packets if packet is not None])
    return path


def encode_frames(encoder, frames, pixels="yuv420p", rate=RATE, full_range=False, times=None, first=0):
    packets = []
    for number, image in enumerate(frames):
        image = av.VideoFrame.from_ndarray(image, "rgb24")
        image = image.reformat(format=pixels, dst_color_range=2 if full_range else 1)
        image.pts, image.time_base = first + number, 1 / Fraction(rate)
        if times is not None:
            image.pts, image.time_base = times[number], Fraction(1, 1000)
        packets += encoder.encode(image)
    return packets + encoder.encode(None)


def video(*arguments, **settings):
    return lambda path: encode(path, *arguments, **settings)


def sound(codec, more=lambda file, stream: []):
    def write(path):
        with av.open(str(path), "w") as file:
            stream = file.add_stream(codec, rate=48_000, layout="mono")
            packets = add_sound(file, stream)
            file.mux(packets + more(file, stream))

    return write


def content(data):
    return lambda path: path.write_bytes(data)


def named(name, make):
    """Writes under a name that FFmpeg accepts, which also sets the container, and renames the file."""
    return lambda path: [make(path.with_name(name)), path.with_name(name).rename(path)]


def linked(path):
    path.symlink_to(encode(path.with_name("target.webm")))


def resized(make, size):
    """Truncates the file, or pads it with zeros, to a size in bytes (int) or relative to its size (float)."""

    def write(path):
        make(path)
        os.truncate(path, int(size * path.stat().st_size) if isinstance(size, float) else size)

    return write


def replaced(make, old, new):
    def write(path):
        make(path)
        data = path.read_bytes()
        at = data.index(old)
        path.write_bytes(data[:at] + new + data[at + len(new) :])

    return write


def archive(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("1.webm", NOISE)


# More streams, and wrong packets


def add_sound(file, stream=None):
    stream = stream or file.add_stream("aac", rate=48_000, layout="mono")
    packets = []
    for number in range(12):
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), "fltp", "mono")
        samples.sample_rate, samples.pts = 48_000, 4800 * number
        packets += stream.encode(samples)
    return packets + stream.encode(None)


def add_cover(file, stream):
    cover = file.add_stream("mjpeg", rate=1)
    cover.height, cover.width, cover.pix_fmt = 48, 48, "yuvj420p"
    cover.disposition = av.stream.Disposition.attached_pic
    return encode_frames(cover, BOX, "yuvj420p", full_range=True)


def add_video(file, stream):
    other = file.add_stream("libvpx", rate=RATE)
    other.height, other.width, other.pix_fmt = 48, 48, "yuv420p"
    return encode_frames(other, np.repeat(BOX, 14, axis=0))


def add_subtitles(file, stream):
    with av.open(io.BytesIO(b"1\n00:00:00,000 --> 00:00:01,000\nA line of text\n"), format="srt") as source:
        track = file.add_stream_from_template(source.streams[0])
        packets = [packet for packet in source.demux() if packet.dts is not None]
    for packet in packets:
        packet.stream = track
    return packets


def add_larger_frames(file, stream):
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.height, encoder.width, encoder.pix_fmt, encoder.time_base = 96, 128, "yuv420p", Fraction(1, RATE)
    encoder.bit_rate = 4_000_000
    packets = encode_frames(encoder, scaled(FRAMES[7:], 96, 128), first=7)
    for packet in packets:
        packet.stream = stream
    return packets


def garbled(which, number, packet):
    if number not in which:
        return packet
    other = av.Packet(NOISE[: packet.size])
    other.pts, other.dts, other.time_base, other.stream = packet.pts, packet.dts, packet.time_base, packet.stream
    return other


def without_first(number, packet):
    return packet if number else None


def shown_at(times, number, packet):
    packet.pts, packet.dts = times[number], number
    return packet
