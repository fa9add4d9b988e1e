"""What Farnebäck's flow is made of, whoever computes it: sizes of the pyramid, kernels, weights at the border.

All as in OpenCV's `calcOpticalFlowFarneback`; numbers only, so that `src.flow.farneback` (compiled for the CPU) and
`models.farneback` (a Keras layer) share them.
"""

from typing import NamedTuple

import numpy as np

MIN_SIDE = 32  # px; no level but the full size is smaller
BORDER = np.array([0.14, 0.14, 0.4472, 0.4472, 0.4472], np.float32)  # weights of the outermost pixels
REGULARIZATION = 1e-3  # is added to a determinant, so that a picture without texture has a flow: none


class Level(NamedTuple):
    """A level of the pyramid: its size in pixels, and the share of the full size's sides that it has."""

    height: int
    width: int
    scale: float


def pyramid(height: int, width: int, pyr_scale: float = 0.5, levels: int = 3) -> list[Level]:
    """The levels, coarse to fine; the last is the full size, and there are at most `levels` below it."""
    scales = [1.0]
    while len(scales) <= levels and min(height, width) * scales[-1] * pyr_scale >= MIN_SIDE:
        scales.append(scales[-1] * pyr_scale)
    return [Level(round(height * scale), round(width * scale), scale) for scale in reversed(scales)]


def blur_of_level(scale: float) -> tuple[int, float]:
    """(side in pixels, sigma) of the Gaussian that a frame is smoothed with before it is made smaller."""
    sigma = (1 / scale - 1) / 2
    return max(3, round(5 * sigma) | 1), sigma


def border_weights(length: int) -> np.ndarray:
    """Weights along a side, float32 (length,): at the border the flow leads out of the picture, and little is known."""
    weights = np.ones(length, np.float32)
    near = min(len(BORDER), length)
    weights[:near] *= BORDER[:near]
    weights[length - near :] *= BORDER[:near][::-1]
    return weights


def expansion_kernels(radius: int, sigma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The polynomial expansion by separable sums (Farnebäck 2003, section 2).

    Args:
        radius: px; poly_n of OpenCV.
        sigma: px; poly_sigma of OpenCV.

    Returns:
        (g, x·g, x²·g, entries): float32 (2 · radius + 1,) each, g a Gaussian of sum 1; and, float32 (4,), what is
        needed of the inverse of the basis' Gram matrix: its entries of (x, x), (1, x²), (x², x²) and (xy, xy).
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
