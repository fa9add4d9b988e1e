"""Figure of a long video: each frame over its time, and the scores of the leading classes."""

import numpy as np
import pandas as pd
import pytest
from figures import MANY, drawn_and_closed, make_scores, tick_names  # noqa: F401
from matplotlib.colors import to_rgba

from src.plots import plot_timeline
from src.plots.names import shorten_all
from src.plots.timeline import EVENT, LONGEST, TRUTH

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
    assert all(one.x1 < other.x0 for one, other in zip(boxes, boxes[1:], strict=False))
    assert boxes[0].x0 >= 0 and boxes[-1].x1 <= fig.bbox.x1 and 30 < boxes[0].height < 260
    legend = lines.get_legend().get_window_extent()
    assert lines.bbox.y1 <= legend.y0 and legend.y1 <= boxes[0].y0 and legend.x1 <= fig.bbox.x1
    assert min(label.get_window_extent().x0 for label in lines.get_yticklabels()) >= 0


def make_table(*rows):
    return pd.DataFrame(rows, columns=["class", "start", "end"])


def bars_of(ax, colour):
    """(row from the top, start, end) of each bar of a colour."""
    rows = round(ax.get_ylim()[1])
    patches = [patch for patch in ax.patches if patch.get_facecolor() == to_rgba(colour)]
    return [(rows - 1 - round(patch.get_y()), patch.get_x(), patch.get_x() + patch.get_width()) for patch in patches]


def test_a_row_for_each_class_in_the_order_in_which_they_begin():
    scores = pd.DataFrame(make_scores([5] * 4 + [2] * 3 + [0] * 2 + [3, 1], 7), np.arange(11) / 2, MANY[:7])
    frames = {0.0: np.zeros((24, 32, 3), np.uint8), 5.0: np.zeros((24, 32, 3), np.uint8)}
    truth = make_table((MANY[5], 0.0, 2.0), (MANY[6], 2.0, 5.0))
    events = make_table((MANY[2], 2.0, 3.5), (MANY[5], 0.0, 1.8), (MANY[5], 4.0, 5.0))
    _, ax = plot_timeline(frames, scores, events, truth, threshold=0.5)
    rows = [5, 6, 2, 0, 1, 3]  # the true classes, those of events, then those that lead, most often first
    assert tick_names(ax.yaxis) == shorten_all([MANY[n] for n in rows], LONGEST)
    assert bars_of(ax, TRUTH) == [(0, 0, 2), (1, 2, 5)]
    assert bars_of(ax, EVENT) == [(0, 0, 1.8), (0, 4, 5), (2, 2, 3.5)]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "score (a row is 0 to 0.7)", "event", "true class", "threshold 0.50"
    ]  # fmt: skip
    assert ax.get_xlabel() == "seconds; 1 other class never leads"
    area = ax.collections[2].get_paths()[0].vertices  # of class 2, in the third of six rows
    np.testing.assert_allclose(area[:, 1].max(), 3 + 0.9, atol=1e-6)
    assert set(area[np.isclose(area[:, 1], 3.9), 0]) == {2, 2.5, 3}


def test_without_events_and_truth_the_leading_classes_have_rows():
    frames, scores = make_timeline(40, 20.0, num_classes=10)
    _, ax = plot_timeline(frames, scores)
    assert len(tick_names(ax.yaxis)) == 8 and ax.get_xlabel() == "seconds; 2 other classes are not shown"
    assert len(ax.get_legend().get_texts()) == 1 and not ax.patches


def test_frames_of_another_shape_are_cropped_in_the_middle():
    frames, scores = make_timeline(20, 10.0, num_classes=2, num_frames=2)
    (first, image), (second, _) = frames.items()
    tall = np.arange(48 * 24 * 3, dtype=np.uint32).reshape(48, 24, 3).astype(np.uint8)
    shown, _ = plot_timeline({first: image, second: tall}, scores)
    np.testing.assert_array_equal(shown.images[-1].get_array(), tall[15:33])  # 18 x 24, as 24 x 32


def test_a_long_timeline_is_averaged_over_windows():
    frames, scores = make_timeline(1001, 600.0, num_classes=3)
    _, ax = plot_timeline(frames, scores)
    assert ax.get_xlabel() == "seconds; scores are means of 6 windows"
    row = tick_names(ax.yaxis).index(shorten_all(MANY[:3], LONGEST)[0])
    upper = ax.collections[row].get_paths()[0].vertices
    means = scores[MANY[0]].to_numpy()[:996].reshape(-1, 6).mean(axis=1)
    for time, value in zip(scores.index.to_numpy()[:996].reshape(-1, 6).mean(axis=1), means, strict=True):
        assert np.isclose(upper, [time, 2 - row + 0.9 * value / 0.7], atol=1e-6).all(axis=1).any()
