"""Figures of the data: class counts, flow and stacks.

A function of one panel takes `ax` (by default it makes a figure) and returns the Axes; one of several panels returns
an array of Axes.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from src.flow import dequantize_flow, unstack_flow
from src.plots import style

ARROW_STEP = 16  # px
MAX_FIELDS = 5  # of a stack


@style.apply
def plot_class_counts(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draws the clips of each class as horizontal bars, stacked by split, the largest class on top.

    Args:
        table: annotation table; the columns `label` and `split` are used.
    """
    counts = pd.crosstab(table["label"], table["split"])
    counts = counts.loc[counts.sum(axis=1).sort_values(kind="stable", ascending=False).index[::-1]]
    ax = style.class_axes(counts.index, ax)
    colours = {split: colour for split, colour in style.SPLIT_COLOURS.items() if split in counts}
    style.draw_stacked_bars(ax, counts[list(colours)].rename(columns={"": "no split"}), colours.values())
    style.count_clips(ax.xaxis)
    has_splits = set(colours) != {""}
    ax.set_title(f"{len(table):,} clips in {len(counts)} classes", pad=24 if has_splits else None)
    if has_splits:
        style.legend_above(ax)
    return ax


@style.apply
def plot_flow(frame: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Draws a frame with its flow as arrows, the flow in colours, and the colour wheel with its scale: (3,) Axes.

    Arrows are left out where the motion is below a fifth of full colour.

    Args:
        frame: uint8 (H, W, 3), RGB.
        flow: float32 (H, W, 2), px/frame; u + is right, v + is down.
    """
    scale = style.full_colour(flow)
    wide = min(style.WIDTH / 2.7, 1.5 * style.HIGHEST * flow.shape[1] / flow.shape[0])
    size = (2.7 * wide, 0.5 + wide * flow.shape[0] / flow.shape[1])
    axes = plt.subplots(1, 3, figsize=size, width_ratios=[1, 1, 0.45])[1]
    factor = max(1, round(1.5 * ARROW_STEP / scale))
    style.draw_image(axes[0], frame, f"frame, arrows = motion × {factor}")
    _draw_arrows(axes[0], flow, 0.2 * scale, factor)
    style.draw_image(axes[1], style.flow_to_rgb(flow, scale), "flow")
    _draw_wheel(axes[2], scale)
    return axes


@style.apply
def plot_flow_stack(stack: np.ndarray, flow_bound: float) -> np.ndarray:
    """Draws a stack's channels, u above and v below: all fields, or five from the first to the last: (2, N) Axes.

    Args:
        stack: uint8 (H, W, 2L), channel order u1, v1, u2, v2, …; 128 is no motion.
        flow_bound: displacement of the largest code, px/frame.
    """
    fields = dequantize_flow(unstack_flow(stack), flow_bound)
    limit = max(np.abs(fields).max(), 1)
    chosen = np.linspace(0, len(fields) - 1, min(len(fields), MAX_FIELDS)).round().astype(int)
    axes = style.image_grid(2, len(chosen), stack.shape, text_lines=2, margin=0.7)
    for (row, column), ax in np.ndenumerate(axes):
        title = f"{'uv'[row]}{chosen[column] + 1}"
        field = fields[chosen[column], ..., row]
        image = style.draw_image(ax, field, title, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes[0, 0].figure.colorbar(image, ax=axes, label="px/frame", aspect=18, shrink=0.9)
    return axes


def _draw_arrows(ax: Axes, flow: np.ndarray, least: float, factor: int) -> None:
    """Draws arrows on a grid, `factor` times as long as the motion, where it exceeds `least` px/frame."""
    y, x = np.mgrid[ARROW_STEP // 2 : flow.shape[0] : ARROW_STEP, ARROW_STEP // 2 : flow.shape[1] : ARROW_STEP]
    moving = np.hypot(flow[y, x, 0], flow[y, x, 1]) > least
    x, y = x[moving], y[moving]
    # "xy": an arrow ends where the pixel goes, so that + v points down, as in the image.
    units = {"angles": "xy", "scale_units": "xy", "scale": 1 / factor}
    options = {"width": 0.006, "headwidth": 4, "color": "#F0E442", "edgecolor": "black", "linewidth": 0.4}
    ax.quiver(x, y, flow[y, x, 0], flow[y, x, 1], **units, **options)


def _draw_wheel(ax: Axes, scale: float) -> None:
    """Draws the colour of every displacement up to `scale` px/frame."""
    side = np.linspace(-1, 1, 201)
    wheel = np.stack(np.meshgrid(side, side), axis=-1)
    wheel[np.hypot(wheel[..., 0], wheel[..., 1]) > 1] = 0
    ax.imshow(style.flow_to_rgb(wheel, 1), extent=(-scale, scale, scale, -scale))
    ticks, labels = [-scale, 0, scale], [f"{-scale:.1f}", "0", f"{scale:.1f}"]
    ax.set_xticks(ticks, labels)
    ax.set_yticks(ticks, labels)
    ax.set(xlabel="u, px/frame", ylabel="v, px/frame (+ is down)", title="colours")
