"""Frames → flow, float32 px/frame; flow → 8 bits and back; fields → the stack a network sees."""

from collections.abc import Callable

import cv2
import numba
import numpy as np

from src.flow.farneback import farneback

ZERO = 128  # the stored value of no motion
STEPS = 127  # stored steps from no motion to the bound, the same on both sides


def dis(frames: np.ndarray) -> np.ndarray:
    """Dense inverse search flow (Kroeger et al. 2016), medium preset; arguments and result as `farneback`.

    Made anew for each pair: OpenCV's object keeps state, and a result must depend on its two frames alone.
    """
    pairs = zip(frames, frames[1:], strict=False)
    preset = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
    return np.stack([cv2.DISOpticalFlow_create(preset).calc(before, after, None) for before, after in pairs])


ALGORITHMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"farneback": farneback, "dis": dis}


def compute_flow(frames: np.ndarray, algorithm: str = "farneback") -> np.ndarray:
    """Flow between consecutive frames.

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
    flow[(gray[:-1] == gray[1:]).all(axis=(1, 2))] = 0  # to the last bit, which the algorithms miss
    return flow


def quantize_flow(flow: np.ndarray, bound: float) -> np.ndarray:
    """Flow in 8 bits: `round(f · 127 / bound) + 128`, clipped to 1 … 255.

    No motion is exactly 128, and the negative of a flow is exactly 256 minus its code, so a mirrored stack needs no
    new flow. (Rounding 255 · (f + bound) / 2 bound, as is common, has neither property.)

    Args:
        flow: float (…), px/frame.
        bound: displacement of the largest code, px/frame; faster motion is clipped to it.

    Returns:
        uint8 (…).
    """
    return _encode(flow, np.float32(STEPS / bound))


@numba.vectorize(["uint8(float32, float32)", "uint8(float64, float32)"], cache=True)  # five times as fast as by NumPy
def _encode(displacement, steps_per_px):
    return min(max(np.rint(displacement * steps_per_px), -STEPS), STEPS) + ZERO


def dequantize_flow(codes: np.ndarray, bound: float) -> np.ndarray:
    """The flow that 8-bit codes stand for: float32 (…), px/frame, within half a step (bound / 254) below the bound."""
    return (codes.astype(np.float32) - ZERO) * np.float32(bound / STEPS)


def stack_flow(flow: np.ndarray) -> np.ndarray:
    """L fields as the channels of one input: (L, H, W, 2) → (H, W, 2L), in the order u1, v1, u2, v2, … uL, vL.

    This is the one place that sets the channel order (Simonyan & Zisserman 2014, equation 1).
    """
    length, height, width, _ = flow.shape
    both = f"u{2 * flow.itemsize}"  # u and v moved as one, ten times as fast
    pairs = np.ascontiguousarray(flow).reshape(length, height, 2 * width).view(both)
    return np.ascontiguousarray(pairs.transpose(1, 2, 0)).view(flow.dtype)


def unstack_flow(stack: np.ndarray) -> np.ndarray:
    """The inverse of `stack_flow`: (H, W, 2L) → (L, H, W, 2)."""
    height, width, channels = stack.shape
    return stack.reshape(height, width, channels // 2, 2).transpose(2, 0, 1, 3)


def stack_fields(flow: np.ndarray, flow_length: int, bound: float) -> np.ndarray:
    """At most L fields → their quantised stack: (T, H, W, 2), px/frame → uint8 (H, W, 2L), the missing ones zero."""
    missing = flow_length - len(flow)
    if missing:
        flow = np.concatenate([flow, np.zeros((missing, *flow.shape[1:]), np.float32)])
    return stack_flow(quantize_flow(flow, bound))


def mean_flow(stack: np.ndarray, bound: float) -> np.ndarray:
    """One field to look at: uint8 (…, H, W, 2L), quantised → float32 (…, H, W, 2), px/frame, the mean over time."""
    flow = dequantize_flow(stack, bound)
    return np.stack([flow[..., 0::2].mean(axis=-1), flow[..., 1::2].mean(axis=-1)], axis=-1)
