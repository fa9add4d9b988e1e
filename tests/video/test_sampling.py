import numpy as np
import pytest

from src.video.sampling import segment_centers, segment_windows


@pytest.mark.parametrize(
    "num_frames, expected",
    [(45, [7, 22, 37]), (46, [7, 23, 38]), (12, [6]), (11, [1, 3, 5, 7, 9]), (2, [0, 1, 1]), (1, [0, 0, 0])],
)
def test_centers_are_the_middles_of_equal_parts(num_frames, expected):
    assert segment_centers(num_frames, len(expected)).tolist() == expected


@pytest.mark.parametrize("num_frames, num_segments", [(0, 3), (10, 0), (-1, 1)])
def test_centers_need_a_frame_and_a_segment(num_frames, num_segments):
    with pytest.raises(ValueError, match=f"{num_frames} frames, {num_segments} segments"):
        segment_centers(num_frames, num_segments)


@pytest.mark.parametrize(
    "indices, centers, length, expected",
    [
        (range(45), [22], 11, range(17, 28)),
        (range(45), [22], 4, range(21, 25)),  # an even length: one more after the center
        (range(20), [0, 2], 11, range(11)),  # moved inwards at the beginning
        (range(20), [17, 19], 11, range(9, 20)),  # and at the end
        (range(4), [0, 2, 3], 11, range(4)),  # a short clip: all of it
        (range(0, 100, 5), [50], 3, (45, 50, 55)),
    ],
)
def test_windows_are_centered_as_far_as_the_clip_allows(indices, centers, length, expected):
    assert list(segment_windows(indices, centers, length)) == [tuple(expected)] * len(centers)


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


def test_a_window_is_given_as_soon_as_it_is_known():
    stream = iter(range(1000))
    first = next(segment_windows(stream, np.array([10, 500]), 5))
    assert first == (8, 9, 10, 11, 12)
    assert next(stream) == 13
