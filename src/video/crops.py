"""Views of a picture: one geometry for every frame and field of a clip, and for both streams; and colour jitter.

A view is a part of a stored picture, resized to the square that the networks see. Its sides are shares of the stored
picture's, so that a view shows the same part of the scene at every `short_side` and `crop_size`: of its own sides each
(the whole width of a wide picture is seen, narrower than it is), or, with `keep_aspect`, of the shorter side both.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from src.flow import STEPS, ZERO

TEST_SCALE = 0.875  # sides of the views that are scored: 224 of 256, as in the two-stream paper and TSN


@dataclass(frozen=True)
class Crop:
    """A part of `height` × `width` pixels with its corner at (top, left), and whether it is flipped."""

    top: int
    left: int
    height: int
    width: int
    flipped: bool = False


def scored_crops(height: int, width: int, count: int, keep_aspect: bool) -> list[Crop]:
    """The views that are scored.

    Args:
        height, width: of the stored picture, pixels.
        count: 1, the middle; 3, spread over the longer side; 5, the corners and the middle; 10, these five and
            their mirror images (the paper's ten).
        keep_aspect: see above.
    """
    sides = [round(TEST_SCALE * side) for side in full_sides(height, width, keep_aspect)]
    room = height - sides[0], width - sides[1]
    if count in (1, 3):
        places = (0.5,) if count == 1 else (0, 0.5, 1)
        return [Crop(*_along_longer_side(*room, place, width >= height), *sides) for place in places]
    if count not in (5, 10):
        raise ValueError(f"The number of views must be 1, 3, 5 or 10. Received: {count}")
    flips = (False, True) if count == 10 else (False,)
    return [Crop(*corner, *sides, flipped) for flipped in flips for corner in corners_and_center(*room)]


def crop_frame(frame: np.ndarray, view: Crop, size: int) -> np.ndarray:
    """A view of a frame: uint8 (H, W, C) → (size, size, C)."""
    picture = _resize(_part(frame, view), size)
    return flip_frame(picture) if view.flipped else picture


def crop_stack(stack: np.ndarray, view: Crop, size: int, keep_aspect: bool) -> np.ndarray:
    """A view of a quantised flow stack: uint8 (H, W, 2L) → (size, size, 2L).

    A closer view moves faster: u and v are scaled as the picture's sides are, relative to a view that is scored,
    whose displacements stay as they are stored.
    """
    picture = _resize(_part(stack, view), size)
    tall, wide = (round(TEST_SCALE * side) for side in full_sides(*stack.shape[:2], keep_aspect))
    if (tall, wide) != (view.height, view.width):
        u, v = _scaled_codes(wide / view.width), _scaled_codes(tall / view.height)
        table = np.tile(np.stack([u, v], axis=-1), stack.shape[-1] // 2)
        picture = cv2.LUT(picture, table[None])
    return flip_stack(picture) if view.flipped else picture


def crop_window(window: np.ndarray, view: Crop, size: int) -> np.ndarray:
    """A view of consecutive grey frames: uint8 (T, H, W) → (T, size, size). Motion is faster where it is closer."""
    part = window[:, view.top : view.top + view.height, view.left : view.left + view.width]
    picture = _resize(part.transpose(1, 2, 0), size)
    return (flip_frame(picture) if view.flipped else picture).transpose(2, 0, 1)


def flip_frame(frame: np.ndarray) -> np.ndarray:
    """Left and right exchanged: (…, H, W, C), any dtype."""
    return frame[..., ::-1, :]


def flip_stack(stack: np.ndarray) -> np.ndarray:
    """The quantised flow of the flipped clip: columns flipped and u negated, which is 256 minus its code.

    Args:
        stack: uint8 (…, H, W, 2L), channels u1, v1, u2, v2, …

    Returns:
        uint8 (…, H, W, 2L).
    """
    flipped = stack[..., ::-1, :].copy()
    horizontal = np.maximum(flipped[..., 0::2], 1).astype(np.int16)  # lossy storage can leave a 0: below the range
    flipped[..., 0::2] = 2 * ZERO - horizontal
    return flipped


def full_sides(height, width, keep_aspect):
    return (min(height, width),) * 2 if keep_aspect else (height, width)


def corners_and_center(room_down, room_right):
    """(top, left) at the four corners and in the middle, of a part that leaves so much room."""
    return [(0, 0), (0, room_right), (room_down, 0), (room_down, room_right), (room_down // 2, room_right // 2)]


def _along_longer_side(room_down, room_right, place, is_wide):
    if is_wide:
        return room_down // 2, int(room_right * place)
    return int(room_down * place), room_right // 2


def _part(picture, view):
    return picture[view.top : view.top + view.height, view.left : view.left + view.width]


def _resize(picture, size):
    """uint8 (h, w, C) → (size, size, C), by area where it shrinks; OpenCV takes four channels at a time for that."""
    if picture.shape[:2] == (size, size):
        return np.ascontiguousarray(picture)
    way = cv2.INTER_AREA if min(picture.shape[:2]) >= size else cv2.INTER_LINEAR
    parts = [picture[..., start : start + 4] for start in range(0, picture.shape[-1], 4)]
    resized = [cv2.resize(np.ascontiguousarray(part), (size, size), interpolation=way) for part in parts]
    return np.concatenate([part.reshape(size, size, -1) for part in resized], axis=-1)


def _scaled_codes(zoom):
    """The code of each code's displacement times `zoom`: uint8 (256,)."""
    steps = np.arange(256, dtype=np.float32) - ZERO
    return (np.clip(np.rint(zoom * steps), -STEPS, STEPS) + ZERO).astype(np.uint8)
