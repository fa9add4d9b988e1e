"""What scores are worth: accuracy, confusion, and who is right about what. Arrays in, numbers out; no networks."""

import numpy as np
import pandas as pd

from src.sources import SPLITS


def compute_metrics(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy of scores.

    Args:
        scores: float (N, C).
        labels: int (N,), true class indices.

    Returns:
        {"top1", "top5", "balanced"}, each 0 … 1. "top5" counts a video as right when its class is among the five
        highest (with five classes or fewer it is 1); "balanced" averages over classes that have videos. Of equal
        scores the lower class index comes first.

    Raises:
        ValueError: no videos, or shapes that do not fit.
    """
    if scores.ndim != 2 or len(scores) != len(labels) or len(labels) == 0:
        raise ValueError(f"scores must be (N, C), labels (N,), N 1 or more. Received: {scores.shape}, {labels.shape}")
    hits = np.argsort(-scores, axis=1, kind="stable")[:, :5] == labels[:, None]
    right = hits[:, 0]
    by_class = [right[labels == label].mean() for label in np.unique(labels)]
    return {
        "top1": float(right.mean()),
        "top5": float(hits.any(axis=1).mean()),
        "balanced": float(np.mean(by_class)),
    }


def majority_class_accuracy(labels: np.ndarray, train_labels: np.ndarray) -> float:
    """Top-1 of always answering the most frequent class of the training clips: what learning has to beat."""
    return float((labels == np.bincount(train_labels).argmax()).mean())


def evaluate_split(scores: dict[str, np.ndarray], labels: np.ndarray, chance: float) -> dict:
    """metrics.json's entry for one split: {"n", "majority_class", and for each of `scores` its metrics}."""
    return {"n": len(labels), "majority_class": chance} | {
        name: compute_metrics(s, labels) for name, s in scores.items()
    }


def confusion_matrix(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """int64 (C, C): rows are the truth, columns the prediction."""
    num_classes = scores.shape[1]
    counts = np.bincount(labels * num_classes + scores.argmax(axis=1), minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def class_accuracy(scores: dict[str, np.ndarray], labels: np.ndarray, class_names: list[str]) -> pd.DataFrame:
    """Accuracy per class: a row per class, a column per entry of `scores`, and "clips"; NaN where a class has none."""
    matrices = {name: confusion_matrix(s, labels) for name, s in scores.items()}
    totals = np.bincount(labels, minlength=len(class_names))
    with np.errstate(invalid="ignore"):
        columns = {name: matrix.diagonal() / totals for name, matrix in matrices.items()}
    return pd.DataFrame(columns | {"clips": totals}, index=pd.Index(class_names, name="class"))


def most_confused(matrix: np.ndarray, class_names: list[str], count: int = 5) -> pd.DataFrame:
    """The pairs of different classes most often taken for one another: truth, prediction, clips, share of the truth."""
    wrong = matrix - np.diag(matrix.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    rows = [
        (class_names[truth], class_names[guess], wrong[truth, guess], wrong[truth, guess] / matrix[truth].sum())
        for truth, guess in zip(*np.unravel_index(order, matrix.shape), strict=True)
        if wrong[truth, guess]
    ]
    return pd.DataFrame(rows, columns=["truth", "predicted", "clips", "share"])


def choose_examples(scores: np.ndarray, labels: np.ndarray, count: int = 8, seed: int = 0) -> np.ndarray:
    """Places of `count` videos to look at, drawn by seed: half of them wrong, where there are as many, then the rest.

    Returns:
        int64 (up to count,), right ones first.
    """
    right = scores.argmax(axis=1) == labels
    order = np.random.default_rng(seed).permutation(len(labels))
    wrong = order[~right[order]][: count // 2]
    return np.concatenate([order[right[order]][: count - len(wrong)], wrong])


def accuracy_table(metrics: dict) -> pd.DataFrame:
    """metrics.json as a table: a row per split and stream, columns n, chance, top1, top5, balanced."""
    splits = {split: values for split, values in metrics.items() if split in SPLITS}  # and not the protocol
    rows = [
        {"split": split, "stream": stream, "n": values["n"], "majority_class": values["majority_class"]}
        | values[stream]
        for split, values in splits.items()
        for stream in values
        if isinstance(values[stream], dict)
    ]
    return pd.DataFrame(rows).set_index(["split", "stream"])
