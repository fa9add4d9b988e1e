"""Scores over time: the moments of a long video in one table, and the rate at which they were scored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from src.config import ClipConfig, TrainConfig
from src.inference.sliding_window import Moment, predict_stream
from src.progress import progress

KEPT_FRAMES = 64
WINDOW = ["middle", "frame", "seconds", "part"]


@dataclass(frozen=True)
class Timeline:
    """Scores over time.

    Attributes:
        scores: a row per window, indexed by the seconds of the middle of what was scored, see `Moment.middle`; columns
            (stream, class name), so that `scores["fused"]` has a column per class.
        frames: seconds → uint8 (H, W, 3), RGB: at most 64 of the windows' middle frames, evenly spaced.
        fps: frames per second; see `frames_per_second`.
        windows: a row per window; columns "middle" (index of the middle of what was scored), "frame" and "seconds" (of
            the window's own middle frame), "part" (number of the video, where several are joined).
    """

    scores: pd.DataFrame
    frames: dict[float, np.ndarray]
    fps: float
    windows: pd.DataFrame

    def label_parts(self, labels: Sequence[str | None]) -> pd.DataFrame:
        """The true classes over time: "class", "start", "end" (seconds) of each joined video that has a label."""
        seconds, first = self.windows.seconds.to_numpy(), np.flatnonzero(np.diff(self.windows.part, prepend=-1))
        cuts = [seconds[0], *(seconds[first[1:]] + seconds[first[1:] - 1]) / 2, seconds[-1]]
        names = [labels[part] for part in self.windows.part.iloc[first]]
        table = pd.DataFrame({"class": names, "start": cuts[:-1], "end": cuts[1:]})
        return table[table["class"].notna()]


def predict_long_video(
    path: str | Path | list, two_stream: keras.Model, class_names: list[str], clip_config: ClipConfig,
    config: TrainConfig, step: int, spacing: int | None = None,
) -> Timeline:  # fmt: skip
    """Scores a video of any length, or several that are joined; arguments and errors as for `predict_stream`."""
    moments = predict_stream(path, two_stream, class_names, clip_config, config, step, spacing)
    return collect_timeline(progress(moments, label="sliding window", unit="window"), class_names, step)


def collect_timeline(moments: Iterable[Moment], class_names: list[str], step: int) -> Timeline:
    """Collects moments until they end. Limit those of a live source, for example with `itertools.islice`."""
    seconds, scored_at, rows, windows, frames, every = [], [], [], [], {}, 1
    for number, moment in enumerate(moments):
        middle, time = moment.middle
        seconds.append(time)
        scored_at.append(moment.scored_at)
        windows.append((middle, moment.index, moment.seconds, moment.part))
        rows.append(np.concatenate(list(moment.scores.values())))
        if number % every == 0:
            frames[moment.seconds] = moment.frame
        if len(frames) > KEPT_FRAMES:
            frames, every = dict(list(frames.items())[::2]), 2 * every
    columns = pd.MultiIndex.from_product([moment.scores, class_names], names=["stream", "class"])
    scores = pd.DataFrame(np.stack(rows), pd.Index(seconds, name="seconds"), columns)
    return Timeline(scores, frames, frames_per_second(scored_at, step), pd.DataFrame(windows, columns=WINDOW))


def frames_per_second(scored_at: Sequence[float], step: int) -> float:
    """The rate from the first to the last scored window: each counts as `step` frames; skipped windows do not count.

    Time before the first scores is excluded: loading, compiling, and the flow of a whole window. For a live source the
    rate is at most the source's own; if it is lower, this machine is too slow for this `step`.

    Args:
        scored_at: when each window was scored, seconds.
        step: frames from one window to the next.

    Returns:
        frames/s; NaN for fewer than two windows.
    """
    return (len(scored_at) - 1) * step / (scored_at[-1] - scored_at[0]) if len(scored_at) > 1 else float("nan")
