"""Clips whose labels may be wrong, with each stream's scores of the label and of the network's answer."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from src.plots import style
from src.plots.names import shorten, shorten_all

HEIGHT = 1.55  # inches, of a clip's row
BAR = 0.8  # of a stream; the names of a label and its bars share one axis


@style.apply
def plot_label_errors(
    frames: Sequence[np.ndarray],
    flows: Sequence[np.ndarray],
    errors: pd.DataFrame,
    scores: dict[str, np.ndarray],
    class_names: Sequence[str],
) -> np.ndarray:
    """Draws the frame, the flow, and each stream's scores of label and answer, for N doubtful labels: (N, 3) Axes.

    Args:
        frames: uint8 (h, w, 3), RGB, of the first N rows of `errors`, N 8 or less.
        flows: float32 (h, w, 2), px/frame, of the same clips; u + is right, v + is down.
        errors: from `src.cross_validation.HeldOut.label_errors`.
        scores: "spatial", "temporal", "fused" → float (clips, C), after softmax, of all clips.
        class_names: C names.
    """
    count = min(len(frames), style.MAX_IMAGES)
    rows, columns = -(-count // 2), min(count, 2)
    # Inches: at this width, the widest image is at most 1 inch high.
    width = min(1.28, max(frame.shape[1] / frame.shape[0] for frame in frames[:count]))
    height = 0.32 + HEIGHT * rows
    place = {"left": 0.01, "right": 0.985, "top": 1 - 0.24 / height, "bottom": 0.3 / height, "hspace": 0.22}
    place |= {"wspace": 0.06, "width_ratios": [width, width, style.WIDTH / 2 - 2 * width] * columns}
    size = (style.WIDTH / 2 * columns, height)
    fig, axes = plt.subplots(rows, 3 * columns, figsize=size, squeeze=False, layout="none", gridspec_kw=place)
    axes = axes.reshape(-1, 3)
    scale = max(map(style.full_colour, flows[:count]))
    for ax, frame, flow, error in zip(axes, frames, flows, errors.itertuples(), strict=False):
        style.draw_image(ax[0], frame).axes.set_anchor("NW")
        style.draw_image(ax[1], style.flow_to_rgb(flow, scale)).axes.set_anchor("NW")
        title = shorten(str(error.video_id), 56) + (", suspect" if error.suspect else "")
        ax[0].set_title(title, loc="left", fontsize=8.5)
        _draw_scores(ax[2], {name: found[error.row] for name, found in scores.items()}, error, class_names)
    for ax in axes[count:].flat:
        ax.remove()
    style.explain_colours(fig, scale)
    return axes[:count]


def _draw_scores(ax: Axes, scores: dict[str, np.ndarray], error, class_names: Sequence[str]) -> None:
    """Draws a bar per stream for the label, and below for the network's answer if it is another class."""
    ax.set_axis_off()
    names, short = list(class_names), shorten_all(list(class_names), 20)
    for top, kind, name in ((0, "label", error.given), (len(scores) + 1.3, "answer", error.answer)):
        index, same = names.index(name), kind == "answer" and name == error.given
        text = f"{kind}: {'the same' if same else short[index]}"
        ax.text(0, top - 0.15, text, size=8, weight="bold", color="0.2", va="center")
        for number, (stream, values) in enumerate([] if same else scores.items(), start=1):
            ax.barh(top + number, values[index], BAR, color=style.STREAM_COLOURS[stream])
            ax.text(values[index] + 0.02, top + number, f"{stream} {values[index]:.2f}", size=7.5, va="center")
    ax.set(xlim=(0, 1.6), ylim=(2 * len(scores) + 2.2, -0.8))
