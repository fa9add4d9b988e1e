"""The order in which clips get pictures, by hand."""

import numpy as np

from src.atlas.choosing import order_by_interest


def scores_of(*rows):
    return np.array(rows)


def test_wrong_clips_come_first_the_surest_first_then_right_ones_the_least_sure_first():
    scores = scores_of([0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3])
    truth = np.array([0, 0, 0, 0])  # right 0.9, wrong 0.6, wrong 0.8, right 0.7
    assert order_by_interest(scores, truth).tolist() == [2, 1, 3, 0]


def test_a_right_clip_follows_three_wrong_ones():
    sureness = np.linspace(0.9, 0.6, 10)
    scores = np.stack([sureness, 1 - sureness], axis=1)
    truth = np.array([1] * 7 + [0] * 3)
    assert order_by_interest(scores, truth).tolist() == [0, 1, 2, 9, 3, 4, 5, 8, 6, 7]


def test_right_clips_are_taken_evenly_from_the_classes():
    scores = np.array([[0.6, 0.4], [0.7, 0.3], [0.8, 0.2], [0.1, 0.9]])
    assert order_by_interest(scores, np.array([0, 0, 0, 1])).tolist() == [0, 3, 1, 2]


def test_every_clip_has_one_place():
    generator = np.random.default_rng(0)
    scores, truth = generator.random((50, 4)), generator.integers(0, 4, 50)
    assert sorted(order_by_interest(scores, truth)) == list(range(50))
