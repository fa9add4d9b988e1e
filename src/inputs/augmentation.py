"""Random crops and colour jitter of training inputs."""

import cv2
import numpy as np

from src.video import crops

SCALES = (1.0, 0.875, 0.75, 0.66)  # sides of training crops (TSN, Wang et al. 2016: 256, 224, 192 and 168 of 256)
JITTER = 0.4  # brightness, contrast and saturation each change by at most this share
_SCALE_PAIRS = [(i, j) for i in range(len(SCALES)) for j in range(len(SCALES)) if abs(i - j) <= 1]  # height, width
# Maps of (red, green, blue, 1) to the colour itself, to its grey, and to 1.
_COLOUR, _GREY, _CONSTANT = np.eye(3, 4), np.tile([0.299, 0.587, 0.114, 0], (3, 1)), np.tile([0, 0, 0, 1], (3, 1))


def random_crop(generator: np.random.Generator, height: int, width: int, keep_aspect: bool) -> crops.Crop:
    """A random training crop, not flipped, at a corner or in the centre; both sides have equal or neighbouring scales.

    Corner cropping and scale jittering of TSN (Wang et al. 2016).
    """
    whole = crops.full_sides(height, width, keep_aspect)
    scales = _SCALE_PAIRS[generator.integers(len(_SCALE_PAIRS))]
    sides = [round(side * SCALES[scale]) for side, scale in zip(whole, scales, strict=True)]
    corner = crops.corners_and_center(height - sides[0], width - sides[1])[generator.integers(5)]
    return crops.Crop(*corner, *sides)


def jitter_colour(generator: np.random.Generator, frames: np.ndarray) -> np.ndarray:
    """Changes brightness, contrast and saturation at random, of all frames alike, in place: uint8 (…, H, W, 3), RGB.

    All three are one affine map of a pixel's colour. OpenCV computes it in fixed-point arithmetic, so that a value can
    differ by 1 from the exact one. Not for flow, whose codes are displacements.
    """
    brightness, contrast, saturation = generator.uniform(1 - JITTER, 1 + JITTER, 3)
    pixels = frames.reshape(-1, frames.shape[-2], 3)
    offset = brightness * (1 - contrast) * np.dot(_GREY[0, :3], cv2.mean(pixels)[:3])
    gain = brightness * contrast
    matrix = gain * saturation * _COLOUR + gain * (1 - saturation) * _GREY + offset * _CONSTANT
    return cv2.transform(pixels, matrix, pixels).reshape(frames.shape)
