"""Crops and flips of frames and flow stacks, against flow computed on the cropped frames themselves."""

import dataclasses

import numpy as np
import pytest
from conftest import moving_texture

from src.flow import ZERO, compute_flow, dequantize_flow, stack_fields, unstack_flow
from src.video.crops import Crop, crop_frame, crop_stack, crop_window, flip_frame, flip_stack, scored_crops

BOUND = 10.0
BORDER = 16  # px at the edge of an image where flow depends on what is outside it


def random_codes(*shape):
    return np.random.default_rng(0).integers(1, 256, shape, dtype=np.uint8)


def stack_of(frames):
    return stack_fields(compute_flow(frames), len(frames) - 1, BOUND)


def inside(stack):
    return stack[BORDER:-BORDER, BORDER:-BORDER].astype(int)


@pytest.fixture(scope="module")
def clip():
    return moving_texture(4, 2.0, -1.0, height=96, width=128)


# Flips


def test_a_flip_reverses_columns_negates_u_and_leaves_v():
    """Defects 1 and 8: a flipped push to the right is a push to the left; zero is its own negative."""
    codes = np.arange(1, 256, dtype=np.uint8)
    stack = np.stack([codes, codes[::-1]], axis=-1).reshape(3, 1, 85, 2)  # three stacks
    flipped = flip_stack(stack)
    assert flipped.dtype == np.uint8
    flow, of_flipped = dequantize_flow(stack, BOUND), dequantize_flow(flipped, BOUND)
    np.testing.assert_array_equal(of_flipped, flow[..., ::-1, :] * (-1, 1))
    np.testing.assert_array_equal(flip_stack(flipped), stack)


def test_a_code_below_the_range_is_flipped_to_the_other_end():
    """Lossy storage can leave a 0; 256 is no code, and as uint8 it would be -bound again."""
    assert flip_stack(np.zeros((1, 1, 2), np.uint8)).tolist() == [[[255, 0]]]


def test_flipped_flow_is_the_flow_of_the_flipped_clip(clip):
    """Defects 1 and 3: flip(flow(clip)) = flow(flip(clip)), and it is the right motion at the right place."""
    of_flipped, flipped = stack_of(flip_frame(clip)), flip_stack(stack_of(clip))
    assert abs(inside(of_flipped) - inside(flipped)).max() <= 1
    u, v = dequantize_flow(inside(flipped), BOUND)[..., 0::2], dequantize_flow(inside(flipped), BOUND)[..., 1::2]
    assert np.median(u) == pytest.approx(-2, abs=0.2) and np.median(v) == pytest.approx(-1, abs=0.2)
    assert abs(inside(of_flipped) - inside(flip_frame(stack_of(clip)))).max() > 20  # without negating u


