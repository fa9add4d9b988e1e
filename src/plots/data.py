"""StreamInputs of the data, one figure per function, returned and never shown; and the style that all figures share.

A function of one panel takes `ax` (by default it makes a figure) and returns the Axes; one of several panels returns
an array of Axes. The splits' colours are from Tol 2021: colour-blind readers can tell them apart.
"""

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from src.config import ClipConfig
from src.flow import dequantize_flow, mean_flow, unstack_flow
from src.preprocessing import FOLLOWED

FLOW_COLOURS = {"farneback": "#4477AA", "dis": "#EE6677"}
SPLIT_COLOURS = {"train": "#44AA99", "validation": "#DDCC77", "test": "#882255", "": "#8C8C8C"}
MAX_NAMED = 40  # classes
MAX_PICTURES = 8
WIDTH = 9  # inches, 900 px
ARROW_STEP = 16  # px

# Load the backend before any style is set: what leaves a style restores the settings from before, and a notebook's
# backend, loaded within one, would lose that it shows figures at all.
plt.switch_backend(plt.get_backend())
styled = plt.rc_context(
    {
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.labelsize": 9,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "legend.fontsize": 8,
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": "0.6",
        "xtick.color": "0.3",
        "ytick.color": "0.3",
        "grid.color": "0.9",
        "axes.axisbelow": True,
    }
)


