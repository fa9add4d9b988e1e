"""Views, mirrors and colours, against flow computed on the views themselves."""

import dataclasses

import numpy as np
import pytest
from conftest import moving_texture

from src.augmentation import (
    View,
    cut_frame,
    cut_stack,
    jitter_colour,
    mirror_frame,
    mirror_stack,
    random_view,
    scored_views,
)
from src.optical_flow import ZERO, compute_flow, dequantize_flow, quantize_flow, stack_flow

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
    mirrored = mirror_stack(stack)
    assert mirrored.dtype == np.uint8
    u, v = dequantize_flow(stack, BOUND)[..., 0::2], dequantize_flow(stack, BOUND)[..., 1::2]
    np.testing.assert_array_equal(dequantize_flow(mirrored, BOUND)[..., 0::2], -u[:, ::-1])
    np.testing.assert_array_equal(dequantize_flow(mirrored, BOUND)[..., 1::2], v[:, ::-1])


def test_mirror_of_no_motion_is_no_motion():
    """Defect 8: zero has a code of its own, and is its own negative."""
    still = np.full((4, 6, 20), ZERO, np.uint8)
    np.testing.assert_array_equal(mirror_stack(still), still)


def test_mirroring_twice_gives_every_code_back():
    codes = np.arange(1, 256, dtype=np.uint8)
    stack = np.stack([codes, codes[::-1]], axis=-1)[None]
    np.testing.assert_array_equal(mirror_stack(mirror_stack(stack)), stack)


def test_a_code_below_the_range_is_mirrored_to_the_other_end():
    """Lossy storage can leave a 0; 256 is no code, and as uint8 it would be -bound again."""
    assert mirror_stack(np.zeros((1, 1, 2), np.uint8)).tolist() == [[[255, 0]]]


def test_mirror_leaves_its_argument_and_works_on_many_stacks():
    stacks = random_stack(shape=(2, 6, 8, 4))
    before = stacks.copy()
    mirrored = mirror_stack(stacks)
    np.testing.assert_array_equal(stacks, before)
    np.testing.assert_array_equal(mirrored[1], mirror_stack(stacks[1]))


def test_mirror_frame_flips_columns_only():
    frame = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    np.testing.assert_array_equal(mirror_frame(frame)[:, 0], frame[:, 2])
    np.testing.assert_array_equal(mirror_frame(frame)[:, 1], frame[:, 1])


def test_mirrored_flow_is_the_flow_of_the_mirrored_clip(clip):
    """Defects 1 and 3: mirror(flow(clip)) = flow(mirror(clip)), and it is the right motion at the right place."""
    of_mirrored, mirrored = stack_of(mirror_frame(clip)), mirror_stack(stack_of(clip))
    assert abs(inside(of_mirrored) - inside(mirrored)).max() <= 1
    u, v = dequantize_flow(inside(mirrored), BOUND)[..., 0::2], dequantize_flow(inside(mirrored), BOUND)[..., 1::2]
    assert np.median(u) == pytest.approx(-2, abs=0.2) and np.median(v) == pytest.approx(-1, abs=0.2)
    assert abs(inside(of_mirrored) - inside(mirror_frame(stack_of(clip)))).max() > 20  # without negating u


