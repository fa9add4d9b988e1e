"""Accuracy, confusion and agreement from scores and labels: scikit-learn's metrics, for any set of classes present."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from src.metrics.statistics import accuracy_interval
from src.sources import SPLITS

MOST_WITHOUT_TOP5 = 10  # classes: of so few, the best five say little


def compute_metrics(scores: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None) -> dict:
    """Top-1, top-5 and balanced accuracy, with the 95 % intervals of the first and the last.

    Ties: "top1" prefers the lowest class index, as `argmax` does, and "top5" the highest ones, as
    `sklearn.metrics.top_k_accuracy_score` does.

    Args:
        scores: float (N, C).
        labels: int (N,), true class indices.
        groups: (N,), for the intervals; equal values mark similar clips. None: all clips are independent.

    Returns:
        {"top1", "top5", "balanced"}, each 0 … 1; {"top1_interval", "balanced_interval"}, each [low, high]. "top5" is
        left out of ten classes or fewer; "balanced" is the mean recall of the classes that have videos.

    Raises:
        ValueError: there are no videos, or the shapes do not fit.
    """
    if scores.ndim != 2 or len(scores) != len(labels) or len(labels) == 0:
        raise ValueError(f"scores must be (N, C), labels (N,), N 1 or more. Received: {scores.shape}, {labels.shape}")
    right, classes = scores.argmax(axis=1) == labels, np.arange(scores.shape[1])
    weights = (1 / np.maximum(np.bincount(labels), 1))[labels]  # classes count alike
    metrics = {"top1": float(right.mean()), "top1_interval": list(accuracy_interval(right, groups))}
    if len(classes) > MOST_WITHOUT_TOP5:
        metrics["top5"] = float(sk.top_k_accuracy_score(labels, scores, k=5, labels=classes))
    metrics["balanced"] = float(np.average(right, weights=weights))
    return metrics | {"balanced_interval": list(accuracy_interval(right, groups, weights=weights))}


def majority_class_accuracy(labels: np.ndarray, train_labels: np.ndarray) -> float:
    """Top-1 of the majority-class baseline, which always predicts the most frequent class in `train_labels`."""
    return float((labels == np.bincount(train_labels).argmax()).mean())


def evaluate_split(
    scores: dict[str, np.ndarray], labels: np.ndarray, majority_class: float,
    baselines: dict[str, np.ndarray] | None = None, groups: np.ndarray | None = None,
) -> dict:  # fmt: skip
    """The entry of metrics.json for one split: {"n", "majority_class"}, and `compute_metrics` of each of `scores`.

    Args:
        scores: stream → float (N, C).
        labels: int (N,), true class indices.
        majority_class: accuracy of the majority-class baseline, from `majority_class_accuracy`.
        baselines: name → float (N, C), from `src.evaluation.baseline_scores`. The entry then has "baselines", with
            their metrics by name.
        groups: (N,), for the intervals; see `compute_metrics`.
    """
    by_name = {name: compute_metrics(values, labels, groups) for name, values in scores.items()}
    entry = {"n": len(labels), "majority_class": majority_class} | by_name
    if baselines is not None:
        entry["baselines"] = {name: compute_metrics(values, labels, groups) for name, values in baselines.items()}
    return entry


def accuracy_table(metrics: dict) -> pd.DataFrame:
    """metrics.json as a table: a row per split and stream, and per baseline that the split has.

    Columns: n, majority_class, top1, top5 if there are more than ten classes, balanced; and the 95 % intervals as text.
    """
    rows = [
        {"split": split, "stream": name, "n": entry["n"], "majority_class": entry["majority_class"]} | values
        for split, entry in metrics.items()
        if split in SPLITS  # the other entry is the protocol
        for name, values in (entry | entry.get("baselines", {})).items()
        if name != "baselines" and isinstance(values, dict)
    ]
    table = pd.DataFrame(rows).set_index(["split", "stream"])
    for name in ("top1", "balanced"):
        if f"{name}_interval" in table:  # older runs lack it
            table[f"{name}_interval"] = ["{:.3f} … {:.3f}".format(*ends) for ends in table[f"{name}_interval"]]
    return table.rename(columns=lambda name: name.replace("_interval", " 95 %"))


def describe_protocol(protocol: Mapping, split: str, n: int | str) -> str:
    """How numbers were measured, in one line.

    Args:
        protocol: the entry of metrics.json: "subset", "store", "segments", "crops", "seed".
        split: "validation" or "test".
        n: number of videos in the split.

    Returns:
        Such as "test, n = 160, 3 segments × 3 crops, subset 0123456789ab, store farneback-short128-…, seed 0".
    """
    segments, crops = (_count(protocol[f"{noun}s"], noun) for noun in ("segment", "crop"))
    subset, store, seed = (f"{name} {protocol[name]}" for name in ("subset", "store", "seed"))
    return f"{split}, n = {n}, {segments} × {crops}, {subset}, {store}, {seed}"


def confusion_matrix(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """int64 (C, C): rows are the true classes, columns the predicted ones."""
    return sk.confusion_matrix(labels, scores.argmax(axis=1), labels=np.arange(scores.shape[1]))


def most_confused(matrix: np.ndarray, class_names: list[str], count: int = 5) -> pd.DataFrame:
    """The pairs of classes that are confused most often.

    Args:
        matrix: from `confusion_matrix`.
        class_names: C names.
        count: how many pairs.

    Returns:
        Up to `count` rows, the most clips first; columns "truth", "predicted", "clips", and "share" of the true class.
    """
    names = np.array(class_names, dtype=object)
    truth, predicted = np.nonzero(matrix - np.diag(matrix.diagonal()))
    clips = matrix[truth, predicted]
    pairs = {"truth": names[truth], "predicted": names[predicted], "clips": clips}
    table = pd.DataFrame(pairs | {"share": clips / matrix.sum(axis=1)[truth]})
    return table.nlargest(count, "clips").reset_index(drop=True)


def agreement(spatial: np.ndarray, temporal: np.ndarray, labels: np.ndarray, class_names: list[str]) -> pd.DataFrame:
    """Which stream is right, per class. Choosing between the streams cannot correct the videos under "neither".

    Args:
        spatial, temporal: float (N, C) scores of the same videos.
        labels: int (N,), true class indices.
        class_names: C names.

    Returns:
        A row per class; columns both, only_spatial, only_temporal, neither and n: numbers of videos.
    """
    first, second = spatial.argmax(axis=1) == labels, temporal.argmax(axis=1) == labels
    found = {"both": first & second, "only_spatial": first & ~second, "only_temporal": second & ~first}
    found |= {"neither": ~(first | second), "n": np.ones(len(labels), bool)}
    counts = {name: np.bincount(labels[which], minlength=len(class_names)) for name, which in found.items()}
    return pd.DataFrame(counts, index=pd.Index(class_names, name="class"))


def choose_examples(scores: np.ndarray, labels: np.ndarray, count: int = 8, seed: int = 0) -> np.ndarray:
    """Row numbers of `count` random videos to look at: half of them wrong, or all wrong ones if fewer; the rest right.

    Returns:
        int64 (up to count,), those that are right first.
    """
    right = scores.argmax(axis=1) == labels
    order = np.random.default_rng(seed).permutation(len(labels))
    wrong = order[~right[order]][: count // 2]
    return np.concatenate([order[right[order]][: count - len(wrong)], wrong])


def _count(number, noun):
    return f"{number} {noun}" if str(number) == "1" else f"{number} {noun}s"
