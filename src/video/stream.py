"""Reads a file, a camera or a network stream of any length, one frame at a time."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from src.video.reading import VideoError, check_conversion, check_length, count_frames, decode, open_video, to_rgb
from src.video.repeats import HeldFrame, drop_repeats, find_repeats

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

    Args:
        source: a video file, the number of a camera, or the URL of a stream.
        short_side: shorter side of the frames, pixels.

    Attributes:
        live: whether the source continues while it is not read: a camera, or a stream without an announced length.

    Raises:
        VideoError: the source cannot be opened; a file is truncated or damaged, which may be raised at its end.
    """

    def __init__(self, source: str | Path | int, short_side: int):
        self.source, self.short_side = source, short_side
        self._is_file = not isinstance(source, int) and "://" not in str(source)
        self._num_packets = count_frames(source) if self._is_file else None
        self._capture = open_video(source) if self._is_file else _open_stream(source)
        self.live = not self._is_file and not 0 < self._capture.get(cv2.CAP_PROP_FRAME_COUNT) < 1e9

    def __iter__(self) -> Iterator[Frame]:
        recent: dict[int, HeldFrame] = {}
        images = decode(self.source, num_packets=self._num_packets, capture=self._capture)
        images = check_conversion(self.source, images) if self._is_file else images
        start = None
        for index in drop_repeats(find_repeats(images, self.short_side, recent, 1)):
            seconds = self._seconds()  # of this frame, as nothing reads ahead
            start = seconds if start is None else start
            gray, image = recent[index]
            yield Frame(index, seconds - start, gray, to_rgb(image, gray.shape))
        check_length(self.source, max(recent, default=-1) + 1)

    def _seconds(self):
        return time.monotonic() if self.live else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000


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
