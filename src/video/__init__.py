"""A video file or a stream → frames: which frames, and which part of a frame."""

from src.video import crops
from src.video.sampling import segment_centers
from src.video.video import (
    Frame,
    FrameStream,
    VideoError,
    count_frames,
    hold_last,
    read_frames,
    read_segments,
    read_window,
    stored_size,
)

__all__ = [
    "Frame",
    "FrameStream",
    "VideoError",
    "count_frames",
    "crops",
    "hold_last",
    "read_frames",
    "read_segments",
    "read_window",
    "segment_centers",
    "stored_size",
]
