"""The figure of neighbours: whose class is right is seen without colour, and names fit."""

import numpy as np
import pytest
from figures import MANY, PUSHES, drawn_and_closed, make_frames  # noqa: F401

from src.plots.neighbours import plot_neighbours

pytestmark = pytest.mark.filterwarnings("error")


def test_neighbours_of_the_class_of_the_query_are_marked():
    labels = [PUSHES[0], PUSHES[1], PUSHES[0], *[PUSHES[1], PUSHES[1], PUSHES[0]]]
    axes = plot_neighbours(make_frames(6), labels, np.array([[0.25, 0.5], [0.125, 1]]))
    assert axes.shape == (2, 3)
    titles = [[ax.get_title().split("\n")[0] for ax in row] for row in axes]
    assert titles == [["query", "0.25", "✓ 0.50"], ["query", "✓ 0.12", "1.00"]]
    widths = [[ax.spines["left"].get_linewidth() for ax in row] for row in axes]
    assert widths[0][2] == widths[1][1] == 4 and max(widths[0][0], widths[0][1], widths[1][2]) < 1
    np.testing.assert_array_equal(axes[1, 2].images[0].get_array(), make_frames(6)[5])


@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (6, 6), (9, 9)])
def test_names_stay_in_their_columns(rows, columns):
    count = rows * columns
    axes = plot_neighbours(make_frames(count), MANY[:count], np.full((rows, columns - 1), 0.5))
    assert axes.shape == (min(rows, 8), min(columns, 8))
    figure = axes[0, 0].figure
    figure.draw_without_rendering()
    boxes = [[ax.title.get_window_extent() for ax in row] for row in axes]
    assert all(left.x1 <= right.x0 + 1 for row in boxes for left, right in zip(row, row[1:], strict=False))
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for row in boxes for box in row)
    for upper, lower in zip(axes, axes[1:], strict=False):  # titles do not cover the frames above
        assert lower[0].title.get_window_extent().y1 <= upper[0].get_window_extent().y0 + 1
