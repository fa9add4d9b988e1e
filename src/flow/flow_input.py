"""A stored flow stack → what the temporal stream is given of it: fewer fields, two-way, along trajectories, backwards.

A stack is uint8 (H, W, 2L), quantised forward flow, as `src.flow.optical_flow` writes it; so is all that comes out of here.
Displacements are pixels of the stored picture: a stack is changed here before it is cropped or resized. A field is read
between its pixels linearly, and outside the picture it goes on as at the border.
"""

import numba
import numpy as np

from src.config import FLOW_INPUTS
from src.flow.optical_flow import STEPS, ZERO

INVERSE_STEPS = 5  # of the fixed-point iteration, at most; odd, see `inverse_fields`
SETTLED = 0.25  # stored steps; the iteration stops at a pixel that it moves by less

_STACK = numba.types.Array(numba.uint8, 3, "C", readonly=True)
_part = numba.njit(inline="always")


def _compiled(function):
    """Compiled without LLVM's SLP vectorizer, which `src.flow.farneback` turns on: its code of these reads outside the stack
    (numba turned it off for such faults, pull request 8852)."""
    before, numba.config.SLP_VECTORIZE = numba.config.SLP_VECTORIZE, 0
    compiled = numba.njit([(_STACK, numba.float32)], cache=True, nogil=True, error_model="numpy")(function)
    numba.config.SLP_VECTORIZE = before
    return compiled


def make_flow_input(stack: np.ndarray, flow_length: int, kind: str, flow_bound: float) -> np.ndarray:
    """What the temporal network is given of a stored stack.

    Args:
        stack: uint8 (H, W, 2L), as stored.
        flow_length: fields to use, the middle ones; 1 … L.
        kind: one of `FLOW_INPUTS`: "stack" (Simonyan & Zisserman 2014, equation 1), "bidirectional" or "trajectory".
        flow_bound: displacement of the largest code, px/frame.

    Returns:
        uint8 (H, W, 2 · flow_length).

    Raises:
        ValueError: `flow_length` is not in 1 … L, or odd for "bidirectional"; or an unknown kind.
    """
    if kind not in FLOW_INPUTS:
        raise ValueError(f"The kind of flow input must be one of {FLOW_INPUTS}. Received: {kind!r}")
    stack = select_fields(stack, flow_length)
    if kind == "bidirectional":
        return bidirectional_stack(stack, flow_bound)
    return trajectory_stack(stack, flow_bound) if kind == "trajectory" else stack


def select_fields(stack: np.ndarray, length: int) -> np.ndarray:
    """The middle fields of a stack; where there is no middle, one place early. One store serves every smaller L.

    Returns:
        uint8 (H, W, 2 · length).

    Raises:
        ValueError: `length` is not in 1 … L.
    """
    first = first_field(stack.shape[-1] // 2, length)
    return np.ascontiguousarray(stack[..., 2 * first : 2 * (first + length)])


def first_field(stored: int, length: int) -> int:
    """Which of the stored fields is the first of the `length` middle ones; where there is no middle, one place early.

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
    """The same fields, each read where the point that starts at a pixel has come to (Simonyan & Zisserman 2014,
    section 3.1, equation 2): channel k holds d_k(p_k), with p_1 the pixel and p_k+1 = p_k + d_k(p_k).

    The first field is unchanged. A point that leaves the picture is carried on by the flow at the border. Arguments and
    result as `inverse_fields`.
    """
    return _follow(np.ascontiguousarray(stack), np.float32(flow_bound / STEPS))


def bidirectional_stack(stack: np.ndarray, flow_bound: float) -> np.ndarray:
    """Flow from the middle frame both ways (Simonyan & Zisserman 2014, section 3.1, bi-directional optical flow).

    Of L + 1 frames, τ is the middle one. The first L/2 fields are the forward flow from τ on; the others are the
    backward flow from τ to the frame before, and so on back in time, from the inverse of the stored fields. Arguments
    and result as `inverse_fields`.

    Raises:
        ValueError: L is odd.
    """
    length = stack.shape[-1] // 2
    if length % 2:
        raise ValueError(
            f"flow_length must be even for bidirectional flow input, half of it for each direction. Received: {length}"
        )
    return np.concatenate([stack[..., length:], reverse_stack(stack[..., :length], flow_bound)], axis=-1)


def reverse_stack(stack: np.ndarray, flow_bound: float) -> np.ndarray:
    """The flow of the clip played backwards: the fields in reverse order, each inverted; arguments and result as
    `inverse_fields`."""
    return reorder_fields(inverse_fields(stack, flow_bound), np.arange(stack.shape[-1] // 2)[::-1])


def inverse_fields(stack: np.ndarray, flow_bound: float) -> np.ndarray:
    """Backward flow from forward flow: of each field d the b for which b(p) = -d(p + b(p)).

    Solved by fixed-point iteration from b = -d(p). Each step multiplies the error by how much the displacement changes
    per pixel: where that is below 1 it converges, and a uniform motion gives exactly the negative codes. At the edges
    of things that move it is not. What comes out from behind one is not in the first frame; the iteration alternates
    between the two motions, and an odd number of steps ends on that of what was behind. What it comes to cover keeps
    the motion that was there.

    Args:
        stack: uint8 (H, W, 2L).
        flow_bound: displacement of the largest code, px/frame.

    Returns:
        uint8 (H, W, 2L), the fields in the same order, each on the pixels of its second frame.
    """
    return _invert(np.ascontiguousarray(stack), np.float32(flow_bound / STEPS))


def reorder_fields(stack, order):
    """The fields in another order."""
    pairs = np.ascontiguousarray(stack).view(np.uint16)  # u and v moved as one, several times as fast
    return pairs.take(order, axis=-1).view(np.uint8)


@_part
def _read(stack, field, x, y):
    """u and v of a field at (x, y), in stored steps."""
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


@_part
def _blend(top_left, top_right, low_left, low_right, across, down):
    """Stored steps between four codes; exactly theirs where they are the same."""
    a, b, c, d = _steps(top_left), _steps(top_right), _steps(low_left), _steps(low_right)
    upper, lower = a + (b - a) * across, c + (d - c) * across
    return upper + (lower - upper) * down


@_part
def _steps(code):
    return np.float32(np.int32(code) - ZERO)


@_part
def _code(steps):
    """Clipped: lossy storage can leave a 0, below the range, the negative of which is no code."""
    return np.uint8(np.rint(min(max(steps, np.float32(-STEPS)), np.float32(STEPS))) + ZERO)


@_compiled
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


@_compiled
def _invert(stack, px_per_step):
    height, width, channels = stack.shape
    out = np.empty_like(stack)
    for row, column in np.ndindex(height, width):
        for field in range(channels // 2):
            u, v = -_steps(stack[row, column, 2 * field]), -_steps(stack[row, column, 2 * field + 1])
            for _ in range(INVERSE_STEPS):
                x, y = np.float32(column) + u * px_per_step, np.float32(row) + v * px_per_step
                to_u, to_v = _read(stack, field, x, y)
                change = max(abs(to_u + u), abs(to_v + v))
                u, v = -to_u, -to_v
                if change < SETTLED:
                    break
            out[row, column, 2 * field], out[row, column, 2 * field + 1] = _code(u), _code(v)
    return out
