"""Figure of each class: scores with intervals, and the agreement of the streams."""

import numpy as np
import pandas as pd
import pytest
from figures import MANY, PUSHES, STREAMS, assert_inside, drawn_and_closed, tick_names  # noqa: F401
from matplotlib.colors import to_rgba

from src.plots import plot_class_scores
from src.plots.class_scores import AGREEMENT
from src.plots.style import STREAM_COLOURS

pytestmark = pytest.mark.filterwarnings("error")


def make_scores(names, f1):
    table = pd.DataFrame({"clips": 5, "f1": f1, "f1_low": np.array(f1) / 2, "f1_high": 1.0}, index=names)
    return table.assign(clips=[0 if np.isnan(value) else 5 for value in table["f1"]])


def make_agreement(names, rows):
    table = pd.DataFrame(rows, index=pd.Index(names, name="class"), columns=list(AGREEMENT))
    return table.assign(n=table.sum(axis=1))


def test_classes_are_in_the_order_of_the_fused_scores_with_intervals_and_the_streams_colours():
    f1 = {"spatial": [0.1, 0.2, np.nan], "temporal": [0.5, 0.3, np.nan], "fused": [0.9, 0.4, np.nan]}
    names = [*PUSHES, "absent"]
    tables = {stream: make_scores(names, values) for stream, values in f1.items()}
    left, right = plot_class_scores(tables, make_agreement(names, [(1, 2, 1, 1), (4, 0, 1, 0), (0, 0, 0, 0)]))
    assert tick_names(left.yaxis) == [f"{name} (5)" for name in PUSHES[::-1]]
    dots = {dots.get_label(): dots for dots in left.collections if dots.get_label() in STREAMS}
    assert list(dots) == list(STREAMS)
    for stream, offset in zip(STREAMS, (0.25, 0, -0.25), strict=True):
        expected = list(zip(f1[stream][1::-1], np.arange(2) + offset, strict=True))
        np.testing.assert_allclose(dots[stream].get_offsets(), expected)
        assert tuple(dots[stream].get_facecolor()[0]) == to_rgba(STREAM_COLOURS[stream])
    assert left.collections[0].get_segments()[0][:, 0].tolist() == [0.1, 1]  # of the spatial stream, last class
    widths = {bars.get_label(): [bar.get_width() for bar in bars] for bars in right.containers}
    assert list(widths) == ["both", "only spatial", "only temporal", "neither"]
    np.testing.assert_allclose(list(widths.values()), [[0.8, 0.2], [0, 0.4], [0.2, 0.2], [0, 0.2]])
    assert right.get_xlabel() == "right: both streams 50.0%, at least one 90.0%"


@pytest.mark.parametrize(("count", "named"), [(1, 1), (12, 12), (40, 40), (174, 0)])
def test_up_to_forty_classes_are_named_inside_the_figure(count, named):
    tables = {stream: make_scores(MANY[:count], np.linspace(0, 1, count)) for stream in STREAMS}
    axes = plot_class_scores(tables, make_agreement(MANY[:count], np.ones((count, 4), int)))
    assert len(tick_names(axes[0].yaxis)) == named
    intervals = [lines for lines in axes[0].collections if lines.get_label() not in STREAMS]
    assert len(intervals) == (3 if named else 1)
    assert_inside(axes[0].figure, [*axes[0].get_yticklabels(), *axes[1].get_legend().get_texts()])
