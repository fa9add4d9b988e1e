"""Dense optical flow between frames, by one of two algorithms."""

from collections.abc import Callable

import cv2
import numpy as np

from src.flow.farneback import farneback


def dis(frames: np.ndarray) -> np.ndarray:
    """Dense inverse search flow (Kroeger et al. 2016), medium preset; arguments and result as `farneback`.

    OpenCV's object keeps state, so each pair gets a new one: a field must depend on its two frames alone.
    """
    pairs = zip(frames, frames[1:], strict=False)
    preset = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
    return np.stack([cv2.DISOpticalFlow_create(preset).calc(before, after, None) for before, after in pairs])


# The names are also in `FLOW_ALGORITHMS` of `src.config`, which imports no OpenCV; a test compares them.
ALGORITHMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"farneback": farneback, "dis": dis}


def compute_flow(frames: np.ndarray, algorithm: str = "farneback") -> np.ndarray:
    """Computes the flow between consecutive frames.

    Args:
        frames: uint8 (T, H, W, 3), RGB, or (T, H, W), grey.
        algorithm: a key of `ALGORITHMS`.

    Returns:
        float32 (T-1, H, W, 2), px/frame; [..., 0] is u, + is right; [..., 1] is v, + is down. Two equal frames give
        exactly zero.

    Raises:
        ValueError: fewer than two frames, another shape or dtype, or an unknown algorithm.
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm must be one of {tuple(ALGORITHMS)}. Received: {algorithm!r}")
    if frames.dtype != np.uint8 or frames.ndim not in (3, 4) or len(frames) < 2:
        raise ValueError(
            "frames must be uint8 (T, H, W, 3) or (T, H, W) with T of 2 or more. "
            f"Received: {frames.dtype} {frames.shape}"
        )
    gray = frames if frames.ndim == 3 else np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    flow = ALGORITHMS[algorithm](gray)
    flow[(gray[:-1] == gray[1:]).all(axis=(1, 2))] = 0  # the algorithms leave rounding errors
    return flow
