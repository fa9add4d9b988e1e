"""Figure of clips and the clips that a stream sees as alike."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from src.plots import style
from src.plots.names import wrap

RIGHT, WRONG = "#1B7837", "0.7"  # borders; a thick one, and a ✓, say the same without colour


@style.apply
def plot_neighbours(
    frames: Sequence[Sequence[np.ndarray]], labels: Sequence[Sequence[str]], distances: np.ndarray
) -> np.ndarray:
    """Draws each query clip at the left, and its neighbours in a row beside it, the nearest first: (Q, 1 + K) Axes.

    A neighbour of the query's class has a thick border and a ✓. At most eight queries and seven neighbours are drawn.

    Args:
        frames: uint8 (H, W, 3), RGB: for each query a row of its own frame and those of its neighbours.
        labels: class names, likewise.
        distances: float (Q, K), cosine distances, from `src.inference.find_neighbours`.
    """
    rows, columns = min(len(frames), style.MAX_IMAGES), min(len(frames[0]), style.MAX_IMAGES)
    names = [[wrap(label, 120 // columns, 2) for label in row[:columns]] for row in labels[:rows]]
    lines = 1 + max(name.count("\n") + 1 for row in names for name in row)
    axes = style.image_grid(rows, columns, frames[0][0].shape, text_lines=rows * lines)
    for (row, column), ax in np.ndenumerate(axes):
        is_right = column > 0 and labels[row][column] == labels[row][0]
        above = f"{'✓ ' * is_right}{distances[row, column - 1]:.2f}" if column else "query"
        style.draw_image(ax, frames[row][column], f"{above}\n{names[row][column]}", fontsize=7.5)
        if column == 0:
            ax.title.set_weight("bold")
        else:
            _draw_border(ax, is_right)
    axes[0, 0].figure.supxlabel("Numbers: cosine distance of features. ✓, thick border: the class of the query", size=8)
    return axes


def _draw_border(ax: Axes, is_right: bool) -> None:
    ax.spines[:].set(color=RIGHT if is_right else WRONG, linewidth=4 if is_right else 0.8)
