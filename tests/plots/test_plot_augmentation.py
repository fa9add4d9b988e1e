import numpy as np
import pytest
from conftest import TINY_NAMES
from figures import drawn_and_closed, make_frames, uniform_flow  # noqa: F401

from src.inputs.examples import Draw
from src.plots import plot_draws
from src.plots.style import flow_to_rgb

pytestmark = pytest.mark.filterwarnings("error")


def make_stack(u, height, width):
    """Codes of a bound of 127 px/frame, where a code is a pixel."""
    return np.tile(np.array([128 + u, 128], np.uint8), (height, width, 1))


def test_frames_of_all_clips_are_above_their_flow():
    to_right, to_left = TINY_NAMES[1:]
    small = make_frames(2, 16, 16)
    draws = [
        Draw(small[0], make_stack(5, 16, 16), to_right, False, False),
        Draw(small[1], make_stack(-5, 16, 16), to_left, True, False),
    ]
    clip = (to_right, make_frames(1)[0], make_stack(5, 24, 32), draws)
    axes = plot_draws([clip, clip], 127)
    assert axes.shape == (2, 6)
    titles = [ax.get_title().replace("\n", " ") for ax in axes[0]]
    assert titles[0] == f"stored: {to_right}" and titles[1] == "not flipped"
    assert titles[2].startswith("flipped: Pushing") and titles[2].endswith("left")
    np.testing.assert_array_equal(axes[0, 2].images[0].get_array(), small[1])
    (red,), (cyan,) = (np.unique(ax.images[0].get_array().reshape(-1, 3), axis=0) for ax in axes[1, 1:3])
    expected = [flow_to_rgb(uniform_flow(u, 0, 1, 1), 5)[0, 0] for u in (5, -5)]
    np.testing.assert_allclose([red, cyan], expected, atol=8)
