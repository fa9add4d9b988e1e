"""Writes a clip as a video file."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import av
import cv2
import numpy as np

FRAMES_PER_SECOND = 12
# A negative speed does not depend on the clock. A quality (crf) of 16 of 63: the differences are invisible.
CODEC_OPTIONS = {"deadline": "realtime", "cpu-used": "-8", "crf": "16"}


def write_webm(path: Path, frames: Iterable[np.ndarray]) -> None:
    """Writes a VP8 video; equal frames give equal bytes with the same build of PyAV.

    Args:
        path: where the file is written.
        frames: at least one, each uint8 (H, W, 3), RGB, of the same even size.
    """
    frames = iter(frames)
    first = next(frames)
    with av.open(path, "w", format="webm", options={"fflags": "+bitexact"}) as container:  # no random ids
        stream = container.add_stream("libvpx", rate=FRAMES_PER_SECOND, options=CODEC_OPTIONS)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt, stream.bit_rate, stream.thread_count = "yuv420p", 1_000_000, 1
        for frame in chain([first], frames):
            yuv = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)  # four times as fast as PyAV's conversion
            container.mux(stream.encode(av.VideoFrame.from_ndarray(yuv, format="yuv420p")))
        container.mux(stream.encode())
