"""Constants of Farnebäck's flow as in OpenCV's `calcOpticalFlowFarneback`: pyramid sizes, kernels, border weights.

They are shared by `src.flow.farneback` (compiled for the CPU) and `models.farneback` (a Keras layer).
"""

from typing import NamedTuple

import numpy as np

MIN_SIDE = 32  # px; only the full size may be smaller
BORDER = np.array([0.14, 0.14, 0.4472, 0.4472, 0.4472], np.float32)  # weights, from the border inwards
REGULARIZATION = 1e-3  # added to the determinant, so that an image without texture has zero flow


class Level(NamedTuple):
    """A level of the pyramid: its size in pixels, and its scale relative to the full size."""

    height: int
    width: int
    scale: float


def pyramid(height: int, width: int, pyr_scale: float = 0.5, levels: int = 3) -> list[Level]:
    """Returns the levels, coarse to fine: at most `levels` smaller ones, then the full size."""
    scales = [1.0]
    while len(scales) <= levels and min(height, width) * scales[-1] * pyr_scale >= MIN_SIDE:
        scales.append(scales[-1] * pyr_scale)
    return [Level(round(height * scale), round(width * scale), scale) for scale in reversed(scales)]


def blur_of_level(scale: float) -> tuple[int, float]:
    """Returns (side, sigma) in pixels of the Gaussian filter that is applied before a frame is resized to a level."""
    sigma = (1 / scale - 1) / 2
    return max(3, round(5 * sigma) | 1), sigma


def border_weights(length: int) -> np.ndarray:
    """Weights along one side, float32 (length,); smaller at the border, where flow leads out of the image."""
    weights = np.ones(length, np.float32)
    near = min(len(BORDER), length)
    weights[:near] *= BORDER[:near]
    weights[length - near :] *= BORDER[:near][::-1]
    return weights


def expansion_kernels(radius: int, sigma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns the kernels of the polynomial expansion by separable sums (Farnebäck 2003, section 2).

    Args:
        radius: px; poly_n of OpenCV.
        sigma: px; poly_sigma of OpenCV.

    Returns:
        (g, x·g, x²·g, entries): three of float32 (2 · radius + 1,), g a Gaussian of sum 1; and float32 (4,), the
        entries (x, x), (1, x²), (x², x²) and (xy, xy) of the inverse Gram matrix of the basis.
    """
    x = np.arange(-radius, radius + 1)
    g = np.exp(-x * x / (2 * sigma**2)).astype(np.float32)
    g = (g / g.sum(dtype=np.float64)).astype(np.float32)
    y = x[:, None]
    basis = np.stack([term.ravel() for term in np.broadcast_arrays(1, x, y, x * x, y * y, x * y)])
    weights = np.outer(g, g.astype(np.float64)).ravel()
    inverse = np.linalg.inv(basis * weights @ basis.T)
    entries = np.array([inverse[1, 1], inverse[0, 3], inverse[3, 3], inverse[5, 5]], np.float32)
    return g, (x * g).astype(np.float32), (x * x * g).astype(np.float32), entries
