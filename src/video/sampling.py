"""Chooses the frames of a clip by their numbers, without a look at pixels."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def segment_centers(num_frames: int, num_segments: int) -> np.ndarray:
    """Middle frames of `num_segments` equal parts of a clip: TSN's sparse sampling (Wang et al. 2016), not random.

    Returns:
        int64 (num_segments,), frame indices, ascending; some are equal if the clip has fewer frames than segments.

    Raises:
        ValueError: fewer than one frame or one segment.
    """
    if num_frames < 1 or num_segments < 1:
        raise ValueError(
            f"A clip needs at least one frame and one segment. Received: {num_frames} frames, {num_segments} segments"
        )
    return (2 * np.arange(num_segments) + 1) * num_frames // (2 * num_segments)


def middle(num_frames: int) -> int:
    """Position of the middle frame of a window, which stands for it; of an even number, the earlier of both."""
    return (num_frames - 1) // 2


def segment_windows(
    frames: Iterable[T], centers: Iterable[int], length: int, index: Callable[[T], int] = int
) -> Iterator[tuple[T, ...]]:
    """For each center, the `length` frames around it, yielded as soon as they are known.

    A window is centered as far as the clip allows: at both ends it is moved inwards, and a clip with fewer than
    `length` frames gives all of them.

    Args:
        frames: a stream of frames in order, or of their indices; it is read no further than the last window needs.
        centers: ascending frame indices, (S,).
        length: frames per window.
        index: gives the index of a frame.

    Yields:
        S tuples of at most `length` frames each, in order.
    """
    recent: deque[T] = deque(maxlen=length)
    waiting = deque(int(center) for center in centers)
    after = length // 2  # frames after the center in a window that is not moved
    for frame in frames:
        recent.append(frame)
        while waiting and len(recent) == length and index(recent[-1 - after]) >= waiting[0]:
            waiting.popleft()
            yield tuple(recent)
        if not waiting:
            return
    for _ in waiting:
        yield tuple(recent)