def middle_view(height, width, side):
    return View((height - side) // 2, (width - side) // 2, side)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("side, size", [(84, 84), (96, 84), (63, 84), (84, 56)])
def test_a_view_of_the_flow_is_the_flow_of_the_view(clip, side, size, mirrored):
    """augment(flow(clip)) = flow(augment(clip)): also where the view is resized, which resizes displacements too.

    Displacements stay as stored in a view of 7/8 of the shorter side, here 84 px, whatever it is resized to.
    """
    view = dataclasses.replace(middle_view(96, 128, side), mirrored=mirrored)
    of_view = compute_flow(np.stack([cut_frame(frame, view, size) for frame in clip])) * 84 / size
    view_of = dequantize_flow(cut_stack(stack_of(clip), view, size), BOUND)
    view_of = np.stack([view_of[..., 0::2], view_of[..., 1::2]], axis=-1).transpose(2, 0, 1, 3)
    error = np.abs(of_view - view_of)[:, BORDER:-BORDER, BORDER:-BORDER]
    assert np.median(error) < 0.06 and np.percentile(error, 99) < 0.3  # a stored step is 0.08 px
    assert np.median(view_of[..., 0]) == pytest.approx((-2 if mirrored else 2) * 84 / side, abs=0.15)


def test_a_view_of_still_flow_is_still():
    """Defect 8."""
    still = np.full((40, 52, 20), ZERO, np.uint8)
    for view in [*scored_views(40, 52, 10), View(0, 0, 26), View(0, 0, 40, mirrored=True)]:
        assert (cut_stack(still, view, 32) == ZERO).all()


def test_a_closer_view_moves_faster_up_to_the_bound_and_no_code_turns_round():
    stack = np.full((40, 40, 2), ZERO + 60, np.uint8)
    assert (cut_stack(stack, View(0, 0, 35), 35) == ZERO + 60).all()
    assert (cut_stack(stack, View(0, 0, 28), 28) == ZERO + 75).all()
    assert (cut_stack(stack, View(0, 0, 10), 10) == 255).all()
    assert (cut_stack(np.full((40, 40, 2), ZERO - 60, np.uint8), View(0, 0, 10), 10) == 1).all()


@pytest.mark.parametrize("channels", [2, 6, 20])
def test_a_view_without_resizing_is_the_part_itself(channels):
    stack = random_stack(shape=(40, 52, channels))
    np.testing.assert_array_equal(cut_stack(stack, View(3, 9, 35), 35), stack[3:38, 9:44])
    frame = random_stack(shape=(40, 52, 3))
    np.testing.assert_array_equal(cut_frame(frame, View(3, 9, 20), 20), frame[3:23, 9:29])
    np.testing.assert_array_equal(cut_frame(frame, View(3, 9, 20, mirrored=True), 20), frame[3:23, 28:8:-1])


def test_channels_are_resized_one_like_another():
    """OpenCV resizes four at a time: none must be left out or exchanged."""
    plane = random_stack(shape=(40, 40))
    for size in (24, 50):
        both = cut_stack(np.repeat(plane[..., None], 10, axis=-1), View(0, 0, 35), size)
        assert (both == both[..., :1]).all() and both.shape == (size, size, 10)


def test_scored_views_cover_the_longer_side():
    assert scored_views(16, 21, 1) == [View(1, 3, 14)]
    assert scored_views(16, 24, 3) == [View(1, 0, 14), View(1, 5, 14), View(1, 10, 14)]
    assert scored_views(24, 16, 3) == [View(0, 1, 14), View(5, 1, 14), View(10, 1, 14)]


def test_ten_views_are_the_corners_the_middle_and_their_mirror_images():
    """Simonyan & Zisserman 2014, section 5."""
    five, ten = scored_views(16, 24, 5), scored_views(16, 24, 10)
    assert {(view.top, view.left) for view in five} == {(0, 0), (0, 10), (2, 0), (2, 10), (1, 5)}
    assert ten[:5] == five and ten[5:] == [dataclasses.replace(view, mirrored=True) for view in five]


def test_another_number_of_views_is_refused():
    with pytest.raises(ValueError, match="must be 1, 3, 5 or 10. Received: 4"):
        scored_views(16, 24, 4)


def test_random_views_are_corners_and_the_middle_at_four_scales_and_half_of_them_mirrored():
    """TSN's corner cropping and scale jittering."""
    generator = np.random.default_rng(0)
    views = [random_view(generator, 100, 140) for _ in range(4000)]
    expected = {
        (top, left, side)
        for side in (100, 88, 75, 66)
        for top, left in [
            (0, 0), (0, 140 - side), (100 - side, 0), (100 - side, 140 - side), ((100 - side) // 2, (140 - side) // 2),
        ]
    }  # fmt: skip
    assert {(view.top, view.left, view.side) for view in views} == expected
    assert np.mean([view.mirrored for view in views]) == pytest.approx(0.5, abs=0.03)


def test_colour_jitter_changes_brightness_contrast_and_saturation_within_its_share():
    generator = np.random.default_rng(0)
    grey = np.full((4, 4, 3), 100, np.uint8)
    values = {int(jitter_colour(generator, grey)[0, 0, 0]) for _ in range(300)}
    assert min(values) >= 60 and max(values) <= 140 and len(values) > 50  # brightness alone moves a grey picture
    coloured = np.dstack([np.full((4, 4), value, np.uint8) for value in (150, 100, 50)])
    spreads = [np.ptp(jitter_colour(generator, coloured)[0, 0].astype(int)) for _ in range(300)]
    assert min(spreads) < 60 and max(spreads) > 150  # saturation
    assert jitter_colour(generator, coloured).dtype == np.uint8 and coloured[0, 0].tolist() == [150, 100, 50]


def test_colour_jitter_does_not_turn_round():
    generator, white = np.random.default_rng(0), np.full((2, 2, 3), 255, np.uint8)
    assert min(jitter_colour(generator, white).min() for _ in range(200)) >= 255 * 0.6 - 1
