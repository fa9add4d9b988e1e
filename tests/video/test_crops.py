"""Views, mirrors and colours, against flow computed on the views themselves."""

import dataclasses

import numpy as np
import pytest
from conftest import moving_texture

from src.flow.codes import ZERO, dequantize_flow, quantize_flow, stack_flow
from src.flow.optical_flow import compute_flow
from src.video.crops import (
    Crop,
    crop_frame,
    crop_stack,
    flip_frame,
    flip_stack,
    scored_crops,
)

BOUND = 10.0
BORDER = 16  # px at the edge of a picture where flow depends on what is outside it


def random_stack(seed=0, shape=(6, 8, 4)):
    return np.random.default_rng(seed).integers(1, 256, shape, dtype=np.uint8)


def stack_of(frames):
    return stack_flow(quantize_flow(compute_flow(frames), BOUND))


def inside(stack):
    return stack[BORDER:-BORDER, BORDER:-BORDER].astype(int)


@pytest.fixture(scope="module")
def clip():
    return moving_texture(4, 2.0, -1.0, height=96, width=128)


def test_mirror_negates_u_and_flips_columns_and_leaves_v():
    """Defect 1: a mirrored push to the right is a push to the left."""
    stack = random_stack()
    mirrored = flip_stack(stack)
    assert mirrored.dtype == np.uint8
    u, v = dequantize_flow(stack, BOUND)[..., 0::2], dequantize_flow(stack, BOUND)[..., 1::2]
    np.testing.assert_array_equal(dequantize_flow(mirrored, BOUND)[..., 0::2], -u[:, ::-1])
    np.testing.assert_array_equal(dequantize_flow(mirrored, BOUND)[..., 1::2], v[:, ::-1])


def test_mirror_of_no_motion_is_no_motion():
    """Defect 8: zero has a code of its own, and is its own negative."""
    still = np.full((4, 6, 20), ZERO, np.uint8)
    np.testing.assert_array_equal(flip_stack(still), still)


def test_mirroring_twice_gives_every_code_back():
    codes = np.arange(1, 256, dtype=np.uint8)
    stack = np.stack([codes, codes[::-1]], axis=-1)[None]
    np.testing.assert_array_equal(flip_stack(flip_stack(stack)), stack)


def test_a_code_below_the_range_is_mirrored_to_the_other_end():
    """Lossy storage can leave a 0; 256 is no code, and as uint8 it would be -bound again."""
    assert flip_stack(np.zeros((1, 1, 2), np.uint8)).tolist() == [[[255, 0]]]


def test_mirror_leaves_its_argument_and_works_on_many_stacks():
    stacks = random_stack(shape=(2, 6, 8, 4))
    before = stacks.copy()
    mirrored = flip_stack(stacks)
    np.testing.assert_array_equal(stacks, before)
    np.testing.assert_array_equal(mirrored[1], flip_stack(stacks[1]))


def test_mirror_frame_flips_columns_only():
    frame = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    np.testing.assert_array_equal(flip_frame(frame)[:, 0], frame[:, 2])
    np.testing.assert_array_equal(flip_frame(frame)[:, 1], frame[:, 1])


def test_mirrored_flow_is_the_flow_of_the_mirrored_clip(clip):
    """Defects 1 and 3: mirror(flow(clip)) = flow(mirror(clip)), and it is the right motion at the right place."""
    of_mirrored, mirrored = stack_of(flip_frame(clip)), flip_stack(stack_of(clip))
    assert abs(inside(of_mirrored) - inside(mirrored)).max() <= 1
    u, v = dequantize_flow(inside(mirrored), BOUND)[..., 0::2], dequantize_flow(inside(mirrored), BOUND)[..., 1::2]
    assert np.median(u) == pytest.approx(-2, abs=0.2) and np.median(v) == pytest.approx(-1, abs=0.2)
    assert abs(inside(of_mirrored) - inside(flip_frame(stack_of(clip)))).max() > 20  # without negating u


