"""Figures of a subset before anything is extracted: its fingerprint, and a strip of frames for each class."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from src.plots import style
from src.plots.data import plot_class_counts
from src.plots.names import shorten

FEW = 6  # different values that are drawn as a bar each; more as a histogram
SKEWED = 8  # longest / median from which lengths are drawn in logarithmic bins
BIN_COUNT = 20
STRIP_COLUMNS = 3  # strips beside each other


@style.apply
def plot_fingerprint(fingerprint: pd.DataFrame, subset: pd.DataFrame) -> np.ndarray:
    """Draws the clips by class and split with their groups and, beside them, lengths, frame rates and sizes: (4,) Axes.

    Args:
        fingerprint: from `src.fingerprint.read_fingerprint`.
        subset: the annotation table of the same clips, with `group`.
    """
    labels = subset.label.nunique()
    height = max(4.0, 1.2 + 0.19 * labels) if labels <= style.MAX_NAMED else 5.5
    figure = plt.figure(figsize=(style.WIDTH, height))
    grid = figure.add_gridspec(3, 2, width_ratios=[1.35, 1])
    classes, *others = figure.add_subplot(grid[:, 0]), *(figure.add_subplot(grid[row, 1]) for row in range(3))
    plot_class_counts(subset, classes)
    groups = subset.group.nunique()
    classes.set_xlabel("clips" if groups == len(subset) else f"clips, of {groups:,} groups")
    _draw_lengths(others[0], fingerprint)
    _draw_values(others[1], fingerprint.rate.dropna().round(2), "frame rate, frames/s", "{:g}".format)
    sizes = fingerprint[["width", "height"]].dropna().astype(int)
    _draw_sizes(others[2], sizes)
    for ax in others:
        style.count_clips(ax.yaxis)
    return np.array([classes, *others])


@style.apply
def plot_class_strips(strips: Mapping[str, np.ndarray], num_classes: int | None = None) -> np.ndarray:
    """Draws a few frames of one clip of each class, side by side, under the class's name: (rows, columns) Axes.

    Args:
        strips: label → uint8 (F, H, W, 3), RGB, from `src.preprocessing.read_strips`.
        num_classes: of the subset; how many are not shown is said below.
    """
    columns = min(STRIP_COLUMNS, len(strips))
    rows = -(-len(strips) // columns)
    joined = {label: np.concatenate(list(frames), axis=1) for label, frames in strips.items()}
    aspect = np.median([image.shape[0] / image.shape[1] for image in joined.values()])
    size = style.WIDTH, rows * (style.WIDTH / columns * aspect + 0.24) + 0.2
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for ax in axes.flat[len(strips) :]:
        ax.set_axis_off()
    for ax, (label, image) in zip(axes.flat, joined.items(), strict=False):
        style.draw_image(ax, image, shorten(label, 46), fontsize=8, interpolation="bilinear")
        for border in range(1, len(strips[label])):
            ax.axvline(border * strips[label].shape[2] - 0.5, color="white", linewidth=1.5)
    hidden = (num_classes or len(strips)) - len(strips)
    if hidden > 0:
        figure.supxlabel(f"{hidden} more {'class is' if hidden == 1 else 'classes are'} not shown.", fontsize=8)
    return axes


def _draw_lengths(ax: Axes, fingerprint: pd.DataFrame) -> None:
    """A histogram of the clips' lengths, in seconds or, where no rate is known, in frames."""
    seconds = fingerprint.seconds.dropna()
    values, unit = (seconds, "s") if len(seconds) else (fingerprint.frames.dropna(), "frames")
    label = f"length, {unit}"
    if values.nunique() > 1 and values.min() > 0 and values.max() > SKEWED * values.median():
        ax.hist(values, np.geomspace(values.min(), values.max(), BIN_COUNT + 1), color="0.45")
        ax.set(xscale="log", xlabel=f"{label} (logarithmic)")
        ticks = np.geomspace(values.min(), values.max(), 4)
        ax.set_xticks(ticks, [f"{tick:.2g}" if tick < 100 else f"{tick:,.0f}" for tick in ticks])
        ax.xaxis.set_minor_locator(plt.NullLocator())
    else:
        _draw_values(ax, values.round(2), label, "{:g}".format)
    if len(values):
        ax.axvline(values.median(), color="black", linewidth=1, linestyle="--") if values.nunique() > FEW else None
        ax.set_title(f"median length {values.median():.3g} {unit}", fontsize=9)


def _draw_sizes(ax: Axes, sizes: pd.DataFrame) -> None:
    """A bar for each size or, where there are many, width against height."""
    names = sizes.width.astype(str) + " × " + sizes.height.astype(str)
    if names.nunique() <= FEW:
        _draw_values(ax, names, "width × height, px", str)
        return
    ax.hist(sizes.width / sizes.height, BIN_COUNT, color="0.45")
    ax.set_xlabel("width / height")
    ends = (
        f"{size.width} × {size.height}"
        for size in (sizes.iloc[sizes.prod(axis=1).argmin()], sizes.iloc[sizes.prod(axis=1).argmax()])
    )
    ax.set_title(f"{names.nunique()} sizes, {' to '.join(ends)} px", fontsize=9)


def _draw_values(ax: Axes, values: pd.Series, label: str, write) -> None:
    """A bar for each value if there are few, else a histogram."""
    counts = values.value_counts().sort_index()
    if len(counts) > FEW:
        ax.hist(values, BIN_COUNT, color="0.45")
    elif len(counts):
        bars = ax.bar(range(len(counts)), counts, 0.7, color="0.45")
        ax.bar_label(bars, [f"{count:,}" for count in counts], fontsize=8)
        ax.set_xticks(range(len(counts)), [write(value) for value in counts.index])
        ax.set_xlim(-1.5, len(counts) + 0.5)
        ax.margins(y=0.25)
    else:
        ax.text(0.5, 0.5, "not known", ha="center", va="center", transform=ax.transAxes, fontsize=8)
        ax.set_xticks([])
    ax.set_xlabel(label)
