"""The clips and their true flow; and what could reveal a clip's class other than its hand, motion and neighbour."""

import dataclasses

import cv2
import numpy as np
import pytest

from src.sample.drawing import draw_layers
from src.sample.motion import clip_motion, pair_path
from src.sample.rendering import moving_mask, render_clip, true_flow
from src.sample.specs import ACTIONS, CLIP_LENGTHS, MARGINS, clip_spec

PUSH_RIGHT, PULL_RIGHT = "Pushing something from left to right", "Pulling something from left to right"
HOLD, COVER = "Holding something", "Covering something with something"
LEFT, RIGHT = (f"Turning the camera {side} while filming something" for side in ("left", "right"))
PUSH_LEFT, PULL_LEFT = "Pushing something from right to left", "Pulling something from right to left"


def short_spec(template, seed, **changes):
    """A clip of eight frames."""
    return dataclasses.replace(clip_spec(template, seed), num_frames=8, **changes)


def speeds(path):
    return np.linalg.norm(np.diff(path, axis=0), axis=1)


def inside(mask, size):
    return cv2.erode(mask.astype(np.uint8), np.ones((size, size))) > 0


def test_a_seed_always_gives_the_same_frames():
    """The mean guards the drawing code: other frames would be another data set under the same name."""
    frames = render_clip(short_spec(PUSH_RIGHT, 7))
    assert np.array_equal(frames, render_clip(short_spec(PUSH_RIGHT, 7)))
    assert frames.mean() == pytest.approx(103.95, abs=0.02)


def test_an_unknown_template_is_named():
    with pytest.raises(ValueError, match="'Juggling something'"):
        clip_spec("Juggling something", 0)


@pytest.mark.parametrize(
    "template", [PUSH_RIGHT, "Moving something up", "Holding something next to something", RIGHT, COVER]
)
def test_true_flow_warps_the_next_frame_back(template):
    spec = dataclasses.replace(clip_spec(template, 11), dimming=0.0, camera_shake=2.0)
    starts = [11, 13, 14]  # in one of them every layer moves
    frames, mask, flows = render_clip(spec), moving_mask(spec), true_flow(spec, starts=starts)
    assert flows.shape == (3, 240, spec.width, 2) and flows.dtype == np.float32
    y, x = np.mgrid[:240, : spec.width].astype(np.float32)
    in_frame = np.zeros_like(mask[0])
    in_frame[16:-16, 16:-16] = True
    warped, moved = np.zeros(2), np.zeros(2)  # of the background, of what is in front of it
    for t, flow in zip(starts, flows, strict=True):
        back = cv2.remap(frames[t + 1], x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC)
        for number, layer in enumerate((~mask[t] & ~mask[t + 1], mask[t])):
            where = inside(layer, 7) & in_frame
            warped[number] += cv2.absdiff(back, frames[t])[where].mean()
            moved[number] += cv2.absdiff(frames[t + 1], frames[t])[where].mean()
    assert (warped < 0.35 * moved).all()


@pytest.mark.parametrize("template", ACTIONS)
def test_the_pair_moves_in_the_direction_of_the_template_and_stops_on_its_way(template):
    spec = clip_spec(template, 1)
    path = pair_path(spec)
    steps, direction = np.diff(path, axis=0), np.array(spec.action.motion)
    if not direction.any():
        assert not steps.any()
        return
    assert (steps @ direction >= 0).all() and speeds(path).sum() == pytest.approx(spec.travel)
    assert speeds(path).min() < 0.1 and speeds(path).max() > 2.2 * speeds(path).mean()


def test_one_field_may_show_nothing_where_ten_show_the_motion():
    middle, together = [], []
    for seed in range(40):
        steps = speeds(pair_path(clip_spec(PUSH_LEFT, seed)))
        middle += steps[4:-5].tolist()
        together += np.convolve(steps, np.ones(10), "valid").tolist()
    still = np.array(middle) < 0.5
    assert 0.25 < still.mean() < 0.5 and np.quantile(np.array(together)[still], 0.05) > 4


def test_a_turned_camera_moves_the_whole_scene():
    for template, direction in ((LEFT, 1), (RIGHT, -1)):
        spec = clip_spec(template, 2)
        flow = true_flow(spec, 10, range(0, 60, 6))
        mean = flow.mean(axis=(1, 2))
        assert (direction * mean[:, 0] > 2).all() and direction * mean[:, 0].mean() > 3 * np.abs(mean[:, 1]).mean()
        assert np.abs(flow - mean[:, None, None]).mean() < 1 < 0.1 * np.abs(mean).mean()  # px
    still = dataclasses.replace(spec, template=HOLD)
    assert all(np.array_equal(*layers) for layers in zip(draw_layers(spec), draw_layers(still), strict=True))


def test_the_camera_does_not_know_the_class():
    """All classes but those of the turned camera have the same camera; it drifts and never leaves the background."""
    shifts, drawn = [], np.array([[0, 1, 0, 1], [0, 0, 1, 1]])
    for seed in range(30):
        cameras = {template: clip_motion(clip_spec(template, seed))[0] for template in ACTIONS}
        for template, camera in cameras.items():
            width = clip_spec(template, seed).width
            assert ACTIONS[template].pan or np.array_equal(camera, cameras[HOLD])
            corners = np.linalg.inv(camera)[:, :2] @ np.vstack([drawn * [[width], [240]], np.ones(4)])
            beyond = np.abs(corners - [[width / 2], [120]]).max(axis=(0, 2)) - (width / 2, 120)
            assert (beyond < MARGINS).all()
        shifts.append(cameras[HOLD][:, :2] @ (160, 120, 1))
    steps = np.concatenate([speeds(path) for path in shifts])
    slow = np.concatenate([speeds(path[::10]) for path in shifts]) / 10
    assert 0.4 < steps.mean() < 1 and 0.25 < slow.mean() < 0.9 and steps.max() < 2.6


def test_the_length_of_a_clip_does_not_tell_the_class():
    lengths = [[clip_spec(template, seed).num_frames for seed in range(40)] for template in ACTIONS]
    assert all(found == lengths[0] for found in lengths) and set(lengths[0]) == set(CLIP_LENGTHS)


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
        in_frame = tuple(slice(margin, -margin) for margin in MARGINS[::-1])
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
