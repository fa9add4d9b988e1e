"""Inputs of the temporal stream from a stored stack: the middle fields, bidirectional, trajectories, or reversed.

Stacks are uint8 (H, W, 2L), quantized forward flow (`src.flow.codes`); so are all results. Displacements are in pixels
of the stored frame, so a stack is converted before it is cropped or resized. Fields are interpolated bilinearly, and
extended beyond the image by their border values.
"""

import numba
import numpy as np

from src.config import FLOW_INPUTS
from src.flow.caching import compile_exact
from src.flow.codes import STEPS, ZERO

MAX_ITERATIONS = 5  # of the fixed-point iteration; odd, see `inverse_fields`
TOLERANCE = 0.25  # codes; the iteration stops at a pixel that changes by less

_STACK = numba.types.Array(numba.uint8, 3, "C", readonly=True)
_inlined = numba.njit(inline="always")


def make_flow_input(stack: np.ndarray, flow_length: int, kind: str, flow_bound: float) -> np.ndarray:
    """Makes an input of the temporal stream from a stored stack.

    Args:
        stack: uint8 (H, W, 2L), as stored.
        flow_length: number of fields to use, 1 … L; the middle ones, so that one store serves every smaller L.
        kind: one of `FLOW_INPUTS`: "stack" (Simonyan & Zisserman 2014, equation 1), "bidirectional" or "trajectory".
        flow_bound: displacement of the largest code, px/frame.

    Returns:
        uint8 (H, W, 2 · flow_length).

    Raises:
        ValueError: `flow_length` is not in 1 … L, or is odd for "bidirectional"; or `kind` is unknown.
    """
    if kind not in FLOW_INPUTS:
        raise ValueError(f"The kind of flow input must be one of {FLOW_INPUTS}. Received: {kind!r}")
    first = first_field(stack.shape[-1] // 2, flow_length)
    stack = np.ascontiguousarray(stack[..., 2 * first : 2 * (first + flow_length)])
    if kind == "bidirectional":
        return bidirectional_stack(stack, flow_bound)
    return trajectory_stack(stack, flow_bound) if kind == "trajectory" else stack


def first_field(stored: int, length: int) -> int:
    """Index of the first of the `length` middle fields; if they cannot be centered, the earlier of both places.

    Raises:
        ValueError: `length` is not in 1 … stored.
    """
    if not 1 <= length <= stored:
        raise ValueError(
            f"flow_length must be 1 … {stored}, the fields that are stored; for more, prepare a store with a larger "
            f"ClipConfig.flow_length. Received: {length}"
        )
    return (stored - length) // 2


def trajectory_stack(stack: np.ndarray, flow_bound: float) -> np.ndarray:
    """Samples each field along the trajectories of points (Simonyan & Zisserman 2014, section 3.1, equation 2).

    Field k of the result holds d_k(p_k), where p_1 is the pixel and p_k+1 = p_k + d_k(p_k); the first field is
    unchanged. A point that leaves the image moves on with the flow at the border. Arguments and result as
    `inverse_fields`.
    """
    return _follow(np.ascontiguousarray(stack), np.float32(flow_bound / STEPS))


def bidirectional_stack(stack: np.ndarray, flow_bound: float) -> np.ndarray:
    """Flow from the middle frame in both directions of time (Simonyan & Zisserman 2014, section 3.1).

    Let τ be the middle of L + 1 frames. The first L/2 fields are the forward flow from τ to τ + 1, and so on. The
    others are the backward flow from τ to τ - 1, and so on, the inverse of the stored fields. Arguments and result as
    `inverse_fields`.

    Raises:
        ValueError: L is odd.
    """
    length = stack.shape[-1] // 2
    if length % 2:
        raise ValueError(
            f"flow_length must be even for bidirectional flow input, half for each direction. Received: {length}"
        )
    return np.concatenate([stack[..., length:], reverse_stack(stack[..., :length], flow_bound)], axis=-1)


def reverse_stack(stack: np.ndarray, flow_bound: float) -> np.ndarray:
    """The flow of the clip played backwards: the inverse fields in reverse order. Arguments as `inverse_fields`."""
    return reorder_fields(inverse_fields(stack, flow_bound), np.arange(stack.shape[-1] // 2)[::-1])


def inverse_fields(stack: np.ndarray, flow_bound: float) -> np.ndarray:
    """Computes backward flow from forward flow: for each field d, the field b with b(p) = -d(p + b(p)).

    It is found by fixed-point iteration from b = -d(p). Each step multiplies the error by the change of displacement
    per pixel, so the iteration converges where this is below 1; uniform motion gives exactly the negative codes. At the
    edges of moving objects it does not converge. Background that an object uncovers is not in the first frame: there
    the iteration alternates between both motions, and an odd number of steps ends on that of the background. Where an
    object newly covers the background, the result keeps the motion of the background.

    Args:
        stack: uint8 (H, W, 2L).
        flow_bound: displacement of the largest code, px/frame.

    Returns:
        uint8 (H, W, 2L), the fields in the same order, each defined on the pixels of its second frame.
    """
    return _invert(np.ascontiguousarray(stack), np.float32(flow_bound / STEPS))


def reorder_fields(stack: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The fields of a stack in another order, given by their indices; fields may be repeated."""
    pairs = np.ascontiguousarray(stack).view(np.uint16)  # moves u and v as one item, several times as fast
    return pairs.take(order, axis=-1).view(np.uint8)


@_inlined
def _read(stack, field, x, y):
    """u and v of a field at (x, y), in codes from zero."""
    height, width, _ = stack.shape
    x = min(max(x, np.float32(0)), np.float32(width - 1))
    y = min(max(y, np.float32(0)), np.float32(height - 1))
    left, top = np.int32(x), np.int32(y)
    right, low = min(left + 1, width - 1), min(top + 1, height - 1)
    across, down = x - np.float32(left), y - np.float32(top)
    u, v = 2 * field, 2 * field + 1
    return (
        _blend(stack[top, left, u], stack[top, right, u], stack[low, left, u], stack[low, right, u], across, down),
        _blend(stack[top, left, v], stack[top, right, v], stack[low, left, v], stack[low, right, v], across, down),
    )


@_inlined
def _blend(top_left, top_right, low_left, low_right, across, down):
    """Bilinear interpolation of four codes; exact where they are equal."""
    a, b, c, d = _steps(top_left), _steps(top_right), _steps(low_left), _steps(low_right)
    upper, lower = a + (b - a) * across, c + (d - c) * across
    return upper + (lower - upper) * down


@_inlined
def _steps(code):
    return np.float32(np.int32(code) - ZERO)


@_inlined
def _code(steps):
    """The code, clipped: lossy storage can leave a 0, which is below the range, and whose negative is no code."""
    return np.uint8(np.rint(min(max(steps, np.float32(-STEPS)), np.float32(STEPS))) + ZERO)


@compile_exact(_STACK, numba.float32)
def _follow(stack, px_per_step):
    height, width, channels = stack.shape
    out = stack.copy()
    for row, column in np.ndindex(height, width):
        x, y = np.float32(column), np.float32(row)
        u, v = _steps(stack[row, column, 0]), _steps(stack[row, column, 1])
        for field in range(1, channels // 2):
            x, y = x + u * px_per_step, y + v * px_per_step
            u, v = _read(stack, field, x, y)
            out[row, column, 2 * field], out[row, column, 2 * field + 1] = _code(u), _code(v)
    return out


@compile_exact(_STACK, numba.float32)
def _invert(stack, px_per_step):
    height, width, channels = stack.shape
    out = np.empty_like(stack)
    for row, column in np.ndindex(height, width):
        for field in range(channels // 2):
            u, v = -_steps(stack[row, column, 2 * field]), -_steps(stack[row, column, 2 * field + 1])
            for _ in range(MAX_ITERATIONS):
                x, y = np.float32(column) + u * px_per_step, np.float32(row) + v * px_per_step
                to_u, to_v = _read(stack, field, x, y)
                change = max(abs(to_u + u), abs(to_v + v))
                u, v = -to_u, -to_v
                if change < TOLERANCE:
                    break
            out[row, column, 2 * field], out[row, column, 2 * field + 1] = _code(u), _code(v)
    return out
