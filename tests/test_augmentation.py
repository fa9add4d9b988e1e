"""Crops and mirrors, against flow computed on cropped and mirrored clips."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import moving_texture

from src.augmentation import crop, mirror_frame, mirror_stack, mirrored_classes, random_corner, spread_corners
from src.optical_flow import ZERO, compute_flow, dequantize_flow, quantize_flow, stack_flow

TEMPLATES = Path(__file__).parents[2] / "shared" / "data" / "ssv2" / "templates.csv"
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


def test_cropped_flow_is_the_flow_of_the_cropped_clip(clip):
    of_cropped, cropped = stack_of(crop(clip, 8, 20, 80)), crop(stack_of(clip), 8, 20, 80)
    assert of_cropped.shape == cropped.shape == (80, 80, 6)
    assert abs(inside(of_cropped) - inside(cropped)).max() <= 1


def test_crop_takes_the_same_place_of_a_picture_and_of_a_clip():
    frames = np.random.default_rng(0).integers(0, 256, (2, 10, 12, 3), dtype=np.uint8)
    np.testing.assert_array_equal(crop(frames, 1, 4, 5), frames[:, 1:6, 4:9])
    np.testing.assert_array_equal(crop(frames[1], 1, 4, 5), frames[1, 1:6, 4:9])


def test_spread_corners_cover_the_longer_side():
    assert spread_corners(10, 13, 6, 1) == [(2, 3)]
    assert spread_corners(10, 18, 6, 3) == [(2, 0), (2, 6), (2, 12)]
    assert spread_corners(18, 10, 6, 3) == [(0, 2), (6, 2), (12, 2)]
    assert spread_corners(6, 6, 6, 3) == [(0, 0)] * 3


def test_random_corners_reach_every_place_and_no_other():
    generator = np.random.default_rng(0)
    corners = {random_corner(generator, 6, 8, 5) for _ in range(200)}
    assert corners == {(top, left) for top in range(2) for left in range(4)}


def test_the_three_pairs_of_ssv2_and_no_other_template_are_exchanged():
    """Defect 1: "upright" and "pulling it right out" are no directions; the list is all of SSv2's templates."""
    if not TEMPLATES.exists():
        pytest.skip(f"{TEMPLATES} is not there")
    names = pd.read_csv(TEMPLATES).sort_values("class_index").template.tolist()
    assert len(names) == 174
    mirrored = mirrored_classes(names)
    changed = {place: int(other) for place, other in enumerate(mirrored) if other != place}
    assert changed == {86: 87, 87: 86, 93: 94, 94: 93, 166: 167, 167: 166}


@pytest.mark.parametrize(
    "name",
    [
        "Putting something upright on the table",
        "Plugging something into something but pulling it right out as you remove your hand",
        "Putting something that cannot actually stand upright upright on the table, so it falls on its side",
        "Holding something",
        "bright_light",
    ],
)
def test_names_without_a_direction_are_their_own_mirror_image(name):
    assert mirrored_classes([name]).tolist() == [0]


@pytest.mark.parametrize(
    "pair",
    [
        ("Pushing something from left to right", "Pushing something from right to left"),
        ("Turning the camera left while filming", "Turning the camera right while filming"),
        ("Left", "right"),  # names of folders differ in case
        ("turn_left", "turn_right"),
        ("TurnLeft", "TurnRight"),
        ("turn-left-upright", "turn-right-upright"),
        ("leftward", "rightward"),
    ],
)
def test_left_and_right_are_exchanged(pair):
    assert mirrored_classes(list(pair)).tolist() == [1, 0]
    assert mirrored_classes([pair[1], "Holding something", pair[0]]).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    "name", ["Pushing something from left to right", "turn_left", "RIGHT", "Something left behind"]
)
def test_a_direction_without_its_partner_is_never_mirrored(name):
    mirrored = mirrored_classes(["Holding something", name])
    assert mirrored.tolist() == [0, -1] and mirrored.dtype == np.int64
