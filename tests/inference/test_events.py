"""Scores over time become events: at the right times, of the right classes, and as soon as they have ended."""

import tracemalloc
from itertools import islice

import numpy as np
import pytest
from test_timeline import make_moments

from src.inference.events import COLUMNS, Event, find_events, follow_events, list_windows
from src.inference.sliding_window import Moment
from src.inference.timeline import collect_timeline

A, B = 0, 1
NONE = None
SCORES = {A: (0.8, 0.1, 0.1), B: (0.2, 0.7, 0.1), NONE: (0.3, 0.35, 0.35)}


def make_windows(*parts, period=0.1):
    """Windows of (leader, how many) parts, each 0.1 s after the one before and five frames further."""
    leaders = [leader for leader, count in parts for _ in range(count)]
    return [(5 * n, n * period, np.array(SCORES[leader])) for n, leader in enumerate(leaders)]


def describe(events):
    return [(event.class_index, round(event.start, 3), round(event.end, 3)) for event in events]


def find(*parts, threshold=0.5, smoothing=0.0, shortest=0.5):
    return describe(follow_events(make_windows(*parts), threshold, smoothing, shortest))


def test_equal_neighbours_are_one_event_with_its_times_frames_and_score():
    first, second = follow_events(make_windows((NONE, 10), (A, 10), (B, 20), (NONE, 10)), 0.5, smoothing=0.0)
    assert first == Event(A, pytest.approx(0.95), pytest.approx(1.95), 50, 95, pytest.approx(0.8), windows=10)
    assert second == Event(B, pytest.approx(1.95), pytest.approx(3.95), 100, 195, pytest.approx(0.7), windows=20)


@pytest.mark.parametrize("between", [B, NONE])
def test_a_short_interruption_does_not_end_an_event_and_is_none_itself(between):
    assert find((A, 10), (between, 4), (A, 10)) == [(A, 0, 2.3)]
    ended = [(A, 0, 0.95), (A, 1.45, 2.4)]
    assert find((A, 10), (between, 5), (A, 10)) == ([ended[0], (B, 0.95, 1.45), ended[1]] if between == B else ended)


def test_a_short_event_is_left_out_whatever_is_beside_it():
    assert find((NONE, 5), (A, 4), (NONE, 10)) == []
    assert find((A, 10), (NONE, 3), (B, 4), (NONE, 10)) == [(A, 0, 0.95)]
    assert find((A, 3), (B, 10)) == [(B, 0.25, 1.2)]
    assert find((A, 10), (B, 4)) == [(A, 0, 0.95)]


def test_without_a_threshold_some_class_always_leads():
    assert find((A, 10), (NONE, 10), threshold=None) == [(A, 0, 0.95), (B, 0.95, 1.9)]
    assert find((NONE, 30), threshold=0.36) == []


def test_an_event_goes_on_a_little_below_the_threshold_but_does_not_begin_there():
    assert find((A, 10), (B, 10), threshold=0.75) == [(A, 0, 0.95)]
    windows = [(n, n / 10, np.array([score, 0.1])) for n, score in enumerate([0.45] * 10 + [0.55] * 10 + [0.45] * 10)]
    assert describe(follow_events(windows, 0.5, 0.0)) == [(A, 0.95, 2.9)]  # 0.45 is above 0.8 · 0.5
    assert describe(follow_events(windows, 0.54, 0.0)) == [(A, 0.95, 2.9)]
    assert describe(follow_events(windows, 0.5625 + 1e-9, 0.0)) == []


def test_smoothing_is_the_mean_over_windows_at_most_half_as_far_away():
    seconds = np.array([0.0, 0.3, 0.5, 0.6, 1.4, 1.5, 2.0])
    scores = np.random.default_rng(0).dirichlet([1, 1], 7)
    expected = [scores[np.abs(seconds - time) <= 0.5].mean(axis=0).max() for time in seconds]
    events = follow_events(zip(range(7), seconds, scores, strict=True), None, smoothing=1.0, shortest=0.0)
    found = [(event.score, event.windows) for event in events]
    assert sum(score * count for score, count in found) == pytest.approx(sum(expected))


