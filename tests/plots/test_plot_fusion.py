"""Figures of fusion: they draw what was given, and names fit."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from figures import assert_inside, drawn_and_closed, tick_names  # noqa: F401

from src.fusion import KINDS
from src.plots import plot_fusion
from src.plots.style import STREAM_COLOURS

pytestmark = pytest.mark.filterwarnings("error")

ENTRY = {"majority_class": 0.1}
ROWS = ["spatial", "temporal", *KINDS]


def make_table(**rows):
    """A table of 200 test videos, each row (test, p)."""
    table = pd.DataFrame({name: (0.5, 1.0) for name in ROWS} | rows, index=["test", "p"]).T
    table.loc[["spatial", "temporal"], "p"] = np.nan
    return table.assign(n=200, validation=0.5, low=table["test"] - 0.05, high=table["test"] + 0.05)


def test_each_row_is_a_dot_in_its_interval_from_the_top_down():
    table = make_table(temporal=(0.7, 1), average=(0.76, 0.0004), svm=(0.6, 0.25))
    ax = plot_fusion(table, ENTRY)
    assert tick_names(ax.yaxis) == ROWS and ax.yaxis_inverted()
    dots = [line for line in ax.lines if line.get_marker() in ("o", "s", "D")]
    assert [dot.get_marker() for dot in dots] == ["o", "s"] + ["D"] * len(KINDS)
    np.testing.assert_allclose([dot.get_xdata()[0] for dot in dots], table["test"])
    assert [dot.get_ydata()[0] for dot in dots] == list(range(len(ROWS)))
    ends = [interval.get_segments()[0][:, 0] for interval in ax.collections]
    np.testing.assert_allclose(ends, table[["low", "high"]])
    expected = [STREAM_COLOURS.get(name, STREAM_COLOURS["fused"]) for name in ROWS]
    assert [dot.get_color() for dot in dots] == expected


def test_the_better_stream_is_the_dashed_line_and_kinds_have_their_p():
    ax = plot_fusion(make_table(temporal=(0.7, 1), average=(0.76, 0.0004), svm=(0.6, 0.25)), ENTRY)
    (dashed,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert list(dashed.get_xdata()) == [0.7, 0.7] and dashed.get_color() == STREAM_COLOURS["temporal"]
    assert ax.get_title() == ("200 test videos; dashed: temporal, the better stream; dotted: the majority class, 10.0%")
    written = dict(zip(ROWS, [text.get_text() for text in ax.texts], strict=True))
    assert written["temporal"] == "70.0%" and written["average"] == "76.0%   p < 0.001"
    assert written["svm"] == "60.0%   p = 0.25"


def test_the_split_that_was_scored_is_named():
    ax = plot_fusion(make_table(), ENTRY, "validation")
    assert ax.get_title().startswith("200 validation videos;") and ax.get_xlabel().startswith("accuracy on validation,")


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 1.0])
def test_what_is_written_beside_the_panel_stays_in_the_figure(accuracy):
    ax = plot_fusion(make_table(**dict.fromkeys(ROWS, (accuracy, 0.5))), ENTRY)
    boxes = assert_inside(ax.figure, [*ax.texts, *ax.yaxis.get_ticklabels(), ax.title])
    rows = sorted(boxes[: len(ROWS)], key=lambda box: box.y0)
    assert all(below.y1 <= above.y0 for below, above in zip(rows, rows[1:], strict=False))


def test_baselines_come_first_and_the_majority_class_is_the_dotted_line():
    values = {"top1": 0.3, "top1_interval": [0.2, 0.4]}
    ax = plot_fusion(make_table(), ENTRY | {"baselines": {"flow statistics": values}})
    assert tick_names(ax.yaxis) == ["flow statistics", *ROWS]
    assert ax.collections[0].get_segments()[0][:, 0].tolist() == [0.2, 0.4] and ax.texts[0].get_text() == "30.0%"
    (dotted,) = [line for line in ax.lines if line.get_linestyle() == ":"]
    assert list(dotted.get_xdata()) == [0.1, 0.1]
    assert "the majority class, 10.0%" in ax.get_title()


def test_fusion_is_drawn_in_the_given_panel():
    _, panel = plt.subplots()
    assert plot_fusion(make_table(), ENTRY, ax=panel) is panel
    assert len(plt.get_fignums()) == 1
