import numpy as np
import pytest

from src.video.sampling import segment_centers, segment_windows


def windows(num_frames, centers, length):
    return list(segment_windows(range(num_frames), np.array(centers), length))


# Centers


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


def test_windows_are_centered():
    assert windows(45, [22], 11) == [tuple(range(17, 28))]
    assert windows(45, [22], 4) == [(21, 22, 23, 24)]  # an even length: one more after the center


def test_windows_move_inwards_at_both_ends():
    assert windows(20, [0, 2], 11) == [tuple(range(11))] * 2
    assert windows(20, [17, 19], 11) == [tuple(range(9, 20))] * 2


def test_windows_of_a_short_clip_are_the_whole_clip():
    assert windows(4, [0, 2, 3], 11) == [(0, 1, 2, 3)] * 3
    assert windows(11, [1, 5, 9], 11) == [tuple(range(11))] * 3


def test_windows_take_indices_with_gaps():
    assert list(segment_windows(range(0, 100, 5), np.array([50]), 3)) == [(45, 50, 55)]


def direct_window(indices, center, length):
    """The same rule on a list: `length` neighbours around the first index at or after the center."""
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
