"""Pictures of the data, the training and the results: one figure per function, returned and never shown.

A function of one panel takes `ax` (by default it makes a figure) and returns the Axes; one of several panels
returns an array of Axes. Colours: the streams' from Okabe and Ito 2008, the splits' from Tol 2021, which
colour-blind readers can tell apart.
"""

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from src.optical_flow import dequantize_flow, unstack_flow

STREAM_COLOURS = {"spatial": "#0072B2", "temporal": "#E69F00", "fused": "#222222"}
SPLIT_COLOURS = {"train": "#44AA99", "validation": "#DDCC77", "test": "#882255", "": "#8C8C8C"}
MAX_NAMED, MAX_MATRIX_NAMED, MAX_MATRIX_COUNTED = 40, 30, 12  # classes
MAX_PICTURES = 8
WIDTH = 9  # inches, 900 px
ARROW_STEP = 16  # px

_styled = plt.rc_context({
    "figure.dpi": 100, "figure.constrained_layout.use": True, "font.size": 9, "axes.titlesize": 10,
    "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8,
    "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "0.6",
    "xtick.color": "0.3", "ytick.color": "0.3", "grid.color": "0.9", "axes.axisbelow": True,
})


@_styled
def plot_class_counts(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draws the clips of each class as horizontal bars, stacked by split, the largest class on top.

    Args:
        table: annotation table, of which `label` and `split` are read.
    """
    counts = pd.crosstab(table["label"], table["split"])
    counts = counts.loc[counts.sum(axis=1).sort_values(kind="stable", ascending=False).index[::-1]]
    ax = _class_axes(counts.index, ax)
    left = np.zeros(len(counts))
    height = 0.75 if len(counts) <= MAX_NAMED else 1.0
    for split in (split for split in SPLIT_COLOURS if split in counts):
        colour, label = SPLIT_COLOURS[split], split or "no split"
        ax.barh(range(len(counts)), counts[split], height, left, color=colour, label=label)
        left += counts[split].to_numpy()
    splits = [split for split in counts if split]
    ax.set_xlabel("clips")
    ax.set_title(f"{len(table):,} clips in {len(counts)} classes", pad=24 if splits else None)
    if splits:
        _legend_above(ax)
    return ax


@_styled
def plot_frames(frames: np.ndarray, titles: Sequence[str] | None = None) -> np.ndarray:
    """Draws a clip's frames in a row: all, or eight spread evenly from the first to the last.

    Args:
        frames: uint8 (T, H, W, 3), RGB.
        titles: T texts; by default the frames' numbers.

    Raises:
        ValueError: not one title per frame.
    """
    titles = [f"frame {number}" for number in range(len(frames))] if titles is None else titles
    if len(titles) != len(frames):
        raise ValueError(f"Each frame needs one title. Received: {len(frames)} frames, {len(titles)} titles.")
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), MAX_PICTURES)).round().astype(int)
    axes = _picture_grid(1, len(chosen), frames[0].shape, text_lines=1)[0]
    for ax, number in zip(axes, chosen, strict=True):
        _show(ax, frames[number], titles[number])
    return axes


def flow_to_rgb(flow: np.ndarray, max_magnitude: float | None = None) -> np.ndarray:
    """Colour-wheel picture of a flow field: uint8 (H, W, 3), RGB.

    Hue is the direction, in the order of Baker et al. 2007 (Middlebury): right red, down yellow-green, left
    cyan, up violet. Saturation is the speed; no motion is white.

    Args:
        flow: float32 (H, W, 2), px/frame; [..., 0] is u, + is right; [..., 1] is v, + is down.
        max_magnitude: px/frame of full colour and beyond, above 0; by default what 99 % of the pixels do not
            exceed, at least 1 so that noise stays pale.
    """
    u, v = flow[..., 0], flow[..., 1]
    scale = _full_colour(flow) if max_magnitude is None else max_magnitude
    saturation = np.minimum(np.hypot(u, v) / scale, 1)
    hsv = np.stack([np.arctan2(v, u) / (2 * np.pi) % 1, saturation, np.ones_like(saturation)], axis=-1)
    return np.round(255 * hsv_to_rgb(hsv)).astype(np.uint8)


@_styled
def plot_flow(frame: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Draws a frame with its flow as arrows, the flow in wheel colours, and the wheel with its scale.

    Arrows are left out where the motion is below a fifth of full colour.

    Args:
        frame: uint8 (H, W, 3), RGB.
        flow: float32 (H, W, 2), px/frame; u + is right, v + is down.
    """
    height, width = flow.shape[:2]
    scale = _full_colour(flow)
    size = (WIDTH, 0.5 + WIDTH / 2.7 * height / width)
    axes = plt.subplots(1, 3, figsize=size, width_ratios=[1, 1, 0.45])[1]
    factor = max(1, round(1.5 * ARROW_STEP / scale))
    _show(axes[0], frame, f"frame, arrows = motion × {factor}")
    y, x = np.mgrid[ARROW_STEP // 2 : height : ARROW_STEP, ARROW_STEP // 2 : width : ARROW_STEP]
    moving = np.hypot(flow[y, x, 0], flow[y, x, 1]) > 0.2 * scale
    x, y = x[moving], y[moving]
    # "xy": an arrow ends where the pixel goes, so that + v points down, as in the image.
    axes[0].quiver(x, y, flow[y, x, 0], flow[y, x, 1], angles="xy", scale_units="xy", scale=1 / factor,
                   width=0.006, headwidth=4, color="#F0E442", edgecolor="black", linewidth=0.4)
    _show(axes[1], flow_to_rgb(flow, scale), "flow")
    side = np.linspace(-1, 1, 201)
    wheel = np.stack(np.meshgrid(side, side), axis=-1)
    wheel[np.hypot(wheel[..., 0], wheel[..., 1]) > 1] = 0
    axes[2].imshow(flow_to_rgb(wheel, 1), extent=(-scale, scale, scale, -scale))
    ticks, labels = [-scale, 0, scale], [f"{-scale:.1f}", "0", f"{scale:.1f}"]
    axes[2].set_xticks(ticks, labels)
    axes[2].set_yticks(ticks, labels)
    axes[2].set(xlabel="u, px/frame", ylabel="v, px/frame (+ is down)", title="colours")
    return axes


@_styled
def plot_flow_stack(stack: np.ndarray, flow_bound: float) -> np.ndarray:
    """Draws a stack's channels, u1 … uL in the upper row, v1 … vL in the lower: array (2, L) of Axes.

    Args:
        stack: uint8 (H, W, 2L), channel order u1, v1, u2, v2, …; 128 is no motion.
        flow_bound: px/frame of the largest code.
    """
    fields = dequantize_flow(unstack_flow(stack), flow_bound)
    limit = max(np.abs(fields).max(), 1)
    axes = _picture_grid(2, len(fields), stack.shape, text_lines=2, room=0.7)
    for (row, column), ax in np.ndenumerate(axes):
        title = f"{'uv'[row]}{column + 1}"
        image = _show(ax, fields[column, ..., row], title, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes[0, 0].figure.colorbar(image, ax=axes, label="px/frame", aspect=12, shrink=0.9)
    return axes


@_styled
def plot_batch(
    frames: np.ndarray, stacks: np.ndarray, labels: Sequence[str], flow_bound: float
) -> np.ndarray:
    """Draws a batch's first eight clips, frame above, mean flow of the stack below: array (2, N) of Axes.

    Args:
        frames: uint8 (N, h, w, 3), RGB.
        stacks: uint8 (N, h, w, 2L), channel order u1, v1, u2, v2, …; 128 is no motion.
        labels: N class names.
        flow_bound: px/frame of the largest code.
    """
    count = min(len(frames), MAX_PICTURES)
    titles = [_wrap(label, 17, 4) for label in labels[:count]]
    lines = max(title.count("\n") for title in titles) + 2
    axes = _picture_grid(2, count, frames[0].shape, text_lines=lines)
    fields = [dequantize_flow(unstack_flow(stack), flow_bound).mean(axis=0) for stack in stacks[:count]]
    scale = max(map(_full_colour, fields))
    for column in range(count):
        _show(axes[0, column], frames[column], titles[column], fontsize=7.5)
        _show(axes[1, column], flow_to_rgb(fields[column], scale))
    axes[0, 0].set_ylabel("frame")
    axes[1, 0].set_ylabel("mean flow")
    _explain_colours(axes[0, 0].figure, scale)
    return axes


@_styled
def plot_history(
    history: pd.DataFrame, axes: Sequence[Axes] | None = None, title: str = "", stream: str | None = None
) -> np.ndarray:
    """Draws loss and accuracy by epoch, training dashed, validation solid, with the best epoch marked.

    The best epoch is that of the highest validation accuracy; among equals, of the lowest validation loss.

    Args:
        history: columns epoch, loss, accuracy, val_loss, val_accuracy; optionally phase (str).
        axes: two panels.
        title: stands before the panels' names.
        stream: "spatial", "temporal" or "fused"; the lines take its colour.
    """
    axes = plt.subplots(1, 2, figsize=(WIDTH, 3))[1] if axes is None else np.asarray(axes)
    colour = STREAM_COLOURS.get(stream, "0.35")
    epochs = history["epoch"]
    best = history.sort_values(["val_accuracy", "val_loss"], ascending=[False, True]).iloc[0]
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


@_styled
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
    names = [_shorten(name, 32) for name in class_names] if count <= MAX_MATRIX_NAMED else []
    font = np.clip(120 / count, 5, 8)
    room = max(map(len, names), default=0) * font * 0.53 / 72  # inches that the names take
    size = (WIDTH, 0.7 + room + min(3, (WIDTH - 1.2 - room) / len(matrices)))
    fig, axes = plt.subplots(1, len(matrices), figsize=size, sharey=True, squeeze=False, layout="compressed")
    for ax, (title, matrix) in zip(axes[0], matrices.items(), strict=True):
        if matrix.shape != (count, count):
            raise ValueError(f"Matrix {title!r} must be {count} × {count}. Received: {matrix.shape}.")
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        title = f"{title}: {matrix.trace() / max(matrix.sum(), 1):.1%} right"
        image = _show(ax, shares, title, fontsize=10, cmap="Blues", vmin=0, vmax=1)
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


@_styled
def plot_class_accuracy(per_class: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draws each class's accuracy as one dot per stream, the class with the best fused accuracy on top.

    Args:
        per_class: indexed by class name; columns spatial, temporal, fused, from 0 to 1.
    """
    ordered = per_class[list(STREAM_COLOURS)].sort_values("fused", kind="stable", na_position="first")
    ax = _class_axes(ordered.index, ax)
    rows, size = range(len(ordered)), 30 if len(ordered) <= MAX_NAMED else 8
    ax.hlines(rows, ordered.min(axis=1), ordered.max(axis=1), color="0.85", linewidth=0.8, zorder=1)
    for (stream, colour), marker in zip(STREAM_COLOURS.items(), "osD", strict=True):
        ax.scatter(ordered[stream], rows, size, colour, marker=marker, label=stream, zorder=2)
    ax.set(xlim=(-0.02, 1.02), xlabel="accuracy")
    _legend_above(ax)
    return ax


@_styled
def plot_accuracies(metrics: dict, ax: Axes | None = None) -> Axes:
    """Draws the top-1 accuracy of the two streams and of their fusion as bars, and chance as a dashed line.

    Args:
        metrics: a split of metrics.json, {"n", "chance", "spatial": {"top1", …}, "temporal": …, "fused": …}.
    """
    ax = plt.subplots(figsize=(4.5, 3))[1] if ax is None else ax
    chance, values = metrics["chance"], [metrics[stream]["top1"] for stream in STREAM_COLOURS]
    bars = ax.bar(list(STREAM_COLOURS), values, 0.6, color=list(STREAM_COLOURS.values()))
    ax.bar_label(bars, [f"{value:.1%}" for value in values], padding=2)
    ax.axhline(chance, color="0.4", linestyle="--", linewidth=1)
    ax.annotate(f"chance\n{chance:.1%}", (1.01, chance), xycoords=("axes fraction", "data"), va="center",
                fontsize=8, color="0.4")
    ax.set(ylim=(0, 1.08), yticks=np.linspace(0, 1, 6), title=f"top-1 accuracy, {metrics['n']:,} clips")
    ax.grid(axis="y")
    return ax


@_styled
def plot_predictions(
    frames: Sequence[np.ndarray], flows: Sequence[np.ndarray], truths: Sequence[int],
    scores: dict[str, np.ndarray], class_names: Sequence[str],
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
    scale = max(map(_full_colour, flows[:count]))
    for clip, truth in enumerate(truths[:count]):
        _show(axes[clip, 0], frames[clip]).axes.set_anchor("NW")
        axes[clip, 0].set_title(_shorten(class_names[truth], 68), loc="left", fontsize=8.5)
        _show(axes[clip, 1], flow_to_rgb(flows[clip], scale)).axes.set_anchor("NW")
        _write_predictions(axes[clip, 2], {name: scores[name][clip] for name in scores}, truth, class_names)
    for ax in axes[count:].flat:
        ax.remove()
    _explain_colours(fig, scale)
    return axes[:count]


@_styled
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
    scale, ax = _full_colour(flow), panels["bars"]
    _show(panels["frame"], frame, "frame")
    _show(panels["flow"], flow_to_rgb(flow, scale), "flow")
    top = np.argsort(-scores["fused"], kind="stable")[:5]
    for offset, (stream, colour) in zip((-0.27, 0, 0.27), STREAM_COLOURS.items(), strict=True):
        bars = ax.barh(np.arange(len(top)) + offset, scores[stream][top], 0.25, color=colour, label=stream)
    ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    ax.set_yticks(range(len(top)), [_wrap(class_names[index], 30, 3) for index in top])
    ax.set(xlim=(0, 1.08), ylim=(4.6, -0.6), xticks=np.linspace(0, 1, 6), xlabel="score")
    ax.grid(axis="x")
    _legend_above(ax)
    _explain_colours(fig, scale)
    return np.array([panels[name] for name in ("frame", "flow", "bars")])


def _full_colour(flow: np.ndarray) -> float:
    return max(float(np.percentile(np.hypot(flow[..., 0], flow[..., 1]), 99)), 1.0)


def _shorten(name: str, width: int) -> str:
    """About `width` characters. The middle goes: templates often differ in their last words only."""
    if len(name) > width:
        name = name.replace("Something", "Sth").replace("something", "sth")
    if len(name) <= width:
        return name
    half = (width - 3) // 2
    return f"{name[: half + 1].rsplit(' ', 1)[0]} … {name[-half - 1 :].split(' ', 1)[-1]}"


def _wrap(name: str, width: int, lines: int) -> str:
    return textwrap.fill(_shorten(name, width * lines - width // 2), width)


def _show(ax: Axes, picture: np.ndarray, title: str = "", fontsize: float = 9, **colours):
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color="0.85")  # without them a still flow is white on white
    ax.set_title(title, fontsize=fontsize)
    return ax.imshow(picture, **colours)


def _picture_grid(
    rows: int, columns: int, shape: tuple[int, ...], text_lines: int, room: float = 0
) -> np.ndarray:
    """Axes (rows, columns) in a figure that fits pictures (H, W, …), text, and room (inches) at the right."""
    cell = min((WIDTH - room) / columns, 2.6)
    size = (cell * columns + room, rows * cell * shape[0] / shape[1] + 0.17 * text_lines + 0.1)
    return plt.subplots(rows, columns, figsize=size, squeeze=False, layout="compressed")[1]


def _class_axes(names: pd.Index, ax: Axes | None) -> Axes:
    """Axes with a row per class, from the bottom up, named while names can be read."""
    named = len(names) <= MAX_NAMED
    if ax is None:
        ax = plt.subplots(figsize=(7, 1.2 + 0.19 * len(names) if named else 5.5))[1]
    labels = [_shorten(name, 46) for name in names] if named else []
    ax.set_yticks(range(len(labels)), labels)
    ax.set(ylim=(-0.6, len(names) - 0.4), ylabel="" if named else f"{len(names)} classes")
    ax.grid(axis="x")
    return ax


def _legend_above(ax: Axes) -> None:
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, borderaxespad=0.2)


def _explain_colours(fig: Figure, scale: float) -> None:
    text = f"Flow: right red, down yellow-green, left cyan, up violet; full colour = {scale:.1f} px/frame"
    fig.supxlabel(textwrap.fill(text, int(16 * fig.get_figwidth())), fontsize=8)


def _mark_phases(ax: Axes, history: pd.DataFrame) -> None:
    if "phase" not in history:
        return
    starts = history[history["phase"] != history["phase"].shift()]
    for epoch, phase in zip(starts["epoch"] - 0.5, starts["phase"], strict=True):
        if epoch > ax.get_xlim()[0]:
            ax.axvline(epoch, color="0.6", linewidth=1)
        ax.annotate(phase, (epoch, 0.99), (3, 0), xycoords=("data", "axes fraction"),
                    textcoords="offset points", va="top", fontsize=8, color="0.4")


def _write_predictions(
    ax: Axes, scores: dict[str, np.ndarray], truth: int, class_names: Sequence[str]
) -> None:
    ax.set_axis_off()
    for y, (stream, colour) in zip((0.98, 0.65, 0.32), STREAM_COLOURS.items(), strict=True):
        best = int(np.argmax(scores[stream]))
        mark, mark_colour = ("✓", "#1B7837") if best == truth else ("✗", "#C0282D")
        name, style = _shorten(class_names[best], 30), {"va": "top"}
        ax.text(0, y, mark, color=mark_colour, size=10, weight="bold", **style)
        text = f"{stream} {scores[stream][best]:.2f}"
        ax.text(0.1, y, text, color=colour, size=8.5, weight="bold", **style)
        ax.text(0.1, y - 0.15, name, color="0.3", size=7.5, **style)
