"""Figures of the training: loss and accuracy by step, of a run, while it is trained, and of several runs."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from src.config import STREAMS
from src.plots import style
from src.plots.names import shorten

PAUSE = 10  # seconds, at least, from one drawing of a growing figure to the next: the training waits for each
COLUMNS = ["step", "phase", "loss", "accuracy", "val_loss", "val_accuracy"]


@style.apply
def plot_history(history: pd.DataFrame, stream: str, steps: int | None = None) -> np.ndarray:
    """Draws loss and accuracy by step, training dashed, validation solid: (2,) Axes. The last weights are kept.

    Args:
        history: columns step, phase, loss, accuracy, val_loss, val_accuracy (NaN without validation); empty before
            the first round.
        stream: "spatial" or "temporal".
        steps: of the whole training, the end of the axis. None: the last step of the history.
    """
    history = history.reindex(columns=COLUMNS)  # before the first round there are none
    axes = plt.subplots(1, 2, figsize=(style.WIDTH, 2.8))[1]
    colour, marker = style.STREAM_COLOURS[stream], style.STREAM_MARKERS[stream]
    for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
        options = {"color": colour, "markersize": 4}
        ax.plot(history["step"], history[name], f"{marker}--", alpha=0.6, fillstyle="none", label="train", **options)
        if history[f"val_{name}"].notna().any():
            ax.plot(history["step"], history[f"val_{name}"], f"{marker}-", label="validation", **options)
        ax.set(xlabel="step", title=f"{stream} stream: {name}")
        ax.set_xlim(0, 1.02 * (steps or history["step"].max()))
        ax.set_ylim(0, 1.1 if name == "accuracy" else 1.08 * ax.get_ylim()[1])  # space for the names of the phases
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.grid()
        _mark_phases(ax, history)
    axes[1].set_yticks(np.linspace(0, 1, 6))
    axes[1].legend(loc="best")
    return axes


class GrowingHistory:
    """The figure of `plot_history` in a notebook, drawn again in the same place after rounds of a training.

    Give it to `train_spatial` or `train_temporal` as `on_round`. Outside a notebook it does nothing.

    Args:
        stream: "spatial" or "temporal".
    """

    def __init__(self, stream: str):
        self.stream, self._display, self._due = stream, None, 0.0

    def __call__(self, history: pd.DataFrame, steps: int) -> None:
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        if not hasattr(shell, "kernel") or time.monotonic() < self._due:
            return
        from IPython.display import display

        figure = plot_history(history, self.stream, steps)[0].figure
        if self._display is None:
            self._display = display(figure, display_id=True)
        else:
            self._display.update(figure)
        plt.close(figure)  # else it would be shown a second time, below the cell
        self._due = time.monotonic() + PAUSE

    def keep(self, history: pd.DataFrame) -> np.ndarray:
        """Draws the whole history, in the place of the growing figure if there is one; returns the Axes."""
        axes = plot_history(history, self.stream)
        if self._display is not None:
            self._display.update(axes[0].figure)
            plt.close(axes[0].figure)
        return axes


@style.apply
def plot_histories(runs: Sequence[str | Path], value: str = "val_accuracy") -> np.ndarray:
    """Draws the curves of several runs over each other, one panel for each stream: (2,) Axes.

    Args:
        runs: up to seven folders of runs, such as ["runs/a", "runs/b"].
        value: a column of their history: "loss", "accuracy", "val_loss" or "val_accuracy".

    Raises:
        ValueError: more than seven runs, or none of them has a history.
    """
    files = {stream: [Path(run) / f"history_{stream}.csv" for run in runs] for stream in STREAMS}
    found = any(path.is_file() for paths in files.values() for path in paths)
    if len(runs) > len(style.RUN_STYLES) or not found:
        raise ValueError(
            f"runs must be one to {len(style.RUN_STYLES)} folders of runs that hold history_spatial.csv or "
            f"history_temporal.csv. Received: {[str(run) for run in runs]}"
        )
    axes = plt.subplots(1, len(STREAMS), figsize=(style.WIDTH, 3), sharey=True)[1]
    for ax, stream in zip(axes, STREAMS, strict=True):
        for path, (colour, line, marker) in zip(files[stream], style.RUN_STYLES, strict=False):
            history = pd.read_csv(path) if path.is_file() else pd.DataFrame()
            history = history.reindex(columns=["step", value])  # those of older versions count passes, not steps
            look = {"color": colour, "linestyle": line, "marker": marker, "markersize": 4}
            ax.plot(history["step"], history[value], label=shorten(path.parent.name, 40), **look)
        ax.set(xlabel="step", title=f"{stream} stream")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.grid()
    axes[0].set_ylabel(value.replace("val_", "validation "))
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return axes


def _mark_phases(ax: Axes, history: pd.DataFrame) -> None:
    """Draws a line where a phase begins, and its name."""
    starts = history[history["phase"] != history["phase"].shift()].index
    for start, phase in zip(starts, history["phase"][starts], strict=True):
        step = history["step"][start - 1] if start else 0
        if step:
            ax.axvline(step, color="0.6", linewidth=1)
        place = {"xy": (step, 0.99), "xycoords": ("data", "axes fraction")}
        ax.annotate(phase, **place, xytext=(3, 0), textcoords="offset points", va="top", fontsize=8, color="0.4")
