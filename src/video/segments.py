"""Reads the segments of a clip: consecutive frames around evenly spaced centers, without repeats."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from src.video.excerpt import Excerpt
from src.video.reading import open_reader, read_frames, resize, to_rgb
from src.video.repeats import LOOK_AHEAD, MAX_REPEATS, drop_repeats, measure_changes
from src.video.rules import VideoError, check_length
from src.video.sampling import middle, segment_centers, segment_windows

BLACK = 1  # grey levels: a clip whose segments all have a mean below this is black


class Segment(NamedTuple):
    """Consecutive frames of a clip.

    Attributes:
        indices: of the frames in the file or excerpt, ascending.
        gray: uint8 (T, H, W), the frames.
        frame: uint8 (H, W, 3), RGB, the middle frame of the window.
        start: position of the window's first frame in `indices`.
    """

    indices: tuple[int, ...]
    gray: np.ndarray
    frame: np.ndarray
    start: int


def read_segments(
    path: str | Path | Excerpt,
    num_segments: int,
    window_length: int,
    short_side: int,
    segment_length: int | None = None,
) -> Iterator[Segment]:
    """Reads the segments of a clip. The file is decoded once, to its end, which shows how many frames it has.

    It is decoded again only if the number of its packets, by which frames are chosen first, gives other segments.
    Repeated frames are dropped. A clip with fewer than `segment_length` frames gives all of them.

    Args:
        path: a video file, a folder of images, or an `Excerpt`.
        num_segments: S, number of segments.
        window_length: frames of a window, L + 1; it is centered in its segment as far as the clip allows.
        short_side: shorter side of the frames, pixels. Their aspect ratio is that of the display.
        segment_length: frames of a segment, `window_length` or more; None is `window_length`.

    Raises:
        VideoError: unreadable, empty, truncated, damaged, a single frame, black, or of an unusable size.
    """
    reader = open_reader(path)
    estimate, lengths = reader.estimate(), (segment_length or window_length, window_length)
    centers = segment_centers(estimate, num_segments)
    segments = _read_around(reader, estimate, centers, short_side, *lengths)
    check_length(Excerpt.of(path), reader.num_frames)
    true_centers = segment_centers(reader.num_frames, num_segments)
    if not np.array_equal(centers, true_centers):
        segments = _read_around(reader, reader.num_frames, true_centers, short_side, *lengths)
    if all(segment.gray.mean() < BLACK for segment in segments):
        raise VideoError(f"{Excerpt.of(path)}: black: all segments are black. Leave it out.")
    yield from segments


def _read_around(reader, num_frames, centers, short_side, segment_length, window_length):
    """The segments around `centers`, frame numbers of a clip of `num_frames`."""
    reach = segment_length * (MAX_REPEATS + 1) + LOOK_AHEAD  # so many frames hold `segment_length` that are no repeats
    near = np.zeros(num_frames, bool)  # whether a frame can belong to a segment, or tell whether another one does
    for center in centers:
        near[max(0, center - reach) : center + reach] = True
    kept = drop_repeats(measure_changes(reader.pictures(near), short_side))
    windows = segment_windows(kept, centers, segment_length, index=lambda frame: frame.index)
    segments = [
        _make_segment(center, frames, window_length)
        for center, frames in zip(centers, windows, strict=False)
        if frames  # there are none where fewer frames decode than were expected
    ]
    near[:] = False
    for _ in kept:  # decodes to the end of the file, which is checked there, without conversion
        pass
    return segments


def _make_segment(center, frames, window_length):
    gray = np.stack([frame.gray for frame in frames])
    indices = tuple(frame.index for frame in frames)
    (window,) = segment_windows(range(len(frames)), [np.searchsorted(indices, center)], window_length)
    shown = frames[window[middle(len(window))]]
    return Segment(indices, gray, to_rgb(shown.image(), gray.shape[1:]), window[0])


def read_windows(path: str | Path | Excerpt, num_segments: int, length: int, height: int, width: int) -> np.ndarray:
    """Reads the windows of a clip's segments in colour and at one size, for a model that computes flow itself.

    Args:
        path: a video file, a folder of images, or an `Excerpt`.
        num_segments: S, number of segments; one is the middle of the clip.
        length: frames of a window, L + 1; those of a shorter clip are extended by `pad_window`.
        height, width: of the result, pixels; the aspect ratio is not kept.

    Returns:
        uint8 (S, length, height, width, 3), RGB: the frames that `read_segments` gives.

    Raises:
        VideoError: as `read_segments`.
    """
    windows = [segment.indices for segment in read_segments(path, num_segments, length, min(height, width))]
    wanted = sorted({index for window in windows for index in window})
    frames = {
        index: resize(frame, (height, width))
        for index, frame in zip(wanted, read_frames(path, min(height, width), wanted), strict=True)
    }
    return np.stack([pad_window([frames[index] for index in window], length) for window in windows])


def pad_window(frames: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Stacks at most `length` frames; if there are fewer, the first and the last are repeated, which is no motion.

    So the middle frame of the clip is the middle one of the result, and its motion in the middle fields of a stack.
    """
    before = middle(length) - middle(len(frames))
    after = length - len(frames) - before
    return np.stack([*[frames[0]] * before, *frames, *[frames[-1]] * after])
