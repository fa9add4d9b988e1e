"""Figure of a long video: frames over the scores, the events and the true classes of its windows."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from src.plots import style
from src.plots.names import count_columns, shorten_all

MAX_POINTS = 200  # windows along a timeline; more could not be told apart
MAX_ROWS = 8  # classes
MIN_IMAGES = 4  # in a row
ROW = 0.3  # inches
LONGEST = 46  # characters of a name
LETTER = 0.05  # inches, of a name
TRUTH, SCORE, EVENT = "0.87", "#56B4E9", "#222222"  # three steps of grey, too


@style.apply
def plot_timeline(
    frames: dict[float, np.ndarray],
    scores: pd.DataFrame,
    events: pd.DataFrame | None = None,
    truth: pd.DataFrame | None = None,
    threshold: float | None = None,
) -> np.ndarray:
    """Draws frames over their times, and below them a row for each class, eight at most: (2,) Axes.

    A row shows the score of the class over time, its events as bars, and where it is the true class. The rows are in
    the order in which the classes begin. If there are more than 200 windows, neighbours are averaged.

    Args:
        frames: seconds → uint8 (H, W, 3), RGB; as many as fit are drawn, cropped to the shape of the first.
        scores: a row per window, indexed by seconds, ascending; a column per class, after softmax.
        events: from `src.inference.find_events`: columns "class", "start", "end", seconds.
        truth: likewise, where which class is the true one.
        threshold: of the events, drawn as a line.
    """
    nothing = pd.DataFrame(columns=["class", "start", "end"])
    events, truth = (nothing if table is None else table for table in (events, truth))
    rows = _choose_rows(scores, truth, events)
    height, width = next(iter(frames.values())).shape[:2]
    names = shorten_all(rows, LONGEST)
    margin = 0.25 + LETTER * max(map(count_columns, names))  # inches
    axis_width = style.WIDTH - margin - 0.15
    slots = int(np.clip(axis_width * height / width, MIN_IMAGES, style.MAX_IMAGES))  # images about an inch high
    times, wide, limits = _spread(np.array(list(frames)), _find_span(frames, scores, truth), slots)
    high = axis_width * wide / np.ptp(limits) * height / width
    # Placed by hand: the height of the images depends on the length of the time axis, which a layout would change.
    total = 0.25 + high + 0.3 + ROW * len(rows) + 0.5
    place = {"left": margin / style.WIDTH, "right": 1 - 0.15 / style.WIDTH, "height_ratios": [high, ROW * len(rows)]}
    place |= {"top": 1 - 0.25 / total, "bottom": 0.5 / total, "hspace": 0.3 / ((high + ROW * len(rows)) / 2)}
    axes = plt.subplots(2, 1, figsize=(style.WIDTH, total), sharex=True, layout="none", gridspec_kw=place)[1]
    options = {"ha": "center", "va": "bottom", "fontsize": 8, "color": "0.3"}
    for time in times:
        image = _crop(frames[time], height, width)
        axes[0].imshow(image, extent=(time - wide / 2, time + wide / 2, 0, 1), aspect="auto")
        axes[0].text(time, 1.03, f"{time:.1f} s" if limits[1] < 100 else f"{time:.0f} s", **options)
    axes[0].set(xlim=limits, ylim=(0, 1))
    axes[0].set_axis_off()
    _draw_rows(axes[1], scores, rows, events, truth, threshold)
    axes[1].set_yticks(len(rows) - 0.5 - np.arange(len(rows)), names, fontsize=7.5)
    return axes


def _find_span(frames, scores, truth):
    """The first and the last second of all that is drawn."""
    times = [*frames, *scores.index[[0, -1]], *truth["start"], *truth["end"]]
    return np.array([min(times), max(times)], float)


def _choose_rows(scores, truth, events):
    """Names of classes in the order in which they begin: the true ones, those of events, then those that lead most."""
    leads = np.bincount(scores.to_numpy().argmax(axis=1), minlength=scores.shape[1])
    order = np.lexsort([-scores.to_numpy().mean(axis=0), -leads])
    leading = [scores.columns[place] for place in order if leads[place]]
    known = [name for table in (truth, events) for name in table.sort_values("start")["class"]]
    return list(dict.fromkeys([*known, *leading]))[:MAX_ROWS]


def _spread(times: np.ndarray, span: np.ndarray, slots: int) -> tuple[list[float], float, tuple[float, float]]:
    """Chooses the times to show, about one per slot; returns them, an image's width, the axis' limits, in seconds."""
    first, last = span if span[1] > span[0] else (span[0] - 0.5, span[0] + 0.5)
    slot = (last - first) / slots
    nearest = {int(np.abs(times - (first + (n + 0.5) * slot)).argmin()) for n in range(slots)}
    chosen = []
    for time in times[sorted(nearest)]:
        if not chosen or time - chosen[-1] > 0.75 * slot:
            chosen.append(time)
    wide = min(0.93 * slot, 0.96 * min(np.diff(chosen), default=slot))
    return chosen, wide, (min(first, chosen[0] - wide / 2), max(last, chosen[-1] + wide / 2))


def _crop(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The centre of an image, with the aspect ratio height / width."""
    high = min(image.shape[0], round(image.shape[1] * height / width))
    wide = min(image.shape[1], round(image.shape[0] * width / height))
    top, left = (image.shape[0] - high) // 2, (image.shape[1] - wide) // 2
    return image[top : top + high, left : left + wide]


