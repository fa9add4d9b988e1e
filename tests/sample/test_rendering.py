"""The clips and their true flow; and what could reveal a clip's class other than its hand, motion and neighbour."""

import dataclasses

import cv2
import numpy as np
import pytest

from src.sample.drawing import draw_layers
from src.sample.motion import pair_path
from src.sample.rendering import moving_mask, render_clip, true_flow
from src.sample.specs import ACTIONS, MARGIN, clip_spec

PUSH_RIGHT, PULL_RIGHT = "Pushing something from left to right", "Pulling something from left to right"
PUSH_LEFT, PULL_LEFT = "Pushing something from right to left", "Pulling something from right to left"


def short_spec(template, seed, **changes):
    """A clip of eight frames."""
    return dataclasses.replace(clip_spec(template, seed), num_frames=8, **changes)


def inside(mask, size):
    return cv2.erode(mask.astype(np.uint8), np.ones((size, size))) > 0


def test_a_seed_always_gives_the_same_frames():
    """The mean guards the drawing code: other frames would be another data set under the same name."""
    frames = render_clip(short_spec(PUSH_RIGHT, 7))
    assert np.array_equal(frames, render_clip(short_spec(PUSH_RIGHT, 7)))
    assert frames.mean() == pytest.approx(126.46, abs=0.02)


def test_an_unknown_template_is_named():
    with pytest.raises(ValueError, match="'Juggling something'"):
        clip_spec("Juggling something", 0)


@pytest.mark.parametrize("template", [PUSH_RIGHT, "Moving something up", "Holding something next to something"])
def test_true_flow_warps_the_next_frame_back(template):
    spec = short_spec(template, 11, drift=0.0, camera_shake=2.0)
    frames, mask, flow = render_clip(spec), moving_mask(spec), true_flow(spec)
    assert flow.shape == (7, 240, spec.width, 2) and flow.dtype == np.float32
    t = int(np.argmax(np.linalg.norm(flow[:, 0, 0], axis=-1)))  # the background moves, too
    y, x = np.mgrid[:240, : spec.width].astype(np.float32)
    back = cv2.remap(frames[t + 1], x + flow[t, ..., 0], y + flow[t, ..., 1], cv2.INTER_CUBIC)
    in_frame = np.zeros_like(mask[t])
    in_frame[16:-16, 16:-16] = True
    for layer in (mask[t], ~mask[t] & ~mask[t + 1]):
        where = inside(layer, 5) & in_frame
        warped, moved = (cv2.absdiff(image, frames[t])[where].mean() for image in (back, frames[t + 1]))
        assert warped < 0.3 * moved


@pytest.mark.parametrize("template", ACTIONS)
def test_the_pair_always_moves_in_the_direction_of_the_template(template):
    spec = short_spec(template, 1, camera_shake=0.0)
    flow, mask = true_flow(spec), moving_mask(spec)
    direction = np.array(ACTIONS[template].motion)
    steps = np.stack([flow[t][mask[t]].mean(0) for t in range(len(flow))])
    if direction.any():
        assert (steps @ direction > 1.2).all()
    else:
        assert (np.linalg.norm(steps, axis=1) < 1.2).all() and np.ptp(steps) > 0


@pytest.mark.parametrize("pair", [(PUSH_RIGHT, PULL_RIGHT), (PUSH_LEFT, PULL_LEFT)])
def test_pushing_and_pulling_differ_in_texture_only(pair):
    push, pull = (short_spec(template, 3) for template in pair)
    assert np.array_equal(moving_mask(push), moving_mask(pull))
    assert np.array_equal(true_flow(push, starts=[0, 5]), true_flow(pull, starts=[0, 5]))
    assert np.array_equal(draw_layers(push)[0], draw_layers(pull)[0])
    assert not np.array_equal(draw_layers(push)[1], draw_layers(pull)[1])


def test_opposite_directions_differ_in_motion_only():
    groups = [(PUSH_RIGHT, PULL_LEFT), (PULL_RIGHT, PUSH_LEFT)]
    groups.append(("Moving something up", "Moving something down", "Holding something"))
    for group in groups:
        layers = [draw_layers(clip_spec(template, 3)) for template in group]
        for background, pair in layers[1:]:
            assert np.array_equal(background, layers[0][0]) and np.array_equal(pair, layers[0][1])


def test_a_neighbour_changes_the_background_only():
    for seed in range(3):
        templates = ("Holding something", "Holding something next to something")
        alone, beside = (draw_layers(clip_spec(template, seed)) for template in templates)
        assert np.array_equal(alone[1], beside[1])
        in_frame = (slice(MARGIN, -MARGIN),) * 2
        changed = cv2.absdiff(alone[0], beside[0])[in_frame].any(-1)
        assert changed.sum() > 1000  # px


def test_draws_do_not_depend_on_the_template():
    for seed in range(50):
        draws = [dataclasses.replace(clip_spec(template, seed), template=PUSH_LEFT) for template in ACTIONS]
        assert len(set(draws)) == 1


def test_held_pairs_are_where_moved_pairs_pass():
    seeds = range(600)
    held = np.array([pair_path(clip_spec("Holding something", seed))[0] for seed in seeds])
    for template in ("Moving something up", "Moving something down"):
        passed = np.concatenate([pair_path(clip_spec(template, seed)) for seed in seeds])
        shares = np.linspace(0.1, 0.9, 5)
        assert np.abs(np.quantile(held, shares, axis=0) - np.quantile(passed, shares, axis=0)).max() < 10
