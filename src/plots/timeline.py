"""Figure of a long video: frames over the scores of its windows."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from src.plots import style
from src.plots.names import shorten

MAX_POINTS = 200  # windows along a timeline; more could not be told apart


@style.apply
def plot_timeline(frames: dict[float, np.ndarray], scores: pd.DataFrame) -> np.ndarray:
    """Draws frames over their times, and below them the scores of the four classes that lead most often: (2,) Axes.

    The bar above the lines has the colour of the leading class, or grey for a class without a colour. If there are
    more than 200 windows, neighbours are averaged.

    Args:
        frames: seconds → uint8 (H, W, 3), RGB, all of one size; as many as fit are drawn.
        scores: a row per window, indexed by seconds, ascending; a column per class, after softmax.
    """
    height, width = next(iter(frames.values())).shape[:2]
    axis_width = style.WIDTH - 0.75  # inches
    slots = int(np.clip(axis_width * height / width, 1, style.MAX_IMAGES))  # for images about an inch high
    times, wide, limits = _spread(np.array(list(frames)), scores.index[[0, -1]].to_numpy(float), slots)
    high = axis_width * wide / np.ptp(limits) * height / width
    # Placed by hand: the height of the images depends on the length of the time axis, which a layout would change.
    legend = 0.2 * min(3, scores.shape[1])
    total = high + legend + 2.8
    place = {"left": 0.55 / style.WIDTH, "right": 1 - 0.2 / style.WIDTH, "height_ratios": [high, 2]}
    place |= {"top": 1 - 0.25 / total, "bottom": (0.5 + legend) / total, "hspace": 0.1 / (high + 2)}
    axes = plt.subplots(2, 1, figsize=(style.WIDTH, total), sharex=True, layout="none", gridspec_kw=place)[1]
    options = {"ha": "center", "va": "bottom", "fontsize": 8, "color": "0.3"}
    for time in times:
        axes[0].imshow(frames[time], extent=(time - wide / 2, time + wide / 2, 0, 1), aspect="auto")
        axes[0].text(time, 1.03, f"{time:.1f} s" if limits[1] < 100 else f"{time:.0f} s", **options)
        axes[1].axvline(time, color="0.85", linewidth=0.8, zorder=0)
    axes[0].set(xlim=limits, ylim=(0, 1))
    axes[0].set_axis_off()
    _draw_scores(axes[1], scores)
    return axes


def _spread(times: np.ndarray, span: np.ndarray, slots: int) -> tuple[list[float], float, tuple[float, float]]:
    """Chooses the times to show, about one per slot; returns them, an image's width, the axis' limits, in seconds."""
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
    """Draws the scores over time, in colour for the classes that lead most often, and the bar of the leading class."""
    together = -(-len(scores) // MAX_POINTS)
    point = np.arange(len(scores)) // together
    seconds = scores.index.to_series().groupby(point).mean().to_numpy(float)
    values = scores.groupby(point).mean().to_numpy()
    leader = values.argmax(axis=1)
    leads = np.bincount(leader, minlength=values.shape[1])
    order = np.lexsort([-values.mean(axis=0), -leads])
    colours = dict(zip(order, style.CLASS_COLOURS, strict=False))
    options = {"marker": ".", "markersize": 4 if len(values) < 60 else 0}
    lines = []
    for index, colour in colours.items():
        name = shorten(scores.columns[index], 60)
        lines += ax.plot(seconds, values[:, index], color=colour, label=name, **options)
    others = order[len(colours) :]
    if len(others):
        name = f"{len(others)} other {'classes' if len(others) > 1 else 'class'}"
        lines += ax.plot(seconds, values[:, others], color="0.8", linewidth=0.7, zorder=1, label=name)[:1]
    half = np.diff(seconds).mean() / 2 if len(seconds) > 1 else 0.5
    borders = np.concatenate([[seconds[0] - half], (seconds[1:] + seconds[:-1]) / 2, [seconds[-1] + half]])
    bar = [colours.get(index, "0.8") for index in leader]
    ax.bar(borders[:-1], 0.05, np.diff(borders), 1.03, color=bar, edgecolor=bar, linewidth=0.4, align="edge")
    ax.set(ylim=(0, 1.09), yticks=np.linspace(0, 1, 6), xlabel="seconds")
    ax.set_ylabel("score" if together == 1 else f"score, mean of {together} windows")
    ax.grid(axis="y")
    labels = [line.get_label() for line in lines]  # given, because by itself a legend leaves out "_background"
    ax.legend(lines, labels, loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2)
