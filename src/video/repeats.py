"""Repeated frames, as a raised frame rate leaves them: finds them by their pixels, and drops them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from math import inf
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from src.video.areas import mean_of_areas
from src.video.file_reader import Picture
from src.video.reading import resize
from src.video.rules import stored_size

# A raised frame rate shows a frame up to five times (12 → 60 frames/s), so a run of up to MAX_REPEATS frames repeats
# the one before it if it changes little against the changes on both sides of the run. Motion that slows down, or comes
# to rest, has no large change after it; a longer run is a still scene, which is information.
# "Little" is at most REPEAT_SHARE of the smaller of both changes, because a codec alters repeated frames in some
# places. In real clips of 25 and 30 frames/s this share has two peaks, with the valley at 0.10 to 0.125. Below
# REPEAT_CHANGE, where the noise of the codec is larger than the motion, FAINT_SHARE is enough; changes on both sides
# that are themselves below it are noise.
MAX_REPEATS = 4
REPEAT_BLOCK = 16  # pixels; a change is that of the block that changes most
REPEAT_CHANGE = 1.0  # grey levels, mean of a block
REPEAT_SHARE = 0.12
PULSE = 2  # times REPEAT_SHARE: the change of one frame of a run, where the mean of the run is small: a key frame
FAINT_SHARE = 0.3
# At both ends of a clip a run has a change on one side only; it repeats if another run does, so many frames away.
PATTERN = 2 * (MAX_REPEATS + 1)
LOOK_AHEAD = PATTERN + MAX_REPEATS  # frames
HELD_BYTES = 1 << 22  # what is held of a frame: up to this size as decoded, which is 1920 × 1080 pixels of most codecs

T = TypeVar("T")


class HeldFrame(NamedTuple):
    """A frame that may be needed soon."""

    index: int
    seconds: float
    gray: np.ndarray  # uint8 (H, W), at the stored size
    image: Callable[[], np.ndarray]  # gives uint8 (…, …, 3), BGR: of the decoded size, or of the stored one


def measure_changes(pictures: Iterable[Picture], short_side: int) -> Iterator[tuple[HeldFrame, float]]:
    """Yields each frame at the stored size, and its change from the frame before it.

    Args:
        pictures: of a reader.
        short_side: shorter side of the stored size, pixels.

    Yields:
        (frame, change): grey levels, mean of the block that changes most; infinite if the frame before it is not known.
    """
    size, before = None, None
    for picture in pictures:
        size = size or stored_size(*picture.display_size, short_side)
        gray = resize(cv2.cvtColor(picture.image, cv2.COLOR_BGR2GRAY), size)
        held = HeldFrame(picture.index, picture.seconds, gray, _hold(picture, size))
        follows = before is not None and before.index == picture.index - 1
        yield held, _largest_change(before.gray, gray) if follows else inf
        before = held


def _hold(picture, size):
    """What gives the image later. Few are needed in colour, so only one that would fill the memory is resized now."""
    image, again = picture.image, picture.again
    if image.nbytes > HELD_BYTES * (2 if again else 1):
        image, again = resize(image, size), None
    return again or (lambda: image)


def drop_repeats(frames: Iterable[tuple[T, float]]) -> Iterator[T]:
    """Yields the frames that repeat none, each as soon as that is known: at once, or after at most `LOOK_AHEAD` more.

    Args:
        frames: (anything that stands for a frame, its change from the one before it), as by `measure_changes`.
    """
    waiting: deque[T] = deque()
    changes: dict[int, float] = {}  # by position in `frames`; those that no later frame depends on are removed
    found = -inf  # position of the last repeat
    for position, (frame, change) in enumerate(chain(frames, [(None, inf)])):
        ended = frame is None
        changes[position] = change
        changes.pop(position - 2 * LOOK_AHEAD, None)
        if not ended:
            waiting.append(frame)
        while waiting:
            oldest = position + (not ended) - len(waiting)
            repeated = _is_repeat(changes, oldest, position, ended, found)
            if repeated is None:
                break
            frame = waiting.popleft()
            if repeated:
                found = oldest
            else:
                yield frame


def _is_repeat(changes, position, last, ended, found):
    """Whether the frame at a position repeats the one before it; None if frames after `last` may decide that.

    At the ends of the clip, position 0 and, if it has `ended`, `last`, a change is missing, and taken for infinite.
    """
    if not any(_is_run(changes, start, position + 1, changes[start]) for start in _starts(position, 0)):
        return False
    if _is_in_run(changes, position, 1, last - ended):
        return True
    if not ended and last < position + MAX_REPEATS:
        return None
    if not _is_in_run(changes, position, 0, last):
        return False
    later = range(position + 1, min(position + PATTERN, last - ended) + 1)
    if found >= position - PATTERN or any(_is_in_run(changes, other, 1, last - ended) for other in later):
        return True
    return None if not ended and last < position + PATTERN + MAX_REPEATS else False


def _is_in_run(changes, position, first, last):
    """Whether a run of repeats holds the position, with a change on each side of it from `first` to `last`."""
    return any(
        _is_run(changes, start, end, min(changes[start], changes[end]))
        for start in _starts(position, first)
        for end in range(position + 1, min(last, start + MAX_REPEATS + 1) + 1)
    )


def _starts(position, first):
    """Positions where the change before a run can be that holds `position`."""
    return range(max(first, position - MAX_REPEATS), position)


def _is_run(changes, start, end, reference):
    """Whether the changes between two positions are small against a reference."""
    run = [changes[position] for position in range(start + 1, end)]
    if reference <= REPEAT_CHANGE:
        return False
    if max(run) <= REPEAT_CHANGE:
        return max(run) <= FAINT_SHARE * reference
    return sum(run) / len(run) <= REPEAT_SHARE * reference and max(run) <= PULSE * REPEAT_SHARE * reference


def _largest_change(before, after):
    """Mean absolute difference of two grey images, grey levels, in the block where it is largest."""
    height, width = (max(1, side // REPEAT_BLOCK) for side in after.shape)
    return float(mean_of_areas(cv2.absdiff(before, after), height, width).max())
