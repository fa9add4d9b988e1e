"""Figures of accuracy: they draw what was given, and names fit."""

import numpy as np
import pandas as pd
import pytest
from figures import MANY, PUSHES, STREAMS, assert_inside, drawn_and_closed, texts, tick_names  # noqa: F401
from matplotlib.colors import to_rgba

from src import plots
from src.plots.accuracy import MAX_MATRIX
from src.plots.style import STREAM_COLOURS

pytestmark = pytest.mark.filterwarnings("error")


def test_confusion_matrix_counts_shares_and_accuracy():
    matrix = np.array([[3, 1], [0, 4]])
    axes = plots.plot_confusion_matrices(dict.fromkeys(STREAMS, matrix), PUSHES)
    assert [ax.get_title() for ax in axes] == [f"{stream}: 87.5% right" for stream in STREAMS]
    for ax in axes:
        np.testing.assert_allclose(ax.images[0].get_array(), [[0.75, 0.25], [0, 1]])
        assert ax.images[0].get_clim() == (0, 1)
        cells = {text.get_position(): text.get_text() for text in ax.texts}
        assert cells == {(0, 0): "3", (1, 0): "1", (1, 1): "4"}  # x is the prediction; zeros are left out
        assert tick_names(ax.xaxis) == ["1", "2"]
    names = [name.replace("something", "sth") for name in PUSHES]
    assert tick_names(axes[0].yaxis) == [f"{name}  {number}" for number, name in enumerate(names, 1)]
    axes[0].figure.draw_without_rendering()
    named = [any(label.get_visible() for label in ax.yaxis.get_ticklabels()) for ax in axes]
    assert named == [True, False, False]


def test_confusion_matrix_of_absent_classes_is_blank():
    axes = plots.plot_confusion_matrices({"fused": np.zeros((1, 1), int)}, ["fight"])
    assert axes[0].get_title() == "fused: 0.0% right"
    assert axes[0].images[0].get_array() == 0


def test_of_many_classes_the_most_confused_are_drawn():
    matrix = 5 * np.eye(174, dtype=int)
    matrix[170, 3] = matrix[3, 170] = 2  # the only errors: 174 · 5 + 4 clips
    axes = plots.plot_confusion_matrices({"spatial": np.eye(174, dtype=int), "fused": matrix}, MANY[:174])
    assert axes[1].images[0].get_array().shape == (MAX_MATRIX, MAX_MATRIX)
    assert {"4", "171"} <= set(tick_names(axes[1].xaxis)) and axes[1].get_title() == "fused: 99.5% right"
    assert axes[0].get_ylabel() == "truth (16 of 174 classes)"
    assert_inside(axes[0].figure, axes[0].get_yticklabels())


@pytest.mark.parametrize("count", [2, 12, 16])
def test_up_to_sixteen_classes_are_all_drawn(count):
    axes = plots.plot_confusion_matrices(dict.fromkeys(STREAMS, np.eye(count, dtype=int)), MANY[:count])
    assert all(len(ax.texts) == len(ax.get_xticks()) == count for ax in axes)
    assert axes[0].get_ylabel() == "truth"


SEGMENTS = ["one segment", "segments reversed", "segments shuffled"]
FIELDS = ["fields reversed", "fields shuffled", "one field"]
PROBES = [
    *("spatial", *(f"spatial, {name}" for name in SEGMENTS)),
    *("temporal", *(f"temporal, {name}" for name in SEGMENTS + FIELDS)),
]


def make_probes(shares, names, clips):
    return pd.DataFrame(shares, index=names, columns=PROBES).assign(clips=clips)


def test_probes_are_bars_in_a_panel_for_each_stream_and_ticks_for_classes():
    shares = np.array([np.linspace(0, 1, 11), np.linspace(1, 0.5, 11)])
    axes = plots.plot_probes(make_probes(shares, ["wave", "nod"], [4, 12]))
    overall = (4 * shares[0] + 12 * shares[1]) / 16
    drawn = [bar for ax in axes for bar in ax.patches]
    np.testing.assert_allclose([bar.get_width() for bar in drawn], overall)
    for number, bar in enumerate(drawn):
        stream, changed = PROBES[number].split(",")[0], "," in PROBES[number]
        assert bar.get_facecolor() == to_rgba(STREAM_COLOURS[stream], 0.45 if changed else 1)
        assert bool(bar.get_hatch()) == changed
    assert [tick_names(ax.yaxis) for ax in axes] == [["unchanged", *SEGMENTS], ["unchanged", *SEGMENTS, *FIELDS]]
    assert [text for ax in axes for text in texts(ax)] == [f"{share:.1%}" for share in overall]
    ticks = [line.get_xdata() for ax in axes for line in ax.lines if line.get_marker() == "|"]
    np.testing.assert_allclose(ticks, shares.T)
    dashed = [line.get_xdata()[0] for ax in axes for line in ax.lines if line.get_linestyle() == "--"]
    assert dashed == pytest.approx([overall[0], overall[4]])
    assert [ax.get_title() for ax in axes] == ["spatial stream, inputs:", "temporal stream, inputs:"]
    assert axes[0].get_xlabel() == "accuracy, 16 clips (ticks on a bar: the classes)"


def test_probes_of_a_class_without_clips_leave_its_row_out_of_the_mean():
    axes = plots.plot_probes(make_probes([[1.0] * 11, [np.nan] * 11], ["wave", "nod"], [4, 0]))
    assert [bar.get_width() for ax in axes for bar in ax.patches] == [1] * 11


def test_names_of_probes_and_numbers_stay_in_the_figure():
    axes = plots.plot_probes(make_probes(np.ones((174, 11)), MANY[:174], 1))
    assert_inside(axes[0].figure, [text for ax in axes for text in [*ax.texts, *ax.get_yticklabels(), ax.title]])
