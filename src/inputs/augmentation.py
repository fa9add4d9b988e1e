"""Random crops and colour jitter of training inputs."""

import numpy as np

from src.video import crops

SCALES = (1.0, 0.875, 0.75, 0.66)  # sides of training crops (TSN, Wang et al. 2016: 256, 224, 192 and 168 of 256)
JITTER = 0.4  # brightness, contrast and saturation each change by at most this share
_SCALE_PAIRS = [(i, j) for i in range(len(SCALES)) for j in range(len(SCALES)) if abs(i - j) <= 1]  # height, width
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


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
    """Changes brightness, contrast and saturation at random, of all frames alike: uint8 (…, H, W, 3), RGB → the same.

    Not for flow, whose codes are displacements.
    """
    brightness, contrast, saturation = generator.uniform(1 - JITTER, 1 + JITTER, 3).astype(np.float32)
    pixels = frames.astype(np.float32)
    grey = (pixels @ _GREY)[..., None]
    mixed = brightness * (grey.mean() + contrast * (grey + saturation * (pixels - grey) - grey.mean()))
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8)
