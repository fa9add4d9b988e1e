"""One clip: playing, where its segments are, and its stored picture beside a fresh one."""

import base64
import html
import io
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from src.flow import mean_flow
from src.plots import style

MOST_BYTES = 40_000  # of an animation
MOST_FRAMES = 48
SHOWN = 360  # px, the longer side on the page
QUALITIES = (60, 45, 30, 20, 10)  # of WebP, tried in turn
ROW = 0.17  # inches for a segment


class Animation:
    """A short animation that a notebook shows as HTML; without HTML, it is its description.

    Attributes:
        webp: bytes of an animated WebP.
        text: what it shows, which is also the image's alternative text.
        width: on the page, pixels.
    """

    def __init__(self, webp: bytes, text: str, width: int):
        self.webp, self.text, self.width = webp, text, width

    def __repr__(self):
        return self.text

    def _repr_html_(self):
        data, text = base64.b64encode(self.webp).decode(), html.escape(self.text, quote=True)
        image = f'<img src="data:image/webp;base64,{data}" alt="{text}" style="width: {self.width}px; max-width: 100%">'
        return f"<figure>{image}<figcaption>{text}</figcaption></figure>"


def play_clip(frames: np.ndarray, seconds: float, text: str, most_bytes: int = MOST_BYTES) -> Animation:
    """Makes an animation that plays at the clip's own speed, and repeats.

    At most 48 of the frames are kept, evenly spaced. The quality, and then the size, are lowered until it fits.

    Args:
        frames: uint8 (T, H, W, 3), RGB.
        seconds: duration of the clip.
        text: what it shows.
        most_bytes: of the WebP.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, MOST_FRAMES).astype(int))
    images = [Image.fromarray(frames[number]) for number in chosen]
    duration = max(20, round(1000 * seconds / len(images)))  # ms; browsers show no shorter one
    width = round(SHOWN * images[0].width / max(images[0].size))
    while True:
        for quality in QUALITIES:
            content = io.BytesIO()
            options = {"save_all": True, "append_images": images[1:], "duration": duration, "loop": 0}
            images[0].save(content, "WEBP", quality=quality, method=4, minimize_size=True, **options)
            if content.tell() <= most_bytes:
                return Animation(content.getvalue(), text, width)
        if min(images[0].size) < 32:  # noise in each frame: fewer of them
            return Animation(content.getvalue(), text, width)
        images = [image.resize((image.width * 3 // 4, image.height * 3 // 4)) for image in images]


@style.apply
def plot_segment_timeline(
    frames: np.ndarray, windows: Sequence[Sequence[int]], num_frames: int, seconds: float | None = None
) -> np.ndarray:
    """Draws a clip as a line of frames, with the window of each segment and, above, its middle frame: (N + 1,) Axes.

    Of more than eight segments, eight are shown above.

    Args:
        frames: uint8 (S, H, W, 3), RGB: the middle frame of each window.
        windows: S lists of frame numbers, ascending; a gap is a frame that repeats the one before it.
        num_frames: of the clip.
        seconds: duration of the clip, for a second axis.
    """
    count = len(windows)
    shown = np.unique(np.linspace(0, count - 1, min(count, style.MAX_IMAGES)).round().astype(int))
    wide = min((style.WIDTH - 0.5) / len(shown), 2.6)
    high, low = wide * frames.shape[1] / frames.shape[2], max(0.5, ROW * min(count, 20))
    figure = plt.figure(figsize=(style.WIDTH, high + low + (1.2 if seconds else 0.8)))
    grid = figure.add_gridspec(2, len(shown), height_ratios=[high, low])
    images = [figure.add_subplot(grid[0, column]) for column in range(len(shown))]
    line = figure.add_subplot(grid[1, :])
    middles = [window[(len(window) - 1) // 2] for window in windows]
    for ax, segment in zip(images, shown, strict=True):
        style.draw_image(ax, frames[segment], f"segment {segment + 1}: frame {middles[segment]}", fontsize=8)
    for segment, window in enumerate(windows):
        line.broken_barh([(index - 0.5, 1) for index in window], (segment - 0.4, 0.8), color="#56B4E9")
    line.plot(middles, range(count), "|", color="black", markersize=max(4, 60 * low / count), markeredgewidth=2)
    line.axvspan(-0.5, num_frames - 0.5, color="0.93", zorder=0)
    rows = np.unique(np.linspace(0, count - 1, min(count, 10)).round().astype(int))
    line.set(xlim=(-0.5, num_frames - 0.5), ylim=(count - 0.4, -0.6), ylabel="segment")
    line.set_yticks(rows, rows + 1)
    line.set_xlabel(f"frame, of {num_frames} (blue: the window of a segment; black: its middle frame, shown above)")
    if seconds:
        above = line.secondary_xaxis("top", functions=_scale(seconds / num_frames))
        above.set_xlabel("seconds")
    return np.array([*images, line])


@style.apply
def plot_stored_and_fresh(comparison, segment: int | None = None) -> np.ndarray:
    """Draws a stored frame and its flow, the same of a fresh extraction, and how much they differ: (2, 3) Axes.

    Args:
        comparison: from `src.preprocessing.compare_stored`.
        segment: which one; None is the middle one.
    """
    segment = len(comparison.stored_frames) // 2 if segment is None else segment
    pairs = [(comparison.stored_frames[segment], comparison.fresh_frames[segment])]
    stacks = np.stack([comparison.stored_stacks[segment], comparison.fresh_stacks[segment]])
    fields = mean_flow(stacks, comparison.flow_bound)
    scale = style.full_colour(fields[1])
    pairs.append(tuple(style.flow_to_rgb(field, scale) for field in fields))
    levels = np.abs(pairs[0][0].astype(int) - pairs[0][1]).max(axis=-1)
    pixels = np.hypot(*np.moveaxis(fields[0] - fields[1], -1, 0))
    axes = style.image_grid(2, 3, pairs[0][0].shape, text_lines=4, margin=1.2)
    for row, (stored, fresh) in enumerate(pairs):
        style.draw_image(axes[row, 0], stored, "" if row else "stored")
        style.draw_image(axes[row, 1], fresh, "" if row else "extracted again")
    for ax, difference, label in zip(axes[:, 2], (levels, pixels), ("grey levels", "px/frame"), strict=True):
        limit = max(float(difference.max()), 1e-6)
        title = f"difference, at most {limit:.3g} {label}"
        image = style.draw_image(ax, difference, title, cmap="Greys", vmin=0, vmax=limit)
        ax.figure.colorbar(image, ax=ax, shrink=0.9, label=label)
    axes[0, 0].set_ylabel("frame")
    axes[1, 0].set_ylabel("mean flow")
    return axes


def _scale(factor):
    return (lambda value: value * factor, lambda value: value / factor)