def _draw_rows(ax, scores, rows, events, truth, threshold) -> None:
    """Draws a row for each class, the first at the top; a row is 1 high."""
    together = -(-len(scores) // MAX_POINTS)
    point = np.arange(len(scores)) // together
    seconds = scores.index.to_series().groupby(point).mean().to_numpy(float)
    values = scores[rows].groupby(point).mean()
    full = max(np.ceil(np.round(10 * values.to_numpy().max(), 3)) / 10, 0.1)  # score of a whole row
    for row, name in enumerate(rows):
        floor = len(rows) - 1 - row
        _draw_spans(ax, truth[truth["class"] == name], floor, 1, TRUTH)
        ax.fill_between(seconds, floor + 0.9 * values[name] / full, floor, color=SCORE, linewidth=0, zorder=2)
        if threshold is not None:
            ax.axhline(floor + 0.9 * threshold / full, color="0.45", linewidth=0.7, linestyle=(0, (4, 4)), zorder=3)
        _draw_spans(ax, events[events["class"] == name], floor, 0.22, EVENT)
        ax.axhline(floor, color="0.75", linewidth=0.6, zorder=4)
    ax.set(ylim=(0, len(rows)), xlabel=_describe_time(scores, rows, together))
    ax.tick_params(axis="y", length=0)
    handles = [Patch(color=SCORE, label=f"score (a row is 0 to {full:.1f})")]
    handles += [Patch(color=EVENT, label="event")] if len(events) else []
    handles += [Patch(color=TRUTH, label="true class")] if len(truth) else []
    if threshold is not None:
        handles += ax.plot(
            [], [], color="0.45", linewidth=0.9, linestyle=(0, (4, 2)), label=f"threshold {threshold:.2f}"
        )
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.1)


def _draw_spans(ax, spans, floor, high, colour):
    widths = spans["end"] - spans["start"]
    ax.bar(spans["start"], high, widths, floor, color=colour, align="edge", zorder=1 if high == 1 else 5)


def _describe_time(scores, rows, together):
    text = "seconds" if together == 1 else f"seconds; scores are means of {together} windows"
    hidden = scores.drop(columns=rows).shape[1]
    if not hidden:
        return text
    lead = set(scores.columns[scores.to_numpy().argmax(axis=1)]) - set(rows)
    verb = ("are" if hidden > 1 else "is") + " not shown" if lead else "never lead" + "s" * (hidden == 1)
    return f"{text}; {hidden} other class{'es' * (hidden > 1)} {verb}"
