"""Figures of the data: they draw what was given, and names fit."""

import numpy as np
import pytest
from figures import MANY, PUSHES, drawn_and_closed, make_counts, make_frames, tick_names, uniform_flow  # noqa: F401
from matplotlib.quiver import Quiver

from src import plots
from src.flow import stack_fields
from src.plots.style import flow_to_rgb

BOUND = 20.0

pytestmark = pytest.mark.filterwarnings("error")


def test_class_counts_are_the_stacked_bars():
    table = make_counts({PUSHES[0]: (3, 2, 1), PUSHES[1]: (5, 0, 4)})
    ax = plots.plot_class_counts(table)
    assert tick_names(ax.yaxis) == PUSHES  # bottom to top: the larger class is above
    widths = {bars.get_label(): [bar.get_width() for bar in bars] for bars in ax.containers}
    assert widths == {"train": [3, 5], "validation": [2, 0], "test": [1, 4]}
    assert [bar.get_x() for bar in ax.containers[2]] == [5, 5]
    assert ax.get_title() == "15 clips in 2 classes" and ax.get_xlabel() == "clips"


def test_ticks_of_class_counts_are_whole_numbers():
    for most in (1, 3, 21, 54):
        ax = plots.plot_class_counts(make_counts({PUSHES[0]: (most,)}, splits=("train",)))
        assert all(name.isdigit() for name in tick_names(ax.xaxis)) and len(tick_names(ax.xaxis)) > 1


def test_class_counts_without_splits_have_one_colour_and_no_legend():
    ax = plots.plot_class_counts(make_counts({"fight": (2,)}, splits=("",)))
    assert [bar.get_width() for bar in ax.patches] == [2]
    assert ax.get_legend() is None


def test_class_counts_of_many_classes_say_how_many_and_name_none():
    ax = plots.plot_class_counts(make_counts({name: (1, 1, 1) for name in MANY}))
    assert tick_names(ax.yaxis) == []
    assert ax.get_ylabel() == "174 classes"
    assert len(ax.patches) == 3 * 174


def test_flow_arrows_end_where_the_pixels_go():
    axes = plots.plot_flow(make_frames(1, 64, 96)[0], uniform_flow(3, 6, 64, 96))
    arrows = next(artist for artist in axes[0].collections if isinstance(artist, Quiver))
    assert arrows.N == 4 * 6
    assert (arrows.U == 3).all() and (arrows.V == 6).all()
    assert arrows.angles == arrows.scale_units == "xy"
    assert axes[0].get_title() == f"frame, arrows = motion × {round(1 / arrows.scale)}"
    axes[0].figure.draw_without_rendering()
    tips = arrows.get_paths()[0].vertices * arrows.get_transform().transform((1, 1))
    tip = tips[np.argmax(np.abs(tips).sum(axis=1))]
    assert tip[0] > 0 > tip[1]  # on the canvas, where y grows upwards: to the right, and down


@pytest.mark.parametrize("size", [(64, 96), (96, 54)])
def test_figures_of_upright_clips_fit_on_a_screen(size):
    drawn = plots.plot_flow(make_frames(1, *size)[0], uniform_flow(3, 6, *size))
    stack = stack_fields(np.stack([uniform_flow(1, 2, *size)] * 10), 10, BOUND)
    for axes in (drawn, plots.plot_flow_stack(stack, BOUND)):
        width, height = axes.flat[0].figure.get_size_inches()
        assert 6 < width <= 9.01 and height < 7


def test_flow_wheel_has_the_scale_of_the_flow():
    frame_axes, flow_axes, wheel_axes = plots.plot_flow(make_frames(1)[0], uniform_flow(-3, 4))
    assert tick_names(wheel_axes.xaxis) == ["-5.0", "0", "5.0"]
    assert wheel_axes.yaxis_inverted()  # + v is down, as in the image
    wheel = wheel_axes.images[0].get_array()
    assert (wheel[0, 0] == 255).all() and (wheel[100, 200] == (255, 0, 0)).all()
    assert (flow_axes.images[0].get_array() == flow_to_rgb(uniform_flow(-3, 4), 5)).all()


def test_a_still_scene_has_no_arrows():
    axes = plots.plot_flow(make_frames(1)[0], uniform_flow(0, 0))
    assert next(artist for artist in axes[0].collections if isinstance(artist, Quiver)).N == 0


@pytest.mark.parametrize(
    ("length", "shown"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (5, range(5)), (10, [0, 2, 4, 7, 9])]
)
def test_flow_stack_has_u_above_v_in_px_per_frame(length, shown):
    flow = np.stack([uniform_flow(i + 1, -i) for i in range(length)])
    axes = plots.plot_flow_stack(stack_fields(flow, length, BOUND), BOUND)
    assert axes.shape == (2, len(shown))
    for column, i in enumerate(shown):
        (above,), (below,) = axes[0, column].images, axes[1, column].images
        assert (axes[0, column].get_title(), axes[1, column].get_title()) == (f"u{i + 1}", f"v{i + 1}")
        np.testing.assert_allclose(above.get_array(), i + 1, atol=BOUND / 254)
        np.testing.assert_allclose(below.get_array(), -i, atol=BOUND / 254)
        assert above.get_clim() == below.get_clim()
        assert sum(above.get_clim()) == 0  # no motion is in the middle
    assert axes[0, 0].figure.axes[-1].get_ylabel() == "px/frame"
