"""StreamInputs of the training and of the results: one figure per function, returned and never shown.

A function of one panel takes `ax` (by default it makes a figure) and returns the Axes; one of several panels returns
an array of Axes. The streams' colours are from Okabe and Ito 2008: colour-blind readers can tell them apart.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from src.plots.data import (
    MAX_NAMED,
    MAX_PICTURES,
    WIDTH,
    class_axes,
    draw_picture,
    explain_colours,
    flow_to_rgb,
    full_colour,
    legend_above,
    shorten,
    styled,
    wrap,
)

STREAM_COLOURS = {"spatial": "#0072B2", "temporal": "#E69F00", "fused": "#222222"}
CLASS_COLOURS = ("#009E73", "#D55E00", "#CC79A7", "#56B4E9")  # of Okabe and Ito, too, and of no stream
MAX_MATRIX_NAMED, MAX_MATRIX_COUNTED = 30, 12  # classes
MAX_POINTS = 200  # along a timeline; more are too close to be told apart


@styled
def plot_history(
    history: pd.DataFrame, axes: Sequence[Axes] | None = None, title: str = "", stream: str | None = None
) -> np.ndarray:
    """Draws loss and accuracy by epoch, training dashed, validation solid, with the best epoch marked.

    The best epoch is that of the least validation loss, the first among equals: the one whose weights are kept.

    Args:
        history: columns epoch, loss, accuracy, val_loss, val_accuracy; optionally phase (str).
        axes: two panels.
        title: stands before the panels' names.
        stream: "spatial", "temporal" or "fused"; the lines take its colour.
    """
    axes = plt.subplots(1, 2, figsize=(WIDTH, 3))[1] if axes is None else np.asarray(axes)
    colour = STREAM_COLOURS.get(stream, "0.35")
    epochs = history["epoch"]
    best = history.sort_values("val_loss", kind="stable").iloc[0]
    marked = f"best: epoch {best['epoch']:.0f}, accuracy {best['val_accuracy']:.2f}"
    for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
        style = {"color": colour, "markersize": 3}
        ax.plot(epochs, history[name], ".--", alpha=0.6, label="train", **style)
        ax.plot(epochs, history[f"val_{name}"], ".-", label="validation", **style)
        ax.plot(best["epoch"], best[f"val_{name}"], "o", color=colour, mfc="white", ms=7, label=marked)
        ax.set(xlabel="epoch", title=f"{title}: {name}" if title else name)
        ax.set_xlim(epochs.min() - 0.5, epochs.max() + 0.5)
        ax.set_ylim(0, 1.1 if name == "accuracy" else 1.08 * ax.get_ylim()[1])  # room for the phases' names
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.grid()
        _mark_phases(ax, history)
    axes[1].set_yticks(np.linspace(0, 1, 6))
    axes[1].legend()
    return axes


@styled
def plot_accuracies(metrics: dict, ax: Axes | None = None) -> Axes:
    """Draws the top-1 accuracy of the two streams and of their fusion as bars, and chance as a dashed line.

    Args:
        metrics: a split of metrics.json, {"n", "majority_class", "spatial": {"top1", …}, "temporal": …, "fused": …}.
    """
    ax = plt.subplots(figsize=(4.5, 3))[1] if ax is None else ax
    chance, values = metrics["majority_class"], [metrics[stream]["top1"] for stream in STREAM_COLOURS]
    bars = ax.bar(list(STREAM_COLOURS), values, 0.6, color=list(STREAM_COLOURS.values()))
    ax.bar_label(bars, [f"{value:.1%}" for value in values], padding=2)
    ax.axhline(chance, color="0.4", linestyle="--", linewidth=1)
    ax.annotate(
        f"chance\n{chance:.1%}",
        (1.01, chance),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=8,
        color="0.4",
    )
    ax.set(ylim=(0, 1.08), yticks=np.linspace(0, 1, 6), title=f"top-1 accuracy, {metrics['n']:,} clips")
    ax.grid(axis="y")
    return ax


@styled
def plot_confusion_matrices(matrices: dict[str, np.ndarray], class_names: Sequence[str]) -> np.ndarray:
    """Draws confusion matrices side by side: colour is the share of the true class, numbers are clips.

    Up to 30 classes are named; up to 12 have the numbers, zeros left out.

    Args:
        matrices: name → int (C, C); rows are the truth, columns the prediction.
        class_names: C names.

    Raises:
        ValueError: a matrix is not C × C.
    """
    count = len(class_names)
    names = [shorten(name, 32) for name in class_names] if count <= MAX_MATRIX_NAMED else []
    font = np.clip(120 / count, 5, 8)
    room = max(map(len, names), default=0) * font * 0.53 / 72  # inches that the names take
    size = (WIDTH, 0.7 + room + min(3, (WIDTH - 1.2 - room) / len(matrices)))
    fig, axes = plt.subplots(1, len(matrices), figsize=size, sharey=True, squeeze=False, layout="compressed")
    for ax, (title, matrix) in zip(axes[0], matrices.items(), strict=True):
        if matrix.shape != (count, count):
            raise ValueError(f"Matrix {title!r} must be {count} × {count}. Received: {matrix.shape}.")
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        title = f"{title}: {matrix.trace() / max(matrix.sum(), 1):.1%} right"
        image = draw_picture(ax, shares, title, fontsize=10, cmap="Blues", vmin=0, vmax=1)
        ax.set_xlabel("predicted")
        ax.set_xticks(range(len(names)), names, rotation=90, fontsize=font)
        ax.set_yticks(range(len(names)), names, fontsize=font)
        ax.tick_params(length=0)
        for row, column in zip(*matrix.nonzero(), strict=True) if count <= MAX_MATRIX_COUNTED else ():
            colour = "white" if shares[row, column] > 0.5 else "0.2"
            ax.text(column, row, matrix[row, column], ha="center", va="center", fontsize=7.5, color=colour)
    axes[0, 0].set_ylabel("truth" if names else f"truth ({count} classes)")
    fig.colorbar(image, ax=axes, label="share of the true class", aspect=25)
    return axes[0]


@styled
def plot_class_accuracy(per_class: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draws each class's accuracy as one dot per stream, the class with the best fused accuracy on top.

    Args:
        per_class: indexed by class name; columns spatial, temporal, fused, from 0 to 1.
    """
    ordered = per_class[list(STREAM_COLOURS)].sort_values("fused", kind="stable", na_position="first")
    ax = class_axes(ordered.index, ax)
    rows, size = range(len(ordered)), 30 if len(ordered) <= MAX_NAMED else 8
    ax.hlines(rows, ordered.min(axis=1), ordered.max(axis=1), color="0.85", linewidth=0.8, zorder=1)
    for (stream, colour), marker in zip(STREAM_COLOURS.items(), "osD", strict=True):
        ax.scatter(ordered[stream], rows, size, colour, marker=marker, label=stream, zorder=2)
    ax.set(xlim=(-0.02, 1.02), xlabel="accuracy")
    legend_above(ax)
    return ax


