"""How certain an accuracy is: bootstrap intervals and McNemar's test."""

import numpy as np
from scipy.stats import binomtest

DRAWS = 10_000  # bootstrap samples


def bootstrap_interval(
    right: np.ndarray, level: float = 0.95, seed: int = 0, groups: np.ndarray | None = None
) -> tuple[float, float]:
    """Percentile bootstrap interval of an accuracy (Efron 1979): videos are drawn with replacement.

    Args:
        right: bool (N,), whether each video was classified correctly.
        level: share of the bootstrap distribution inside the interval.
        seed: of the random numbers.
        groups: (N,); if given, whole groups are drawn, because videos of a group resemble one another.

    Returns:
        (low, high), 0 … 1. They are equal if all videos are right, if none is, or if there is one group, because
        the bootstrap knows only the variation in the sample.

    Raises:
        ValueError: there are no videos, or `groups` has another length.
    """
    right = np.asarray(right)
    if right.ndim != 1 or right.dtype != bool or not len(right):
        raise ValueError(f"right must be bool (N,), N 1 or more. Received: {right.dtype} {right.shape}")
    generator = np.random.default_rng(seed)
    if groups is None:  # the number of right videos in a draw of N is binomial: no need to draw one by one
        means = generator.binomial(len(right), right.mean(), DRAWS) / len(right)
    else:
        means = _draw_groups(generator, right, groups)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> float:
    """Two-sided p-value of McNemar's exact test; null hypothesis: two classifiers are equally accurate (McNemar 1947).

    Only videos that exactly one classifier gets right count; under the null hypothesis, it is either one with
    probability 1/2.

    Args:
        right_a, right_b: bool (N,), whether each was right, for the same videos in the same order.

    Returns:
        0 … 1; 1 if both are right about the same videos. The test assumes independent videos: with groups of
        similar videos the true p-value is larger.

    Raises:
        ValueError: the arrays are not bool, or differ in length.
    """
    only_a, only_b = count_discordant(right_a, right_b)
    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def count_discordant(right_a: np.ndarray, right_b: np.ndarray) -> tuple[int, int]:
    """(videos that only a gets right, videos that only b gets right); arguments and errors as for `mcnemar`."""
    right_a, right_b = np.asarray(right_a), np.asarray(right_b)
    if right_a.shape != right_b.shape or right_a.dtype != bool or right_b.dtype != bool:
        received = f"{right_a.dtype} {right_a.shape} and {right_b.dtype} {right_b.shape}"
        raise ValueError(f"Both must be bool (N,), for the same videos. Received: {received}")
    return int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())


def _draw_groups(generator, right, groups):
    # Not scipy.stats.bootstrap: it refuses a single group, and holds all draws (draws × groups) in memory.
    names, places = np.unique(groups, return_inverse=True)
    hits, sizes = np.bincount(places, weights=right), np.bincount(places)
    means = np.empty(DRAWS)
    for draw in range(DRAWS):
        drawn = generator.integers(len(names), size=len(names))
        means[draw] = hits[drawn].sum() / sizes[drawn].sum()
    return means
