import cv2
import numpy as np
import pytest
from conftest import moving_texture

from src.flow.optical_flow import (
    ALGORITHMS,
    STEPS,
    ZERO,
    compute_flow,
    dequantize_flow,
    mean_flow,
    quantize_flow,
    stack_flow,
    unstack_flow,
)

BOUND = 20.0
both = pytest.mark.parametrize("algorithm", ALGORITHMS)


def inner(flow, border=16):
    """Without the border, where the texture wraps around."""
    return flow[..., border:-border, border:-border, :]


# Known motion


@both
@pytest.mark.parametrize("u, v", [(1, 0), (-1, 0), (0, 1), (0, -1), (3, -2), (-2.5, 1.25), (0.4, 0.2), (5, 5)])
def test_known_motion(algorithm, u, v):
    flow = compute_flow(moving_texture(4, u, v), algorithm)
    assert flow.shape == (3, 120, 160, 2) and flow.dtype == np.float32
    error = np.abs(inner(flow) - (u, v))
    assert np.median(error, axis=(0, 1, 2)).max() < 0.1
    assert np.quantile(error, 0.95) < 0.5


@both
@pytest.mark.parametrize("u, v", [(-9, 6), (14, -4)])
def test_fast_motion_at_the_height_of_something_something(algorithm, u, v):
    flow = compute_flow(moving_texture(2, u, v, 240, 320), algorithm)
    assert np.median(np.abs(inner(flow, 40) - (u, v)), axis=(0, 1, 2)).max() < 0.5


@both
def test_u_is_horizontal_and_v_vertical_at_every_place(algorithm):
    """A swirl: u depends on the row alone, v on the column alone, so nothing can be exchanged unnoticed."""
    height, width = 120, 160
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    u, v = (rows - 60) / 20, -(columns - 80) / 20
    texture = moving_texture(1, 0, 0, height, width)[0]
    after = cv2.remap(texture, columns - u, rows - v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    flow = inner(compute_flow(np.stack([texture, after]), algorithm))[0]
    assert np.abs(flow[..., 0] - inner(u[..., None])[..., 0]).mean() < 0.5
    assert np.abs(flow[..., 1] - inner(v[..., None])[..., 0]).mean() < 0.5
    assert np.sign(flow[:20, :, 0]).mean() < -0.9 and np.sign(flow[-20:, :, 0]).mean() > 0.9
    assert np.sign(flow[:, :20, 1]).mean() > 0.9 and np.sign(flow[:, -20:, 1]).mean() < -0.9


@both
def test_a_still_scene_is_exactly_zero(algorithm):
    flow = compute_flow(np.repeat(moving_texture(1, 0, 0), 3, axis=0), algorithm)
    assert flow.shape == (2, 120, 160, 2)
    assert not flow.any()


@both
def test_each_field_depends_on_its_two_frames_alone(algorithm):
    frames = moving_texture(6, 3, -1)
    together = compute_flow(frames, algorithm)
    alone = np.concatenate([compute_flow(frames[t : t + 2], algorithm) for t in range(5)])
    assert np.array_equal(together, alone)


@both
def test_time_goes_forward(algorithm):
    frames = moving_texture(2, 4, 0)
    assert np.median(compute_flow(frames, algorithm)[..., 0]) == pytest.approx(4, abs=0.5)
    assert np.median(compute_flow(frames[::-1], algorithm)[..., 0]) == pytest.approx(-4, abs=0.5)


def test_flow_of_the_mirror_is_the_mirrored_flow():
    frames = moving_texture(3, 3, 1)
    flow, mirrored = compute_flow(frames), compute_flow(np.ascontiguousarray(frames[:, :, ::-1]))
    assert np.abs(mirrored[:, :, ::-1] * (-1, 1) - flow).max() < 1e-3


@both
def test_gray_frames_give_what_colour_frames_give(algorithm):
    gray = moving_texture(3, 2, 1)[..., 0]
    colour = np.repeat(gray[..., None], 3, axis=-1)
    assert np.array_equal(compute_flow(gray, algorithm), compute_flow(colour, algorithm))


@both
@pytest.mark.parametrize("height, width", [(16, 16), (16, 28), (33, 17), (48, 64)])
def test_small_frames(algorithm, height, width):
    flow = compute_flow(moving_texture(3, 1, 0, height, width), algorithm)
    assert flow.shape == (2, height, width, 2)
    assert np.median(flow[..., 0]) == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((1, 32, 32, 3), np.uint8),
        np.zeros((0, 32, 32, 3), np.uint8),
        np.zeros((32, 32), np.uint8),
        np.zeros((3, 32, 32, 3), np.float32),
    ],
)
def test_frames_must_be_a_clip(frames):
    with pytest.raises(ValueError, match="T of 2 or more. Received"):
        compute_flow(frames)


def test_an_unknown_algorithm_is_named():
    with pytest.raises(ValueError, match="algorithm must be one of .*farneback.*dis.* Received: 'tvl1'"):
        compute_flow(moving_texture(2, 0, 0, 32, 32), "tvl1")


# 8 bits


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


def test_every_code_survives():
    codes = np.arange(1, 256, dtype=np.uint8)
    assert np.array_equal(quantize_flow(dequantize_flow(codes, BOUND), BOUND), codes)


def test_faster_motion_is_clipped_to_the_bound():
    flow = np.float32([-1e9, -BOUND - 1, -BOUND, BOUND, BOUND + 1, 1e9])
    assert quantize_flow(flow, BOUND).tolist() == [1, 1, 1, 255, 255, 255]
    assert dequantize_flow(np.uint8([1, 255]), BOUND).tolist() == pytest.approx([-BOUND, BOUND])


def test_quantizing_leaves_its_input_alone():
    flow = np.random.default_rng(0).normal(size=(2, 3, 4, 2)).astype(np.float32)
    before = flow.copy()
    assert quantize_flow(flow, BOUND).shape == flow.shape
    assert np.array_equal(flow, before)


# Stacks


def test_channels_are_u1_v1_u2_v2():
    flow = np.zeros((3, 4, 5, 2), np.uint8)
    for t in range(3):
        flow[t, ..., 0], flow[t, ..., 1] = 10 * (t + 1), 10 * (t + 1) + 1
    stack = stack_flow(flow)
    assert stack.shape == (4, 5, 6)
    assert stack[2, 3].tolist() == [10, 11, 20, 21, 30, 31]
    assert (stack == stack[0, 0]).all()


def test_places_stay_where_they_are():
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


def test_mean_flow():
    codes = quantize_flow(np.float32([[2, -1], [4, 3]]), 127.0)  # two fields of one pixel; steps of 1 px
    stack = stack_flow(codes.reshape(2, 1, 1, 2))
    assert mean_flow(stack, 127.0).tolist() == [[[3.0, 1.0]]]
    assert mean_flow(np.stack([stack, stack]), 127.0).shape == (2, 1, 1, 2)
