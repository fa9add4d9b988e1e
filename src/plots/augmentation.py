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
        (2 · clips, 1 + draws) Axes: a row of frames and one of flow for each clip.
    """
    columns = 1 + max(len(draws) for *_, draws in clips)
    wide = clips[0][1].shape[1] / clips[0][1].shape[0]  # of a stored frame; draws are squares
    ratios, side = [wide] + [1] * (columns - 1), min(1.15, (style.WIDTH - 0.4) / (wide + columns - 1))
    size = (side * sum(ratios) + 0.5, (2 * side + 0.5) * len(clips) + 0.3)
    axes = plt.subplots(2 * len(clips), columns, figsize=size, width_ratios=ratios, squeeze=False)[1]
    flows = [[mean_flow(stack, flow_bound)] + [mean_flow(draw.stack, flow_bound) for draw in draws]
             for _, _, stack, draws in clips]  # fmt: skip
    scale = max(style.full_colour(flow) for fields in flows for flow in fields)
    for number, (label, frame, _, draws) in enumerate(clips):
        above, below = axes[2 * number : 2 * number + 2]
        titles = [f"stored: {label}"] + [_describe(draw, label) for draw in draws]
        frames = [frame] + [draw.frame for draw in draws]
        for column, title in enumerate(titles):
            style.draw_image(above[column], frames[column], wrap(title, 22, 4), fontsize=7.5)
            style.draw_image(below[column], style.flow_to_rgb(flows[number][column], scale))
        above[0].set_ylabel("frame")
        below[0].set_ylabel("mean flow")
    style.explain_colours(axes[0, 0].figure, scale)
    return axes


def _describe(draw, label):
    changes = [name for name, is_so in (("flipped", draw.flipped), ("backwards", draw.backwards)) if is_so]
    text = " and ".join(changes) or "not flipped"
    return f"{text}: {draw.label}" if draw.label != label else text