def middle_view(sides, flipped=False):
    return Crop((96 - sides[0]) // 2, (128 - sides[1]) // 2, *sides, flipped)


@pytest.mark.parametrize("mirrored", [False, True])
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
def test_a_view_of_the_flow_is_the_flow_of_the_view(clip, sides, size, keep_aspect, mirrored):
    """augment(flow(clip)) = flow(augment(clip)): also where the view is resized, which resizes displacements too.

    Displacements stay as stored in a view that is scored: here 84 × 84 px or 84 × 112, whatever it is resized to.
    """
    view, scored = middle_view(sides, mirrored), (84, 84 if keep_aspect else 112)
    of_view = compute_flow(np.stack([crop_frame(frame, view, size) for frame in clip]))
    of_view = of_view * np.array([scored[1], scored[0]]) / size
    view_of = dequantize_flow(crop_stack(stack_of(clip), view, size, keep_aspect), BOUND)
    view_of = np.stack([view_of[..., 0::2], view_of[..., 1::2]], axis=-1).transpose(2, 0, 1, 3)
    error = np.abs(of_view - view_of)[:, BORDER:-BORDER, BORDER:-BORDER]
    assert np.median(error) < 0.08 and np.percentile(error, 99) < 0.35  # a stored step is 0.08 px
    u, v = (np.median(view_of[..., axis]) for axis in (0, 1))
    assert u == pytest.approx((-2 if mirrored else 2) * scored[1] / sides[1], abs=0.15)
    assert v == pytest.approx(-scored[0] / sides[0], abs=0.15)


@pytest.mark.parametrize("keep_aspect", [False, True])
def test_a_view_of_still_flow_is_still(keep_aspect):
    """Defect 8."""
    still = np.full((40, 52, 20), ZERO, np.uint8)
    for view in [*scored_crops(40, 52, 10, keep_aspect), Crop(0, 0, 26, 30), Crop(0, 0, 40, 40, flipped=True)]:
        assert (crop_stack(still, view, 32, keep_aspect) == ZERO).all()


def test_a_closer_view_moves_faster_up_to_the_bound_and_no_code_turns_round():
    right, left = (np.full((40, 40, 2), code, np.uint8) for code in (ZERO + 60, ZERO - 60))
    assert (crop_stack(right, Crop(0, 0, 35, 35), 35, True) == ZERO + 60).all()
    assert (crop_stack(right, Crop(0, 0, 28, 28), 28, True) == ZERO + 75).all()
    assert (crop_stack(right, Crop(0, 0, 10, 10), 10, True) == 255).all()
    assert (crop_stack(left, Crop(0, 0, 10, 10), 10, True) == 1).all()


def test_u_follows_the_width_and_v_the_height():
    """Defect 3: in every field, and not one of the two for both."""
    stack = np.full((40, 80, 4), ZERO + 60, np.uint8)
    closer = crop_stack(stack, Crop(0, 0, 35, 35), 35, False)  # half of the width that is scored, and all of the height
    assert (closer[..., 0::2] == ZERO + 120).all() and (closer[..., 1::2] == ZERO + 60).all()


@pytest.mark.parametrize("channels", [2, 6, 20])
def test_a_view_without_resizing_is_the_part_itself(channels):
    stack = random_stack(shape=(40, 52, channels))
    np.testing.assert_array_equal(crop_stack(stack, Crop(3, 9, 35, 35), 35, True), stack[3:38, 9:44])
    frame = random_stack(shape=(40, 52, 3))
    np.testing.assert_array_equal(crop_frame(frame, Crop(3, 9, 20, 20), 20), frame[3:23, 9:29])
    mirrored = crop_frame(frame, Crop(3, 9, 20, 20, flipped=True), 20)
    np.testing.assert_array_equal(mirrored, frame[3:23, 28:8:-1])


def test_channels_are_resized_one_like_another():
    """OpenCV resizes four at a time: none must be left out or exchanged."""
    plane = random_stack(shape=(40, 40))
    for size in (24, 50):
        both = crop_stack(np.repeat(plane[..., None], 10, axis=-1), Crop(0, 0, 35, 35), size, True)
        assert (both == both[..., :1]).all() and both.shape == (size, size, 10)


def test_scored_views_cover_the_longer_side():
    assert scored_crops(16, 21, 1, True) == [Crop(1, 3, 14, 14)]
    assert scored_crops(16, 24, 3, True) == [Crop(1, left, 14, 14) for left in (0, 5, 10)]
    assert scored_crops(24, 16, 3, True) == [Crop(top, 1, 14, 14) for top in (0, 5, 10)]


def test_without_keeping_the_aspect_a_view_takes_its_share_of_both_sides():
    assert scored_crops(16, 24, 1, False) == [Crop(1, 1, 14, 21)]
    assert scored_crops(16, 24, 3, False) == [Crop(1, left, 14, 21) for left in (0, 1, 3)]
    assert scored_crops(24, 16, 3, False) == [Crop(top, 1, 21, 14) for top in (0, 1, 3)]


def test_ten_views_are_the_corners_the_middle_and_their_mirror_images():
    """Simonyan & Zisserman 2014, section 5."""
    five, ten = scored_crops(16, 24, 5, True), scored_crops(16, 24, 10, True)
    assert {(view.top, view.left) for view in five} == {(0, 0), (0, 10), (2, 0), (2, 10), (1, 5)}
    assert ten[:5] == five and ten[5:] == [dataclasses.replace(view, flipped=True) for view in five]


def test_another_number_of_views_is_refused():
    with pytest.raises(ValueError, match="must be 1, 3, 5 or 10. Received: 4"):
        scored_crops(16, 24, 4, True)
