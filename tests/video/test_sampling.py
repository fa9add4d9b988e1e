import numpy as np
import pytest

from src.video.sampling import MAX_REPEATS, drop_repeats, segment_centers, segment_windows


def windows(num_frames, centers, length):
    return list(segment_windows(range(num_frames), np.array(centers), length))


def kept(pattern):
    """Indices kept of frames given as text, a letter per picture: "aab" is two equal frames and another."""
    return list(drop_repeats((i, i > 0 and pattern[i] == pattern[i - 1]) for i in range(len(pattern))))


# Centres


def test_centers_by_hand():
    assert segment_centers(45, 3).tolist() == [7, 22, 37]
    assert segment_centers(12, 1).tolist() == [6]
    assert segment_centers(1, 3).tolist() == [0, 0, 0]


@pytest.mark.parametrize("num_segments", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("num_frames", [1, 2, 3, 11, 45, 46, 1001])
def test_centers_are_the_middles_of_equal_parts(num_frames, num_segments):
    centers = segment_centers(num_frames, num_segments)
    middles = (np.arange(num_segments) + 0.5) * num_frames / num_segments
    assert len(centers) == num_segments
    assert (np.abs(centers - middles) <= 1).all()
    assert centers.min() >= 0 and centers.max() < num_frames
    assert np.ptp(np.diff(centers)) <= 1 if num_segments > 1 else True


@pytest.mark.parametrize("num_frames, num_segments", [(0, 3), (10, 0), (-1, 1)])
def test_centers_need_a_frame_and_a_segment(num_frames, num_segments):
    with pytest.raises(ValueError, match=f"{num_frames} frames, {num_segments} segments"):
        segment_centers(num_frames, num_segments)


# Windows


def test_windows_are_centred():
    assert windows(45, [22], 11) == [tuple(range(17, 28))]
    assert windows(45, [22], 4) == [(21, 22, 23, 24)]  # an even length: as many before as after, save one


def test_windows_move_inwards_at_both_ends():
    assert windows(20, [0, 2], 11) == [tuple(range(11))] * 2
    assert windows(20, [17, 19], 11) == [tuple(range(9, 20))] * 2


def test_windows_of_a_short_clip_are_the_whole_clip():
    assert windows(4, [0, 2, 3], 11) == [(0, 1, 2, 3)] * 3
    assert windows(11, [1, 5, 9], 11) == [tuple(range(11))] * 3


def test_windows_take_indices_with_gaps():
    assert list(segment_windows(range(0, 100, 5), np.array([50]), 3)) == [(45, 50, 55)]


def direct_window(indices, center, length):
    """The same rule on a list: `length` neighbours around the first index at or after the centre."""
    place = int(np.searchsorted(indices, center))
    start = min(place - (length - 1) // 2, len(indices) - length)
    return tuple(indices[max(0, start) :][:length])


@pytest.mark.parametrize("seed", range(30))
def test_streaming_gives_what_the_whole_list_gives(seed):
    generator = np.random.default_rng(seed)
    num_frames, length, segments = (int(generator.integers(1, most)) for most in (80, 13, 7))
    indices = np.flatnonzero(generator.random(num_frames) < 0.7).tolist() or [0]
    centers = segment_centers(num_frames, segments)
    streamed = list(segment_windows(iter(indices), centers, length))
    assert streamed == [direct_window(indices, center, length) for center in centers]


@pytest.mark.parametrize("length, last", [(11, 55), (4, 52), (1, 50)])
def test_the_stream_is_read_no_further_than_needed(length, last):
    read = []

    def stream():
        for index in range(1000):
            read.append(index)
            yield index

    found = list(segment_windows(stream(), np.array([10, 50]), length))
    assert len(found) == 2
    assert read[-1] == last == found[-1][-1]


def test_a_window_is_given_as_soon_as_it_is_known():
    stream = iter(range(1000))
    first = next(segment_windows(stream, np.array([10, 500]), 5))
    assert first == (8, 9, 10, 11, 12)
    assert next(stream) == 13


# Repeats


@pytest.mark.parametrize("source_rate, rate", [(12, 30), (12, 24), (12, 60), (25, 30), (24, 30), (10, 30)])
def test_a_raised_frame_rate_is_undone(source_rate, rate):
    shown = [index * source_rate // rate for index in range(4 * rate)]
    indices = list(drop_repeats((i, i > 0 and shown[i] == shown[i - 1]) for i in range(len(shown))))
    assert [shown[index] for index in indices] == list(range(4 * source_rate))


def test_nothing_is_dropped_without_repeats():
    assert kept("abcabc") == list(range(6))


def test_the_first_of_equal_frames_is_kept():
    assert kept("aabbbc") == [0, 2, 5]


def test_a_scene_that_stands_still_is_kept():
    assert kept("a" * 20) == [0, *range(MAX_REPEATS + 1, 20)]
    assert kept("b" + "a" * 10 + "b") == [0, 1, *range(2 + MAX_REPEATS, 12)]


def test_no_frames_no_indices():
    assert kept("") == []
