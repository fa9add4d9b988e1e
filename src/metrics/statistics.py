"""How sure a number is: intervals, paired tests, and who is right about what. Numpy and SciPy only."""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

DRAWS = 10_000


def bootstrap_interval(
    right: np.ndarray, level: float = 0.95, draws: int = DRAWS, seed: int = 0, groups: np.ndarray | None = None
) -> tuple[float, float]:
    """A percentile bootstrap interval of an accuracy (Efron 1979): videos are drawn with replacement.

    Args:
        right: bool (N,), whether each video was classified rightly.
        level: share of the draws inside the interval.
        draws: how many.
        seed: the same gives the same interval.
        groups: (N,); if given, whole groups of videos are drawn, since videos of one group resemble one another.

    Returns:
        (low, high), 0 … 1. Where all are right, or none, or there is one group, the two are equal: the bootstrap
        cannot see what the sample does not hold.

    Raises:
        ValueError: no videos, or groups that do not fit.
    """
    right = np.asarray(right)
    if right.ndim != 1 or right.dtype != bool or not len(right):
        raise ValueError(f"right must be bool (N,), N 1 or more. Received: {right.dtype} {right.shape}")
    generator = np.random.default_rng(seed)
    if groups is None:  # the number right among N videos drawn is binomial: no need to draw them one by one
        means = generator.binomial(len(right), right.mean(), draws) / len(right)
    else:
        means = _draw_groups(generator, right, groups, draws)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> float:
    """The two-sided p-value of McNemar's exact test (McNemar 1947): are two classifiers equally often right?

    Only videos that exactly one of them is right about count; under the null hypothesis it is either with
    probability 1/2.

    Args:
        right_a, right_b: bool (N,), whether each was right, for the same videos in the same order.

    Returns:
        0 … 1; 1 where no video tells them apart. Videos are taken as independent: with groups of similar ones the
        true value is larger.

    Raises:
        ValueError: different numbers of videos.
    """
    only_a, only_b = count_discordant(right_a, right_b)
    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def count_discordant(right_a: np.ndarray, right_b: np.ndarray) -> tuple[int, int]:
    """(videos that only a is right about, only b); arguments and errors as `mcnemar`."""
    right_a, right_b = np.asarray(right_a), np.asarray(right_b)
    if right_a.shape != right_b.shape or right_a.dtype != bool or right_b.dtype != bool:
        received = f"{right_a.dtype} {right_a.shape} and {right_b.dtype} {right_b.shape}"
        raise ValueError(f"Both must be bool (N,), for the same videos. Received: {received}")
    return int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())


def agreement(spatial: np.ndarray, temporal: np.ndarray, labels: np.ndarray, class_names: list[str]) -> pd.DataFrame:
    """Who is right, per class. What "neither" holds, no choice between the streams can give.

    Args:
        spatial, temporal: float (N, C) scores of the same videos.
        labels: int (N,), true class indices.
        class_names: C names.

    Returns:
        A row per class; columns both, only_spatial, only_temporal, neither and n: numbers of videos.

    Raises:
        ValueError: shapes that do not fit.
    """
    shape = (len(labels), len(class_names))
    if spatial.shape != shape or temporal.shape != shape:
        received = f"{spatial.shape} and {temporal.shape}"
        raise ValueError(f"Scores must be {shape}: a row per label, a column per class. Received: {received}")
    first, second = spatial.argmax(axis=1) == labels, temporal.argmax(axis=1) == labels
    found = {"both": first & second, "only_spatial": first & ~second, "only_temporal": second & ~first}
    found |= {"neither": ~(first | second), "n": np.ones(len(labels), bool)}
    counts = {name: np.bincount(labels[which], minlength=len(class_names)) for name, which in found.items()}
    return pd.DataFrame(counts, index=pd.Index(class_names, name="class"))


def _draw_groups(generator, right, groups, draws):
    names, places = np.unique(groups, return_inverse=True)
    if len(places) != len(right):
        raise ValueError(f"groups must be one value for each of {len(right)} videos. Received: {np.shape(groups)}")
    hits, sizes = np.bincount(places, weights=right), np.bincount(places)
    means = np.empty(draws)
    for draw in range(draws):
        drawn = generator.integers(len(names), size=len(names))
        means[draw] = hits[drawn].sum() / sizes[drawn].sum()
    return means
