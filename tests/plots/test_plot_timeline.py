"""Figure of a long video: each frame over its time, and the scores of the leading classes."""

import numpy as np
import pandas as pd
import pytest
from figures import MANY, drawn_and_closed, make_scores  # noqa: F401
from matplotlib.colors import to_hex

from src.plots import plot_timeline
from src.plots.names import shorten
from src.plots.style import CLASS_COLOURS

pytestmark = pytest.mark.filterwarnings("error")


def make_timeline(num_windows, span, num_classes=8, num_frames=64, size=(24, 32)):
    """Frames and scores in which each class leads for a time, one after the other."""
    seconds = np.linspace(0.4, span, num_windows)
    winners = np.arange(num_windows) * num_classes // num_windows
    scores = pd.DataFrame(make_scores(winners, num_classes), seconds, MANY[:num_classes])
    shown = np.linspace(0, num_windows - 1, min(num_frames, num_windows)).astype(int)
    return {seconds[n]: np.full((*size, 3), 50 + n % 200, np.uint8) for n in shown}, scores


@pytest.mark.parametrize(
    ("num_windows", "span", "size"),
    [(1, 0.4, (24, 32)), (2, 0.5, (48, 27)), (14, 2.0, (27, 48)), (300, 60.0, (24, 32)), (3600, 600.0, (48, 27))],
)
def test_each_frame_of_a_timeline_stands_over_its_time(num_windows, span, size):
    frames, scores = make_timeline(num_windows, span, size=size)
    shown, lines = plot_timeline(frames, scores)
    fig = shown.figure
    fig.draw_without_rendering()
    assert shown.get_position().x0 == lines.get_position().x0 and shown.get_xlim() == lines.get_xlim()
    assert 1 <= len(shown.images) <= 8
    assert len(shown.images) >= min(num_windows, 4)
    boxes = []
    for image, label in zip(shown.images, shown.texts, strict=True):
        left, right, *_ = image.get_extent()
        time = (left + right) / 2
        nearest = min(frames, key=lambda t: abs(t - time))
        assert nearest == pytest.approx(time) and label.get_text() == f"{time:.{int(span < 99)}f} s"
        np.testing.assert_array_equal(image.get_array(), frames[nearest])
        boxes.append(image.get_window_extent())
        assert boxes[-1].height / boxes[-1].width == pytest.approx(size[0] / size[1], rel=0.02)
        assert any(line.get_xdata()[0] == nearest for line in lines.lines)  # the mark in the panel below
    assert all(one.x1 < other.x0 for one, other in zip(boxes, boxes[1:], strict=False))
    assert boxes[0].x0 >= 0 and boxes[-1].x1 <= fig.bbox.x1 and 30 < boxes[0].height < 260
    assert lines.get_legend().get_window_extent().y0 >= 0


def test_a_timeline_shows_the_classes_that_lead_most_often():
    scores = pd.DataFrame(make_scores([5] * 4 + [2] * 3 + [0] * 2 + [3, 1], 7), np.arange(11) / 2, MANY[:7])
    frames = {0.0: np.zeros((24, 32, 3), np.uint8), 5.0: np.zeros((24, 32, 3), np.uint8)}
    _, ax = plot_timeline(frames, scores)
    drawn = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
    assert list(drawn)[:3] == [shorten(MANY[n], 60) for n in (5, 2, 0)] and list(drawn)[4] == "3 other classes"
    assert [line.get_color() for line in drawn.values()][:4] == list(CLASS_COLOURS)
    np.testing.assert_array_equal(drawn[shorten(MANY[5], 60)].get_xdata(), scores.index)
    np.testing.assert_array_equal(drawn[shorten(MANY[5], 60)].get_ydata(), scores[MANY[5]])
    bar = [to_hex(patch.get_facecolor()).upper() for patch in ax.patches]
    first, second, third, *_ = CLASS_COLOURS
    assert bar[:9] == [first] * 4 + [second] * 3 + [third] * 2
    assert ax.get_ylabel() == "score"


def test_a_long_timeline_is_averaged_over_windows():
    frames, scores = make_timeline(1001, 600.0, num_classes=3)
    _, ax = plot_timeline(frames, scores)
    line = next(line for line in ax.lines if line.get_label() == shorten(MANY[0], 60))
    assert len(line.get_xdata()) == 167 and ax.get_ylabel() == "score, mean of 6 windows"
    np.testing.assert_allclose(line.get_ydata()[:-1], scores[MANY[0]].to_numpy()[:996].reshape(-1, 6).mean(axis=1))
    np.testing.assert_allclose(line.get_xdata()[:-1], scores.index.to_numpy()[:996].reshape(-1, 6).mean(axis=1))
