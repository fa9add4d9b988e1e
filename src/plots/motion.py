"""How fast a subset moves, beside what the algorithms of flow can follow."""

from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from src.config import ClipConfig
from src.fingerprint import FOLLOWED, Motion, find_limit
from src.plots import style

PERCENTILES = {50: ":", 99: "-.", 99.9: "--"}  # line style of each that is drawn
TICKS = (0.5, 1, 2, 4, 8, 16, 32, 64)  # px/frame
SHOWN = 0.001  # least share of a bin that is written on it
END = 64 * 2**0.5  # px/frame: where the last bin, which has no end, ends in the figure


@style.apply
def plot_motion(errors: pd.DataFrame, motion: Motion, config: ClipConfig) -> np.ndarray:
    """Draws the error of flow by displacement, and below it how often a subset has each displacement: (2,) Axes.

    Args:
        errors: from `src.fingerprint.measure_flow_error`.
        motion: from `src.fingerprint.measure_motion`.
        config: the extraction parameters; the line of `flow_algorithm` is thicker.
    """
    axes = plt.subplots(2, 1, figsize=(style.WIDTH, 4.6), sharex=True)[1]
    _draw_errors(axes[0], errors, config)
    _draw_motion(axes[1], motion, config.flow_algorithm)
    limit, bound = find_limit(errors, config.flow_algorithm), config.flow_bound
    for ax in axes:
        if np.isfinite(limit):
            label = f"{config.flow_algorithm} follows up to {limit:.3g} px/frame"
            ax.axvline(limit, color=style.FLOW_COLOURS[2], linewidth=2, linestyle=(0, (6, 2)), label=label)
    axes[1].axvline(bound, color=style.CLASS_COLOURS[1], linewidth=2.5, label=f"flow_bound: {bound:g} px/frame")
    axes[1].set(xscale="log", xlim=(TICKS[0], END), xlabel="displacement, px/frame at the stored size (logarithmic)")
    axes[1].set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes[1].xaxis.set_minor_locator(plt.NullLocator())
    for ax in axes:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8)
    return axes


def _draw_errors(ax: Axes, errors: pd.DataFrame, config: ClipConfig) -> None:
    """A line for each algorithm."""
    styles = cycle(zip(style.FLOW_COLOURS, "os^D", strict=True))
    for (algorithm, rows), (colour, marker) in zip(errors.groupby("algorithm", sort=False), styles, strict=False):
        chosen = algorithm == config.flow_algorithm
        options = {"color": colour, "linewidth": 2.5 if chosen else 1.2, "marker": marker}
        middle = np.sqrt(rows.low * rows.high.clip(upper=END))
        ax.plot(middle, rows["median"], label=algorithm + " (chosen)" * chosen, **options)
    ax.axhline(FOLLOWED, color="0.4", linewidth=0.8, linestyle="--", label="above it, motion is lost")
    ax.set(yscale="log", ylabel="median error of flow, px")
    ax.set_title(f"What flow can follow, at short side {config.short_side}")


def _draw_motion(ax: Axes, motion: Motion, algorithm: str) -> None:
    """A bar for each bin, measured by DIS, and a line for each percentile, by the algorithm that is chosen."""
    low, high = motion.bins.low, motion.bins.high.clip(upper=END)
    bars = ax.bar(low, 100 * motion.bins.share, high - low, align="edge", color="0.8", edgecolor="white")
    texts = [f"{share:.1%}" if share >= SHOWN else "" for share in motion.bins.share]
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8}
    ax.bar_label(bars, texts, fontsize=7.5, padding=2, bbox=box, zorder=5)
    for percent, line in PERCENTILES.items():
        speed = motion.percentiles.loc[percent, algorithm]
        label = f"{percent} % are below {speed:.2g} px/frame"
        ax.axvline(speed, color="black", linewidth=1.2, linestyle=line, label=label)
    ax.set(ylabel="% of moving pixels", title="How fast this subset moves")
    ax.set_ylim(0, 118 * max(motion.bins.share.max(), SHOWN))
