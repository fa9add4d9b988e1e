"""The pair of classes that only the order of the segments tells apart: covering and uncovering."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from src.sample.drawing import draw_layers
from src.sample.motion import REST, clip_motion, cover_paths
from src.sample.rendering import moving_mask, render_clip, true_flow
from src.sample.specs import CLIP_LENGTHS, clip_spec
from src.video import segment_centers
from src.video.sampling import segment_windows

COVER, UNCOVER = "Covering something with something", "Uncovering something"
WINDOW = 11  # frames of ten flow fields
STEADY = {"camera_shake": 0.0, "camera_drift": 0.0, "tremor": 0.0, "dimming": 0.0}


def make_specs(seed, **changes):
    """The clips of one seed of both classes."""
    return [dataclasses.replace(clip_spec(template, seed), **changes) for template in (COVER, UNCOVER)]


def windows(num_frames, num_segments):
    return [list(x) for x in segment_windows(range(num_frames), segment_centers(num_frames, num_segments), WINDOW)]


def test_both_classes_are_the_same_two_halves_exchanged():
    """Frames and true flow, where the camera and the light stand still."""
    cover, uncover = make_specs(3, **STEADY)
    half = cover.num_frames // 2
    frames = render_clip(cover)
    assert np.array_equal(frames, np.roll(render_clip(uncover), half, axis=0))
    assert not np.array_equal(frames[:half], frames[half:])
    starts = [12, half + 12]
    flows = true_flow(cover, starts=starts), true_flow(uncover, starts=starts[::-1])
    assert np.array_equal(*flows) and not np.array_equal(*flows[0])


@pytest.mark.parametrize("num_frames", CLIP_LENGTHS)
@pytest.mark.parametrize("num_segments", [2, 4, 6, 8])
def test_both_classes_show_the_same_windows_in_another_order(num_frames, num_segments):
    """Nothing in a window tells whether it is of the first or the second half, at the clip's ends neither."""
    for seed in range(5):
        shown = []
        for spec in make_specs(seed, num_frames=num_frames, **STEADY):
            moves = np.concatenate(cover_paths(spec), axis=1).round(6)
            shown.append([moves[window].tobytes() for window in windows(num_frames, num_segments)])
        assert Counter(shown[0]) == Counter(shown[1]) and shown[0] != shown[1]
        assert shown[0] == np.roll(shown[1], num_segments // 2).tolist()


@pytest.mark.parametrize("num_frames", CLIP_LENGTHS)
def test_no_window_shows_motion_of_both_halves_and_no_motion_is_too_fast(num_frames):
    half = num_frames // 2
    for spec in make_specs(1, num_frames=num_frames):
        steps = np.linalg.norm(np.diff(cover_paths(spec)[0], axis=0), axis=1)
        moving = np.flatnonzero(steps > 1e-9)
        first, second = moving[moving < half], moving[moving >= half]
        assert second.min() - first.max() >= WINDOW and steps.max() < 11
        assert first.min() == REST[0] and np.array_equal(first + half, second)


def test_the_hand_hides_or_shows_the_thing():
    """Another thing under the cover changes only the frames in which the cover is away."""
    spec, other = (make_specs(4, object_pattern=name, **STEADY)[0] for name in ("striped", "dotted"))
    changed = [np.count_nonzero(a != b) for a, b in zip(render_clip(spec), render_clip(other), strict=True)]
    half, pause = spec.num_frames // 2, spec.num_frames // 4
    assert changed[pause] > 1000 and set(changed[: REST[0]]) == set(changed[half:]) == {0}
    mask = moving_mask(spec)
    assert mask[pause].sum() > mask[0].sum() * 0.95  # the cover lies beside the thing
    assert mask[half + pause].sum() > mask[0].sum() * 1.1  # the hand lies beside the cover


def test_the_hand_and_the_cover_stay_in_the_frame():
    for seed in range(40):
        spec = clip_spec(COVER, seed)
        for image, motion in zip(draw_layers(spec)[1:], clip_motion(spec)[1:], strict=True):
            rows, columns = np.nonzero(image[..., 3] > 128)
            corners = [[columns.min(), columns.max()], [rows.min(), rows.max()], [1, 1]]
            x, y, _ = np.moveaxis(motion @ corners, 1, 0)
            assert min(x.min(), y.min()) > -12 and x.max() < spec.width + 12 and y.max() < 252


def test_only_order_tells_the_classes_apart():
    """With motion of camera and hand: a linear classifier of the mean over windows is at chance, in order it is right.

    Each clip of a class has a seed of its own. The features of a window are the mean speeds of its layers.
    """
    features, labels = [], []
    for seed in range(160):
        label = seed % 2
        spec = make_specs(seed)[label]
        positions = np.stack([motion[:, :2] @ (84, 84, 1) for motion in clip_motion(spec)])  # (layers, T, 2)
        speeds = np.linalg.norm(np.diff(positions, axis=1), axis=-1)
        features.append([speeds[:, window[:-1]].mean(axis=1) for window in windows(spec.num_frames, 6)])
        labels.append(label)
    features = np.array(features)  # (N, S, layers)
    scores = [
        cross_val_score(LogisticRegression(max_iter=1000), x, labels, cv=5).mean()
        for x in (features.mean(axis=1), features.reshape(len(features), -1))
    ]
    assert 0.3 < scores[0] < 0.65 and scores[1] > 0.99


def test_rest_frames_are_equal_and_clips_have_equal_parameters():
    """Camera, light and tremor come from the seed: at rest both classes show the same frame at the same time."""
    for seed in (0, 1):
        first, second = make_specs(seed)
        assert dataclasses.replace(second, template=COVER) == first
        frames, half = [render_clip(spec) for spec in (first, second)], first.num_frames // 2
        rest = [*range(REST[0] + 1), *range(half - REST[1], half + REST[0] + 1), *range(2 * half - REST[1], 2 * half)]
        assert all(np.array_equal(frames[0][t], frames[1][t]) for t in rest)
