"""Figure of where each stream looks: maps of evidence over the frame and over the flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from scipy.ndimage import gaussian_filter

from src.plots import style
from src.plots.names import shorten_all

if TYPE_CHECKING:
    from src.attention import ClipAttention  # would load Keras, which no other figure needs

BRIGHTNESS = {0.5: 1.0, 0.8: 0.65, 1.0: 0.35}  # share of the evidence → of the smallest places that hold so much
BLUR = 0.025  # standard deviation, of the side of the image: maps have a grain of one place
LINE = "#D55E00"
COLUMNS = 42  # of a title


@style.apply
def plot_attention(
    attention: dict[str, ClipAttention], scores: dict[str, np.ndarray], class_names: Sequence[str]
) -> np.ndarray:
    """Draws where each stream sees the evidence for the true class and for the one it predicts: (N, 4) Axes, N ≤ 8.

    A row is a clip: the frame, with the map of the true class, and with that of the predicted class if this is another
    one, else as it is; then the same for flow. It is the segment with the most evidence. Half of a map is inside the
    line, where the image has its own brightness, and a fifth of it is in the darkest part.

    Args:
        attention: "spatial", "temporal" → from `src.attention.attend_clips`.
        scores: of these clips, "spatial", "temporal" → float (N, C), after softmax.
        class_names: C names.
    """
    count = min(len(attention["spatial"].maps), style.MAX_IMAGES)
    size = (style.WIDTH, 0.35 + 1.72 * count)
    place = {"left": 0.005, "right": 0.995, "top": 1 - 0.36 / size[1], "bottom": 0.3 / size[1], "hspace": 0.28}
    fig, axes = plt.subplots(count, 4, figsize=size, squeeze=False, layout="none", gridspec_kw=place | {"wspace": 0.03})
    names = shorten_all(list(class_names), COLUMNS)
    flows = attention["temporal"].images[:count]
    scale = max(style.full_colour(flow) for flow in flows.reshape(-1, *flows.shape[2:]))
    for clip in range(count):
        for stream, panels in zip(("spatial", "temporal"), (axes[clip, :2], axes[clip, 2:]), strict=True):
            _draw_clip(panels, attention[stream], clip, stream, scores[stream][clip], names, scale)
    style.explain_colours(fig, scale)
    return axes


def _draw_clip(panels: Sequence[Axes], found: ClipAttention, clip, stream, scores, names, scale) -> None:
    """Draws a segment of a clip with the maps of the true and of the predicted class, or one map and the image."""
    maps, (true, predicted) = found.maps[clip], found.classes[clip]
    segment = int(maps.sum(axis=(0, 2, 3)).argmax())
    image = found.images[clip, segment]
    image = image if stream == "spatial" else style.flow_to_rgb(image, scale)
    place = f"{'frame' if stream == 'spatial' else 'flow'} of segment {segment + 1}"
    if true == predicted:
        _draw_map(panels[0], image, maps[0, segment], f"✓ {stream} {scores[true]:.2f}\n{names[true]}")
        style.draw_image(panels[1], image, place, fontsize=7.5)
    else:
        _draw_map(panels[0], image, maps[0, segment], f"true, {stream} {scores[true]:.2f}\n{names[true]}")
        title = f"✗ predicted, {stream} {scores[predicted]:.2f}\n{names[predicted]}"
        _draw_map(panels[1], image, maps[1, segment], title)


def _draw_map(ax: Axes, image: np.ndarray, evidence: np.ndarray, title: str) -> None:
    """Draws an image, uint8 (s, s, 3), darkened where there is less evidence, with a line around half of it."""
    evidence = gaussian_filter(evidence, BLUR * len(evidence))
    order = np.sort(evidence, axis=None)[::-1]
    held = np.cumsum(order) / max(order.sum(), 1e-12)
    brightness = np.full(evidence.shape, min(BRIGHTNESS.values()))
    for share, value in reversed(BRIGHTNESS.items()):
        level = order[min(np.searchsorted(held, share), len(order) - 1)]
        brightness[evidence >= max(level, 1e-12)] = value
    style.draw_image(ax, np.uint8(image * brightness[..., None]), title, fontsize=7.5)
    inside = brightness == max(BRIGHTNESS.values())
    if inside.any() and not inside.all():
        ax.contour(inside, levels=[0.5], colors=[LINE], linewidths=1.3)
