"""Writes a clip as a video file."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import av
import numpy as np

FRAMES_PER_SECOND = 12
# "good" and a fixed speed do not depend on the clock, unlike libvpx's "realtime". 16 of 63: differences are invisible.
CODEC_OPTIONS = {"deadline": "good", "cpu-used": "5", "crf": "16"}


def write_webm(path: Path, frames: Iterable[np.ndarray]) -> None:
    """Writes a VP8 video; equal frames give equal bytes with the same build of PyAV.

    Args:
        path: where the file is written.
        frames: at least one, each uint8 (H, W, 3), RGB, of the same size.
    """
    frames = iter(frames)
    first = next(frames)
    with av.open(path, "w", format="webm", options={"fflags": "+bitexact"}) as container:  # no random ids
        stream = container.add_stream("libvpx", rate=FRAMES_PER_SECOND, options=CODEC_OPTIONS)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt, stream.bit_rate, stream.thread_count = "yuv420p", 1_000_000, 1
        for frame in chain([first], frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
