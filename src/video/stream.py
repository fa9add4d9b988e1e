"""Reads a file, a camera or a network stream of any length, one frame at a time."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from src.video.excerpt import Excerpt
from src.video.file_reader import Picture
from src.video.reading import open_reader, to_rgb
from src.video.repeats import drop_repeats, measure_changes
from src.video.rules import VideoError, check_length

STREAM_TIMEOUT = 10_000  # ms, to open a stream and to receive its next frame


class Frame(NamedTuple):
    """One frame of a stream.

    Attributes:
        index: number of frames before it, repeats included.
        seconds: since the first frame: by the file, or for a live source by the clock of this machine.
        gray: uint8 (H, W).
        rgb: uint8 (H, W, 3).
    """

    index: int
    seconds: float
    gray: np.ndarray
    rgb: np.ndarray


class FrameStream:
    """Iterates once over the frames of a source, without repeats, converted as those of `read_segments`.

    A frame comes at once, unless it may repeat the one before it: then after a few more are read.

    Args:
        source: a video file, a folder of images or an `Excerpt`, the number of a camera, or the URL of a stream.
        short_side: shorter side of the frames, pixels.

    Attributes:
        live: whether the source continues while it is not read: a camera, or a stream without an announced length.

    Raises:
        VideoError: the source cannot be opened; a file is truncated or damaged, which may be raised at its end.
    """

    def __init__(self, source: str | Path | Excerpt | int, short_side: int):
        self.source, self.short_side, self.live = source, short_side, False
        if isinstance(source, int) or (isinstance(source, str) and "://" in source):
            capture = _open_stream(source)
            self.live = not 0 < capture.get(cv2.CAP_PROP_FRAME_COUNT) < 1e9
            self._pictures = _grab(capture, self.live)
        else:
            reader = open_reader(source)
            reader.estimate()  # which finds truncated files before any frame is used
            self._pictures = reader.pictures()

    def __iter__(self) -> Iterator[Frame]:
        start, index = None, -1
        for index, seconds, gray, image in drop_repeats(measure_changes(self._pictures, self.short_side)):
            start = seconds if start is None else start
            yield Frame(index, seconds - start, gray, to_rgb(image(), gray.shape))
        check_length(self.source, index + 1)


def _grab(capture, live):
    """Yields the pictures of a camera or a network stream."""
    index = 0
    while (read := capture.read())[0]:
        seconds = time.monotonic() if live else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        yield Picture(index, seconds, read[1], read[1].shape[:2])
        index += 1
    capture.release()


def _open_stream(source):
    """Opens a camera (int) or a URL."""
    if isinstance(source, int):
        capture, name = cv2.VideoCapture(source), f"camera {source}"
    else:
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, STREAM_TIMEOUT, cv2.CAP_PROP_READ_TIMEOUT_MSEC, STREAM_TIMEOUT]
        capture, name = cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits), source
    if not capture.isOpened():
        raise VideoError(
            f"{name}: must be a camera or a stream that OpenCV can open; it could not be opened. Check that it is "
            "connected, that its number or address is right, and that no other program uses it."
        )
    return capture
