"""Figures of accuracy: by confusion of classes, and by probe."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from src.plots import style
from src.plots.names import count_columns, shorten_all

MAX_MATRIX = 16  # classes: of so many, names and numbers are readable in three matrices side by side
CELL_FONT = 7.5


@style.apply
def plot_confusion_matrices(matrices: dict[str, np.ndarray], class_names: Sequence[str]) -> np.ndarray:
    """Draws confusion matrices side by side: colour is the share of the true class, numbers are clips, without zeros.

    Classes are numbered, and named on the left. Of more than 16 classes, 16 of the pairs that the last matrix confuses
    most are drawn; the accuracies in the titles are of all classes.

    Args:
        matrices: name → int (C, C); rows are the truth, columns the prediction.
        class_names: C names.
    """
    last = [*matrices.values()][-1]
    shown = _most_confused(last) if len(last) > MAX_MATRIX else np.arange(len(last))
    names = shorten_all([class_names[index] for index in shown], 32)
    names = [f"{name}  {index + 1}" for name, index in zip(names, shown, strict=True)]
    margin = max(map(count_columns, names)) * CELL_FONT * 0.53 / 72  # inches for the names
    size = (style.WIDTH, 0.75 + min(3, (style.WIDTH - 1 - margin) / len(matrices)))
    fig, axes = plt.subplots(1, len(matrices), figsize=size, sharey=True, squeeze=False, layout="compressed")
    for ax, (title, matrix) in zip(axes[0], matrices.items(), strict=True):
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        title = f"{title}: {matrix.trace() / max(matrix.sum(), 1):.1%} right"
        image = style.draw_image(ax, shares[np.ix_(shown, shown)], title, fontsize=10, cmap="Blues", vmin=0, vmax=1)
        ax.set_xlabel("predicted")
        ax.set_xticks(range(len(names)), shown + 1, fontsize=CELL_FONT, rotation=90 if shown.max() > 98 else 0)
        ax.set_yticks(range(len(names)), names, fontsize=CELL_FONT)
        ax.tick_params(length=0)
        _write_cells(ax, shares[np.ix_(shown, shown)], matrix[np.ix_(shown, shown)])
    some = f" ({len(shown)} of {len(last)} classes)" if len(shown) < len(last) else ""
    axes[0, 0].set_ylabel(f"truth{some}")
    fig.colorbar(image, ax=axes, label="share of the true class", aspect=25)
    return axes[0]


@style.apply
def plot_probes(probes: pd.DataFrame) -> np.ndarray:
    """Draws the accuracy on the inputs and on changed inputs as bars: (2,) Axes, a panel for each stream.

    A bar is the accuracy over all clips, and each tick on it that of a class. The dashed line is the accuracy on the
    unchanged inputs.

    Args:
        probes: from `src.evaluation.probe_streams`.
    """
    clips, shares = probes["clips"], probes.drop(columns="clips")
    overall = shares.mul(clips, axis=0).sum() / clips.sum()
    by_stream = {}
    for column in shares:
        by_stream.setdefault(column.partition(", ")[0], []).append(column)
    height = 1.0 + 0.26 * max(map(len, by_stream.values()))
    axes = plt.subplots(1, len(by_stream), figsize=(style.WIDTH, height), squeeze=False)[1][0]
    for ax, (stream, columns) in zip(axes, by_stream.items(), strict=True):
        for place, column in enumerate(columns):
            look = {"color": style.STREAM_COLOURS[stream], "alpha": 0.45 if place else 1, "edgecolor": "white"}
            ax.barh(place, overall[column], 0.72, hatch="///" if place else None, **look)
            ax.plot(shares[column], np.full(len(shares), place), "|", color="0.15", markersize=8, alpha=0.6)
            style.annotate_beside(ax, place, f"{overall[column]:.1%}")
        ax.axvline(overall[stream], color="0.3", linestyle="--", linewidth=1)
        ax.set_yticks(range(len(columns)), [column.partition(", ")[2] or "unchanged" for column in columns])
        ax.set(xlim=(0, 1.03), ylim=(len(columns) - 0.5, -0.5), title=f"{stream} stream, inputs:")
        ax.set(xlabel=f"accuracy, {clips.sum():,} clips (ticks on a bar: the classes)", xticks=np.linspace(0, 1, 6))
        ax.grid(axis="x")
    return axes


def _most_confused(matrix: np.ndarray) -> np.ndarray:
    """The indices of the classes of the pairs that are confused most often, in the order of the classes."""
    pairs = np.triu(matrix + matrix.T, 1)
    order = np.argsort(-pairs, axis=None, kind="stable")
    classes = np.stack(np.unravel_index(order, pairs.shape), axis=1).ravel()
    return np.sort(list(dict.fromkeys(classes.tolist()))[:MAX_MATRIX])


def _write_cells(ax: Axes, shares: np.ndarray, clips: np.ndarray) -> None:
    """Writes the numbers of clips on a heat map of shares 0 … 1, in white on dark cells."""
    for row, column in np.argwhere(clips):
        colour = "white" if shares[row, column] > 0.5 else "0.2"
        text = str(clips[row, column])
        ax.text(column, row, text, ha="center", va="center", fontsize=CELL_FONT, color=colour)
