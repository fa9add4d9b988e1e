"""The colours of flow and the shortened names."""

import numpy as np
import pandas as pd
import pytest
from figures import MANY, PUSHES, uniform_flow
from matplotlib.colors import rgb_to_hsv

from src.plots.names import shorten
from src.plots.style import flow_to_rgb, full_colour


def test_no_motion_is_white():
    assert (flow_to_rgb(uniform_flow(0, 0), 1) == 255).all()


@pytest.mark.parametrize(
    ("motion", "hue"), [((4, 0), 0), ((0, 4), 0.25), ((-4, 0), 0.5), ((0, -4), 0.75), ((-4, -4), 0.625)]
)
def test_hue_is_the_direction(motion, hue):
    image = flow_to_rgb(uniform_flow(*motion), 4)
    assert image.dtype == np.uint8 and image.shape == (24, 32, 3)
    found, saturation, _ = rgb_to_hsv(image[0, 0] / 255)
    assert found == pytest.approx(hue, abs=0.005)
    assert saturation == 1


def test_opposite_motion_has_the_opposite_hue():
    flow = np.random.default_rng(0).normal(size=(8, 8, 2)).astype(np.float32) * 5
    one, other = (rgb_to_hsv(flow_to_rgb(f, 1) / 255)[..., 0] for f in (flow, -flow))
    np.testing.assert_allclose((one - other) % 1, 0.5, atol=0.01)


def test_saturation_is_the_speed_up_to_the_maximum():
    for speed, saturation in ((1, 0.25), (2, 0.5), (4, 1), (9, 1)):
        colour = flow_to_rgb(uniform_flow(speed, 0), 4)[0, 0] / 255
        assert rgb_to_hsv(colour)[1] == pytest.approx(saturation, abs=0.01)


def test_full_colour_is_at_least_one_pixel_so_that_noise_stays_pale():
    assert full_colour(uniform_flow(0.1, 0)) == 1
    assert full_colour(uniform_flow(-3, 4)) == 5


def test_shortened_names_keep_the_end_that_tells_them_apart():
    names = [shorten(name, 26) for name in PUSHES]
    assert names == ["Pushing sth … to right", "Pushing sth … to left"]
    assert shorten("Holding something", 26) == "Holding something"
    assert all(len(shorten(name, width)) <= width for name in MANY for width in (26, 30, 46, 68))


def test_tables_show_a_path_to_its_end():
    path = "a folder/" * 20 + "clip.webm"
    assert path in pd.DataFrame({"path": [path]}).to_html()
