"""Figures of accuracy: they draw what was given, and names fit."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from figures import MANY, PUSHES, STREAMS, assert_inside, drawn_and_closed, texts, tick_names  # noqa: F401
from matplotlib.colors import to_rgba

from src import plots
from src.plots.style import STREAM_COLOURS

pytestmark = pytest.mark.filterwarnings("error")


def test_single_panel_functions_draw_where_they_are_told():
    _, panels = plt.subplots(1, 2)
    per_class = pd.DataFrame({stream: [0.5] for stream in STREAMS}, index=["fight"])
    metrics = {"n": 10, "majority_class": 0.5} | {stream: {"top1": 0.5} for stream in STREAMS}
    assert plots.plot_class_accuracy(per_class, ax=panels[0]) is panels[0]
    assert plots.plot_accuracies(metrics, ax=panels[1]) is panels[1]
    assert len(plt.get_fignums()) == 1


def test_class_accuracy_is_sorted_by_fused_and_keeps_the_streams_colours():
    rows = [(0.1, 0.5, 0.4), (0.2, 0.3, 0.9), (np.nan, np.nan, np.nan)]
    per_class = pd.DataFrame(rows, index=[*PUSHES, "absent"], columns=STREAMS)
    ax = plots.plot_class_accuracy(per_class)
    assert tick_names(ax.yaxis) == ["absent", *PUSHES]
    dots = {dots.get_label(): dots for dots in ax.collections[1:]}
    np.testing.assert_allclose(dots["fused"].get_offsets()[1:], [(0.4, 1), (0.9, 2)])
    np.testing.assert_allclose(dots["spatial"].get_offsets()[1:], [(0.1, 1), (0.2, 2)])
    for stream in STREAMS:
        assert tuple(dots[stream].get_facecolor()[0]) == to_rgba(STREAM_COLOURS[stream])


@pytest.mark.parametrize(("count", "named"), [(1, 1), (40, 40), (174, 0)])
def test_class_accuracy_names_up_to_forty_classes(count, named):
    per_class = pd.DataFrame({stream: np.linspace(0, 1, count) for stream in STREAMS}, index=MANY[:count])
    assert len(tick_names(plots.plot_class_accuracy(per_class).yaxis)) == named


def test_accuracies_are_the_bars_and_the_majority_class_baseline_the_line():
    metrics = {"n": 1600, "majority_class": 0.125}
    for stream, top1 in zip(STREAMS, (0.5, 0.68, 1.0), strict=True):
        metrics[stream] = {"top1": top1, "top5": 1.0, "balanced": 0.0}
    ax = plots.plot_accuracies(metrics)
    assert [bar.get_height() for bar in ax.patches] == [0.5, 0.68, 1.0]
    for bar, stream in zip(ax.patches, STREAMS, strict=True):
        assert bar.get_facecolor() == to_rgba(STREAM_COLOURS[stream])
    assert tick_names(ax.xaxis) == list(STREAMS)
    assert list(ax.lines[0].get_ydata()) == [0.125, 0.125]
    assert texts(ax) == ["50.0%", "68.0%", "100.0%", "majority class\n12.5%"]
    assert ax.get_title() == "top-1 accuracy, 1,600 clips"


def test_baselines_are_grey_bars_beside_the_streams():
    metrics = {"n": 10, "majority_class": 0.5} | {stream: {"top1": 0.5} for stream in STREAMS}
    ax = plots.plot_accuracies(metrics | {"baselines": {"flow statistics": {"top1": 0.7}}})
    assert [bar.get_height() for bar in ax.patches] == [0.5, 0.5, 0.5, 0.7]
    assert tick_names(ax.xaxis) == [*STREAMS, "flow\nstatistics"]
    assert ax.patches[-1].get_facecolor() not in {to_rgba(colour) for colour in STREAM_COLOURS.values()}


def test_confusion_matrix_counts_shares_and_accuracy():
    matrix = np.array([[3, 1], [0, 4]])
    axes = plots.plot_confusion_matrices(dict.fromkeys(STREAMS, matrix), PUSHES)
    assert [ax.get_title() for ax in axes] == [f"{stream}: 87.5% right" for stream in STREAMS]
    for ax in axes:
        np.testing.assert_allclose(ax.images[0].get_array(), [[0.75, 0.25], [0, 1]])
        assert ax.images[0].get_clim() == (0, 1)
        cells = {text.get_position(): text.get_text() for text in ax.texts}
        assert cells == {(0, 0): "3", (1, 0): "1", (1, 1): "4"}  # x is the prediction; zeros are left out
        assert tick_names(ax.xaxis) == [name.replace("something", "sth") for name in PUSHES]
    axes[0].figure.draw_without_rendering()
    named = [any(label.get_visible() for label in ax.yaxis.get_ticklabels()) for ax in axes]
    assert named == [True, False, False]


def test_confusion_matrix_of_absent_classes_is_blank():
    axes = plots.plot_confusion_matrices({"fused": np.zeros((1, 1), int)}, ["fight"])
    assert axes[0].get_title() == "fused: 0.0% right"
    assert axes[0].images[0].get_array() == 0


@pytest.mark.parametrize(
    ("count", "numbered", "named"), [(12, 12, 12), (13, 0, 13), (30, 0, 30), (31, 0, 0), (174, 0, 0)]
)
def test_confusion_matrices_of_many_classes_lose_numbers_then_names(count, numbered, named):
    matrices = dict.fromkeys(STREAMS[:2], np.eye(count, dtype=int))
    for ax in plots.plot_confusion_matrices(matrices, MANY[:count]):
        assert len(ax.texts) == numbered
        assert len(ax.get_xticks()) == len(ax.get_yticks()) == named


SEGMENTS = ["one segment", "segments reversed", "segments shuffled"]
FIELDS = ["fields reversed", "fields shuffled", "one field"]
PROBES = [
    *("spatial", *(f"spatial, {name}" for name in SEGMENTS)),
    *("temporal", *(f"temporal, {name}" for name in SEGMENTS + FIELDS)),
]


def make_probes(shares, names, clips):
    return pd.DataFrame(shares, index=names, columns=PROBES).assign(clips=clips)


def test_probes_are_a_group_of_bars_for_each_stream_and_dots_for_classes():
    shares = np.array([np.linspace(0, 1, 11), np.linspace(1, 0.5, 11)])
    ax = plots.plot_probes(make_probes(shares, ["wave", "nod"], [4, 12]))
    overall = (4 * shares[0] + 12 * shares[1]) / 16
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], overall)
    assert [bar.get_x() + 0.35 for bar in ax.patches] == pytest.approx([0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11])
    for number, bar in enumerate(ax.patches):
        stream, changed = PROBES[number].split(",")[0], "," in PROBES[number]
        assert bar.get_facecolor() == to_rgba(STREAM_COLOURS[stream], 0.4 if changed else 1)
    names = ["unchanged", *SEGMENTS, "unchanged", *SEGMENTS, *FIELDS]
    assert tick_names(ax.xaxis) == [name.replace(" ", "\n") for name in names]
    assert texts(ax) == ["spatial stream", "temporal stream", *(f"{share:.1%}" for share in overall)]
    lines, dots = ax.collections[:2], ax.collections[2:]
    assert [line.get_segments()[0][0][1] for line in lines] == pytest.approx([overall[0], overall[4]])
    np.testing.assert_allclose([dot.get_offsets()[:, 1] for dot in dots], shares.T)
    assert ax.get_ylabel() == "accuracy, 16 clips"


def test_probes_of_a_class_without_clips_leave_its_row_out_of_the_mean():
    ax = plots.plot_probes(make_probes([[1.0] * 11, [np.nan] * 11], ["wave", "nod"], [4, 0]))
    assert [bar.get_height() for bar in ax.patches] == [1] * 11


def test_names_of_probes_and_numbers_stay_apart():
    ax = plots.plot_probes(make_probes(np.ones((174, 11)), MANY[:174], 1))
    for drawn in (ax.get_xticklabels(), [text for text in ax.texts if text.get_text().endswith("%")]):
        boxes = assert_inside(ax.figure, drawn)
        assert all(left.x1 < right.x0 for left, right in zip(boxes, boxes[1:], strict=False))
