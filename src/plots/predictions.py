"""Figures of predictions: test clips with each stream's answer, and one video with its scores."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from src.plots import style
from src.plots.names import shorten, shorten_all, wrap


@style.apply
def plot_predictions(
    frames: Sequence[np.ndarray],
    flows: Sequence[np.ndarray],
    truths: Sequence[int],
    scores: dict[str, np.ndarray],
    class_names: Sequence[str],
) -> np.ndarray:
    """Draws the frame, the flow, and each stream's prediction of the first eight clips: (N, 3) Axes, N 8 or less.

    Args:
        frames: uint8 (h, w, 3), RGB, one per clip.
        flows: float32 (h, w, 2), px/frame, one per clip; u + is right, v + is down.
        truths: class indices, one per clip.
        scores: "spatial", "temporal", "fused" → float (clips, C), after softmax.
        class_names: C names.
    """
    count = min(len(frames), style.MAX_IMAGES)
    rows, columns = -(-count // 2), min(count, 2)
    # Inches: at this width, the widest image is at most 1 inch high.
    width = min(1.28, max(frame.shape[1] / frame.shape[0] for frame in frames[:count]))
    widths, height = [width, width, style.WIDTH / 2 - 2 * width], 0.4 + 1.3 * rows
    # Placed by hand: a constrained layout would fit the name of the true class into the first, narrow panel.
    place = {"left": 0.01, "right": 0.99, "top": 1 - 0.22 / height, "bottom": 0.35 / height, "hspace": 0.28}
    place |= {"wspace": 0.06, "width_ratios": widths * columns}
    size = (style.WIDTH / 2 * columns, height)
    fig, axes = plt.subplots(rows, 3 * columns, figsize=size, squeeze=False, layout="none", gridspec_kw=place)
    axes = axes.reshape(-1, 3)
    scale = max(map(style.full_colour, flows[:count]))
    for clip, truth in enumerate(truths[:count]):
        style.draw_image(axes[clip, 0], frames[clip]).axes.set_anchor("NW")
        axes[clip, 0].set_title(shorten(class_names[truth], 68), loc="left", fontsize=8.5)
        style.draw_image(axes[clip, 1], style.flow_to_rgb(flows[clip], scale)).axes.set_anchor("NW")
        _write_predictions(axes[clip, 2], {name: scores[name][clip] for name in scores}, truth, class_names)
    for ax in axes[count:].flat:
        ax.remove()
    style.explain_colours(fig, scale)
    return axes[:count]


@style.apply
def plot_video_prediction(
    frame: np.ndarray, flow: np.ndarray, scores: dict[str, np.ndarray], class_names: Sequence[str],
    truth: str | None = None,
) -> np.ndarray:  # fmt: skip
    """Draws a video's frame, its flow, and the scores of the five classes with the highest fused scores: (3,) Axes.

    Args:
        frame: uint8 (H, W, 3), RGB.
        flow: float32 (H, W, 2), px/frame; u + is right, v + is down.
        scores: "spatial", "temporal", "fused" → float (C,), after softmax.
        class_names: C names.
        truth: name of the true class, which is marked if it is one of the five; None if it is not known.
    """
    layout = [["frame", "bars"], ["flow", "bars"]]
    fig, panels = plt.subplot_mosaic(layout, figsize=(style.WIDTH, 4), width_ratios=[1, 1.6])
    scale, ax = style.full_colour(flow), panels["bars"]
    style.draw_image(panels["frame"], frame, "frame")
    style.draw_image(panels["flow"], style.flow_to_rgb(flow, scale), "flow")
    top = np.argsort(-scores["fused"], kind="stable")[:5]
    for offset, (stream, colour) in zip((-0.27, 0, 0.27), style.STREAM_COLOURS.items(), strict=True):
        bars = ax.barh(np.arange(len(top)) + offset, scores[stream][top], 0.25, color=colour, label=stream)
    ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    marks = ["✓ " if class_names[index] == truth else "" for index in top]
    ax.set_yticks(
        range(len(top)), [mark + wrap(class_names[index], 28, 3) for mark, index in zip(marks, top, strict=True)]
    )
    ax.set(xlim=(0, 1.08), ylim=(4.6, -0.6), xticks=np.linspace(0, 1, 6))
    ax.set_xlabel("score" + " (✓: the true class)" * any(marks))
    ax.grid(axis="x")
    style.legend_above(ax)
    style.explain_colours(fig, scale)
    return np.array([panels[name] for name in ("frame", "flow", "bars")])


def _write_predictions(ax: Axes, scores: dict[str, np.ndarray], truth: int, class_names: Sequence[str]) -> None:
    """Writes each stream's best class and its score, marked as right or wrong."""
    ax.set_axis_off()
    for y, (stream, colour) in zip((0.98, 0.65, 0.32), style.STREAM_COLOURS.items(), strict=True):
        best = int(np.argmax(scores[stream]))
        mark, mark_colour = ("✓", "#1B7837") if best == truth else ("✗", "#C0282D")
        ax.text(0, y, mark, color=mark_colour, size=10, weight="bold", va="top")
        text = f"{stream} {scores[stream][best]:.2f}"
        ax.text(0.1, y, text, color=colour, size=8.5, weight="bold", va="top")
        ax.text(0.1, y - 0.15, shorten_all(class_names, 30)[best], color="0.3", size=7.5, va="top")
