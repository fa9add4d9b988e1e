"""Views of a picture: one geometry for every frame and field of a clip, and for both streams; and colour jitter.

A view is a square part of a stored picture, resized to what the networks see. Sides are shares of the stored picture's
shorter side, so that a view shows the same part of the scene at every `short_side` and `crop_size`.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from src.optical_flow import STEPS, ZERO

SCALES = (1.0, 0.875, 0.75, 0.66)  # sides of training views, shares of the shorter side (TSN, Wang et al. 2016)
TEST_SCALE = 0.875  # side of the views that are scored: 224 of 256, as in the two-stream paper and TSN
JITTER = 0.4  # brightness, contrast and saturation are each changed by up to this share
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class View:
    """A square of `side` pixels with its corner at (top, left), and whether it is mirrored."""

    top: int
    left: int
    side: int
    mirrored: bool = False


def random_view(generator: np.random.Generator, height: int, width: int) -> View:
    """A view for training: a scale of `SCALES`, at a corner or in the middle, mirrored by a fair coin.

    Corner cropping and scale jittering of TSN (Wang et al. 2016), with square crops.
    """
    side = round(min(height, width) * generator.choice(SCALES))
    top, left = _corners(height, width, side)[generator.integers(5)]
    return View(top, left, side, bool(generator.random() < 0.5))


def scored_views(height: int, width: int, count: int) -> list[View]:
    """The views that are scored.

    Args:
        height, width: of the stored picture, pixels.
        count: 1, the middle; 3, spread over the longer side; 5, the corners and the middle; 10, these five and
            their mirror images (the paper's ten).
    """
    side = round(TEST_SCALE * min(height, width))
    if count in (1, 3):
        places = (0.5,) if count == 1 else (0, 0.5, 1)
        return [View(*_along_longer_side(height - side, width - side, place), side) for place in places]
    if count not in (5, 10):
        raise ValueError(f"The number of views must be 1, 3, 5 or 10. Received: {count}")
    mirrors = (False, True) if count == 10 else (False,)
    return [View(*corner, side, mirrored) for mirrored in mirrors for corner in _corners(height, width, side)]


def cut_frame(frame: np.ndarray, view: View, size: int) -> np.ndarray:
    """A view of a frame: uint8 (H, W, 3) → (size, size, 3)."""
    picture = _resize(_part(frame, view), size)
    return mirror_frame(picture) if view.mirrored else picture


def cut_stack(stack: np.ndarray, view: View, size: int) -> np.ndarray:
    """A view of a quantised flow stack: uint8 (H, W, 2L) → (size, size, 2L).

    A closer view moves faster: displacements are scaled as the pictures are, relative to a view of `TEST_SCALE`,
    whose displacements stay as they are stored.
    """
    picture = _resize(_part(stack, view), size)
    zoom = round(TEST_SCALE * min(stack.shape[:2])) / view.side
    picture = picture if zoom == 1 else cv2.LUT(picture, _scaled_codes(zoom))
    return mirror_stack(picture) if view.mirrored else picture


def mirror_frame(frame: np.ndarray) -> np.ndarray:
    """Left and right exchanged: (…, H, W, C), any dtype."""
    return frame[..., ::-1, :]


def mirror_stack(stack: np.ndarray) -> np.ndarray:
    """The quantised flow of the mirrored clip: columns flipped and u negated, which is 256 minus its code.

    Args:
        stack: uint8 (…, H, W, 2L), channels u1, v1, u2, v2, …

    Returns:
        uint8 (…, H, W, 2L).
    """
    mirrored = stack[..., ::-1, :].copy()
    horizontal = np.maximum(mirrored[..., 0::2], 1).astype(np.int16)  # lossy storage can leave a 0: below the range
    mirrored[..., 0::2] = 2 * ZERO - horizontal
    return mirrored


def jitter_colour(generator: np.random.Generator, frame: np.ndarray) -> np.ndarray:
    """Brightness, contrast and saturation of a frame changed at random: uint8 (H, W, 3), RGB → the same.

    Never for flow: displacements have no brightness.
    """
    brightness, contrast, saturation = generator.uniform(1 - JITTER, 1 + JITTER, 3).astype(np.float32)
    pixels = frame.astype(np.float32)
    grey = (pixels @ _GREY)[..., None]
    mixed = brightness * (grey.mean() + contrast * (grey + saturation * (pixels - grey) - grey.mean()))
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def _corners(height, width, side):
    """(top, left) of the four corners and the middle."""
    bottom, right = height - side, width - side
    return [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]


def _along_longer_side(room_down, room_right, place):
    if room_right >= room_down:
        return room_down // 2, int(room_right * place)
    return int(room_down * place), room_right // 2


def _part(picture, view):
    return picture[view.top : view.top + view.side, view.left : view.left + view.side]


def _resize(picture, size):
    """uint8 (h, w, C) → (size, size, C), by area where it shrinks; OpenCV takes four channels at a time for that."""
    if picture.shape[:2] == (size, size):
        return picture
    way = cv2.INTER_AREA if picture.shape[0] > size else cv2.INTER_LINEAR
    parts = [picture[..., start : start + 4] for start in range(0, picture.shape[-1], 4)]
    resized = [cv2.resize(np.ascontiguousarray(part), (size, size), interpolation=way) for part in parts]
    return np.concatenate([part.reshape(size, size, -1) for part in resized], axis=-1)


def _scaled_codes(zoom):
    """The code of each code's displacement times `zoom`: uint8 (256,)."""
    steps = np.arange(256, dtype=np.float32) - ZERO
    return (np.clip(np.rint(zoom * steps), -STEPS, STEPS) + ZERO).astype(np.uint8)
