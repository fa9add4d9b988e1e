"""Figure of the training: it draws what was given and marks the best epoch and the phases."""

import numpy as np
import pandas as pd
import pytest
from figures import drawn_and_closed, texts  # noqa: F401

from src.plots import plot_history
from src.plots.style import STREAM_COLOURS

pytestmark = pytest.mark.filterwarnings("error")


def make_history(val_accuracy, **columns):
    epochs = np.arange(1, len(val_accuracy) + 1)
    measured = {"loss": 1 / epochs, "accuracy": 1 - 1 / epochs, "val_loss": 2 / epochs, "val_accuracy": val_accuracy}
    return pd.DataFrame({"epoch": epochs, "phase": "head"} | measured | columns)


def test_history_draws_train_dashed_validation_solid_and_marks_the_least_validation_loss():
    history = make_history([0.2, 0.7, 0.6, 0.5], val_loss=[2.0, 1.1, 0.9, 0.9])
    axes = plot_history(history, "Temporal stream", "temporal")
    assert [ax.get_title() for ax in axes] == ["Temporal stream: loss", "Temporal stream: accuracy"]
    for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
        train, validation, best = ax.lines
        assert (train.get_linestyle(), validation.get_linestyle()) == ("--", "-")
        np.testing.assert_array_equal(train.get_ydata(), history[name])
        np.testing.assert_array_equal(validation.get_ydata(), history[f"val_{name}"])
        assert list(best.get_xdata()) == [3]  # less accurate than epoch 2, as good as epoch 4: the weights kept
        assert list(best.get_ydata()) == [history[f"val_{name}"][2]]
        assert {line.get_color() for line in ax.lines} == {STREAM_COLOURS["temporal"]}
    assert axes[1].get_legend().get_texts()[2].get_text() == "best: epoch 3, accuracy 0.60"


def test_history_marks_where_the_phase_changes():
    history = make_history([0.1, 0.2, 0.3], phase=["head", "head", "fine-tuning"])
    axes = plot_history(history, "Spatial stream", "spatial")
    for ax in axes:
        assert texts(ax) == ["head", "fine-tuning"]
        assert list(ax.lines[3].get_xdata()) == [2.5, 2.5]
        assert len(ax.lines) == 4


def test_history_of_one_epoch_is_a_point():
    axes = plot_history(make_history([0.5]), "Spatial stream", "spatial")
    assert [list(ax.lines[1].get_ydata()) for ax in axes] == [[2.0], [0.5]]
    assert axes[0].get_xlim() == (0.5, 1.5)
