"""Late fusion: two streams' scores → one. All that is learned is learned on validation, never on test.

`scores` is a dictionary here: "spatial" and "temporal" → float (N, C), after softmax; other entries are not read.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from src.config import STREAMS
from src.fusion.calibration import (
    apply_temperature,
    helpful_temperature,
    log_scores,
    negative_log_likelihood,
    split_folds,
)

KINDS = ("average", "calibrated average", "weighted", "svm", "logistic")
WEIGHTS = np.arange(21) / 20  # of the spatial stream
SVM_C = 1.0
LOGISTIC_C = 0.1  # log-scores are large numbers: 1 fits them closely, and lost 1 to 4 points on synthetic scores


@dataclass(frozen=True)
class Fusion:
    """A fusion that has learned what it needs.

    Attributes:
        kind: one of `KINDS`.
        learned: what was learned, in words, for a table.
        num_classes: C.
        combine: scores → (N, C), without checks; use `apply`.
    """

    kind: str
    learned: str
    num_classes: int
    combine: Callable[[dict[str, np.ndarray]], np.ndarray]

    def apply(self, scores: dict[str, np.ndarray]) -> np.ndarray:
        """One score per clip and class.

        Returns:
            float (N, C), rows sum to 1. The highest is the decision. Those of "svm" are softmaxed decision values: in
            the right order, and no probabilities. A class that validation lacked gets 0 from "svm" and "logistic".

        Raises:
            ValueError: no probabilities, or another number of classes than validation had.
        """
        if _count_classes(scores) != self.num_classes:
            raise ValueError(f"Scores must be of validation's {self.num_classes} classes. Received: {_shapes(scores)}")
        return self.combine(scores)


def average_scores(spatial: np.ndarray, temporal: np.ndarray) -> np.ndarray:
    """The mean of two streams' softmax scores (Simonyan & Zisserman 2014, section 2).

    Args:
        spatial, temporal: float (N, C), probabilities: each row sums to 1.

    Returns:
        float (N, C), probabilities.

    Raises:
        ValueError: different shapes, or values that are not probabilities. Logits of two networks have no common
            scale, and their sum is not an average of anything.
    """
    _count_classes({"spatial": spatial, "temporal": temporal})
    return (spatial + temporal) / 2


def fit_fusion(
    kind: str, scores: dict[str, np.ndarray], labels: np.ndarray, groups: np.ndarray | None = None
) -> Fusion:
    """Learns a fusion on validation.

    - "average": nothing is learned.
    - "calibrated average": after a temperature for each stream, where it helps: where temperatures learned on a part
      of validation lower the negative log-likelihood of the rest.
    - "weighted": w · spatial + (1 - w) · temporal, calibrated. Of w = 0, 0.05, … 1 the most accurate; of equals, that
      of the least negative log-likelihood; then the nearest to 0.5.
    - "svm": a linear SVM, one class against the rest, on both streams' scores stacked to one vector of length 1
      (Simonyan & Zisserman 2014, section 2).
    - "logistic": a multinomial logistic regression on both streams' calibrated log-scores (stacking, Wolpert 1992).

    "svm" and "logistic" need two classes: of one they learn nothing, and average.

    Args:
        kind: one of `KINDS`.
        scores: validation's.
        labels: int (N,), validation's class indices.
        groups: (N,), whose equal values must not be on both sides when a part of validation judges the other.

    Raises:
        ValueError: an unknown kind, scores that are no probabilities, or labels or groups that do not fit them.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {KINDS}. Received: {kind!r}")
    num_classes, labels = _check(scores, labels, groups)
    if kind == "average":
        return Fusion(kind, "nothing", num_classes, _average)
    if kind in ("svm", "logistic") and len(np.unique(labels)) < 2:
        return Fusion(kind, "nothing: validation has one class; average", num_classes, _average)
    if kind == "svm":
        model = LinearSVC(C=SVM_C, random_state=0, max_iter=10_000).fit(_svm_features(scores), labels)
        classify = _classifier(model, _svm_features, num_classes)
        return Fusion(kind, f"linear SVM, C = {SVM_C:g}, {len(labels)} clips", num_classes, classify)
    found = {stream: helpful_temperature(scores[stream], labels, groups) for stream in STREAMS}
    temperatures = {stream: value for stream, value in found.items() if value is not None}
    learn = {"calibrated average": _learn_nothing, "weighted": _learn_weight, "logistic": _learn_logistic}[kind]
    learned, combine = learn(_calibrate(scores, temperatures), labels)
    in_words = ", ".join(f"{stream} {value:.2f}" for stream, value in temperatures.items()) or "none helps"
    return Fusion(kind, f"{learned}T: {in_words}", num_classes, lambda new: combine(_calibrate(new, temperatures)))


