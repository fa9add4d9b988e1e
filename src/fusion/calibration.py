"""Temperature scaling of one stream's scores, learned on validation, and the folds that show whether it helps."""

import warnings
from collections.abc import Iterator

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from src.fusion.blocks import map_blocks, sum_blocks

FOLDS = 5
LEAST_SCORE = 1e-10  # float32 scores can be exactly zero, which has no logarithm; as in `models.fusion_layer`


def fit_temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """The T that minimises the negative log-likelihood of softmax(log(scores) / T) (Guo et al. 2017, section 4.2).

    T has no bounds: the loss is convex in 1 / T. One pseudo-clip of unknown class, a share of 1 / C for each, is added
    to the clips, as in Platt 1999. It keeps T above 0 where all N clips are right: they alone would make the scores
    certain; with it, the scores expect about one error in N clips.

    Args:
        scores: float (N, C), after softmax.
        labels: int (N,), true class indices.

    Returns:
        T > 0: above 1 for overconfident scores, below 1 for underconfident ones; inf, which makes all scores 1 / C, if
        higher scores are not more often right.
    """
    # Not scikit-learn's CalibratedClassifierCV(method="temperature"): it calibrates a classifier, not scores, needs
    # five clips and every class in `labels`, which a small validation lacks, and keeps T private.
    return _fit(_shifted_logits(scores), labels)


def _shifted_logits(scores):
    """`log_scores` less the highest of each clip, so that no exponential of their multiples is too large."""

    def shift(rows):
        logits = log_scores(scores[rows])
        return logits - logits.max(axis=1, keepdims=True)

    return map_blocks(shift, len(scores))


def _fit(logits, labels):
    """`fit_temperature` of `_shifted_logits`."""
    clips = len(logits)
    expected = (logits[np.arange(clips), labels].sum() + logits.mean()) / (1 + 1 / clips)  # with the pseudo-clip

    def slope(inverse):
        def measure(rows):
            weights = np.exp(inverse * logits[rows])
            return (np.vecdot(weights, logits[rows]) / weights.sum(axis=1)).sum()

        return sum_blocks(measure, clips) - expected

    if slope(0) >= 0:
        return float("inf")
    upper = 1.0
    while slope(upper) < 0:
        upper *= 2
    return 1 / brentq(slope, 0, upper)


def smooth_targets(labels: np.ndarray, pseudo: np.ndarray | float, shape: tuple[int, int]) -> np.ndarray:
    """Targets that add pseudo-clips to the clips: float64 (N, C), rows sum to 1.

    Args:
        labels: int (N,), true class indices.
        pseudo: float (N, C) or one number: the classes of the pseudo-clips, which are spread over the clips; a row's
            sum is how many they are.
        shape: (N, C).
    """
    targets = np.broadcast_to(pseudo, shape) / len(labels)
    targets[np.arange(len(labels)), labels] += 1
    return targets / targets.sum(axis=1, keepdims=True)


def apply_temperature(scores: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log(scores) / temperature): float (N, C), rows sum to 1; the ranking of the classes stays."""
    return map_blocks(lambda rows: softmax(log_scores(scores[rows]) / temperature, axis=1), len(scores))


def helpful_temperatures(
    scores: dict[str, np.ndarray], labels: np.ndarray, groups: np.ndarray | None = None
) -> dict[str, float]:
    """The temperatures of the streams for which cross-validation shows that one helps.

    A temperature helps if those fitted on the other folds lower the negative log-likelihood of the held-out clips.

    Args:
        scores: stream → float (N, C), after softmax.
        labels: int (N,), true class indices.
        groups: (N,); clips of one group stay in one fold.

    Returns:
        stream → T, fitted on all clips. A stream is left out if it does not help, or if there are too few clips for two
        folds.
    """
    folds, found = list(split_folds(labels, groups)), {}
    for stream, values in scores.items():
        raw = calibrated = 0.0
        logits = _shifted_logits(values)
        for seen, held in folds:
            temperature, others = _fit(logits[seen], labels[seen]), logits[held]
            raw += negative_log_likelihood(others, labels[held]) * len(held)
            calibrated += negative_log_likelihood(others / temperature, labels[held]) * len(held)
        if calibrated < raw:
            found[stream] = _fit(logits, labels)
    return found


def split_folds(labels: np.ndarray, groups: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices (seen, held out) of stratified folds, the same each time; groups stay whole.

    There are five folds; fewer if the largest class has fewer clips or there are fewer groups; none if that leaves one.
    """
    if groups is not None and len(np.unique(groups)) == len(labels):
        groups = None  # each clip is a group: StratifiedKFold is much faster
    count = min(FOLDS, np.bincount(labels).max(), len(labels) if groups is None else len(np.unique(groups)))
    if count < 2:
        return
    splitter = (StratifiedKFold if groups is None else StratifiedGroupKFold)(count, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # smaller than the number of folds
        folds = list(splitter.split(labels, labels, groups))
    yield from ((seen, held) for seen, held in folds if len(seen) and len(held))


def log_scores(scores: np.ndarray) -> np.ndarray:
    """float64 (N, C), finite: scores below `LEAST_SCORE` count as that."""
    return np.log(np.maximum(scores, LEAST_SCORE, dtype=np.float64))


def negative_log_likelihood(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean over clips for logits, float (N, C), and true class indices, int (N,)."""

    def measure(rows):
        values = logits[rows] - logits[rows].max(axis=1, keepdims=True)
        return (np.log(np.exp(values).sum(axis=1)) - values[np.arange(len(values)), labels[rows]]).sum()

    return float(sum_blocks(measure, len(logits)) / len(logits))
