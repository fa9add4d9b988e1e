"""Repeated frames, as a raised frame rate leaves them: finds them by their pixels, and drops them."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

from src.video.reading import resize, stored_size

# A frame repeats the one before it if no block changes by more than REPEAT_CHANGE, or no block by more than
# REPEAT_SHARE of the largest change of the last few frames: a codec alters repeated frames, a little in many places.
# In real clips of 25 and 30 frames/s this share has two peaks, with the valley at 0.10 to 0.125; in the sample, which
# has no repeats, one frame in a thousand is below it.
REPEAT_BLOCK = 16  # pixels
REPEAT_CHANGE = 1.0  # grey levels, mean of a block
REPEAT_SHARE = 0.12
# A raised frame rate shows a frame up to five times (12 → 60 frames/s). More equal frames in a row are a still scene,
# which is information, so the rest of them is kept.
MAX_REPEATS = 4
HELD_BYTES = 1 << 20  # an image up to this size, 640 × 540 pixels, is held as decoded


class HeldFrame(NamedTuple):
    """A frame that may be needed soon."""

    gray: np.ndarray  # uint8 (H, W), at the stored size
    image: np.ndarray  # uint8 (…, …, 3), BGR: as decoded, or at the stored size if it is large


def find_repeats(
    images: Iterable[tuple[int, np.ndarray]], short_side: int, recent: dict[int, HeldFrame], keep: int
) -> Iterator[tuple[int, bool]]:
    """Yields (index, whether the frame repeats the one before it).

    Args:
        images: pairs from `decode`.
        short_side: shorter side of the stored size, pixels.
        recent: filled with the last `keep` frames by index, including the one that was just yielded.
        keep: number of frames to hold.
    """
    size, previous_index, previous = None, None, None
    changes = deque(maxlen=MAX_REPEATS + 1)
    for index, image in images:
        size = size or stored_size(*image.shape[:2], short_side)
        gray = resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), size)
        repeated = False
        if previous_index == index - 1:
            changes.append(_largest_change(previous, gray))
            repeated = changes[-1] <= max(REPEAT_CHANGE, REPEAT_SHARE * max(changes))
        previous_index, previous = index, gray
        # Few frames are needed in colour, so a small image is not resized before; large ones would fill the memory.
        recent[index] = HeldFrame(gray, image if image.nbytes <= HELD_BYTES else resize(image, size))
        while next(iter(recent)) <= index - keep:
            recent.pop(next(iter(recent)))
        yield index, repeated


def drop_repeats(is_repeat: Iterable[tuple[int, bool]]) -> Iterator[int]:
    """Yields the indices of frames to keep: of equal frames in a row, the first `MAX_REPEATS` repeats are dropped.

    Args:
        is_repeat: pairs from `find_repeats`.
    """
    repeats = 0
    for index, repeated in is_repeat:
        repeats = repeats + 1 if repeated else 0
        if repeats == 0 or repeats > MAX_REPEATS:
            yield index


def _largest_change(before, after):
    """Mean absolute difference of two grey images, grey levels, in the block where it is largest."""
    difference = cv2.absdiff(before, after).astype(np.float32)
    size = [max(1, side // REPEAT_BLOCK) for side in difference.shape[::-1]]
    return float(cv2.resize(difference, size, interpolation=cv2.INTER_AREA).max())
