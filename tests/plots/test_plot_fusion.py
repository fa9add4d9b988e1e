"""Figures of fusion: they draw what was given, and names fit."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from figures import MANY, PUSHES, assert_inside, drawn_and_closed, tick_names  # noqa: F401
from matplotlib.colors import to_rgba

from src.fusion import KINDS
from src.plots import plot_agreement, plot_fusion
from src.plots.fusion import AGREEMENT_COLOURS
from src.plots.style import STREAM_COLOURS

pytestmark = pytest.mark.filterwarnings("error")

ROWS = ["spatial", "temporal", *KINDS]


def make_table(**rows):
    """A table of 200 test videos, each row (test, p)."""
    table = pd.DataFrame({name: (0.5, 1.0) for name in ROWS} | rows, index=["test", "p"]).T
    table.loc[["spatial", "temporal"], "p"] = np.nan
    return table.assign(n=200, validation=0.5, low=table["test"] - 0.05, high=table["test"] + 0.05)


def make_agreement(names, rows):
    columns = ["both", "only_spatial", "only_temporal", "neither"]
    table = pd.DataFrame(rows, index=pd.Index(names, name="class"), columns=columns)
    return table.assign(n=table.sum(axis=1))


def test_each_row_is_a_dot_in_its_interval_from_the_top_down():
    table = make_table(temporal=(0.7, 1), average=(0.76, 0.0004), svm=(0.6, 0.25))
    ax = plot_fusion(table)
    assert tick_names(ax.yaxis) == ROWS and ax.yaxis_inverted()
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose([dot.get_xdata()[0] for dot in dots], table["test"])
    assert [dot.get_ydata()[0] for dot in dots] == list(range(len(ROWS)))
    ends = [interval.get_segments()[0][:, 0] for interval in ax.collections]
    np.testing.assert_allclose(ends, table[["low", "high"]])
    expected = [STREAM_COLOURS.get(name, STREAM_COLOURS["fused"]) for name in ROWS]
    assert [dot.get_color() for dot in dots] == expected


def test_the_better_stream_is_the_dashed_line_and_kinds_have_their_p():
    ax = plot_fusion(make_table(temporal=(0.7, 1), average=(0.76, 0.0004), svm=(0.6, 0.25)))
    (dashed,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert list(dashed.get_xdata()) == [0.7, 0.7] and dashed.get_color() == STREAM_COLOURS["temporal"]
    assert ax.get_title() == "200 test videos; dashed: temporal, the better stream"
    written = dict(zip(ROWS, [text.get_text() for text in ax.texts], strict=True))
    assert written["temporal"] == "70.0%" and written["average"] == "76.0%   p < 0.001"
    assert written["svm"] == "60.0%   p = 0.250"


def test_the_split_that_was_scored_is_named():
    ax = plot_fusion(make_table(), "validation")
    assert ax.get_title().startswith("200 validation videos;") and ax.get_xlabel().startswith("accuracy on validation,")


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 1.0])
def test_what_is_written_beside_the_panel_stays_in_the_figure(accuracy):
    ax = plot_fusion(make_table(**dict.fromkeys(ROWS, (accuracy, 0.5))))
    boxes = assert_inside(ax.figure, [*ax.texts, *ax.yaxis.get_ticklabels(), ax.title])
    rows = sorted(boxes[: len(ROWS)], key=lambda box: box.y0)
    assert all(below.y1 <= above.y0 for below, above in zip(rows, rows[1:], strict=False))


def test_agreement_is_drawn_as_shares_of_each_class():
    table = make_agreement(PUSHES, [(1, 2, 1, 0), (6, 0, 3, 1)])
    ax = plot_agreement(table)
    assert tick_names(ax.yaxis) == PUSHES  # bottom to top: more that both are right about is above
    widths = {bars.get_label(): [bar.get_width() for bar in bars] for bars in ax.containers}
    assert list(widths) == ["both", "only spatial", "only temporal", "neither"]
    np.testing.assert_allclose(list(widths.values()), [[0.25, 0.6], [0.5, 0], [0.25, 0.3], [0, 0.1]])
    np.testing.assert_allclose([bar.get_x() for bar in ax.containers[3]], [1, 0.9])
    assert ax.get_title() == "14 videos: both streams right 50.0%, at least one 92.9%"
    for bars, colour in zip(ax.containers, AGREEMENT_COLOURS.values(), strict=True):
        assert bars[0].get_facecolor() == to_rgba(colour)


def test_classes_without_videos_are_left_out():
    ax = plot_agreement(make_agreement([*PUSHES, "absent"], [(1, 0, 0, 0), (1, 0, 0, 1), (0, 0, 0, 0)]))
    assert tick_names(ax.yaxis) == PUSHES[::-1]


@pytest.mark.parametrize(("count", "named"), [(1, 1), (8, 8), (40, 40), (174, 0)])
def test_agreement_names_up_to_forty_classes_inside_the_figure(count, named):
    rows = np.random.default_rng(0).integers(1, 9, (count, 4))
    ax = plot_agreement(make_agreement(MANY[:count], rows))
    assert len(tick_names(ax.yaxis)) == named and len(ax.patches) == 4 * count
    assert_inside(ax.figure, [*ax.yaxis.get_ticklabels(), ax.title])


def test_fusion_is_drawn_in_the_given_panel():
    _, panel = plt.subplots()
    assert plot_fusion(make_table(), ax=panel) is panel
    assert len(plt.get_fignums()) == 1
