"""Flow of known motion, by both algorithms."""

import cv2
import numpy as np
import pytest
from conftest import moving_texture

from src.flow.optical_flow import ALGORITHMS, compute_flow

both = pytest.mark.parametrize("algorithm", ALGORITHMS)


def inner(flow, border=16):
    """Without the border, where the texture wraps around."""
    return flow[..., border:-border, border:-border, :]


@both
@pytest.mark.parametrize("u, v", [(-1, 0), (0, 1), (3, -2), (-2.5, 1.25), (0.4, 0.2), (5, 5)])
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
def test_u_is_horizontal_and_v_vertical_everywhere(algorithm):
    """A swirl: u depends only on the row and v only on the column, so that an exchange would be noticed."""
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
