"""Flow as 8-bit codes, and L flow fields as the channels of one stack."""

import numba
import numpy as np

from src.flow.caching import with_cache

ZERO = 128  # code of no motion
STEPS = 127  # codes from no motion to the bound, the same number in both directions


def quantize_flow(flow: np.ndarray, bound: float) -> np.ndarray:
    """Quantizes flow to 8 bits: `round(flow · 127 / bound) + 128`, clipped to 1 … 255.

    No motion is exactly 128, and the code of the negative flow is exactly 256 minus the code, so a stack can be flipped
    without computing flow again. (The common `round(255 · (flow + bound) / (2 · bound))` has neither property.)

    Args:
        flow: float (…), px/frame.
        bound: displacement of the largest code, px/frame; larger displacements are clipped.

    Returns:
        uint8 (…).
    """
    flow = np.ascontiguousarray(flow)
    codes = np.empty(flow.shape, np.uint8)
    _quantize(flow.reshape(-1), np.float32(STEPS / bound), codes.reshape(-1))
    return codes


@with_cache(numba.njit, nogil=True, error_model="numpy")  # NumPy takes eight times as long
def _quantize(displacements, steps_per_px, codes):
    most, zero = np.float32(STEPS), np.float32(ZERO)  # sums with integers would be of 64 bits
    for i in range(len(codes)):
        steps = np.rint(displacements[i] * steps_per_px)
        codes[i] = np.uint8(np.int32(min(max(steps, -most), most) + zero))


def dequantize_flow(codes: np.ndarray, bound: float) -> np.ndarray:
    """Inverse of `quantize_flow`: float32 (…), px/frame, with an error of at most bound / 254 below the bound."""
    return (codes.astype(np.float32) - ZERO) * np.float32(bound / STEPS)


def stack_flow(flow: np.ndarray) -> np.ndarray:
    """Stacks L fields as channels: (L, H, W, 2) → (H, W, 2L), in the order u1, v1, u2, v2, … uL, vL.

    This is the one place that sets the channel order (Simonyan & Zisserman 2014, equation 1).
    """
    length, height, width, _ = flow.shape
    both = f"u{2 * flow.itemsize}"  # moves u and v as one item, ten times as fast
    pairs = np.ascontiguousarray(flow).reshape(length, height, 2 * width).view(both)
    return np.ascontiguousarray(pairs.transpose(1, 2, 0)).view(flow.dtype)


def unstack_flow(stack: np.ndarray) -> np.ndarray:
    """Inverse of `stack_flow`: (H, W, 2L) → (L, H, W, 2)."""
    height, width, channels = stack.shape
    return stack.reshape(height, width, channels // 2, 2).transpose(2, 0, 1, 3)


def stack_fields(flow: np.ndarray, flow_length: int, bound: float) -> np.ndarray:
    """Quantizes and stacks at most L fields: (T, H, W, 2), px/frame → uint8 (H, W, 2L).

    Missing fields are zero, on both sides, so that the motion is in the middle fields, as by `src.video.pad_window`.
    """
    return stack_codes(quantize_flow(flow, bound), flow_length)


def stack_codes(codes: np.ndarray, flow_length: int) -> np.ndarray:
    """As `stack_fields`, of quantized fields: uint8 (T, H, W, 2) → uint8 (H, W, 2L)."""
    before = flow_length // 2 - len(codes) // 2
    missing = [(before, flow_length - len(codes) - before), (0, 0), (0, 0), (0, 0)]
    return stack_flow(np.pad(codes, missing, constant_values=ZERO))


def mean_flow(stack: np.ndarray, bound: float) -> np.ndarray:
    """Mean of a stack's fields, for display: uint8 (…, H, W, 2L) → float32 (…, H, W, 2), px/frame."""
    length = stack.shape[-1] // 2
    sums = stack.astype(np.float32) @ np.tile(np.eye(2, dtype=np.float32), (length, 1))  # exact, they are integers
    return (sums - length * ZERO) * np.float32(bound / STEPS / length)
