"""Looks at a video without decoding it: its number of frames, rate and size, from the header, or else from packets."""

import math
import os
import struct
import warnings
from pathlib import Path
from typing import NamedTuple

import PIL.Image

from src.image_folder import list_images
from src.video.completeness import missing_bytes
from src.video.container import open_container, read_packets, seconds_of
from src.video.excerpt import FRAME_RATE, Excerpt
from src.video.file_reader import pixel_aspect
from src.video.rules import VideoError, check_size, displayed_size

EXIF_ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)  # the tag of an image that is to be turned by 90 degrees
MATRIX = {0: 40, 1: 52}  # place of the display matrix in the box "tkhd" of a track, by the version of the box
HEADER_BYTES = 1 << 26  # of the box "moov", at most


class Probe(NamedTuple):
    """What is known of a video without decoding it.

    Attributes:
        frames: number of frames, repeated ones included.
        rate: frames/s, the mean over the video.
        width, height: as displayed, pixels.
    """

    frames: int
    rate: float
    width: int
    height: int

    @property
    def seconds(self) -> float:
        """Length of what is seen; sound may be longer."""
        return self.frames / self.rate

    def cut(self, excerpt: Excerpt) -> "Probe":
        """The same for a part of the video, whose frames are taken to be evenly spaced in time.

        Raises:
            VideoError: the part holds no frame.
        """
        start = 0.0 if math.isnan(excerpt.start) else excerpt.start
        end = self.seconds if math.isnan(excerpt.end) else min(excerpt.end, self.seconds)
        frames = round((end - start) * self.rate)
        if frames < 1:
            raise VideoError(f"{excerpt}: must hold at least one frame; the file has {self.seconds:.3g} s. Correct it.")
        return self._replace(frames=frames)


def probe_video(path: str | Path | Excerpt) -> Probe:
    """Probes a video file or a folder of images, or a part of it. Takes a few milliseconds.

    Files without a number of frames in the header (WebM, MPEG) are read, but not decoded. What only decoding shows,
    such as damaged frames, is not found.

    Raises:
        VideoError: no video, truncated, of an unusable size, or the part holds no frame.
    """
    excerpt = Excerpt.of(path)
    path = Path(excerpt.path).absolute()
    images = list_images(path) if os.path.isdir(path) else []
    whole = _probe_images(images, excerpt.rate) if images else _probe_file(path)
    check_size(path, whole.height, whole.width)
    return whole if excerpt.is_whole else whole.cut(excerpt)


def _probe_images(images, rate):
    try:
        with warnings.catch_warnings(action="ignore"), PIL.Image.open(images[0]) as image:
            size = image.size[::-1] if image.getexif().get(EXIF_ORIENTATION) in TURNED else image.size
    except Exception as error:  # Pillow's errors for broken images are of many types
        raise VideoError(f"{images[0]}: must be an image that can be read; {error}. Download it again.") from error
    return Probe(len(images), rate if rate > 0 else FRAME_RATE, *size)


def _probe_file(path):
    with open_container(path) as (container, stream):
        size = stream.codec_context.height, stream.codec_context.width
        height, width = displayed_size(*size, pixel_aspect(stream))
        hidden = sum(entry.is_discard for entry in stream.index_entries)  # cut off without being encoded again
        frames, rate = stream.frames - hidden, float(stream.average_rate or 0)
        if frames < 1 or not rate:
            frames, rate = _count(path, container, stream)
        is_movie = "mov" in container.format.name.split(",")
    if cut := missing_bytes(path):
        raise VideoError(
            f"{path}: truncated: it announces {cut[1]:,} bytes, the file holds {cut[0]:,} of them. Download it again."
        )
    if not min(height, width):
        raise VideoError(f"{path}: damaged: its frames have no size. Download it again.")
    if is_movie and _is_turned(path):
        width, height = height, width
    return Probe(frames, rate, width, height)


def _count(path, container, stream):
    """(number of frames, frames/s) by packets; a rate that they do not tell is that of the header."""
    times, count = [], 0
    for packet in read_packets(container, stream):
        if packet.size > 1 and not packet.is_corrupt and not packet.is_discard:
            count += 1
            times += [seconds_of(packet.pts, stream)] if packet.pts is not None else []
    if not count:
        raise VideoError(f"{path}: a video must hold at least one frame; none could be read. Download it again.")
    span = max(times, default=0.0) - min(times, default=0.0)
    rate = (len(times) - 1) / span if len(times) == count and span > 0 else float(stream.average_rate or FRAME_RATE)
    return count, rate


def _is_turned(path):
    """Whether a track of an MP4 or MOV, as phones hold them upright, is displayed turned by 90 degrees."""
    moov = _read_box(path, b"moov")
    place = moov.find(b"tkhd")
    while place >= 0:
        body = moov[place + 4 :]
        start = MATRIX.get(body[0] if body else -1, len(body))
        if len(body) >= start + 44:
            a, b, *_ = struct.unpack_from(">9i", body, start)
            width, height = struct.unpack_from(">2I", body, start + 36)
            if width and height:  # sound has no size
                return a == 0 and b != 0
        place = moov.find(b"tkhd", place + 4)
    return False


def _read_box(path, name):
    """The content of a box of the file's top level, b"" if there is none."""
    with open(path, "rb") as file:
        while len(head := file.read(16)) >= 8:
            length, kind = struct.unpack_from(">I4s", head)
            length = int.from_bytes(head[8:16], "big") if length == 1 else length
            if kind == name:
                file.seek(8 - len(head), 1)
                return file.read(min(length, HEADER_BYTES))
            if length < 8:
                return b""
            file.seek(length - len(head), 1)
    return b""
