"""Figure of fusion: baselines, streams and kinds of fusion, with intervals."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from src.config import STREAMS
from src.fusion import better_stream, format_p
from src.plots import style

BASELINE = ("#8C8C8C", "^")  # colour, marker


@style.apply
def plot_fusion(table: pd.DataFrame, entry: dict, split: str = "test", ax: Axes | None = None) -> Axes:
    """Draws the accuracy of each baseline, stream and kind of fusion with its 95 % interval.

    The dashed line marks the better stream, the dotted one the majority-class baseline. The accuracy and the p-value
    against the better stream are on the right.

    Args:
        table: from `src.fusion.fusion_table`.
        entry: the same split of metrics.json, from `src.metrics.evaluate_split`; its baselines, if any, are drawn.
        split: the split that the column "test" of `table` is of.
    """
    baselines = [
        (name, values["top1"], *values["top1_interval"], np.nan) for name, values in entry.get("baselines", {}).items()
    ]
    rows = baselines + [(name, *row) for name, *row in table[["test", "low", "high", "p"]].itertuples()]
    if ax is None:
        ax = plt.subplots(figsize=(style.WIDTH * 0.8, 1.1 + 0.24 * len(rows)))[1]
    stream = better_stream(table)
    ax.axvline(table.loc[stream, "test"], color=style.STREAM_COLOURS[stream], linestyle="--", linewidth=1, zorder=1)
    ax.axvline(entry["majority_class"], color="0.4", linestyle=":", linewidth=1.5, zorder=1)
    for place, (name, accuracy, low, high, p) in enumerate(rows):
        colour, marker = BASELINE if place < len(baselines) else _stream_look(name)
        ax.hlines(place, low, high, color=colour, linewidth=2, zorder=2)
        ax.plot(accuracy, place, marker, color=colour, markersize=6, zorder=3)
        style.annotate_beside(ax, place, f"{accuracy:.1%}" + ("" if np.isnan(p) else f"   {format_p(p)}"))
    for place in {len(baselines), len(baselines) + len(STREAMS)} - {0}:
        ax.axhline(place - 0.5, color="0.85", linewidth=0.8)
    ax.set(ylim=(len(rows) - 0.4, -0.6), xlabel=f"accuracy on {split}, 95 % interval")
    ax.set_yticks(range(len(rows)), [name for name, *_ in rows])
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    lines = f"dashed: {stream}, the better stream; dotted: the majority class, {entry['majority_class']:.1%}"
    ax.set_title(f"{table['n'].iloc[0]:,} {split} videos; {lines}")
    ax.grid(axis="x")
    return ax


def _stream_look(name):
    name = name if name in STREAMS else "fused"
    return style.STREAM_COLOURS[name], style.STREAM_MARKERS[name]
