"""Reads the segments of a clip: consecutive frames around evenly spaced centers, without repeats."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from src.video.reading import (
    VideoError,
    check_conversion,
    check_length,
    count_frames,
    decode,
    read_frames,
    resize,
    to_rgb,
)
from src.video.repeats import MAX_REPEATS, HeldFrame, drop_repeats, find_repeats
from src.video.sampling import segment_centers, segment_windows

BLACK = 1  # grey levels: a clip whose segments all have a mean below this is black


class Segment(NamedTuple):
    """Consecutive frames of a clip.

    Attributes:
        indices: of the frames in the file, ascending.
        gray: uint8 (T, H, W), the frames.
        frame: uint8 (H, W, 3), RGB, the middle frame of the window.
        start: position of the window's first frame in `indices`.
    """

    indices: tuple[int, ...]
    gray: np.ndarray
    frame: np.ndarray
    start: int


def read_segments(
    path: str | Path, num_segments: int, window_length: int, short_side: int, segment_length: int | None = None
) -> Iterator[Segment]:
    """Reads the segments of a clip one at a time. The file is decoded once, up to the end of the last segment.

    Repeated frames are dropped first. A clip with fewer than `segment_length` frames gives all of them.

    Args:
        path: a video file.
        num_segments: S, number of segments.
        window_length: frames of a window, L + 1; it is centered in its segment as far as the clip allows.
        short_side: shorter side of the frames, pixels.
        segment_length: frames of a segment, `window_length` or more; None is `window_length`.

    Raises:
        VideoError: unreadable, empty, truncated, damaged, a single frame, interlaced, black, or of an unusable size.
    """
    num_frames = count_frames(path)
    check_length(path, num_frames)
    centers = segment_centers(num_frames, num_segments)
    segment_length = segment_length or window_length
    reach = segment_length * (MAX_REPEATS + 1)  # so many frames hold `segment_length` different ones
    near = np.zeros(num_frames, bool)  # whether a frame can belong to a segment
    for center in centers:
        near[max(0, center - reach) : center + reach] = True
    recent: dict[int, HeldFrame] = {}
    brightest = 0.0
    images = check_conversion(path, decode(path, near, num_frames))
    kept = drop_repeats(find_repeats(images, short_side, recent, reach))
    for center, indices in zip(centers, segment_windows(kept, centers, segment_length), strict=True):
        if len(indices) == 1 and indices[0] + 1 in recent:  # the rest repeats it: a still clip keeps one repeat
            indices += (indices[0] + 1,)
        if len(indices) < 2 or not near[indices[0] : indices[-1]].all():
            raise VideoError(f"{path}: damaged: frames that a segment needs cannot be decoded. Download it again.")
        gray = np.stack([recent[index].gray for index in indices])
        (window,) = segment_windows(indices, [center], window_length)
        middle = window[min((window_length - 1) // 2, len(window) - 1)]
        brightest = max(brightest, gray.mean())
        yield Segment(indices, gray, to_rgb(recent[middle].image, gray.shape[1:]), indices.index(window[0]))
    if brightest < BLACK:
        raise VideoError(f"{path}: black: all segments are black. Leave it out.")


def read_window(path: str | Path, length: int, height: int, width: int) -> np.ndarray:
    """Reads the window in the middle of a video: the frames that `read_segments` gives for one segment.

    Args:
        path: a video file.
        length: frames, L + 1; the last frame of a shorter clip is repeated.
        height, width: of the result, pixels; the aspect ratio is not kept.

    Returns:
        uint8 (length, height, width, 3), RGB.

    Raises:
        VideoError: as `read_segments`.
    """
    (segment,) = read_segments(path, 1, length, min(height, width))  # unpacked: the check for black comes at the end
    frames = read_frames(path, indices=segment.indices)
    return hold_last([resize(frame, (height, width)) for frame in frames], length)


def hold_last(frames: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Stacks at most `length` frames; if there are fewer, the last one is repeated, which is no motion."""
    return np.stack([*frames, *[frames[-1]] * (length - len(frames))])
