"""Which frames of a clip are looked at: integers only, no pixels."""

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

# A raised frame rate shows a source frame up to five times (12 → 60 fps). A longer run of equal frames is a scene
# that stands still, which is information, so the rest of such a run is kept.
MAX_REPEATS = 4


def segment_centers(num_frames: int, num_segments: int) -> np.ndarray:
    """Middle frames of `num_segments` equal parts of a clip.

    Returns:
        int64 (num_segments,), frame indices, ascending; for a clip of fewer frames than segments some are equal.

    Raises:
        ValueError: fewer than one frame or one segment.

    Follows the sparse sampling of TSN (Wang et al. 2016), without its randomness.
    """
    if num_frames < 1 or num_segments < 1:
        raise ValueError(
            f"A clip needs at least one frame and one segment. Received: {num_frames} frames, {num_segments} segments"
        )
    return (2 * np.arange(num_segments) + 1) * num_frames // (2 * num_segments)


def drop_repeats(is_repeat: Iterable[tuple[int, bool]]) -> Iterator[int]:
    """Frame indices without the repeats that a raised frame rate leaves.

    Args:
        is_repeat: pairs (frame index, whether the frame equals the one before it).

    Returns:
        The indices to keep, as they come. Of a run of equal frames the first `MAX_REPEATS` repeats are dropped.
    """
    run = 0
    for index, repeated in is_repeat:
        run = run + 1 if repeated else 0
        if run == 0 or run > MAX_REPEATS:
            yield index


def segment_windows(indices: Iterable[int], centers: Iterable[int], length: int) -> Iterator[tuple[int, ...]]:
    """For each centre the `length` indices around it, given as soon as they are known.

    A window is centred as well as the clip allows: at the ends it is moved inwards, and a clip with fewer than
    `length` indices gives all it has.

    Args:
        indices: ascending frame indices (a stream; it is read only as far as the last window needs).
        centers: ascending frame indices, (S,).
        length: indices per window, L + 1.

    Returns:
        S tuples of at most `length` ascending indices each.
    """
    recent: deque[int] = deque(maxlen=length)
    waiting = deque(int(center) for center in centers)
    after = length // 2  # indices beyond the centre in an undisturbed window
    for index in indices:
        recent.append(index)
        while waiting and len(recent) == length and recent[-1 - after] >= waiting[0]:
            waiting.popleft()
            yield tuple(recent)
        if not waiting:
            return
    for _ in waiting:
        yield tuple(recent)
