"""Labels that may be wrong, by confident learning (Northcutt, Jiang & Chuang 2021), from scores of held-out clips."""

import numpy as np
import pandas as pd


def find_label_errors(scores: np.ndarray, labels: np.ndarray, class_names: list[str]) -> pd.DataFrame:
    """Ranks clips by how much their scores speak against their label.

    Each class has a threshold: the mean score of the class over the clips that are labelled so. It takes out that a
    network is surer of some classes than of others. A label is suspect where the network gives another answer, and, of
    the classes whose score reaches their threshold, another one has the highest score. Suspects come first, by the
    adjusted normalised margin of the paper's authors: the label's score above its threshold, minus the same of the
    best other class. Then come the other clips with another answer, by the label's score minus the answer's, and last
    those whose answer is the label. What ranks high may also be a rare view of the class or a clip of two classes.

    Args:
        scores: float (N, C), after softmax, by networks that were not fitted to these clips; those of a training clip
            follow its label, right or wrong.
        labels: int (N,), the given class indices.
        class_names: C names.

    Returns:
        A row for each clip, the most doubtful label first: "given", the label; "answer", the class with the highest
        score; "score", that of the answer; "score_of_label"; "suspect", bool; "row", the clip's place in `scores`.

    Raises:
        ValueError: there are no clips, or the shapes do not fit.
    """
    if scores.ndim != 2 or not len(scores) or scores.shape != (len(labels), len(class_names)):
        received = f"{scores.shape}, {np.shape(labels)}, {len(class_names)} names"
        raise ValueError(f"scores must be (N, C), labels (N,), N 1 or more, and class_names C. Received: {received}")
    rows, thresholds = np.arange(len(labels)), np.full(len(class_names), np.inf)  # inf: a class without clips
    for index in np.unique(labels):
        thresholds[index] = scores[labels == index, index].mean()
    above, answer = scores - thresholds, scores.argmax(axis=1)
    confident = np.where(above >= 0, scores, -1)
    best = confident.argmax(axis=1)
    suspect = (confident[rows, best] >= 0) & (best != labels) & (answer != labels)
    margin = np.where(suspect, _label_margin(above, labels), _label_margin(scores, labels))
    names = np.array(class_names, dtype=object)
    table = {"given": names[labels], "answer": names[answer], "score": scores[rows, answer]}
    table |= {"score_of_label": scores[rows, labels], "suspect": suspect, "row": rows}
    order = np.lexsort((margin, answer == labels, ~suspect))
    return pd.DataFrame(table).iloc[order].reset_index(drop=True)


def _label_margin(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The value of the label minus that of the best other class."""
    is_label = np.arange(values.shape[1]) == labels[:, None]
    return values[is_label] - np.where(is_label, -np.inf, values).max(axis=1)
