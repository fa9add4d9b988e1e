"""How certain an accuracy is: intervals, and a test of two classifiers on the same clips. Both know groups of clips."""

import numpy as np
from scipy.stats import beta, t


def accuracy_interval(
    right: np.ndarray, groups: np.ndarray | None = None, level: float = 0.95, weights: np.ndarray | None = None
) -> tuple[float, float]:
    """The exact binomial interval of an accuracy, for the number of independent clips that the clips are worth.

    Independent clips have the interval of Clopper & Pearson 1934. It covers the true accuracy with at least `level`,
    also near 0 and 1, where Wilson's interval falls to 85 % (n = 160, accuracy 0.999) and the bootstrap to 15 %. Clips
    of a group resemble one another: n is then the effective number of Korn & Graubard 1998, at most N, from the
    variance between groups. If all clips are right, or none, no variance is seen, and n is the number of groups. An
    accuracy of weighted clips, such as balanced accuracy, has an effective number in the same way.

    Args:
        right: bool (N,), whether each clip was classified correctly.
        groups: (N,); equal values mark similar clips. None: all clips are independent.
        level: the probability of covering the true accuracy, 0 … 1.
        weights: float (N,), above 0, how much each clip counts. None: all alike.

    Returns:
        (low, high), 0 … 1; such as (0.977, 1) for 160 of 160 independent clips.

    Raises:
        ValueError: there are no clips, `right` is not bool, or `groups` has another length.
    """
    right = np.asarray(right)
    if right.ndim != 1 or right.dtype != bool or not len(right):
        raise ValueError(f"right must be bool (N,), N 1 or more. Received: {right.dtype} {right.shape}")
    weights = np.ones(len(right)) if weights is None else np.asarray(weights) / np.mean(weights)
    count, tail = _effective_number(right, weights, _group_numbers(groups, len(right)), level), (1 - level) / 2
    hits = np.average(right, weights=weights) * count
    low = beta.ppf(tail, hits, count - hits + 1) if hits else 0.0
    high = beta.ppf(1 - tail, hits + 1, count - hits) if hits < count else 1.0
    return float(low), float(high)


def sign_flip_test(right_a: np.ndarray, right_b: np.ndarray, groups: np.ndarray | None = None) -> float:
    """Two-sided p-value of the sign-flip test; null hypothesis: two classifiers are equally accurate.

    In each group, the difference between the classifiers' numbers of correct clips has a sign; under the null
    hypothesis, either sign has probability 1/2 (Fisher 1935, randomisation test of pairs). p is the probability that
    random signs give a total difference at least as large as the one found. It is exact: the distribution over all
    assignments of signs is computed, not sampled. If each clip is its own group, this is McNemar's exact test.

    Args:
        right_a, right_b: bool (N,), whether each was right, for the same clips in the same order.
        groups: (N,); equal values mark similar clips. None: all clips are independent.

    Returns:
        0 … 1; 1 if no group has a difference. With k such groups p is at least 2^(1-k): five or fewer never reach 0.05.

    Raises:
        ValueError: the arrays are not bool, or differ in length.
    """
    right_a, right_b = np.asarray(right_a), np.asarray(right_b)
    if right_a.shape != right_b.shape or right_a.dtype != bool or right_b.dtype != bool:
        received = f"{right_a.dtype} {right_a.shape} and {right_b.dtype} {right_b.shape}"
        raise ValueError(f"Both must be bool (N,), for the same clips. Received: {received}")
    difference = right_a.astype(int) - right_b
    by_group = np.bincount(_group_numbers(groups, len(difference)), weights=difference).astype(int)
    sizes = np.abs(by_group[by_group != 0])
    probability = np.zeros(sizes.sum() + 1)  # of each total of the differences with a positive sign
    probability[0] = 1
    for size in sizes:
        probability[size:] = (probability[size:] + probability[:-size]) / 2
        probability[:size] /= 2
    totals = np.abs(2 * np.arange(len(probability)) - sizes.sum())
    return min(1.0, float(probability[totals >= abs(by_group.sum())].sum()))


def _group_numbers(groups, count):
    """int (N,): 0, 1, … for each group, or for each clip if there are no groups."""
    if groups is None:
        return np.arange(count)
    if np.shape(groups) != (count,):
        raise ValueError(f"groups must have one value for each of {count} clips. Received: shape {np.shape(groups)}")
    return np.unique(groups, return_inverse=True)[1]


def _effective_number(right, weights, group, level):
    """The number of independent clips, all alike, whose accuracy is as uncertain as that of these groups and weights.

    `weights` have a mean of 1.
    """
    hits, sizes = np.bincount(group, weights=weights * right), np.bincount(group, weights=weights)
    clips, accuracy, alike = len(right), np.average(right, weights=weights), np.ptp(weights) < 1e-9
    if len(sizes) == 1 or (len(sizes) == clips and alike):
        return len(sizes)
    if right.all() or not right.any():
        return sizes.sum() ** 2 / (sizes**2).sum() if not alike else len(sizes)  # Kish 1965, of groups
    # The variance of the ratio of sums over groups; the quantiles of t stand for few groups, as in Korn & Graubard.
    variance = len(sizes) / (len(sizes) - 1) * ((hits - accuracy * sizes) ** 2).sum() / clips**2
    few = (t.ppf((1 + level) / 2, clips - 1) / t.ppf((1 + level) / 2, len(sizes) - 1)) ** 2
    return min(clips, few * accuracy * (1 - accuracy) / max(variance, 1e-12))
