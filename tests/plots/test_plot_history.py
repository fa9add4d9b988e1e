"""Figure of the training: it draws what was given and marks the phases."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from figures import drawn_and_closed, texts  # noqa: F401

from src.plots import GrowingHistory, plot_histories, plot_history
from src.plots.style import STREAM_COLOURS

pytestmark = pytest.mark.filterwarnings("error")


def make_history(val_accuracy, **columns):
    parts = np.arange(1, len(val_accuracy) + 1)
    measured = {"loss": 1 / parts, "accuracy": 1 - 1 / parts, "val_loss": 2 / parts, "val_accuracy": val_accuracy}
    return pd.DataFrame({"step": 25 * parts, "phase": "all layers"} | measured | columns)


def test_history_draws_train_dashed_and_validation_solid():
    history = make_history([0.2, 0.7, 0.6, 0.5])
    axes = plot_history(history, "temporal")
    assert [ax.get_title() for ax in axes] == ["temporal stream: loss", "temporal stream: accuracy"]
    for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
        train, validation = ax.lines
        assert (train.get_linestyle(), validation.get_linestyle()) == ("--", "-")
        np.testing.assert_array_equal(train.get_xdata(), [25, 50, 75, 100])
        np.testing.assert_array_equal(train.get_ydata(), history[name])
        np.testing.assert_array_equal(validation.get_ydata(), history[f"val_{name}"])
        assert {line.get_color() for line in ax.lines} == {STREAM_COLOURS["temporal"]}


def test_history_marks_where_the_phase_changes():
    history = make_history([0.1, 0.2, 0.3], phase=["head", "head", "last stage"])
    axes = plot_history(history, "spatial")
    for ax in axes:
        assert texts(ax) == ["head", "last stage"]
        assert list(ax.lines[2].get_xdata()) == [50, 50]
        assert len(ax.lines) == 3


def test_history_without_validation_has_no_line_for_it():
    axes = plot_history(make_history([np.nan] * 3, val_loss=np.nan), "spatial")
    assert [[line.get_label() for line in ax.lines] for ax in axes] == [["train"], ["train"]]


def test_history_of_one_part_is_a_point():
    axes = plot_history(make_history([0.5]), "spatial")
    assert [list(ax.lines[1].get_ydata()) for ax in axes] == [[2.0], [0.5]]


def test_the_axis_ends_where_the_training_will():
    assert plot_history(make_history([0.1, 0.2]), "spatial", steps=300)[0].get_xlim()[1] == pytest.approx(306)


def test_before_the_first_round_the_panels_are_empty():
    axes = plot_history(pd.DataFrame(), "temporal", steps=100)
    assert [ax.lines[0].get_xdata().tolist() for ax in axes] == [[], []] and axes[0].get_xlim()[1] == pytest.approx(102)


def test_outside_a_notebook_nothing_grows_and_the_last_figure_is_kept():
    curves = GrowingHistory("spatial")
    curves(make_history([0.5])[:0], 100)
    curves(make_history([0.5]), 100)
    assert not plt.get_fignums()
    assert len(curves.keep(make_history([0.5]))) == 2 and len(plt.get_fignums()) == 1


def test_curves_of_several_runs_are_told_apart_without_colour(tmp_path):
    for number, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        make_history([0.1 * number, 0.5]).to_csv(tmp_path / name / "history_temporal.csv", index=False)
    make_history([0.3]).to_csv(tmp_path / "b" / "history_spatial.csv", index=False)  # of a, only a head was fitted
    spatial, temporal = plot_histories([tmp_path / "a", tmp_path / "b"])
    assert [line.get_ydata().tolist() for line in temporal.lines] == [[0, 0.5], [0.1, 0.5]]
    assert [line.get_ydata().tolist() for line in spatial.lines] == [[], [0.3]]
    assert (
        len({line.get_marker() for line in temporal.lines})
        == len({line.get_linestyle() for line in temporal.lines})
        == 2
    )
    assert [text.get_text() for text in spatial.figure.legends[0].get_texts()] == ["a", "b"]
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "history_temporal.csv").write_text("epoch,phase,loss,accuracy\n1,head,2.0,0.5\n")
    old, new = plot_histories([tmp_path / "old", tmp_path / "b"])[1].lines
    assert np.isnan(old.get_xdata()).all() and new.get_ydata().tolist() == [0.1, 0.5]
    with pytest.raises(ValueError, match="runs must be one to 7.*Received"):
        plot_histories([tmp_path])


def test_steps_of_short_runs_are_whole_numbers(tmp_path):
    make_history([0.1, 0.5], step=[2, 5]).to_csv(tmp_path / "history_spatial.csv", index=False)
    assert all(float(step).is_integer() for step in plot_histories([tmp_path])[0].get_xticks())
