"""Figure of each class: how well each stream recognises it, and how often the streams agree."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from src.plots import style

AGREEMENT = {  # colour, hatch
    "both": ("#009E73", None),  # green of Okabe and Ito 2008
    "only_spatial": (style.STREAM_COLOURS["spatial"], "////"),
    "only_temporal": (style.STREAM_COLOURS["temporal"], "...."),
    "neither": ("0.9", None),
}


@style.apply
def plot_class_scores(tables: dict[str, pd.DataFrame], agreement: pd.DataFrame) -> np.ndarray:
    """Draws F1 of each class and stream with its 95 % interval, and the shares of clips by which stream is right.

    Classes are in the order of the fused F1, the best on top. Up to 40 classes are named, with their numbers of clips;
    of more, only the fused scores have intervals.

    Args:
        tables: "spatial", "temporal", "fused" → from `src.metrics.class_scores`. Classes without clips are left out.
        agreement: of the same clips, from `src.metrics.agreement`.

    Returns:
        (2,) Axes.
    """
    fused = tables["fused"]
    order = fused[fused["clips"] > 0].sort_values("f1", kind="stable").index
    named = len(order) <= style.MAX_NAMED
    height = 1.2 + 0.24 * len(order) if named else 6
    axes = plt.subplots(1, 2, figsize=(style.WIDTH, height), width_ratios=[1, 1.1], sharey=True)[1]
    clips = fused.loc[order, "clips"]
    style.class_axes(order, axes[0])
    if named:
        names = [label.get_text() for label in axes[0].get_yticklabels()]
        axes[0].set_yticks(range(len(order)), [f"{name} ({n})" for name, n in zip(names, clips, strict=True)])
    for (stream, table), offset in zip(tables.items(), (0.25, 0, -0.25) if named else (0, 0, 0), strict=True):
        _draw_scores(axes[0], table.loc[order], stream, offset, named)
    axes[0].set(xlim=(-0.02, 1.02), xlabel="F1" + (", 95 % interval; (clips)" if named else ", 95 % interval of fused"))
    axes[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, columnspacing=1, handletextpad=0.3)
    _draw_agreement(axes[1], agreement.loc[order])
    return axes


def _draw_scores(ax: Axes, table: pd.DataFrame, stream: str, offset: float, named: bool) -> None:
    rows, colour = np.arange(len(table)) + offset, style.STREAM_COLOURS[stream]
    if named or stream == "fused":
        ax.hlines(rows, table["f1_low"], table["f1_high"], colour, linewidth=1.2 if named else 0.5, alpha=0.7)
    look = {"marker": style.STREAM_MARKERS[stream], "color": colour, "label": stream, "zorder": 3}
    ax.scatter(table["f1"], rows, 18 if named else 6, **look)


def _draw_agreement(ax: Axes, counts: pd.DataFrame) -> None:
    """Draws stacked bars of the shares of clips that both, one or neither of the streams classify correctly."""
    left, height = np.zeros(len(counts)), 0.75 if len(counts) <= style.MAX_NAMED else 1.0
    for name, (colour, hatch) in AGREEMENT.items():
        share = (counts[name] / counts["n"]).to_numpy()
        look = {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0}
        ax.barh(range(len(counts)), share, height, left, label=name.replace("_", " "), **look)
        left += share
    totals = counts.sum()
    either = 1 - totals["neither"] / totals["n"]
    ax.set(xlim=(0, 1), xlabel=f"right: both streams {totals['both'] / totals['n']:.1%}, at least one {either:.1%}")
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.tick_params(axis="y", length=0)
    ax.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, columnspacing=1, handlelength=1.3, handletextpad=0.4
    )
