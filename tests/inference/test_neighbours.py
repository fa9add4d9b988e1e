"""Neighbours by cosine distance."""

import numpy as np
import pytest

from src.inference import find_neighbours


def test_neighbours_are_the_nearest_by_angle():
    clips = np.array([[10, 0], [1, 1], [0, 0.1], [-3, 0]], np.float32)
    distances, indices = find_neighbours(np.array([[0.5, 0], [0, 7]], np.float32), clips, count=3)
    assert indices.tolist() == [[0, 1, 2], [2, 1, 0]] or indices.tolist() == [[0, 1, 2], [2, 1, 3]]
    np.testing.assert_allclose(distances[:, :2], [[0, 1 - 0.5**0.5]] * 2, atol=1e-6)
    np.testing.assert_allclose(distances[:, 2], [1, 1], atol=1e-6)


def test_no_more_neighbours_than_clips():
    with pytest.raises(ValueError, match="count must be at most 2, .* Received: 5"):
        find_neighbours(np.ones((1, 3)), np.ones((2, 3)))
