"""Chooses the frames of a clip: integers only, no pixels."""

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np


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


def segment_windows(indices: Iterable[int], centers: Iterable[int], length: int) -> Iterator[tuple[int, ...]]:
    """For each center, the `length` indices around it, yielded as soon as they are known.

    A window is centered as far as the clip allows: at both ends it is moved inwards, and a clip with fewer than
    `length` indices gives all of them.

    Args:
        indices: ascending frame indices; a stream, which is read no further than the last window needs.
        centers: ascending frame indices, (S,).
        length: indices per window.

    Yields:
        S tuples of at most `length` ascending indices each.
    """
    recent: deque[int] = deque(maxlen=length)
    waiting = deque(int(center) for center in centers)
    after = length // 2  # indices after the center in a window that is not moved
    for index in indices:
        recent.append(index)
        while waiting and len(recent) == length and recent[-1 - after] >= waiting[0]:
            waiting.popleft()
            yield tuple(recent)
        if not waiting:
            return
    for _ in waiting:
        yield tuple(recent)