@styled
def plot_probes(probes: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draws accuracies per class, as the streams are and with what they see changed, as a grid of colours and numbers.

    Args:
        probes: from `probes.probe_streams`. The mean over clips is the first row.
    """
    clips, shares = probes["clips"], probes.drop(columns="clips")
    overall = shares.mul(clips, axis=0).sum() / clips.sum()
    names = [f"all {clips.sum():,} clips", *(shorten(name, 46) for name in shares.index)]
    grid, named = np.vstack([overall, shares]), len(names) <= MAX_NAMED
    size = (7, 1.1 + 0.27 * len(names) if named else 5.5)
    ax = plt.subplots(figsize=size)[1] if ax is None else ax
    image = ax.imshow(grid, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(grid) if named else ():
        if not np.isnan(value):
            colour = "white" if value > 0.5 else "0.2"
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7.5, color=colour)
    ax.set_xticks(range(grid.shape[1]), shares.columns)
    ax.set_yticks(range(len(names)) if named else [0], names if named else names[:1])
    ax.axhline(0.5, color="white", linewidth=3)
    ax.axvline(1.5, color="white", linewidth=3)  # between the streams
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.figure.colorbar(image, ax=ax, label="accuracy", aspect=25)
    return ax


@styled
def plot_predictions(
    frames: Sequence[np.ndarray],
    flows: Sequence[np.ndarray],
    truths: Sequence[int],
    scores: dict[str, np.ndarray],
    class_names: Sequence[str],
) -> np.ndarray:
    """Draws the first eight clips: frame, flow, and what each stream says: array (N, 3) of Axes.

    Args:
        frames: N pictures, uint8 (h, w, 3), RGB.
        flows: N fields, float32 (h, w, 2), px/frame; u + is right, v + is down.
        truths: int (N,), class indices.
        scores: "spatial", "temporal", "fused" → float (N, C), after softmax.
        class_names: C names.
    """
    count = min(len(frames), MAX_PICTURES)
    rows, columns = -(-count // 2), min(count, 2)
    picture = min(1.28, frames[0].shape[1] / frames[0].shape[0])  # inches wide, then at most one high
    widths, height = [picture, picture, WIDTH / 2 - 2 * picture], 0.4 + 1.3 * rows
    # Placed by hand: a constrained layout would make room for each truth in the first, narrow panel.
    place = {"left": 0.01, "right": 0.99, "top": 1 - 0.22 / height, "bottom": 0.35 / height, "hspace": 0.28}
    place |= {"wspace": 0.06, "width_ratios": widths * columns}
    size = (WIDTH / 2 * columns, height)
    fig, axes = plt.subplots(rows, 3 * columns, figsize=size, squeeze=False, layout="none", gridspec_kw=place)
    axes = axes.reshape(-1, 3)
    scale = max(map(full_colour, flows[:count]))
    for clip, truth in enumerate(truths[:count]):
        draw_picture(axes[clip, 0], frames[clip]).axes.set_anchor("NW")
        axes[clip, 0].set_title(shorten(class_names[truth], 68), loc="left", fontsize=8.5)
        draw_picture(axes[clip, 1], flow_to_rgb(flows[clip], scale)).axes.set_anchor("NW")
        _write_predictions(axes[clip, 2], {name: scores[name][clip] for name in scores}, truth, class_names)
    for ax in axes[count:].flat:
        ax.remove()
    explain_colours(fig, scale)
    return axes[:count]


@styled
def plot_video_prediction(
    frame: np.ndarray, flow: np.ndarray, scores: dict[str, np.ndarray], class_names: Sequence[str]
) -> np.ndarray:
    """Draws one video's frame, its flow, and the scores of the five classes that fusion finds likeliest.

    Args:
        frame: uint8 (H, W, 3), RGB.
        flow: float32 (H, W, 2), px/frame; u + is right, v + is down.
        scores: "spatial", "temporal", "fused" → float (C,), after softmax.
        class_names: C names.
    """
    layout = [["frame", "bars"], ["flow", "bars"]]
    fig, panels = plt.subplot_mosaic(layout, figsize=(WIDTH, 4), width_ratios=[1, 1.6])
    scale, ax = full_colour(flow), panels["bars"]
    draw_picture(panels["frame"], frame, "frame")
    draw_picture(panels["flow"], flow_to_rgb(flow, scale), "flow")
    top = np.argsort(-scores["fused"], kind="stable")[:5]
    for offset, (stream, colour) in zip((-0.27, 0, 0.27), STREAM_COLOURS.items(), strict=True):
        bars = ax.barh(np.arange(len(top)) + offset, scores[stream][top], 0.25, color=colour, label=stream)
    ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    ax.set_yticks(range(len(top)), [wrap(class_names[index], 30, 3) for index in top])
    ax.set(xlim=(0, 1.08), ylim=(4.6, -0.6), xticks=np.linspace(0, 1, 6), xlabel="score")
    ax.grid(axis="x")
    legend_above(ax)
    explain_colours(fig, scale)
    return np.array([panels[name] for name in ("frame", "flow", "bars")])


@styled
def plot_timeline(frames: dict[float, np.ndarray], scores: pd.DataFrame) -> np.ndarray:
    """Draws frames, each above its time, over the scores of the four classes that lead most often: (2,) Axes.

    The bar above the lines has the colour of the class that leads, grey for any other. More than 200 windows are
    averaged, as many at a time as it takes.

    Args:
        frames: seconds → uint8 (H, W, 3), RGB, all of one size; as many are drawn as fit.
        scores: a row per window, indexed by seconds, ascending; a column per class, after softmax.
    """
    height, width = next(iter(frames.values())).shape[:2]
    room = WIDTH - 0.75  # inches of the time axis
    slots = int(np.clip(room * height / width, 1, MAX_PICTURES))  # pictures about an inch high
    times, wide, limits = _spread(np.array(list(frames)), scores.index[[0, -1]].to_numpy(float), slots)
    high = room * wide / np.ptp(limits) * height / width
    # Placed by hand: the pictures' height depends on the length of the time axis, which a layout would change.
    legend = 0.2 * min(3, scores.shape[1])
    total = high + legend + 2.8
    place = {"left": 0.55 / WIDTH, "right": 1 - 0.2 / WIDTH, "top": 1 - 0.25 / total, "bottom": (0.5 + legend) / total}
    place |= {"hspace": 0.1 / (high + 2), "height_ratios": [high, 2]}
    axes = plt.subplots(2, 1, figsize=(WIDTH, total), sharex=True, layout="none", gridspec_kw=place)[1]
    style = {"ha": "center", "va": "bottom", "fontsize": 8, "color": "0.3"}
    for time in times:
        axes[0].imshow(frames[time], extent=(time - wide / 2, time + wide / 2, 0, 1), aspect="auto")
        axes[0].text(time, 1.03, f"{time:.1f} s" if limits[1] < 100 else f"{time:.0f} s", **style)
        axes[1].axvline(time, color="0.85", linewidth=0.8, zorder=0)
    axes[0].set(xlim=limits, ylim=(0, 1))
    axes[0].set_axis_off()
    _draw_scores(axes[1], scores)
    return axes


def _spread(times: np.ndarray, span: np.ndarray, slots: int) -> tuple[list[float], float, tuple[float, float]]:
    """Which times to show, about one in each of equal slots; a picture's width; the axis' limits: all in seconds."""
    first, last = span if span[1] > span[0] else (span[0] - 0.5, span[0] + 0.5)
    slot = (last - first) / slots
    nearest = {int(np.abs(times - (first + (n + 0.5) * slot)).argmin()) for n in range(slots)}
    chosen = []
    for time in times[sorted(nearest)]:
        if not chosen or time - chosen[-1] > 0.75 * slot:
            chosen.append(time)
    wide = min(0.93 * slot, 0.96 * min(np.diff(chosen), default=slot))
    return chosen, wide, (min(first, chosen[0] - wide / 2), max(last, chosen[-1] + wide / 2))


def _draw_scores(ax: Axes, scores: pd.DataFrame) -> None:
    """Draws the leading classes' scores over seconds, and the bar that says which one leads."""
    together = -(-len(scores) // MAX_POINTS)
    rows = scores.rename_axis("seconds").reset_index()
    scores = rows.groupby(np.arange(len(rows)) // together).mean().set_index("seconds")
    seconds, leader = scores.index.to_numpy(float), scores.to_numpy().argmax(axis=1)
    leads = np.bincount(leader, minlength=scores.shape[1])
    order = np.lexsort([-scores.mean().to_numpy(), -leads])
    colours = dict(zip(order, CLASS_COLOURS, strict=False))
    style = {"marker": ".", "markersize": 4 if len(scores) < 60 else 0}
    for index, colour in colours.items():
        ax.plot(seconds, scores.iloc[:, index], color=colour, label=shorten(scores.columns[index], 60), **style)
    others = order[len(colours) :]
    for number, index in enumerate(others):
        label = None if number else f"{len(others)} other {'classes' if len(others) > 1 else 'class'}"
        ax.plot(seconds, scores.iloc[:, index], color="0.8", linewidth=0.7, zorder=1, label=label)
    half = np.diff(seconds).mean() / 2 if len(seconds) > 1 else 0.5
    borders = np.concatenate([[seconds[0] - half], (seconds[1:] + seconds[:-1]) / 2, [seconds[-1] + half]])
    bar = [colours.get(index, "0.8") for index in leader]
    ax.bar(borders[:-1], 0.05, np.diff(borders), 1.03, color=bar, edgecolor=bar, linewidth=0.4, align="edge")
    ax.set(ylim=(0, 1.09), yticks=np.linspace(0, 1, 6), xlabel="seconds")
    ax.set_ylabel("score" if together == 1 else f"score, mean of {together} windows")
    ax.grid(axis="y")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2)


def _mark_phases(ax: Axes, history: pd.DataFrame) -> None:
    if "phase" not in history:
        return
    starts = history[history["phase"] != history["phase"].shift()]
    for epoch, phase in zip(starts["epoch"] - 0.5, starts["phase"], strict=True):
        if epoch > ax.get_xlim()[0]:
            ax.axvline(epoch, color="0.6", linewidth=1)
        ax.annotate(
            phase,
            (epoch, 0.99),
            (3, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            va="top",
            fontsize=8,
            color="0.4",
        )


def _write_predictions(ax: Axes, scores: dict[str, np.ndarray], truth: int, class_names: Sequence[str]) -> None:
    ax.set_axis_off()
    for y, (stream, colour) in zip((0.98, 0.65, 0.32), STREAM_COLOURS.items(), strict=True):
        best = int(np.argmax(scores[stream]))
        mark, mark_colour = ("✓", "#1B7837") if best == truth else ("✗", "#C0282D")
        name, style = shorten(class_names[best], 30), {"va": "top"}
        ax.text(0, y, mark, color=mark_colour, size=10, weight="bold", **style)
        text = f"{stream} {scores[stream][best]:.2f}"
        ax.text(0.1, y, text, color=colour, size=8.5, weight="bold", **style)
        ax.text(0.1, y - 0.15, name, color="0.3", size=7.5, **style)
