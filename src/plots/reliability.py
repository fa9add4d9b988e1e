"""Figure of calibration: whether scores mean what they say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from src.fusion import calibration_error
from src.plots import style


@style.apply
def plot_reliability(tables: dict[str, pd.DataFrame], split: str = "test") -> np.ndarray:
    """Draws reliability diagrams (Guo et al. 2017): the accuracy of clips by their confidence, and their numbers below.

    On the diagonal, scores mean what they say; below it they are too sure, above it not sure enough. The title of each
    panel has the expected calibration error (ECE).

    Args:
        tables: stream → from `src.fusion.reliability_table`.
        split: of the clips.

    Returns:
        (2, number of streams) Axes.
    """
    size = (style.WIDTH, 3.4)
    axes = plt.subplots(2, len(tables), figsize=size, sharex=True, sharey="row", height_ratios=[3, 1], squeeze=False)[1]
    for (above, below), (stream, table) in zip(axes.T, tables.items(), strict=True):
        colour = style.STREAM_COLOURS[stream]
        above.plot([0, 1], [0, 1], "--", color="0.5", linewidth=1)
        above.vlines(table["confidence"], table["low"], table["high"], colour, linewidth=1.5, alpha=0.6)
        above.plot(
            table["confidence"], table["accuracy"], style.STREAM_MARKERS[stream] + "-", color=colour, markersize=5
        )
        above.set_title(f"{stream}: ECE {calibration_error(table):.3f}")
        below.bar((table.index + 0.5) / 10, table["clips"], 0.09, color=colour)
        below.set(xlabel="confidence: the highest score", xlim=(-0.02, 1.02))
        for ax in (above, below):
            ax.grid()
    axes[0, 0].set(ylabel="accuracy, 95 % interval", ylim=(-0.03, 1.03))
    axes[1, 0].set_ylabel(f"{split} clips")
    return axes
