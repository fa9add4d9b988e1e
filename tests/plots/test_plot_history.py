"""Figure of the training: it draws what was given and marks the phases."""

import numpy as np
import pandas as pd
import pytest
from figures import drawn_and_closed, texts  # noqa: F401

from src.plots import plot_history
from src.plots.style import STREAM_COLOURS

pytestmark = pytest.mark.filterwarnings("error")


def make_history(val_accuracy, **columns):
    parts = np.arange(1, len(val_accuracy) + 1)
    measured = {"loss": 1 / parts, "accuracy": 1 - 1 / parts, "val_loss": 2 / parts, "val_accuracy": val_accuracy}
    return pd.DataFrame({"step": 25 * parts, "phase": "all layers"} | measured | columns)


def test_history_draws_train_dashed_and_validation_solid():
    history = make_history([0.2, 0.7, 0.6, 0.5])
    axes = plot_history(history, "Temporal stream", "temporal")
    assert [ax.get_title() for ax in axes] == ["Temporal stream: loss", "Temporal stream: accuracy"]
    for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
        train, validation = ax.lines
        assert (train.get_linestyle(), validation.get_linestyle()) == ("--", "-")
        np.testing.assert_array_equal(train.get_xdata(), [25, 50, 75, 100])
        np.testing.assert_array_equal(train.get_ydata(), history[name])
        np.testing.assert_array_equal(validation.get_ydata(), history[f"val_{name}"])
        assert {line.get_color() for line in ax.lines} == {STREAM_COLOURS["temporal"]}


def test_history_marks_where_the_phase_changes():
    history = make_history([0.1, 0.2, 0.3], phase=["head", "head", "last stage"])
    axes = plot_history(history, "Spatial stream", "spatial")
    for ax in axes:
        assert texts(ax) == ["head", "last stage"]
        assert list(ax.lines[2].get_xdata()) == [50, 50]
        assert len(ax.lines) == 3


def test_history_without_validation_has_no_line_for_it():
    axes = plot_history(make_history([np.nan] * 3, val_loss=np.nan), "Spatial stream", "spatial")
    assert [[line.get_label() for line in ax.lines] for ax in axes] == [["train"], ["train"]]


def test_history_of_one_part_is_a_point():
    axes = plot_history(make_history([0.5]), "Spatial stream", "spatial")
    assert [list(ax.lines[1].get_ydata()) for ax in axes] == [[2.0], [0.5]]
