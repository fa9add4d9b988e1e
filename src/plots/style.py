"""What all figures share: settings, colours, images without ticks, and flow as colours.

The streams' and classes' colours are from Okabe and Ito 2008, the splits' from Tol 2021: both palettes are safe for
colour-blind readers.
"""

import functools
import os
import sys
import textwrap
from collections.abc import Callable, Iterable

import cv2
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Annotation

from src.plots.names import choose_fonts, shorten_all

STREAM_COLOURS = {"spatial": "#0072B2", "temporal": "#E69F00", "fused": "#222222"}
STREAM_MARKERS = {"spatial": "o", "temporal": "s", "fused": "D"}  # which tell them apart in grey, too
RUN_STYLES = [  # colours of Okabe and Ito 2008, which lines and markers tell apart in grey
    *(("#0072B2", "-", "o"), ("#E69F00", "--", "s"), ("#222222", "-.", "^"), ("#CC79A7", ":", "D")),
    *(("#009E73", "-", "v"), ("#D55E00", "--", "P"), ("#56B4E9", "-.", "X")),
]
CLASS_COLOURS = ("#009E73", "#D55E00", "#CC79A7", "#56B4E9")  # none is the colour of a stream
SPLIT_COLOURS = {"train": "#44AA99", "validation": "#DDCC77", "test": "#882255", "": "#8C8C8C"}
FLOW_COLOURS = ("#4477AA", "#EE6677", "#228833", "#AA3377")  # of algorithms, in their order (Tol 2021)
MAX_NAMED = 40  # classes
MAX_IMAGES = 8  # in a row
WIDTH = 9  # inches, 900 px
HIGHEST = 3.2  # inches, of an image: two rows of upright clips fit on a screen
NOTEBOOK_BACKENDS = ("module://", "inline", "ipympl", "widget", "nbagg", "notebook")  # show figures in a notebook

SETTINGS = {
    "figure.constrained_layout.use": True,
    "text.usetex": False,  # names are no markup
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.6",
    "xtick.color": "0.3",
    "ytick.color": "0.3",
    "grid.color": "0.9",
    "axes.axisbelow": True,
}


def show_in_notebooks() -> None:
    """Shows figures in a notebook whose environment sets MPLBACKEND to Agg or to windows, which show nothing there."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    backend = os.environ.get("MPLBACKEND", "").lower()
    in_use = matplotlib.get_backend().lower() in (backend, "agg")  # Agg in place of windows; not one of %matplotlib
    if hasattr(shell, "kernel") and in_use and not backend.startswith(NOTEBOOK_BACKENDS):
        shell.enable_matplotlib("inline")


show_in_notebooks()
# Load the backend before any style is set: leaving a style restores the earlier settings, and a notebook's backend
# loaded inside the style would lose its setting that shows figures.
plt.switch_backend(plt.get_backend())
pd.set_option("display.html.use_mathjax", False)  # notebooks would show the names of classes in tables as formulas
pd.set_option("display.max_colwidth", None)  # whole: paths, and sentences that say what to do


def apply(draw: Callable) -> Callable:
    """Decorates a function that draws: it has these settings, and fonts for all characters of its texts."""

    @functools.wraps(draw)
    def styled(*arguments, **options):
        with plt.rc_context(SETTINGS):
            axes = draw(*arguments, **options)
            choose_fonts(np.ravel(np.asarray(axes, dtype=object))[0].figure)
        return axes

    return styled


def flow_to_rgb(flow: np.ndarray, scale: float) -> np.ndarray:
    """Colours a flow field: hue is the direction, saturation the speed, no motion is white.

    Hues are in the order of Baker et al. 2007 (Middlebury): right red, down yellow-green, left cyan, up violet.

    Args:
        flow: float32 (H, W, 2), px/frame; [..., 0] is u, + is right; [..., 1] is v, + is down.
        scale: speed of full colour, px/frame; see `full_colour`.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    u, v = cv2.split(np.asarray(flow, np.float32))
    saturation, hue = np.minimum(np.hypot(u, v) / np.float32(scale), 1), cv2.phase(u, v, angleInDegrees=True)
    rgb = cv2.cvtColor(cv2.merge([hue, saturation, np.ones_like(saturation)]), cv2.COLOR_HSV2RGB)
    return np.round(255 * rgb).astype(np.uint8)


def full_colour(flow: np.ndarray) -> float:
    """The speed of full colour, px/frame: the 99th percentile over pixels, at least 1, so that noise stays pale."""
    return max(float(np.percentile(np.hypot(flow[..., 0], flow[..., 1]), 99)), 1.0)


def explain_colours(fig: Figure, scale: float) -> None:
    """Explains the colours of flow below the figure; `scale` is the speed of full colour, px/frame."""
    text = f"Flow: right red, down yellow-green, left cyan, up violet; full colour = {scale:.1f} px/frame"
    fig.supxlabel(textwrap.fill(text, int(16 * fig.get_figwidth())), fontsize=8)


def image_grid(rows: int, columns: int, shape: tuple[int, ...], text_lines: int, margin: float = 0) -> np.ndarray:
    """Axes (rows, columns) in a figure with space for images (H, W, …), lines of text, and a right margin (inches)."""
    cell = min((WIDTH - margin) / columns, 2.6, HIGHEST * shape[1] / shape[0])
    size = (cell * columns + margin, rows * cell * shape[0] / shape[1] + 0.17 * text_lines + 0.1)
    return plt.subplots(rows, columns, figsize=size, squeeze=False, layout="compressed")[1]


def draw_image(ax: Axes, image: np.ndarray, title: str = "", fontsize: float = 9, **colours) -> AxesImage:
    """Draws an image without ticks, in a pale frame; `colours` are arguments of `imshow`."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color="0.85")  # without a frame, a still flow is white on white
    ax.set_title(title, fontsize=fontsize)
    return ax.imshow(image, **colours)


def class_axes(names: pd.Index, ax: Axes | None) -> Axes:
    """Axes with a row per class, the first at the bottom; up to 40 classes are named."""
    named = len(names) <= MAX_NAMED
    if ax is None:
        ax = plt.subplots(figsize=(7, 1.2 + 0.19 * len(names) if named else 5.5))[1]
    labels = shorten_all(names, 46) if named else []
    ax.set_yticks(range(len(labels)), labels)
    ax.set(ylim=(-0.6, len(names) - 0.4), ylabel="" if named else f"{len(names)} classes")
    ax.grid(axis="x")
    return ax


def draw_stacked_bars(ax: Axes, values: pd.DataFrame, colours: Iterable[str]) -> None:
    """Draws each row as a horizontal bar of stacked parts, one per column; `colours` has one for each column."""
    left, height = np.zeros(len(values)), 0.75 if len(values) <= MAX_NAMED else 1.0
    for (name, column), colour in zip(values.items(), colours, strict=True):
        ax.barh(range(len(values)), column, height, left, color=colour, label=name)
        left += column.to_numpy()


def count_clips(axis: Axis) -> None:
    """Labels an axis of numbers of clips, with ticks at whole numbers."""
    axis.set_label_text("clips")
    axis.set_major_locator(plt.MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))


def legend_above(ax: Axes) -> None:
    """Puts the legend in one row above the panel, where it covers no data."""
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, borderaxespad=0.2)


def annotate_beside(ax: Axes, y: float, text: str) -> Annotation:
    """Writes text to the right of the panel, at the y coordinate of the data."""
    return ax.annotate(text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8, color="0.3")
