"""Intervals and tests against exact distributions."""

from math import comb

import numpy as np
import pytest
from scipy.stats import binom

from src.metrics.statistics import bootstrap_interval, mcnemar


def hits(right, wrong):
    return np.repeat([True, False], [right, wrong])


def discordant(only_a, only_b, both, neither):
    """The hits of two classifiers with these counts."""
    a = np.repeat([True, False, True, False], [only_a, only_b, both, neither])
    b = np.repeat([False, True, True, False], [only_a, only_b, both, neither])
    return a, b


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(("right", "wrong"), [(75, 25), (9, 1), (400, 600)])
def test_interval_is_that_of_the_binomial_distribution(right, wrong, level):
    """The number right among N videos drawn with replacement is binomial: its quantiles are the interval."""
    count = right + wrong
    exact = binom.ppf([(1 - level) / 2, (1 + level) / 2], count, right / count) / count
    np.testing.assert_allclose(bootstrap_interval(hits(right, wrong), level=level), exact, atol=1.01 / count)


def test_interval_depends_on_the_seed_alone():
    right = hits(700, 301)
    assert bootstrap_interval(right, seed=3) == bootstrap_interval(right[::-1], seed=3)
    groups = np.arange(1001) // 4
    assert bootstrap_interval(right, groups=groups) == bootstrap_interval(right, groups=groups)
    assert len({bootstrap_interval(right, groups=groups, seed=seed) for seed in range(3)}) > 1
    assert all(type(end) is float for end in bootstrap_interval(right))


@pytest.mark.parametrize("right", [hits(5, 0), hits(0, 5), hits(1, 0)])
def test_interval_has_no_width_if_all_or_none_are_right(right):
    assert bootstrap_interval(right) == (right[0], right[0])


def test_groups_of_equal_videos_count_as_one_video_each():
    """Ten videos of each of 20 scenes, all ten right or all wrong, say as much as 20 videos."""
    scenes = hits(14, 6)
    groups = np.array([f"scene {scene}" for scene in range(20)])
    grouped = bootstrap_interval(np.repeat(scenes, 10), groups=np.repeat(groups, 10))
    np.testing.assert_allclose(grouped, bootstrap_interval(scenes), atol=0.051)
    low, high = bootstrap_interval(np.repeat(scenes, 10))
    assert high - low < 0.5 * (grouped[1] - grouped[0])


def test_groups_of_unequal_size_weigh_by_their_videos():
    """Two groups, 3 videos right and 1 wrong: drawn twice, once each, or not at all, with 1/4, 1/2, 1/4."""
    right, groups = hits(3, 1), np.array([0, 0, 0, 1])
    assert bootstrap_interval(right, level=0.4, groups=groups) == (0.75, 0.75)
    assert bootstrap_interval(right, level=0.6, groups=groups) == (0, 1)
    assert bootstrap_interval(right, groups=np.zeros(4)) == (0.75, 0.75)  # one group: no width


@pytest.mark.parametrize("right", [np.array([], bool), np.array([0.5, 1]), np.array([0, 1]), np.ones((2, 2), bool)])
def test_interval_of_anything_but_right_or_wrong_is_refused(right):
    with pytest.raises(ValueError, match="right must be bool"):
        bootstrap_interval(right)


@pytest.mark.parametrize(("only_a", "only_b"), [(8, 2), (1, 6), (12, 5), (1, 0), (6, 0), (20, 20), (0, 0)])
def test_mcnemar_is_twice_the_tail_of_a_fair_coin(only_a, only_b):
    """By hand: 6 of 6 for one, 2 / 2^6; 1 of 7, 2 (1 + 7) / 2^7. Videos that both or neither get right do not count."""
    count = only_a + only_b
    tail = sum(comb(count, k) for k in range(min(only_a, only_b) + 1)) / 2**count
    p = mcnemar(*discordant(only_a, only_b, both=50, neither=7))
    assert p == pytest.approx(min(1, 2 * tail)) and type(p) is float


@pytest.mark.parametrize("other", [hits(3, 1), np.ones(5), np.ones((5, 1), bool)])
def test_other_videos_cannot_be_paired(other):
    with pytest.raises(ValueError, match="for the same videos. Received: bool"):
        mcnemar(hits(3, 2), other)
