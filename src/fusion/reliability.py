"""Whether scores mean what they say: of the clips whose best score is 0.8, are 80 % right?"""

import numpy as np
import pandas as pd

from src.metrics import accuracy_interval

BINS = 10


def reliability_table(scores: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None) -> pd.DataFrame:
    """Clips by their confidence, which is the highest score: how many of them are right (Guo et al. 2017).

    Args:
        scores: float (N, C), after softmax.
        labels: int (N,), true class indices.
        groups: (N,), for the intervals; equal values mark similar clips. None: all clips are independent.

    Returns:
        A row for each tenth of 0 … 1 that has clips, by its number; columns "clips", how many; "confidence", their
        mean; "accuracy", the share that is right; "low" and "high", its 95 % interval.
    """
    confidence, right = scores.max(axis=1), scores.argmax(axis=1) == labels
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    numbers, rows = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1), {}
    for number in np.unique(numbers):
        some = numbers == number
        low, high = accuracy_interval(right[some], groups[some])
        row = {"clips": int(some.sum()), "confidence": confidence[some].mean(), "accuracy": right[some].mean()}
        rows[int(number)] = row | {"low": low, "high": high}
    return pd.DataFrame.from_dict(rows, orient="index")


def calibration_error(table: pd.DataFrame) -> float:
    """The expected calibration error: the mean distance of accuracy and confidence over bins, by their clips.

    With few clips it is above 0 by chance alone, also of perfectly calibrated scores.

    Args:
        table: from `reliability_table`.
    """
    distances = (table["accuracy"] - table["confidence"]).abs()
    return float(np.average(distances, weights=table["clips"]))
