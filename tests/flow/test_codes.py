"""8-bit codes of flow, and the channel order of stacks."""

import numpy as np
import pytest
from conftest import moving_texture

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
from src.flow.optical_flow import compute_flow

BOUND = 20.0


def test_zero_is_exact():
    assert quantize_flow(np.zeros(3), BOUND).tolist() == [ZERO] * 3 == [128] * 3
    assert dequantize_flow(np.full(3, 128, np.uint8), BOUND).tolist() == [0.0] * 3


@pytest.mark.parametrize("bound", [1.0, 8.0, 20.0, 33.3])
def test_round_trip_within_half_a_step(bound):
    flow = np.linspace(-bound, bound, 10_001, dtype=np.float32)
    codes = quantize_flow(flow, bound)
    assert codes.dtype == np.uint8 and codes.min() == 1 and codes.max() == 255
    found = dequantize_flow(codes, bound)
    assert found.dtype == np.float32
    assert np.abs(found - flow).max() <= bound / STEPS / 2 * 1.0001


@pytest.mark.parametrize("bound", [1.0, 20.0, 33.3])
def test_the_negative_is_exact(bound):
    random = np.random.default_rng(0).normal(scale=bound / 2, size=10_000).astype(np.float32)
    halves = (np.arange(-130, 131) + 0.5).astype(np.float32) * np.float32(bound / STEPS)  # where rounding decides
    for flow in (random, halves):
        assert np.array_equal(quantize_flow(-flow, bound), 256 - quantize_flow(flow, bound).astype(int))
    codes = np.arange(1, 256)
    assert np.array_equal(
        dequantize_flow((256 - codes).astype(np.uint8), bound), -dequantize_flow(codes.astype(np.uint8), bound)
    )


def test_every_code_is_quantized_to_itself():
    codes = np.arange(1, 256, dtype=np.uint8)
    assert np.array_equal(quantize_flow(dequantize_flow(codes, BOUND), BOUND), codes)


def test_faster_motion_is_clipped_to_the_bound():
    flow = np.float32([-1e9, -BOUND - 1, -BOUND, BOUND, BOUND + 1, 1e9])
    assert quantize_flow(flow, BOUND).tolist() == [1, 1, 1, 255, 255, 255]
    assert dequantize_flow(np.uint8([1, 255]), BOUND).tolist() == pytest.approx([-BOUND, BOUND])


# Stacks


def test_channels_are_u1_v1_u2_v2():
    flow = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 2), dtype=np.uint8)
    stack = stack_flow(flow)
    for t in range(3):
        assert np.array_equal(stack[..., 2 * t], flow[t, ..., 0])
        assert np.array_equal(stack[..., 2 * t + 1], flow[t, ..., 1])


@pytest.mark.parametrize("length", [1, 3, 10])
def test_unstack_is_the_inverse(length):
    flow = np.random.default_rng(0).normal(size=(length, 7, 9, 2)).astype(np.float32)
    assert np.array_equal(unstack_flow(stack_flow(flow)), flow)


def test_a_diagonal_shift_is_in_the_right_channels():
    stack = stack_flow(compute_flow(moving_texture(4, 4, -1)))
    medians = np.median(stack, axis=(0, 1))
    assert medians[0::2] == pytest.approx([4, 4, 4], abs=0.5)
    assert medians[1::2] == pytest.approx([-1, -1, -1], abs=0.5)


def test_fields_that_are_missing_are_zero():
    flow = np.random.default_rng(0).normal(size=(2, 4, 5, 2)).astype(np.float32)
    stack = stack_fields(flow, 3, BOUND)
    assert stack.shape == (4, 5, 6) and stack.dtype == np.uint8
    assert np.array_equal(stack[..., :4], stack_flow(quantize_flow(flow, BOUND)))
    assert (stack[..., 4:] == ZERO).all()


def test_mean_flow():
    codes = quantize_flow(np.float32([[2, -1], [4, 3]]), 127.0)  # two fields of one pixel; a code is 1 px
    stack = stack_flow(codes.reshape(2, 1, 1, 2))
    assert mean_flow(stack, 127.0).tolist() == [[[3.0, 1.0]]]
    assert mean_flow(np.stack([stack, stack]), 127.0).shape == (2, 1, 1, 2)
