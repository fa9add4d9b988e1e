"""Figure of the training: loss and accuracy by step."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from src.plots import style


@style.apply
def plot_history(history: pd.DataFrame, title: str, stream: str) -> np.ndarray:
    """Draws loss and accuracy by step, training dashed, validation solid: (2,) Axes. The last weights are kept.

    Args:
        history: columns step, phase, loss, accuracy, val_loss, val_accuracy (NaN without validation).
        title: precedes the names of the panels.
        stream: "spatial" or "temporal"; sets the colour of the lines.
    """
    axes = plt.subplots(1, 2, figsize=(style.WIDTH, 3))[1]
    colour, steps = style.STREAM_COLOURS[stream], history["step"]
    for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
        options = {"color": colour, "markersize": 3}
        ax.plot(steps, history[name], ".--", alpha=0.6, label="train", **options)
        if history[f"val_{name}"].notna().any():
            ax.plot(steps, history[f"val_{name}"], ".-", label="validation", **options)
        ax.set(xlabel="step", title=f"{title}: {name}")
        ax.set_xlim(0, 1.02 * steps.max())
        ax.set_ylim(0, 1.1 if name == "accuracy" else 1.08 * ax.get_ylim()[1])  # space for the names of the phases
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.grid()
        _mark_phases(ax, history)
    axes[1].set_yticks(np.linspace(0, 1, 6))
    axes[1].legend()
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
