"""Temperature calibration of a stream's scores, learned on validation and judged out of fold."""

import warnings
from collections.abc import Iterator

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

TEMPERATURES = (0.1, 10.0)  # the range that is searched
FOLDS = 5
LEAST_SCORE = 1e-10  # float32 scores can be exactly zero, which has no logarithm


def fit_temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """The T that minimises the negative log-likelihood of softmax(log(scores) / T) (Guo et al. 2017, section 4.2).

    Args:
        scores: float (N, C), after softmax.
        labels: int (N,), true class indices.

    Returns:
        T, from 0.1 to 10. Above 1 the scores were too sure of themselves, below 1 too cautious.
    """
    logits, bounds = log_scores(scores), np.log(TEMPERATURES)

    def loss(log_temperature):
        return negative_log_likelihood(logits / np.exp(log_temperature), labels)

    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def apply_temperature(scores: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log(scores) / temperature): float (N, C), rows sum to 1; the order of the classes stays."""
    return softmax(log_scores(scores) / temperature, axis=1)


def helpful_temperature(scores: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None) -> float | None:
    """The temperature of a stream where one helps: where temperatures learned on a part of validation lower the
    negative log-likelihood of the rest. None where none does, or clips are too few to tell.

    Args:
        scores, labels: as in `fit_temperature`.
        groups: (N,), whose equal values stay in one part.
    """
    raw = calibrated = 0.0
    for seen, held in split_folds(labels, groups):
        temperature, logits = fit_temperature(scores[seen], labels[seen]), log_scores(scores[held])
        raw += negative_log_likelihood(logits, labels[held]) * len(held)
        calibrated += negative_log_likelihood(logits / temperature, labels[held]) * len(held)
    return fit_temperature(scores, labels) if calibrated < raw else None


def split_folds(labels: np.ndarray, groups: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(seen, held) places of clips, always the same five parts, or fewer where clips are few; none where too few.

    Classes are spread over the parts as far as they go; groups stay whole.
    """
    if groups is not None and len(np.unique(groups)) == len(labels):
        groups = None  # every clip for itself, which is much faster
    count = min(FOLDS, np.bincount(labels).max(), len(labels) if groups is None else len(np.unique(groups)))
    if count < 2:
        return
    splitter = (StratifiedKFold if groups is None else StratifiedGroupKFold)(count, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # it is then seen by some parts only
        parts = list(splitter.split(labels, labels, groups))
    yield from ((seen, held) for seen, held in parts if len(seen) and len(held))


def log_scores(scores: np.ndarray) -> np.ndarray:
    """float64 (N, C), finite: a score of zero counts as `LEAST_SCORE`."""
    return np.log(np.maximum(scores, LEAST_SCORE, dtype=np.float64))


def negative_log_likelihood(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean over clips, of logits float (N, C)."""
    return float((logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]).mean())
