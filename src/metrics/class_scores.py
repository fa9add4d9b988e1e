"""Precision, recall and F1 of each class, with intervals."""

import numpy as np
import pandas as pd

from src.metrics.statistics import accuracy_interval


def class_scores(
    scores: np.ndarray, labels: np.ndarray, class_names: list[str], groups: np.ndarray | None = None
) -> pd.DataFrame:
    """How well each class is recognised.

    The 95 % intervals are exact, as in `accuracy_interval`. That of F1 follows from the Jaccard index J, the share of
    right predictions among the clips that are of the class or predicted as it, because F1 = 2 J / (1 + J).

    Args:
        scores: float (N, C).
        labels: int (N,), true class indices.
        class_names: C names.
        groups: (N,); equal values mark similar clips. None: all clips are independent.

    Returns:
        A row per class. "clips", the number of its clips (its support); "precision", right predictions of all that are
        the class; "recall", of all of its clips; "f1", their harmonic mean; "recall_low", "recall_high", "f1_low" and
        "f1_high". NaN where there is nothing to count: recall and F1 without clips of the class, precision without
        predictions of it.
    """
    predicted, rows = scores.argmax(axis=1), []
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    for index in range(len(class_names)):
        true, found = labels == index, predicted == index
        right, either = true & found, true | found
        recall, (low, high) = _share(right, true, groups)
        jaccard, interval = _share(right, either, groups) if true.any() else (np.nan, (np.nan, np.nan))
        f1, f1_low, f1_high = (2 * share / (1 + share) for share in (jaccard, *interval))
        row = {"clips": true.sum(), "precision": _share(right, found, groups)[0], "recall": recall, "f1": f1}
        rows.append(row | {"recall_low": low, "recall_high": high, "f1_low": f1_low, "f1_high": f1_high})
    return pd.DataFrame(rows, index=pd.Index(class_names, name="class"))


def _share(right, counted, groups):
    """(share, its interval) of the right ones of the counted clips; NaN if none is counted."""
    if not counted.any():
        return np.nan, (np.nan, np.nan)
    return right[counted].mean(), accuracy_interval(right[counted], groups[counted])