@styled
def plot_class_counts(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draws the clips of each class as horizontal bars, stacked by split, the largest class on top.

    Args:
        table: annotation table, of which `label` and `split` are read.
    """
    counts = pd.crosstab(table["label"], table["split"])
    counts = counts.loc[counts.sum(axis=1).sort_values(kind="stable", ascending=False).index[::-1]]
    ax = class_axes(counts.index, ax)
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
        legend_above(ax)
    return ax


@styled
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
        draw_picture(ax, frames[number], titles[number])
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
    scale = full_colour(flow) if max_magnitude is None else max_magnitude
    saturation = np.minimum(np.hypot(u, v) / scale, 1)
    hsv = np.stack([np.arctan2(v, u) / (2 * np.pi) % 1, saturation, np.ones_like(saturation)], axis=-1)
    return np.round(255 * hsv_to_rgb(hsv)).astype(np.uint8)


@styled
def plot_flow(frame: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Draws a frame with its flow as arrows, the flow in wheel colours, and the wheel with its scale.

    Arrows are left out where the motion is below a fifth of full colour.

    Args:
        frame: uint8 (H, W, 3), RGB.
        flow: float32 (H, W, 2), px/frame; u + is right, v + is down.
    """
    height, width = flow.shape[:2]
    scale = full_colour(flow)
    size = (WIDTH, 0.5 + WIDTH / 2.7 * height / width)
    axes = plt.subplots(1, 3, figsize=size, width_ratios=[1, 1, 0.45])[1]
    factor = max(1, round(1.5 * ARROW_STEP / scale))
    draw_picture(axes[0], frame, f"frame, arrows = motion × {factor}")
    y, x = np.mgrid[ARROW_STEP // 2 : height : ARROW_STEP, ARROW_STEP // 2 : width : ARROW_STEP]
    moving = np.hypot(flow[y, x, 0], flow[y, x, 1]) > 0.2 * scale
    x, y = x[moving], y[moving]
    # "xy": an arrow ends where the pixel goes, so that + v points down, as in the image.
    axes[0].quiver(
        x,
        y,
        flow[y, x, 0],
        flow[y, x, 1],
        angles="xy",
        scale_units="xy",
        scale=1 / factor,
        width=0.006,
        headwidth=4,
        color="#F0E442",
        edgecolor="black",
        linewidth=0.4,
    )
    draw_picture(axes[1], flow_to_rgb(flow, scale), "flow")
    side = np.linspace(-1, 1, 201)
    wheel = np.stack(np.meshgrid(side, side), axis=-1)
    wheel[np.hypot(wheel[..., 0], wheel[..., 1]) > 1] = 0
    axes[2].imshow(flow_to_rgb(wheel, 1), extent=(-scale, scale, scale, -scale))
    ticks, labels = [-scale, 0, scale], [f"{-scale:.1f}", "0", f"{scale:.1f}"]
    axes[2].set_xticks(ticks, labels)
    axes[2].set_yticks(ticks, labels)
    axes[2].set(xlabel="u, px/frame", ylabel="v, px/frame (+ is down)", title="colours")
    return axes


@styled
def plot_flow_stack(stack: np.ndarray, flow_bound: float) -> np.ndarray:
    """Draws a stack's channels, u1 … uL in the upper row, v1 … vL in the lower: array (2, L) of Axes.

    Args:
        stack: uint8 (H, W, 2L), L of 1 or more, channel order u1, v1, u2, v2, …; 128 is no motion.
        flow_bound: px/frame of the largest code.
    """
    fields = dequantize_flow(unstack_flow(stack), flow_bound)
    limit = max(np.abs(fields).max(), 1)
    axes = _picture_grid(2, len(fields), stack.shape, text_lines=2, room=0.7)
    for (row, column), ax in np.ndenumerate(axes):
        title = f"{'uv'[row]}{column + 1}"
        image = draw_picture(ax, fields[column, ..., row], title, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes[0, 0].figure.colorbar(image, ax=axes, label="px/frame", aspect=12, shrink=0.9)
    return axes


@styled
def plot_flow_error(errors: pd.DataFrame, motion: pd.Series, config: ClipConfig) -> np.ndarray:
    """Draws what flow can follow above how fast a subset moves: array (2,) of Axes that share the displacements.

    Args:
        errors: from `flow_accuracy.measure_flow_error`.
        motion: from `flow_accuracy.measure_motion`.
        config: whose algorithm is drawn strongly.
    """
    axes = plt.subplots(2, 1, figsize=(7, 4.6), sharex=True, height_ratios=[1.6, 1])[1]
    for algorithm, rows in errors.groupby("algorithm", sort=False):
        chosen = algorithm == config.flow_algorithm
        style = {"color": FLOW_COLOURS[algorithm], "linewidth": 2.5 if chosen else 1.2, "marker": "o"}
        axes[0].plot(range(len(rows)), rows["median"], label=algorithm + " (chosen)" * chosen, **style)
    axes[0].axhline(FOLLOWED, color="0.5", linewidth=0.8, linestyle="--")
    axes[0].text(len(motion) - 0.6, FOLLOWED * 1.1, "lost above", color="0.4", fontsize=8, ha="right", va="bottom")
    axes[0].set(yscale="log", ylabel="median error, px", title=f"Flow at short side {config.short_side}")
    axes[0].legend(loc="upper left")
    bars = axes[1].bar(range(len(motion)), 100 * motion, color="0.6")
    axes[1].bar_label(bars, [f"{share:.1%}" for share in motion], fontsize=8, padding=2)
    axes[1].set(xticks=range(len(motion)), xticklabels=motion.index, ylabel="% of moving pixels", ylim=(0, 118))
    axes[1].set(xlabel="displacement, px/frame at the stored size", title="How fast this subset moves")
    return axes


@styled
def plot_batch(frames: np.ndarray, stacks: np.ndarray, labels: Sequence[str], flow_bound: float) -> np.ndarray:
    """Draws a batch's first eight clips, frame above, mean flow of the stack below: array (2, N) of Axes.

    Args:
        frames: uint8 (N, h, w, 3), RGB.
        stacks: uint8 (N, h, w, 2L), channel order u1, v1, u2, v2, …; 128 is no motion.
        labels: N class names.
        flow_bound: px/frame of the largest code.
    """
    count = min(len(frames), MAX_PICTURES)
    titles = [wrap(label, 17, 4) for label in labels[:count]]
    lines = max(title.count("\n") for title in titles) + 2
    axes = _picture_grid(2, count, frames[0].shape, text_lines=lines)
    fields = mean_flow(stacks[:count], flow_bound)
    scale = max(map(full_colour, fields))
    for column in range(count):
        draw_picture(axes[0, column], frames[column], titles[column], fontsize=7.5)
        draw_picture(axes[1, column], flow_to_rgb(fields[column], scale))
    axes[0, 0].set_ylabel("frame")
    axes[1, 0].set_ylabel("mean flow")
    explain_colours(axes[0, 0].figure, scale)
    return axes


def full_colour(flow: np.ndarray) -> float:
    """The speed of full colour, px/frame: what 99 % of the pixels do not exceed, at least 1."""
    return max(float(np.percentile(np.hypot(flow[..., 0], flow[..., 1]), 99)), 1.0)


def shorten(name: str, width: int) -> str:
    """About `width` characters. The middle goes: templates often differ in their last words only."""
    if len(name) > width:
        name = name.replace("Something", "Sth").replace("something", "sth")
    if len(name) <= width:
        return name
    half = (width - 3) // 2
    return f"{name[: half + 1].rsplit(' ', 1)[0]} … {name[-half - 1 :].split(' ', 1)[-1]}"


def wrap(name: str, width: int, lines: int) -> str:
    """At most about `lines` lines of `width` characters."""
    return textwrap.fill(shorten(name, width * lines - width // 2), width)


def draw_picture(ax: Axes, picture: np.ndarray, title: str = "", fontsize: float = 9, **colours) -> AxesImage:
    """Draws a picture without ticks, in a pale frame; `colours` are those of `imshow`."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color="0.85")  # without them a still flow is white on white
    ax.set_title(title, fontsize=fontsize)
    return ax.imshow(picture, **colours)


def class_axes(names: pd.Index, ax: Axes | None) -> Axes:
    """Axes with a row per class, from the bottom up, named while names can be read: up to 40."""
    named = len(names) <= MAX_NAMED
    if ax is None:
        ax = plt.subplots(figsize=(7, 1.2 + 0.19 * len(names) if named else 5.5))[1]
    labels = [shorten(name, 46) for name in names] if named else []
    ax.set_yticks(range(len(labels)), labels)
    ax.set(ylim=(-0.6, len(names) - 0.4), ylabel="" if named else f"{len(names)} classes")
    ax.grid(axis="x")
    return ax


def legend_above(ax: Axes) -> None:
    """Puts the legend in one row above the panel, where no bar can meet it."""
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, borderaxespad=0.2)


def explain_colours(fig: Figure, scale: float) -> None:
    """Writes below the figure what the colours of flow mean; `scale` is the speed of full colour, px/frame."""
    text = f"Flow: right red, down yellow-green, left cyan, up violet; full colour = {scale:.1f} px/frame"
    fig.supxlabel(textwrap.fill(text, int(16 * fig.get_figwidth())), fontsize=8)


def _picture_grid(rows: int, columns: int, shape: tuple[int, ...], text_lines: int, room: float = 0) -> np.ndarray:
    """Axes (rows, columns) in a figure that fits pictures (H, W, …), text, and room (inches) at the right."""
    cell = min((WIDTH - room) / columns, 2.6)
    size = (cell * columns + room, rows * cell * shape[0] / shape[1] + 0.17 * text_lines + 0.1)
    return plt.subplots(rows, columns, figsize=size, squeeze=False, layout="compressed")[1]
