"""Figure of the training: loss and accuracy by epoch."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from src.plots import style


@style.apply
def plot_history(history: pd.DataFrame, title: str, stream: str) -> np.ndarray:
    """Draws loss and accuracy by epoch, training dashed, validation solid, with the best epoch marked: (2,) Axes.

    The best epoch, whose weights are kept, has the lowest validation loss (the first epoch in a tie).

    Args:
        history: columns epoch, phase, loss, accuracy, val_loss, val_accuracy.
        title: precedes the names of the panels.
        stream: "spatial" or "temporal"; sets the colour of the lines.
    """
    axes = plt.subplots(1, 2, figsize=(style.WIDTH, 3))[1]
    colour, epochs = style.STREAM_COLOURS[stream], history["epoch"]
    best = history.sort_values("val_loss", kind="stable").iloc[0]
    marked = f"best: epoch {best['epoch']:.0f}, accuracy {best['val_accuracy']:.2f}"
    for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
        options = {"color": colour, "markersize": 3}
        ax.plot(epochs, history[name], ".--", alpha=0.6, label="train", **options)
        ax.plot(epochs, history[f"val_{name}"], ".-", label="validation", **options)
        ax.plot(best["epoch"], best[f"val_{name}"], "o", color=colour, mfc="white", ms=7, label=marked)
        ax.set(xlabel="epoch", title=f"{title}: {name}")
        ax.set_xlim(epochs.min() - 0.5, epochs.max() + 0.5)
        ax.set_ylim(0, 1.1 if name == "accuracy" else 1.08 * ax.get_ylim()[1])  # space for the names of the phases
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.grid()
        _mark_phases(ax, history)
    axes[1].set_yticks(np.linspace(0, 1, 6))
    axes[1].legend()
    return axes


def _mark_phases(ax: Axes, history: pd.DataFrame) -> None:
    """Draws a line where a phase begins, and its name."""
    starts = history[history["phase"] != history["phase"].shift()]
    for epoch, phase in zip(starts["epoch"] - 0.5, starts["phase"], strict=True):
        if epoch > ax.get_xlim()[0]:
            ax.axvline(epoch, color="0.6", linewidth=1)
        place = {"xy": (epoch, 0.99), "xycoords": ("data", "axes fraction")}
        ax.annotate(phase, **place, xytext=(3, 0), textcoords="offset points", va="top", fontsize=8, color="0.4")
