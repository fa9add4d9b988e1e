"""What late fusion learns on validation: the weight of a stream, an SVM, or a logistic regression.

Each `learn_` function takes scores, "spatial" and "temporal" → float (N, C), and labels, int (N,); it returns what was
learned as text, and a function that fuses scores to (N, C). Temperatures are learned in `calibration`.
"""

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer
from sklearn.svm import LinearSVC

from src.config import STREAMS
from src.fusion.calibration import log_scores, negative_log_likelihood

WEIGHTS = np.arange(21) / 20  # of the spatial stream
SVM_C = 1.0
LOGISTIC_C = 0.1  # 1 overfits log-scores, which are large: it lost 1 to 4 percentage points on synthetic scores


def learn_nothing(scores, labels):
    """The average, which needs no learning."""
    return "", average


def learn_weight(scores, labels):
    """The most accurate weight; in a tie, the one with the lowest negative log-likelihood, then the nearest to 0.5."""

    def rank(weight):
        fused = _weigh(scores, weight)
        nll = round(negative_log_likelihood(log_scores(fused), labels), 9)  # rounding errors must not break a tie
        return (fused.argmax(axis=1) == labels).sum(), -nll, -abs(weight - 0.5)

    best = float(max(WEIGHTS, key=rank))
    return f"{best:.2f} spatial + {1 - best:.2f} temporal", lambda new: _weigh(new, best)


def learn_svm(scores, labels):
    """A linear SVM, one-vs-rest, on both streams' scores, scaled to length 1."""
    model = make_pipeline(Normalizer(), LinearSVC(C=SVM_C, random_state=0, max_iter=10_000))
    return f"linear SVM, C = {SVM_C:g}, {len(labels)} clips", _fit_classifier(model, scores, labels)


def learn_logistic(scores, labels):
    """A multinomial logistic regression on both streams' log-scores."""
    model = make_pipeline(FunctionTransformer(log_scores), LogisticRegression(C=LOGISTIC_C, max_iter=5000))
    return f"logistic regression, C = {LOGISTIC_C:g}, {len(labels)} clips", _fit_classifier(model, scores, labels)


def _fit_classifier(model, scores, labels):
    """Returns scores → softmax of the model's decision values, which are -∞ for classes that it has not seen."""
    num_classes = scores["spatial"].shape[1]
    model.fit(_concatenate(scores), labels)

    def classify(scores):
        decisions = model.decision_function(_concatenate(scores))
        if decisions.ndim == 1:  # two classes: one column, for the second; the softmax of its halves is its sigmoid
            decisions = np.stack([-decisions / 2, decisions / 2], axis=1)
        spread = np.full((len(decisions), num_classes), -np.inf)
        spread[:, model.classes_] = decisions
        return softmax(spread, axis=1)

    return classify


def _concatenate(scores):
    return np.concatenate([scores[stream] for stream in STREAMS], axis=1)


def average(scores):
    """The mean of both streams' scores."""
    return (scores["spatial"] + scores["temporal"]) / 2


def _weigh(scores, weight):
    return weight * scores["spatial"] + (1 - weight) * scores["temporal"]