# Crops of flow


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize(
    "sides, size, keep_aspect",
    [
        ((84, 84), 84, True),
        ((96, 96), 84, True),
        ((63, 72), 84, True),
        ((84, 84), 56, True),
        ((84, 112), 84, False),
        ((63, 96), 96, False),
        ((96, 128), 64, False),
    ],
)
def test_a_crop_of_the_flow_is_the_flow_of_the_crop(clip, sides, size, keep_aspect, flipped):
    """augment(flow(clip)) = flow(augment(clip)), also where the crop is resized, which resizes displacements too.

    Displacements stay as stored in a scored crop, here 84 × 84 or 84 × 112 px, whatever it is resized to.
    """
    crop = Crop((96 - sides[0]) // 2, (128 - sides[1]) // 2, *sides, flipped)
    scored = 84, 84 if keep_aspect else 112
    of_crop = compute_flow(np.stack([crop_frame(frame, crop, size) for frame in clip]))
    of_crop = of_crop * np.array([scored[1], scored[0]]) / size
    crop_of = dequantize_flow(unstack_flow(crop_stack(stack_of(clip), crop, size, keep_aspect)), BOUND)
    error = np.abs(of_crop - crop_of)[:, BORDER:-BORDER, BORDER:-BORDER]
    assert np.median(error) < 0.08 and np.percentile(error, 99) < 0.35  # a code is 0.08 px
    u, v = (np.median(crop_of[..., axis]) for axis in (0, 1))
    assert u == pytest.approx((-2 if flipped else 2) * scored[1] / sides[1], abs=0.15)
    assert v == pytest.approx(-scored[0] / sides[0], abs=0.15)


@pytest.mark.parametrize(
    "side, steps, expected", [(35, 60, 60), (28, 60, 75), (28, 0, 0), (10, 60, 127), (10, -60, -127)]
)
def test_motion_is_faster_in_a_smaller_crop_up_to_the_bound(side, steps, expected):
    stack = np.full((40, 40, 2), ZERO + steps, np.uint8)
    assert (crop_stack(stack, Crop(0, 0, side, side), side, True) == ZERO + expected).all()


def test_u_scales_with_the_width_and_v_with_the_height():
    """Defect 3: in every field, and not one of the two for both."""
    stack = np.full((40, 80, 4), ZERO + 60, np.uint8)
    crop = crop_stack(stack, Crop(0, 0, 35, 35), 35, False)  # half the width of a scored crop, and all of its height
    assert (crop[..., 0::2] == ZERO + 120).all() and (crop[..., 1::2] == ZERO + 60).all()


@pytest.mark.parametrize("channels", [2, 6, 20])
def test_a_crop_of_its_own_size_is_the_part_itself(channels):
    stack = random_codes(40, 52, channels)
    np.testing.assert_array_equal(crop_stack(stack, Crop(3, 9, 35, 35), 35, True), stack[3:38, 9:44])
    flipped = crop_frame(stack, Crop(3, 9, 20, 20, flipped=True), 20)
    np.testing.assert_array_equal(flipped, stack[3:23, 28:8:-1])
    np.testing.assert_array_equal(
        crop_window(stack.transpose(2, 0, 1), Crop(3, 9, 20, 20, flipped=True), 20), flipped.transpose(2, 0, 1)
    )


def test_all_channels_are_resized_alike():
    """OpenCV resizes four at a time: none must be left out or exchanged."""
    plane = random_codes(40, 40)
    for size in (24, 50):
        resized = crop_stack(np.repeat(plane[..., None], 10, axis=-1), Crop(0, 0, 35, 35), size, True)
        assert (resized == resized[..., :1]).all() and resized.shape == (size, size, 10)


# Scored crops


def test_scored_crops_cover_the_longer_side():
    assert scored_crops(16, 21, 1, True) == [Crop(1, 3, 14, 14)]
    assert scored_crops(16, 24, 3, True) == [Crop(1, left, 14, 14) for left in (0, 5, 10)]
    assert scored_crops(24, 16, 3, True) == [Crop(top, 1, 14, 14) for top in (0, 5, 10)]


def test_without_keeping_the_aspect_a_crop_takes_a_fraction_of_each_side():
    assert scored_crops(16, 24, 1, False) == [Crop(1, 1, 14, 21)]
    assert scored_crops(16, 24, 3, False) == [Crop(1, left, 14, 21) for left in (0, 1, 3)]
    assert scored_crops(24, 16, 3, False) == [Crop(top, 1, 21, 14) for top in (0, 1, 3)]


def test_ten_crops_are_the_corners_the_center_and_their_flips():
    """Simonyan & Zisserman 2014, section 5."""
    five, ten = scored_crops(16, 24, 5, True), scored_crops(16, 24, 10, True)
    assert {(crop.top, crop.left) for crop in five} == {(0, 0), (0, 10), (2, 0), (2, 10), (1, 5)}
    assert ten[:5] == five and ten[5:] == [dataclasses.replace(crop, flipped=True) for crop in five]


def test_another_number_of_crops_is_refused():
    with pytest.raises(ValueError, match="must be 1, 3, 5 or 10. Received: 4"):
        scored_crops(16, 24, 4, True)
