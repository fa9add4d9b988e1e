"""Figures of accuracy: by stream, by class, by confusion of classes, and by probe.

A function of one panel takes `ax` (by default it makes a figure) and returns the Axes.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba

from src.plots import style
from src.plots.names import count_columns, shorten_all

MAX_MATRIX_NAMED, MAX_MATRIX_COUNTED = 30, 12  # classes


@style.apply
def plot_accuracies(metrics: dict, ax: Axes | None = None) -> Axes:
    """Draws the top-1 accuracy of both streams and of their fusion as bars; the majority-class baseline is dashed.

    Args:
        metrics: a split of metrics.json, {"n", "majority_class", "spatial": {"top1", …}, "temporal": …, "fused": …};
            "baselines", if there, become grey bars.
    """
    baselines, majority = metrics.get("baselines", {}), metrics["majority_class"]
    entries = {stream: metrics[stream] for stream in style.STREAM_COLOURS} | baselines
    ax = plt.subplots(figsize=(5 + 0.8 * len(baselines), 3))[1] if ax is None else ax
    values, colours = [entry["top1"] for entry in entries.values()], [*style.STREAM_COLOURS.values()]
    names = [name.replace(" ", "\n") for name in entries]
    bars = ax.bar(names, values, 0.6, color=colours + [style.SPLIT_COLOURS[""]] * len(baselines))
    ax.bar_label(bars, [f"{value:.1%}" for value in values], padding=2)
    ax.axhline(majority, color="0.4", linestyle="--", linewidth=1)
    style.annotate_beside(ax, majority, f"majority class\n{majority:.1%}")
    ax.set(ylim=(0, 1.08), yticks=np.linspace(0, 1, 6), title=f"top-1 accuracy, {metrics['n']:,} clips")
    ax.grid(axis="y")
    return ax


@style.apply
def plot_confusion_matrices(matrices: dict[str, np.ndarray], class_names: Sequence[str]) -> np.ndarray:
    """Draws confusion matrices side by side: colour is the share of the true class, numbers are clips.

    Up to 30 classes are named. Up to 12 classes have numbers, without the zeros.

    Args:
        matrices: name → int (C, C); rows are the truth, columns the prediction.
        class_names: C names.
    """
    count = len(class_names)
    names = shorten_all(class_names, 32) if count <= MAX_MATRIX_NAMED else []
    font = np.clip(120 / count, 5, 8)
    margin = max(map(count_columns, names), default=0) * font * 0.53 / 72  # inches for the names
    size = (style.WIDTH, 0.7 + margin + min(3, (style.WIDTH - 1.2 - margin) / len(matrices)))
    fig, axes = plt.subplots(1, len(matrices), figsize=size, sharey=True, squeeze=False, layout="compressed")
    for ax, (title, matrix) in zip(axes[0], matrices.items(), strict=True):
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        title = f"{title}: {matrix.trace() / max(matrix.sum(), 1):.1%} right"
        image = style.draw_image(ax, shares, title, fontsize=10, cmap="Blues", vmin=0, vmax=1)
        ax.set_xlabel("predicted")
        ax.set_xticks(range(len(names)), names, rotation=90, fontsize=font)
        ax.set_yticks(range(len(names)), names, fontsize=font)
        ax.tick_params(length=0)
        if count <= MAX_MATRIX_COUNTED:
            _write_cells(ax, shares, {cell: str(clips) for cell, clips in np.ndenumerate(matrix) if clips})
    axes[0, 0].set_ylabel("truth" if names else f"truth ({count} classes)")
    fig.colorbar(image, ax=axes, label="share of the true class", aspect=25)
    return axes[0]


@style.apply
def plot_class_accuracy(per_class: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draws the accuracy of each class as one dot per stream, the class with the best fused accuracy on top.

    Args:
        per_class: indexed by class name; columns spatial, temporal, fused, from 0 to 1.
    """
    ordered = per_class[list(style.STREAM_COLOURS)].sort_values("fused", kind="stable", na_position="first")
    ax = style.class_axes(ordered.index, ax)
    rows, size = range(len(ordered)), 30 if len(ordered) <= style.MAX_NAMED else 8
    ax.hlines(rows, ordered.min(axis=1), ordered.max(axis=1), color="0.85", linewidth=0.8, zorder=1)
    for (stream, colour), marker in zip(style.STREAM_COLOURS.items(), "osD", strict=True):
        ax.scatter(ordered[stream], rows, size, colour, marker=marker, label=stream, zorder=2)
    ax.set(xlim=(-0.02, 1.02), xlabel="accuracy")
    style.legend_above(ax)
    return ax


@style.apply
def plot_probes(probes: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draws the accuracy of each stream on its inputs and on changed inputs as bars, a group for each stream.

    A bar is the accuracy over all clips, and each dot on it that of a class. The dashed line is the accuracy on the
    unchanged inputs.

    Args:
        probes: from `src.evaluation.probe_streams`.
    """
    clips, shares = probes["clips"], probes.drop(columns="clips")
    overall = shares.mul(clips, axis=0).sum() / clips.sum()
    streams, changes = zip(*(column.partition(", ")[::2] for column in shares), strict=True)
    places = np.arange(len(streams)) + np.array([stream == "temporal" for stream in streams])  # one empty between
    ax = plt.subplots(figsize=(style.WIDTH, 3.2))[1] if ax is None else ax
    for stream in dict.fromkeys(streams):
        (of_stream,) = np.nonzero(np.array(streams) == stream)
        colours = [to_rgba(style.STREAM_COLOURS[stream], 0.4 if changes[number] else 1) for number in of_stream]
        ax.bar(places[of_stream], overall.iloc[of_stream], 0.7, color=colours)
        first, last = places[of_stream[[0, -1]]]
        ax.hlines(overall[stream], first - 0.35, last + 0.35, "0.4", linestyle="--", linewidth=1)
        ax.text((first + last) / 2, 1.16, f"{stream} stream", ha="center", fontsize=10)
    for place, column in zip(places, shares, strict=True):
        ax.scatter(np.full(len(shares), place), shares[column], 8, "0.2", alpha=0.5, linewidth=0, zorder=3)
        ax.text(place, 1.05, f"{overall[column]:.1%}", ha="center")
    ax.set_xticks(places, [change.replace(" ", "\n") or "unchanged" for change in changes])
    ax.set(ylim=(0, 1.03), yticks=np.linspace(0, 1, 6), ylabel=f"accuracy, {clips.sum():,} clips")
    ax.grid(axis="y")
    return ax


def _write_cells(ax: Axes, shares: np.ndarray, texts: dict[tuple[int, int], str]) -> None:
    """Writes texts by (row, column) on a heat map of shares 0 … 1, in white on dark cells."""
    for (row, column), text in texts.items():
        colour = "white" if shares[row, column] > 0.5 else "0.2"
        ax.text(column, row, text, ha="center", va="center", fontsize=7.5, color=colour)
