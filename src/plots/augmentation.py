"""Figure of augmentation: stored clips, and what the networks are given of them."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from src.flow import mean_flow
from src.plots import style
from src.plots.names import wrap


@style.apply
def plot_draws(clips: Sequence[tuple[str, np.ndarray, np.ndarray, list]], flow_bound: float) -> np.ndarray:
    """Draws for each clip the stored frame and its mean flow, and beside it several augmented draws of them.

    A draw that is flipped or played backwards says so, with its class if that is another one.

    Args:
        clips: of each its class, the stored frame uint8 (H, W, 3), the stored stack uint8 (H, W, 2L), and its draws;
            from `src.inputs.read_draws`.
        flow_bound: displacement of the largest code, px/frame.

    Returns:
        (2, clips · (1 + draws)) Axes: frames above, flow below.
    """
    flow = [[mean_flow(stack, flow_bound)] + [mean_flow(draw.stack, flow_bound) for draw in draws]
            for _, _, stack, draws in clips]  # fmt: skip
    scale = max(style.full_colour(field) for fields in flow for field in fields)
    frames = [image for _, frame, _, draws in clips for image in [frame] + [draw.frame for draw in draws]]
    fields = [field for clip in flow for field in clip]
    titles = [title for label, _, _, draws in clips
              for title in [f"stored: {label}"] + [_describe(draw, label) for draw in draws]]  # fmt: skip
    ratios = [image.shape[1] / image.shape[0] for image in frames]
    size = (style.WIDTH, 2 * (style.WIDTH - 0.5) / sum(ratios) + 1)
    axes = plt.subplots(2, len(frames), figsize=size, width_ratios=ratios, squeeze=False)[1]
    for column, (frame, field, title) in enumerate(zip(frames, fields, titles, strict=True)):
        style.draw_image(axes[0, column], frame, wrap(title, 17, 5), fontsize=7.5)
        style.draw_image(axes[1, column], style.flow_to_rgb(field, scale))
    axes[0, 0].set_ylabel("frame")
    axes[1, 0].set_ylabel("mean flow")
    style.explain_colours(axes[0, 0].figure, scale)
    return axes


def _describe(draw, label):
    changes = [name for name, is_so in (("flipped", draw.flipped), ("backwards", draw.backwards)) if is_so]
    text = " and ".join(changes) or "not flipped"
    return f"{text}: {draw.label}" if draw.label != label else text
