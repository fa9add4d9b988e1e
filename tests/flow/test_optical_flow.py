"""Flow of known motion, by both algorithms."""

import numpy as np
import pytest
from conftest import moving_texture

from src.config import FLOW_ALGORITHMS
from src.flow.optical_flow import ALGORITHMS, compute_flow

both = pytest.mark.parametrize("algorithm", ALGORITHMS)


def test_the_configuration_knows_every_algorithm():
    assert tuple(ALGORITHMS) == FLOW_ALGORITHMS


@both
@pytest.mark.parametrize("u, v", [(-1, 0), (0, 1), (3, -2), (-2.5, 1.25), (0.4, 0.2), (5, 5)])
def test_known_motion(algorithm, u, v):
    flow = compute_flow(moving_texture(4, u, v), algorithm)
    assert flow.shape == (3, 120, 160, 2) and flow.dtype == np.float32
    error = np.abs(flow[:, 16:-16, 16:-16] - (u, v))  # without the border, where the texture wraps around
    assert np.median(error, axis=(0, 1, 2)).max() < 0.1
    assert np.quantile(error, 0.95) < 0.5


@both
@pytest.mark.parametrize(
    "u, v, height, width",
    [(-9, 6, 240, 320), (14, -4, 240, 320), (1, 0, 16, 16), (1, 0, 16, 28), (1, 0, 33, 17), (1, 0, 48, 64)],
)
def test_fast_motion_at_the_height_of_something_something_and_small_frames(algorithm, u, v, height, width):
    flow = compute_flow(moving_texture(3, u, v, height, width), algorithm)
    assert flow.shape == (2, height, width, 2)
    assert np.median(flow, axis=(0, 1, 2)) == pytest.approx([u, v], abs=0.5)


@both
def test_a_still_scene_is_exactly_zero(algorithm):
    assert not compute_flow(np.repeat(moving_texture(1, 0, 0), 3, axis=0), algorithm).any()


@both
def test_each_field_depends_on_its_two_frames_alone(algorithm):
    frames = moving_texture(6, 3, -1)
    together = compute_flow(frames, algorithm)
    alone = np.concatenate([compute_flow(frames[t : t + 2], algorithm) for t in range(5)])
    assert np.array_equal(together, alone)


@both
def test_gray_frames_give_what_colour_frames_give(algorithm):
    gray = moving_texture(3, 2, 1)[..., 0]
    colour = np.repeat(gray[..., None], 3, axis=-1)
    assert np.array_equal(compute_flow(gray, algorithm), compute_flow(colour, algorithm))


@pytest.mark.parametrize(
    "frames", [np.zeros((1, 32, 32, 3), "u1"), np.zeros((32, 32), "u1"), np.zeros((3, 32, 32), "f4")]
)
def test_frames_must_be_a_clip(frames):
    with pytest.raises(ValueError, match="T of 2 or more. Received"):
        compute_flow(frames)


def test_an_unknown_algorithm_is_named():
    with pytest.raises(ValueError, match="algorithm must be one of .*farneback.*dis.* Received: 'tvl1'"):
        compute_flow(moving_texture(2, 0, 0, 32, 32), "tvl1")
