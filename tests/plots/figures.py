"""What the tests of figures share: data to draw, and a fixture that draws, checks and closes every figure."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

STREAMS = ("spatial", "temporal", "fused")
PUSHES = ["Pushing something from left to right", "Pushing something from right to left"]
MANY = [f"Pretending or failing to wipe something off of something, {i} in so many words" for i in range(174)]


@pytest.fixture(autouse=True)
def drawn_and_closed(monkeypatch):
    """Figures are not shown, leave the settings as they were, are at most 9 inches wide, and draw without warnings."""

    def refuse(*args, **kwargs):
        raise AssertionError("plt.show was called")

    monkeypatch.setattr(plt, "show", refuse)
    settings = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == settings
    for number in plt.get_fignums():  # warnings about layout and glyphs come with the drawing
        plt.figure(number).draw_without_rendering()
        assert plt.figure(number).get_figwidth() <= 9
    plt.close("all")


def tick_names(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def assert_inside(figure, drawn):
    """Texts lie inside the figure from left to right."""
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in drawn]
    assert min(box.x0 for box in boxes) >= 0 and max(box.x1 for box in boxes) <= figure.bbox.x1
    return boxes


def make_frames(count, height=24, width=32):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def uniform_flow(u, v, height=24, width=32):
    return np.full((height, width, 2), (u, v), np.float32)


def make_scores(winners, num_classes):
    """Scores (N, C) of 0.7 for each winner, the rest shared."""
    rows = np.full((len(winners), num_classes), 0.3 / max(num_classes - 1, 1))
    rows[np.arange(len(winners)), winners] = 0.7
    return rows


def make_counts(counts, splits=("train", "validation", "test")):
    """An annotation table of label → clips in each split."""
    rows = []
    for label, numbers in counts.items():
        for split, number in zip(splits, numbers, strict=True):
            rows += [(label, split)] * number
    return pd.DataFrame(rows, columns=["label", "split"])
