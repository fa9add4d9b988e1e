"""Crops of frames and flow stacks: one geometry for every frame and field of a clip, and for both streams.

A crop is a part of a stored frame, resized to the square input of a network. Its sides are fractions of the stored
sides, so that it shows the same part of the scene at every `short_side` and `crop_size`. With `keep_aspect` both are
fractions of the shorter side. Otherwise each is a fraction of its own side, so that crops cover the full width of a
wide frame, and resizing changes the aspect ratio.
"""

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from src.flow import STEPS, ZERO
from src.video.resizing import resize_square

TEST_SCALE = 0.875  # sides of scored crops: 224 of 256, as in the two-stream paper and TSN


@dataclass(frozen=True)
class Crop:
    """A part of `height` × `width` pixels with its top left corner at (top, left), and whether it is flipped."""

    top: int
    left: int
    height: int
    width: int
    flipped: bool = False


def scored_crops(height: int, width: int, count: int, keep_aspect: bool) -> list[Crop]:
    """The crops whose scores are averaged in evaluation.

    Args:
        height, width: of the stored frame, pixels.
        count: 1, the center; 3, spread along the longer side; 5, the corners and the center; 10, these five and their
            horizontal flips (Simonyan & Zisserman 2014, section 5).
        keep_aspect: see the module's docstring.

    Raises:
        ValueError: another count.
    """
    sides = [round(TEST_SCALE * side) for side in full_sides(height, width, keep_aspect)]
    free_height, free_width = height - sides[0], width - sides[1]
    if count in (5, 10):
        corners = corners_and_center(free_height, free_width)
    elif count in (1, 3):
        positions = (0.5,) if count == 1 else (0, 0.5, 1)
        if width >= height:
            corners = [(free_height // 2, int(free_width * position)) for position in positions]
        else:
            corners = [(int(free_height * position), free_width // 2) for position in positions]
    else:
        raise ValueError(f"The number of crops must be 1, 3, 5 or 10. Received: {count}")
    flips = (False, True) if count == 10 else (False,)
    return [Crop(*corner, *sides, flipped) for flipped in flips for corner in corners]


def crop_frame(frame: np.ndarray, crop: Crop, size: int, out: np.ndarray | None = None) -> np.ndarray:
    """Crops a frame: uint8 (H, W, C) → (size, size, C), which is `out` if that is given."""
    resized = resize_square(_part(frame, crop), size, out)
    if crop.flipped:
        cv2.flip(resized, 1, resized)
    return resized


def crop_stack(stack: np.ndarray, crop: Crop, size: int, keep_aspect: bool) -> np.ndarray:
    """Crops a quantized flow stack: uint8 (H, W, 2L) → (size, size, 2L).

    Motion is faster in a smaller crop: u is multiplied by the width of a scored crop / the width of this one, and v by
    the ratio of heights, so that the displacements of a scored crop stay as stored.
    """
    resized = resize_square(_part(stack, crop), size)
    height, width = (round(TEST_SCALE * side) for side in full_sides(*stack.shape[:2], keep_aspect))
    if (height, width) != (crop.height, crop.width):
        resized = cv2.LUT(resized, _scaled_codes(width / crop.width, height / crop.height, stack.shape[-1]))
    return flip_stack(resized) if crop.flipped else resized


def crop_window(window: np.ndarray, crop: Crop, size: int) -> np.ndarray:
    """Crops consecutive grey frames: uint8 (T, H, W) → (T, size, size). Motion is faster in a smaller crop."""
    return np.stack([crop_frame(frame[..., None], crop, size)[..., 0] for frame in window])


def flip_frame(frame: np.ndarray) -> np.ndarray:
    """Flips a frame horizontally: uint8 (…, H, W, C)."""
    return cv2.flip(frame.reshape(-1, *frame.shape[-2:]), 1).reshape(frame.shape)


def flip_stack(stack: np.ndarray) -> np.ndarray:
    """The quantized flow of the flipped clip: the columns are reversed, and u is negated (256 minus its code).

    Args:
        stack: uint8 (…, H, W, 2L), channels u1, v1, u2, v2, …; a u of 0, which lossy storage can leave, counts as 1.

    Returns:
        uint8 (…, H, W, 2L).
    """
    rows = flip_frame(stack).reshape(-1, *stack.shape[-2:])
    return cv2.LUT(rows, _negated_codes(stack.shape[-1])).reshape(stack.shape)


def full_sides(height: int, width: int, keep_aspect: bool) -> tuple[int, int]:
    """(height, width) of the largest crop of a stored frame, of which crops take fractions."""
    return (min(height, width),) * 2 if keep_aspect else (height, width)


def corners_and_center(free_height: int, free_width: int) -> list[tuple[int, int]]:
    """(top, left) of a crop in each corner and the center, from the frame's sides minus the crop's sides."""
    corners = [(0, 0), (0, free_width), (free_height, 0), (free_height, free_width)]
    return [*corners, (free_height // 2, free_width // 2)]


def _part(image, crop):
    return image[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]


@functools.lru_cache(256)
def _scaled_codes(horizontal, vertical, channels):
    """Table of the codes of scaled displacements, u and v in turn: uint8 (1, 256, channels)."""
    steps = np.arange(256, dtype=np.float32) - ZERO
    codes = [np.clip(np.rint(scale * steps), -STEPS, STEPS) + ZERO for scale in (horizontal, vertical)]
    return _alternate(*codes, channels)


@functools.lru_cache
def _negated_codes(channels):
    """The same table for u of the other sign, and v as it is."""
    codes = np.arange(256)
    return _alternate(2 * ZERO - np.maximum(codes, 1), codes, channels)


def _alternate(u, v, channels):
    return np.tile(np.stack([u, v], axis=-1).astype(np.uint8), channels // 2)[None]