def fuse(
    kind: str,
    validation_scores: dict[str, np.ndarray],
    validation_labels: np.ndarray,
    scores: dict[str, np.ndarray],
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Fuses `scores`, for example of test, by what validation teaches: float (N, C), see `Fusion.apply`.

    The other arguments and the errors are those of `fit_fusion`.
    """
    return fit_fusion(kind, validation_scores, validation_labels, groups).apply(scores)


def out_of_fold_accuracy(
    kind: str, scores: dict[str, np.ndarray], labels: np.ndarray, groups: np.ndarray | None = None
) -> float:
    """A kind's accuracy on validation, each clip fused by what the others teach; arguments as in `fit_fusion`.

    Validation is divided into five parts, always the same, with each class spread over them and each group in one; in
    fewer where no class has five clips.

    Returns:
        0 … 1; NaN for a kind that learns where no class has two clips, or all clips are of one group.
    """
    _, labels = _check(scores, labels, groups)
    if kind == "average":
        return float((_average(scores).argmax(axis=1) == labels).mean())
    right = []
    for seen, held in split_folds(labels, groups):
        fused = fuse(kind, _take(scores, seen), labels[seen], _take(scores, held), _part(groups, seen))
        right.append(fused.argmax(axis=1) == labels[held])
    return float(np.concatenate(right).mean()) if right else float("nan")


def _check(scores, labels, groups):
    num_classes, labels = _count_classes(scores), np.asarray(labels)
    count = len(scores["spatial"])
    if labels.shape != (count,) or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"labels must be a class index from 0 to {num_classes - 1} for each of {count} clips. "
            f"Received: {labels.dtype} {labels.shape}, of {np.unique(labels)}"
        )
    if groups is not None and np.shape(groups) != (count,):
        raise ValueError(f"groups must be one value for each of {count} clips. Received: {np.shape(groups)}")
    return num_classes, labels


def _count_classes(scores):
    """C, of what both streams scored alike."""
    if scores["spatial"].shape != scores["temporal"].shape or scores["spatial"].ndim != 2 or not scores["spatial"].size:
        raise ValueError(f"Both streams must score the same videos, one or more. Received: {_shapes(scores)}")
    for name in STREAMS:
        sums = scores[name].sum(axis=1)
        if not (scores[name].min() >= 0 and np.allclose(sums, 1, atol=1e-3)):
            found = f"rows summing to {sums[:3]}, from {scores[name].min():.3g}"
            raise ValueError(f"{name} scores must be probabilities, after softmax. Received: {found}")
    return scores["spatial"].shape[1]


def _shapes(scores):
    return " and ".join(str(scores[stream].shape) for stream in STREAMS)


def _take(scores, places):
    return {stream: scores[stream][places] for stream in STREAMS}


def _part(groups, places):
    return None if groups is None else np.asarray(groups)[places]


def _calibrate(scores, temperatures):
    return {
        stream: apply_temperature(scores[stream], temperatures[stream]) if stream in temperatures else scores[stream]
        for stream in STREAMS
    }


def _average(scores):
    return average_scores(*(scores[stream] for stream in STREAMS))


def _weigh(scores, weight):
    return weight * scores["spatial"] + (1 - weight) * scores["temporal"]


def _learn_nothing(scores, labels):
    return "", _average


def _learn_weight(scores, labels):
    def worth(weight):
        fused = _weigh(scores, weight)
        nll = round(negative_log_likelihood(log_scores(fused), labels), 9)  # rounding errors must not break a tie
        return (fused.argmax(axis=1) == labels).sum(), -nll, -abs(weight - 0.5)

    best = float(max(WEIGHTS, key=worth))
    return f"{best:.2f} spatial + {1 - best:.2f} temporal; ", lambda new: _weigh(new, best)


def _learn_logistic(scores, labels):
    model = LogisticRegression(C=LOGISTIC_C, max_iter=5000).fit(_log_features(scores), labels)
    classify = _classifier(model, _log_features, scores["spatial"].shape[1])
    return f"logistic regression, C = {LOGISTIC_C:g}, {len(labels)} clips; ", classify


def _svm_features(scores):
    return normalize(np.concatenate([scores[stream] for stream in STREAMS], axis=1))


def _log_features(scores):
    return np.concatenate([log_scores(scores[stream]) for stream in STREAMS], axis=1)


def _classifier(model, features, num_classes):
    """scores → softmaxed decision values, those of classes the model has not seen -∞."""

    def classify(scores):
        decisions = model.decision_function(features(scores))
        if decisions.ndim == 1:  # of two classes: one column, for the second; halved, its softmax is its sigmoid
            decisions = np.stack([-decisions / 2, decisions / 2], axis=1)
        spread = np.full((len(decisions), num_classes), -np.inf)
        spread[:, model.classes_] = decisions
        return softmax(spread, axis=1)

    return classify
