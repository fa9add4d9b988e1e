"""Figure of clips and the clips that a stream sees as alike."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from src.plots import style
from src.plots.names import wrap

RIGHT, WRONG = "#1B7837", "0.7"  # borders; a thick one, and a ✓, say the same without colour
LETTERS = 15  # of a title, per inch
MAX_CELL, MIN_WIDTH, BELOW = 2.6, 5, 0.35  # inches: of a column, of the figure, below the last row


@style.apply
def plot_neighbours(frames: Sequence[np.ndarray], labels: Sequence[str], distances: np.ndarray) -> np.ndarray:
    """Draws each query clip at the left, and its neighbours in a row beside it, the nearest first: (Q, 1 + K) Axes.

    A neighbour of the query's class has a thick border and a ✓. At most eight queries and seven neighbours are drawn.

    Args:
        frames: Q · (1 + K) of uint8 (H, W, 3), RGB; each query's is followed by those of its neighbours.
        labels: Q · (1 + K) class names, likewise.
        distances: float (Q, K), cosine distances, from `src.inference.find_neighbours`.
    """
    count = 1 + distances.shape[1]
    rows, columns = min(len(distances), style.MAX_IMAGES), min(count, style.MAX_IMAGES)
    starts = range(0, rows * count, count)
    frames, labels = ([items[start : start + columns] for start in starts] for items in (frames, labels))
    width = int(LETTERS * min(style.WIDTH / columns, MAX_CELL))
    names = [[wrap(label, width, 2) for label in row] for row in labels]
    lines = 2 + max(name.count("\n") for row in names for name in row)
    aspects = [max(frame.shape[0] / frame.shape[1] for frame in row) for row in frames]
    axes = _make_axes(np.minimum(aspects, 1), columns, 0.13 * lines + 0.15)
    for (row, column), ax in np.ndenumerate(axes):
        is_right = column > 0 and labels[row][column] == labels[row][0]
        above = f"{'✓ ' * is_right}{distances[row, column - 1]:.2f}" if column else "query"
        style.draw_image(ax, frames[row][column], f"{above}\n{names[row][column]}", fontsize=7.5)
        ax.set_anchor("N")
        if column == 0:
            ax.title.set_weight("bold")
        else:
            _draw_border(ax, is_right)
    axes[0, 0].figure.supxlabel("Numbers: cosine distance of features. ✓, thick border: the class of the query", size=8)
    return axes


def _make_axes(aspects: np.ndarray, columns: int, title: float) -> np.ndarray:
    """Axes (rows, columns), a row for each of `aspects` (height / width), below titles of so many inches.

    Placed by hand: clips have different shapes, for which a layout would leave wide gaps.
    """
    cell = min(style.WIDTH / columns, MAX_CELL)
    wide, tall = 0.9 * cell, 0.9 * cell * aspects
    width, height = max(cell * columns, MIN_WIDTH), tall.sum() + len(tall) * title + BELOW
    place = {"left": 0.05 * cell / width, "right": (columns - 0.05) * cell / width, "wspace": 0.1 * cell / wide}
    place |= {"top": 1 - title / height, "bottom": BELOW / height, "hspace": title / tall.mean()}
    place |= {"height_ratios": tall}
    size = {"figsize": (width, height), "squeeze": False, "layout": "none"}
    return plt.subplots(len(tall), columns, **size, gridspec_kw=place)[1]


def _draw_border(ax: Axes, is_right: bool) -> None:
    ax.spines[:].set(color=RIGHT if is_right else WRONG, linewidth=4 if is_right else 0.8)
