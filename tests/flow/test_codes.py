"""8-bit codes of flow, and the channel order of stacks."""

import numpy as np
import pytest

from src.flow.codes import (
    STEPS,
    ZERO,
    dequantize_flow,
    mean_flow,
    quantize_flow,
    stack_fields,
    stack_flow,
    unstack_flow,
)

BOUND = 20.0


@pytest.mark.parametrize("bound", [1.0, 8.0, 20.0, 33.3])
def test_round_trip_within_half_a_step(bound):
    flow = np.linspace(-bound, bound, 10_001, dtype=np.float32)
    codes = quantize_flow(flow, bound)
    assert codes.dtype == np.uint8 and np.array_equal(np.unique(codes), np.arange(1, 256))
    found = dequantize_flow(codes, bound)
    assert found.dtype == np.float32
    assert np.abs(found - flow).max() <= bound / STEPS / 2 * 1.0001
    assert np.array_equal(quantize_flow(found, bound), codes)


@pytest.mark.parametrize("bound", [1.0, 20.0, 33.3])
def test_the_negative_is_exact(bound):
    """So the code of zero, which is its own negative, is 128, and dequantizing that gives exactly zero."""
    random = np.random.default_rng(0).normal(scale=bound / 2, size=10_000).astype(np.float32)
    halves = (np.arange(-130, 131) + 0.5).astype(np.float32) * np.float32(bound / STEPS)  # where rounding decides
    for flow in (random, halves, np.zeros(1)):
        assert np.array_equal(quantize_flow(-flow, bound), 256 - quantize_flow(flow, bound).astype(int))
    codes = np.arange(1, 256, dtype=np.uint8)
    assert np.array_equal(dequantize_flow(codes[::-1], bound), -dequantize_flow(codes, bound))


def test_faster_motion_is_clipped_to_the_bound():
    flow = np.float32([-1e9, -BOUND - 1, -BOUND, BOUND, BOUND + 1, 1e9])
    assert quantize_flow(flow, BOUND).tolist() == [1, 1, 1, 255, 255, 255]
    assert dequantize_flow(np.uint8([1, 255]), BOUND).tolist() == pytest.approx([-BOUND, BOUND])


@pytest.mark.parametrize("length", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_channels_are_u1_v1_u2_v2(length, dtype):
    flow = np.random.default_rng(0).integers(0, 256, (length, 4, 5, 2)).astype(dtype)
    stack = stack_flow(flow)
    assert stack.dtype == dtype and stack.shape == (4, 5, 2 * length)
    for t in range(length):
        assert np.array_equal(stack[..., 2 * t], flow[t, ..., 0])
        assert np.array_equal(stack[..., 2 * t + 1], flow[t, ..., 1])
    assert np.array_equal(unstack_flow(stack), flow)


def test_fields_that_are_missing_are_zero():
    flow = np.random.default_rng(0).normal(size=(2, 4, 5, 2)).astype(np.float32)
    stack = stack_fields(flow, 5, BOUND)
    assert stack.shape == (4, 5, 10) and stack.dtype == np.uint8
    assert np.array_equal(stack[..., 2:6], stack_flow(quantize_flow(flow, BOUND)))
    assert (stack[..., :2] == ZERO).all() and (stack[..., 6:] == ZERO).all()


def test_mean_flow():
    codes = quantize_flow(np.float32([[2, -1], [4, 3]]), 127.0)  # two fields of one pixel; a code is 1 px
    stack = stack_flow(codes.reshape(2, 1, 1, 2))
    assert mean_flow(stack, 127.0).tolist() == [[[3.0, 1.0]]]
    assert mean_flow(np.stack([stack, stack]), 127.0).shape == (2, 1, 1, 2)
