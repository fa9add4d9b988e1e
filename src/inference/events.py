"""Scores over time → events: which class, from when to when. For a table of scores, and for a stream without an end."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd

from src.inference.sliding_window import Moment
from src.inference.timeline import Timeline

SMOOTHING = 1.0  # seconds over which scores are averaged
SHORTEST = 0.5  # seconds: a shorter event is left out, and a shorter interruption does not end one
COLUMNS = ["class", "start", "end", "first_frame", "last_frame", "score"]
HYSTERESIS = 0.8  # an event goes on until its score is below this share of the threshold


@dataclass
class Event:
    """A part of a video in which one class leads.

    Attributes:
        class_index: of the class.
        start, end: seconds since the first frame; half-way between the event's first or last window and its neighbour.
        first_frame, last_frame: middle frames of its first and last window, among all frames of the source.
        score: mean of the smoothed scores of its class, 0 … 1.
        windows: how many windows it leads in.
    """

    class_index: int
    start: float
    end: float
    first_frame: int
    last_frame: int
    score: float
    windows: int = 1

    def add(self, other: "Event") -> None:
        """Extends this event to the end of a later one of its class."""
        windows = self.windows + other.windows
        self.score = (self.score * self.windows + other.score * other.windows) / windows
        self.end, self.last_frame, self.windows = other.end, other.last_frame, windows


def find_events(
    timeline: Timeline, threshold: float | None = None, smoothing: float = SMOOTHING, shortest: float = SHORTEST
) -> pd.DataFrame:
    """Finds the events of a timeline, in its fused scores. Arguments and errors as for `follow_events`.

    Returns:
        A row per event, in the order of time: `class` (name), `start`, `end` (seconds), `first_frame`, `last_frame`,
        `score`. Where none of the classes passes the threshold, there is no event.
    """
    scores, places = timeline.scores["fused"], timeline.windows
    windows = list(zip(places.middle.tolist(), scores.index, scores.to_numpy(), strict=True))
    end = places.frame.iloc[-1], places.seconds.iloc[-1]
    last = [] if windows[-1][:2] == end else [(*end, windows[-1][-1])]
    events = follow_events([*windows, *last], threshold, smoothing, shortest)
    return pd.DataFrame([describe_event(event, scores.columns) for event in events], columns=COLUMNS)


def list_windows(moments: Iterable[Moment]) -> Iterator[tuple[int, float, np.ndarray]]:
    """The windows of moments, as `follow_events` takes them.

    Scores of a clip are those of its middle. The last scores of a source are also those of its end, if that is later.
    """
    moment = None
    for moment in moments:
        yield *moment.middle, moment.scores["fused"]
    if moment is not None and moment.middle != (moment.index, moment.seconds):
        yield moment.index, moment.seconds, moment.scores["fused"]


def describe_event(event: Event, class_names: Sequence[str]) -> tuple:
    """The row of an event in the table of `find_events`."""
    return class_names[event.class_index], event.start, event.end, event.first_frame, event.last_frame, event.score


def follow_events(
    windows: Iterable[tuple[int, float, np.ndarray]],
    threshold: float | None = None,
    smoothing: float = SMOOTHING,
    shortest: float = SHORTEST,
) -> Iterator[Event]:
    """Yields each event as soon as it is known to have ended, while the windows come.

    1. Smoothing: the scores of a window are averaged with those of the windows at most `smoothing` / 2 away.
    2. Threshold with hysteresis (Canny 1986): the class with the highest smoothed score leads, if that score is at
       least `threshold`. It goes on to lead as long as its score is the highest, down to `HYSTERESIS` · `threshold`.
       Where no class leads, it is none of these.
    3. Windows in a row with one leader are an event. It goes on over an interruption shorter than `shortest`, whatever
       leads in it. An event shorter than `shortest` is left out.

    An event is yielded `shortest` + `smoothing` / 2 after its end. Memory holds the windows of `smoothing` and two
    events, so that a source may go on for days.

    Args:
        windows: (frame, its seconds, fused scores float (C,)) of each window, in the order of time; see `list_windows`.
        threshold: from `src.fusion.fit_threshold`; None is 0: some class always leads.
        smoothing, shortest: seconds, 0 or more.

    Raises:
        ValueError: an argument is out of range.
    """
    threshold = 0.0 if threshold is None else threshold
    if not (0 <= threshold <= 1 and 0 <= smoothing < np.inf and 0 <= shortest < np.inf):
        raise ValueError(
            "threshold must be a score from 0 to 1, or None; smoothing and shortest must be seconds, 0 or more. "
            f"Received: threshold {threshold!r}, smoothing {smoothing!r}, shortest {shortest!r}"
        )
    return _join(_choose_leaders(_smooth(windows, smoothing / 2), threshold), shortest)


def _smooth(windows, reach):
    """Yields the windows with the mean of the scores at most `reach` seconds before and after."""
    near, waiting = deque(), deque()
    for window in chain(windows, [None]):
        while waiting and (window is None or waiting[0][1] + reach < window[1]):
            frame, seconds, _ = waiting.popleft()
            while near[0][1] < seconds - reach:
                near.popleft()
            yield frame, seconds, np.mean([scores for _, _, scores in near], axis=0)
        near.append(window)
        waiting.append(window)


def _choose_leaders(windows, threshold):
    """Yields each window as an event of its own; its class is None where no class leads."""
    leader = None
    for before, window, after in _with_neighbours(windows):
        frame, seconds, scores = window
        best = int(scores.argmax())
        leader = best if scores[best] >= threshold * (HYSTERESIS if best == leader else 1) else None
        start, end = ((seconds + (other or window)[1]) / 2 for other in (before, after))
        yield Event(leader, start, end, frame, frame, float(scores[best]))


def _with_neighbours(items):
    """Yields (the one before, item, the one after), None at both ends."""
    before = item = None
    for after in chain(items, [None]):
        if item is not None:
            yield before, item, after
        before, item = item, after


def _join(windows, shortest):
    """Joins windows to events; `event` may go on, `rival` is what leads in its place."""
    event = rival = None
    for window in windows:
        if event is not None and window.class_index == event.class_index:
            event.add(window)
            rival = None
            continue
        if rival is not None and window.class_index == rival.class_index:
            rival.add(window)
        else:
            rival = None if window.class_index is None else window
        if event is not None and window.end - event.end >= shortest:
            yield from _if_long(event, shortest)
            event = None
        if event is None:
            event, rival = rival, None
    if event is not None:
        yield from _if_long(event, shortest)


def _if_long(event, shortest):
    return [event] if event.end - event.start >= shortest else []
