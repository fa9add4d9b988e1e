"""Late fusion: the scores of two streams → one. `fit_fusion` learns on validation, never on test.

`scores` is a dictionary: "spatial" and "temporal" → float (N, C), after softmax; other entries are not read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from src.config import STREAMS
from src.fusion.blocks import map_blocks
from src.fusion.calibration import apply_temperature, helpful_temperatures, split_folds
from src.fusion.learning import (
    combine,
    learn_log_linear,
    learn_logistic,
    learn_no_weights,
    learn_nothing,
    learn_svm,
    learn_weight,
)

LEARNERS = {
    "average": learn_nothing,
    "geometric": learn_no_weights,
    "log-linear": learn_log_linear,
    "calibrated average": learn_nothing,
    "weighted": learn_weight,
    "svm": learn_svm,
    "logistic": learn_logistic,
}
KINDS = tuple(LEARNERS)
UNLEARNED = ("average", "geometric")
CALIBRATED = ("calibrated average", "weighted", "logistic")  # kinds that scale a stream by a temperature if that helps
CLASSIFIERS = ("svm", "logistic")


@dataclass(frozen=True)
class Fusion:
    """A fitted fusion.

    Attributes:
        learned: what was learned, as text for a table.
        num_classes: C.
        parameters: what was learned, as numbers and lists, for `models.build_two_stream`, whose layer fuses as `apply`
            does; empty for the average.
    """

    learned: str
    num_classes: int
    parameters: dict = field(default_factory=dict)

    def apply(self, scores: dict[str, np.ndarray]) -> np.ndarray:
        """Fuses scores.

        Returns:
            float (N, C), rows sum to 1; the highest is the decision. The scores of "svm" are the softmax of its
            decision values: they rank the classes, but are not calibrated probabilities. "svm" and "logistic" give 0
            to classes without validation clips.

        Raises:
            ValueError: scores are not probabilities, or of another number of classes than validation had.
        """
        if _check_scores(scores) != self.num_classes:
            received = scores["spatial"].shape[1]
            raise ValueError(f"scores must be of validation's {self.num_classes} classes. Received: {received} classes")
        parameters = {name: np.array(value) if name == "kernel" else value for name, value in self.parameters.items()}
        return map_blocks(
            lambda rows: combine({stream: scores[stream][rows] for stream in STREAMS}, **parameters),
            len(scores["spatial"]),
        )


def average_scores(spatial: np.ndarray, temporal: np.ndarray) -> np.ndarray:
    """The mean of two streams' softmax scores (Simonyan & Zisserman 2014, section 2).

    Args:
        spatial, temporal: float (N, C), probabilities: each row sums to 1.

    Returns:
        float (N, C), probabilities.

    Raises:
        ValueError: different shapes, or values that are not probabilities, such as logits: those of two networks have
            no common scale.
    """
    scores = {"spatial": spatial, "temporal": temporal}
    _check_scores(scores)
    return combine(scores)


def fit_fusion(
    kind: str, scores: dict[str, np.ndarray], labels: np.ndarray, groups: np.ndarray | None = None
) -> Fusion:
    """Learns a fusion on validation.

    - "average": the mean of both streams' scores; nothing is learned.
    - "geometric": their geometric mean, normalised: the average of log-scores; nothing is learned.
    - "log-linear": the softmax of a · log spatial + b · log temporal, a and b 0 or more, shrunk to a calibrated
      average (logarithmic opinion pool, Heskes 1998; see `learning.learn_log_linear`).
    - "calibrated average": the average after temperature scaling of each stream for which
      `calibration.helpful_temperatures` finds that it helps.
    - "weighted": w · spatial + (1 - w) · temporal, calibrated in the same way. w is the most accurate of
      0, 0.05, … 1; in a tie, the one with the lowest negative log-likelihood, then the one nearest to 0.5.
    - "svm": a linear SVM, one-vs-rest, on both streams' scores concatenated to one vector of length 1
      (Simonyan & Zisserman 2014, section 2).
    - "logistic": a multinomial logistic regression on both streams' calibrated log-scores (stacking, Wolpert 1992).

    If validation has one class only, "svm" and "logistic" average.

    Args:
        kind: one of `KINDS`.
        scores: of the validation clips.
        labels: int (N,), their true class indices.
        groups: (N,); clips of one group stay in one fold.

    Raises:
        ValueError: the kind is unknown, scores are not probabilities, or labels do not fit them.
    """
    return fit_fusions((kind,), scores, labels, groups)[kind]


def fit_fusions(
    kinds: Sequence[str], scores: dict[str, np.ndarray], labels: np.ndarray, groups: np.ndarray | None = None
) -> dict[str, Fusion]:
    """Learns several kinds of fusion; the temperatures are fitted once. See `fit_fusion`."""
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f"kind must be one of {KINDS}. Received: {', '.join(map(repr, unknown))}")
    num_classes, temperatures = _check_scores(scores), {}
    if len(labels) != len(scores["spatial"]) or min(labels) < 0 or max(labels) >= num_classes:
        received = f"{len(labels)} labels from {min(labels, default=None)} to {max(labels, default=None)}"
        raise ValueError(
            f"labels must be class indices from 0 to {num_classes - 1}, one for each of {len(scores['spatial'])} "
            f"videos. Received: {received}"
        )
    if set(CALIBRATED) & set(kinds):
        temperatures = helpful_temperatures({stream: scores[stream] for stream in STREAMS}, labels, groups)
    return {kind: _fit(kind, scores, labels, temperatures if kind in CALIBRATED else None) for kind in kinds}


def _fit(kind, scores, labels, temperatures):
    """`temperatures` is None for a kind that takes scores as they are."""
    num_classes = scores["spatial"].shape[1]
    if kind in CLASSIFIERS and len(np.unique(labels)) < 2:
        return Fusion("nothing: validation has one class; average", num_classes)
    learned, parameters = LEARNERS[kind](_calibrate(scores, temperatures or {}), labels)
    if temperatures:
        parameters |= {"inverse_temperatures": [1 / temperatures.get(stream, 1) for stream in STREAMS]}
    if temperatures is not None:
        note = ", ".join(f"{stream} {value:.3g}" for stream, value in temperatures.items()) or "none helps"
        learned = "; ".join(filter(None, (learned, f"T: {note}")))
    return Fusion(learned or "nothing", num_classes, parameters)


def out_of_fold_hits(
    kinds: Sequence[str], scores: dict[str, np.ndarray], labels: np.ndarray, groups: np.ndarray | None = None
) -> dict[str, np.ndarray | None]:
    """Whether kinds of fusion that were learned on the other folds are right about each clip of validation.

    Arguments are as for `fit_fusions`.

    Returns:
        kind → bool (N,); None if there are no `out_of_fold_scores`.
    """
    found = dict.fromkeys(kinds)
    for held, by_kind in _score_folds(kinds, scores, labels, groups):
        for kind, fused in by_kind.items():
            if found[kind] is None:
                found[kind] = np.zeros(len(labels), bool)
            found[kind][held] = fused.argmax(axis=1) == labels[held]
    return found


def out_of_fold_scores(
    kind: str, scores: dict[str, np.ndarray], labels: np.ndarray, groups: np.ndarray | None = None
) -> np.ndarray | None:
    """The fused scores of each clip of validation, by a fusion that was learned on the other folds.

    Arguments are as for `fit_fusion`.

    Returns:
        float (N, C); None if the kind learns and the clips cannot be divided (see `calibration.split_folds`).
    """
    fused = None
    for held, by_kind in _score_folds((kind,), scores, labels, groups):
        fused = np.full(scores["spatial"].shape, np.nan) if fused is None else fused
        fused[held] = by_kind[kind]
    return fused


def _score_folds(kinds, scores, labels, groups):
    """Yields (held-out clips, kind → their fused scores); kinds that learn nothing have one fold of all clips."""
    simple = [kind for kind in kinds if kind in UNLEARNED]
    if simple:
        fitted = fit_fusions(simple, scores, labels)
        yield np.arange(len(labels)), {kind: fusion.apply(scores) for kind, fusion in fitted.items()}
    learning = [kind for kind in kinds if kind not in UNLEARNED]
    for seen, held in split_folds(labels, groups) if learning else ():
        fitted = fit_fusions(learning, _take(scores, seen), labels[seen], None if groups is None else groups[seen])
        some = _take(scores, held)
        yield held, {kind: fusion.apply(some) for kind, fusion in fitted.items()}


def _calibrate(scores, temperatures):
    return {
        stream: apply_temperature(scores[stream], temperatures[stream]) if stream in temperatures else scores[stream]
        for stream in STREAMS
    }


def _take(scores, indices):
    return {stream: scores[stream][indices] for stream in STREAMS}


def _check_scores(scores):
    """Raises ValueError if scores are not probabilities of the same videos; returns the number of classes."""
    spatial, temporal = (scores[stream] for stream in STREAMS)
    if spatial.shape != temporal.shape or spatial.ndim != 2 or not spatial.size:
        received = f"{spatial.shape} and {temporal.shape}"
        raise ValueError(f"Both streams must score the same videos, one or more. Received: {received}")
    for name in STREAMS:
        sums = scores[name].sum(axis=1)
        if not (scores[name].min() >= 0 and np.allclose(sums, 1, atol=1e-3)):
            found = f"rows summing to {sums[:3]}, minimum {scores[name].min():.3g}"
            raise ValueError(f"{name} scores must be probabilities, after softmax. Received: {found}")
    return spatial.shape[1]