def test_one_outlier_of_noisy_scores_makes_no_event():
    windows = make_windows((A, 10), (B, 2), (A, 10))
    assert describe(follow_events(windows, 0.5, smoothing=1.0, shortest=0.0)) == [(A, 0, 2.1)]


def test_an_event_is_yielded_soon_after_its_end_and_the_last_one_when_the_source_ends():
    seen = []

    def windows():
        for window in make_windows((A, 20), (NONE, 20), (B, 20)):
            seen.append(window[1])
            yield window

    events = follow_events(windows(), 0.5, smoothing=0.4, shortest=0.5)
    first = next(events)
    assert first.class_index == A and seen[-1] <= first.end + 0.5 + 0.2 + 3 * 0.1
    assert next(events).class_index == B and seen[-1] == pytest.approx(5.9)


def test_days_of_a_camera_take_no_more_memory_than_minutes():
    def windows():
        n = 0
        while True:
            yield n, n / 5, np.array(SCORES[(A, NONE, B, NONE)[n // 20 % 4]])
            n += 1

    def peak(count):
        tracemalloc.start()
        assert sum(1 for _ in islice(follow_events(windows(), 0.5), count)) == count
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(300) < 1.2 * peak(30) + 10_000


def test_no_windows_and_one_window_are_no_event():
    assert find() == [] and find((A, 1)) == []
    assert find((A, 1), shortest=0.0) == [(A, 0, 0)]


@pytest.mark.parametrize("changed", [{"threshold": 1.5}, {"smoothing": -1.0}, {"shortest": np.nan}])
def test_arguments_out_of_range_are_refused(changed):
    with pytest.raises(ValueError, match=f"smoothing and shortest must be seconds.*{next(iter(changed))} "):
        follow_events([], **changed)


def test_scores_of_a_clip_speak_of_its_middle_and_the_last_ones_also_of_the_end():
    scores = {"fused": np.array([0.9, 0.1])}
    moments = [Moment(n, n / 10, None, scores, 0.0, first=(max(0, n - 20), max(0, n - 20) / 10)) for n in (0, 20, 40)]
    windows = [(frame, round(seconds, 3)) for frame, seconds, _ in list_windows(moments)]
    assert windows == [(0, 0), (10, 1.0), (30, 3.0), (40, 4.0)]
    assert list(list_windows([])) == []


def test_the_last_scores_of_windows_alone_count_once():
    moments = [Moment(5 * n, n / 10, None, {"fused": np.array([score])}, n) for n, score in enumerate([0.6, 0.9])]
    assert [(frame, seconds) for frame, seconds, _ in list_windows(moments)] == [(0, 0.0), (5, 0.1)]
    table = find_events(collect_timeline(moments, ["yes"], 5), smoothing=1.0, shortest=0.0)
    assert table.score.tolist() == [pytest.approx(0.75)] and table.last_frame.tolist() == [5]


def test_the_events_of_a_timeline_are_those_of_the_stream():
    moments = list(make_moments(700))  # "yes" leads from window 501 on
    timeline = collect_timeline(moments, ["no", "yes"], 5)
    table = find_events(timeline, smoothing=1.0)
    assert list(table.columns) == COLUMNS and table["class"].tolist() == ["no", "yes"]
    stream = list(follow_events(list_windows(moments)))
    np.testing.assert_allclose(table[["start", "end", "score"]], [(e.start, e.end, e.score) for e in stream])
    assert table.start.tolist() == [0, pytest.approx(50, abs=0.11)] and table.last_frame.iloc[-1] == 5 * 699
    assert find_events(timeline, threshold=1.0).empty and list(find_events(timeline, 1.0).columns) == COLUMNS
