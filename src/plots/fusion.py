"""StreamInputs of fusion: does it help, and what is there to gain. One figure per function, returned and never shown.

Each takes `ax` (by default it makes a figure) and returns the Axes. A stream has its own colour; what both are right
about is green (Okabe and Ito 2008), what neither is, grey.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from src.config import STREAMS
from src.fusion import better_stream, format_p
from src.plots.data import MAX_NAMED, WIDTH, class_axes, legend_above, styled
from src.plots.results import STREAM_COLOURS

AGREEMENT_COLOURS = {
    "both": "#009E73",
    "only_spatial": STREAM_COLOURS["spatial"],
    "only_temporal": STREAM_COLOURS["temporal"],
    "neither": "0.85",
}


@styled
def plot_fusion(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draws each stream's and each fusion's accuracy on test with its 95 % interval; the better stream's is dashed.

    At the right stand the accuracy and the p-value of McNemar's test against the better stream.

    Args:
        table: from `fusion_report.fusion_table`.
    """
    if ax is None:
        ax = plt.subplots(figsize=(WIDTH * 0.8, 1.1 + 0.28 * len(table)))[1]
    stream = better_stream(table)
    ax.axvline(table.loc[stream, "test"], color=STREAM_COLOURS[stream], linestyle="--", linewidth=1, zorder=1)
    for place, (name, row) in enumerate(table.iterrows()):
        colour = STREAM_COLOURS.get(name, STREAM_COLOURS["fused"])
        ax.hlines(place, row["low"], row["high"], color=colour, linewidth=2, zorder=2)
        ax.plot(row["test"], place, "o", color=colour, markersize=6, zorder=3)
        text = f"{row['test']:.1%}" + ("" if np.isnan(row["p"]) else f"   {format_p(row['p'])}")
        ax.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8, color="0.3")
    ax.axhline(len(STREAMS) - 0.5, color="0.85", linewidth=0.8)
    ax.set(ylim=(len(table) - 0.4, -0.6), xlabel="accuracy on test, 95 % interval")
    ax.set_yticks(range(len(table)), table.index)
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.set_title(f"{table['n'].iloc[0]:,} test videos; dashed: {stream}, the better stream")
    ax.grid(axis="x")
    return ax


@styled
def plot_agreement(agreement: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draws who is right in each class as shares of its videos, the class with most that both are right about on top.

    Args:
        agreement: from `statistics.agreement`; classes without videos are left out.
    """
    counts = agreement[agreement["n"] > 0]
    shares = counts[list(AGREEMENT_COLOURS)].div(counts["n"], axis=0)
    shares = shares.sort_values(["both", "neither"], ascending=[True, False], kind="stable")
    ax = class_axes(shares.index, ax)
    left, height = np.zeros(len(shares)), 0.75 if len(shares) <= MAX_NAMED else 1.0
    for column, colour in AGREEMENT_COLOURS.items():
        ax.barh(range(len(shares)), shares[column], height, left, color=colour, label=column.replace("_", " "))
        left += shares[column].to_numpy()
    totals = counts.sum()
    both, either = totals["both"] / totals["n"], 1 - totals["neither"] / totals["n"]
    ax.set(xlim=(0, 1), xlabel="videos of the class, by which stream is right")
    ax.set_title(f"{totals['n']:,} videos: both streams right {both:.1%}, at least one {either:.1%}", pad=24)
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    legend_above(ax)
    return ax
