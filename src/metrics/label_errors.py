"""Labels that may be wrong, by confident learning (Northcutt, Jiang & Chuang 2021), from scores of held-out clips."""

import numpy as np
import pandas as pd


def find_label_errors(scores: np.ndarray, labels: np.ndarray, class_names: list[str]) -> pd.DataFrame:
    """Ranks clips by how much their scores speak against their label.

    Each class has a threshold: the mean score of the class over the clips that are labelled so. It takes out that a
    network is surer of some classes than of others. Of the classes whose score reaches their threshold, a clip belongs
    to the one with the highest score; where this is not the label, the label is suspect. Clips are ranked by the margin
    of the label: its score above its threshold, minus the same of the best other class (the adjusted normalised margin
    of the paper's authors). What ranks high may also be a rare view of the class or a clip of two classes: look at it.

    Args:
        scores: float (N, C), after softmax, by networks that were not fitted to these clips; those of a training clip
            follow its label, right or wrong.
        labels: int (N,), the given class indices.
        class_names: C names.

    Returns:
        A row for each clip, the most doubtful label first: "row", its place in `scores`; "given" and "likely", names of
        the label and of the class that the scores prefer to it; "margin", -2 … 2, below 0 where they prefer another
        class; "suspect", bool.

    Raises:
        ValueError: there are no clips, or the shapes do not fit.
    """
    if scores.ndim != 2 or not len(scores) or scores.shape != (len(labels), len(class_names)):
        received = f"{scores.shape}, {np.shape(labels)}, {len(class_names)} names"
        raise ValueError(f"scores must be (N, C), labels (N,), N 1 or more, and class_names C. Received: {received}")
    rows, thresholds = np.arange(len(labels)), np.full(len(class_names), np.inf)  # inf: a class without clips
    for index in np.unique(labels):
        thresholds[index] = scores[labels == index, index].mean()
    above = scores - thresholds
    confident = np.where(above >= 0, scores, -1)
    others = np.where(np.arange(len(class_names)) == labels[:, None], -np.inf, above)
    best = confident.argmax(axis=1)
    suspect = (confident[rows, best] >= 0) & (best != labels)
    likely = np.where(suspect, best, others.argmax(axis=1))
    names, margin = np.array(class_names, dtype=object), above[rows, labels] - others.max(axis=1)
    table = {"row": rows, "given": names[labels], "likely": names[likely], "margin": margin, "suspect": suspect}
    return pd.DataFrame(table).sort_values("margin", kind="stable", ignore_index=True)
