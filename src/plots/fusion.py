"""Figures of fusion: whether it helps, and how often the streams agree.

Each function takes `ax` (by default it makes a figure) and returns the Axes.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from src.config import STREAMS
from src.fusion import better_stream, format_p
from src.plots import style

AGREEMENT_COLOURS = {
    "both": "#009E73",  # green of Okabe and Ito 2008
    "only_spatial": style.STREAM_COLOURS["spatial"],
    "only_temporal": style.STREAM_COLOURS["temporal"],
    "neither": "0.85",
}


@style.apply
def plot_fusion(table: pd.DataFrame, split: str = "test", ax: Axes | None = None) -> Axes:
    """Draws the accuracy of each stream and fusion with its 95 % interval; a dashed line marks the better stream.

    The accuracy and the p-value against the better stream are on the right.

    Args:
        table: from `src.fusion.fusion_table`.
        split: the split that its column "test" is of.
    """
    if ax is None:
        ax = plt.subplots(figsize=(style.WIDTH * 0.8, 1.1 + 0.28 * len(table)))[1]
    stream = better_stream(table)
    ax.axvline(table.loc[stream, "test"], color=style.STREAM_COLOURS[stream], linestyle="--", linewidth=1, zorder=1)
    for place, (name, row) in enumerate(table.iterrows()):
        colour = style.STREAM_COLOURS.get(name, style.STREAM_COLOURS["fused"])
        ax.hlines(place, row["low"], row["high"], color=colour, linewidth=2, zorder=2)
        ax.plot(row["test"], place, "o", color=colour, markersize=6, zorder=3)
        text = f"{row['test']:.1%}" + ("" if np.isnan(row["p"]) else f"   {format_p(row['p'])}")
        style.annotate_beside(ax, place, text)
    ax.axhline(len(STREAMS) - 0.5, color="0.85", linewidth=0.8)
    ax.set(ylim=(len(table) - 0.4, -0.6), xlabel=f"accuracy on {split}, 95 % interval")
    ax.set_yticks(range(len(table)), table.index)
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.set_title(f"{table['n'].iloc[0]:,} {split} videos; dashed: {stream}, the better stream")
    ax.grid(axis="x")
    return ax


@style.apply
def plot_agreement(agreement: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draws for each class the shares of videos that both, one or neither of the streams classify correctly.

    The class with the largest share for both is on top.

    Args:
        agreement: from `src.metrics.agreement`; classes without videos are left out.
    """
    counts = agreement[agreement["n"] > 0]
    shares = counts[list(AGREEMENT_COLOURS)].div(counts["n"], axis=0)
    shares = shares.sort_values(["both", "neither"], ascending=[True, False], kind="stable")
    ax = style.class_axes(shares.index, ax)
    style.draw_stacked_bars(ax, shares.rename(columns=lambda name: name.replace("_", " ")), AGREEMENT_COLOURS.values())
    totals = counts.sum()
    both, either = totals["both"] / totals["n"], 1 - totals["neither"] / totals["n"]
    ax.set(xlim=(0, 1), xlabel="videos of the class, by which stream is right")
    ax.set_title(f"{totals['n']:,} videos: both streams right {both:.1%}, at least one {either:.1%}", pad=24)
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    style.legend_above(ax)
    return ax
