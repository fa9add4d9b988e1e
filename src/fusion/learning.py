"""What late fusion learns on validation: the weights of the streams, an SVM, or a logistic regression.

Each `learn_` function takes scores, "spatial" and "temporal" → float (N, C), and labels, int (N,); it returns what was
learned as text, and the parameters of `combine`. Temperatures are learned in `calibration`.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from src.config import STREAMS
from src.fusion.calibration import (
    apply_temperature,
    fit_temperature,
    log_scores,
    negative_log_likelihood,
    smooth_targets,
)

WEIGHTS = np.arange(21) / 20  # of the spatial stream
PSEUDO_CLIPS = 12  # whose classes are the calibrated average's scores; see `learn_log_linear`
SVM_C = 1.0
LOGISTIC_C = 0.1  # 1 overfits log-scores, which are large: it lost 1 to 4 percentage points on synthetic scores
ABSENT = -1e9  # bias of a class without clips: its score is exactly 0


def combine(
    scores, inverse_temperatures=(1, 1), features="scores", weights=(0.5, 0.5), kernel=None, bias=None
) -> np.ndarray:
    """Fuses scores to float (N, C). The parameters are those of the layer `models.fusion_layer.Fused`."""
    parts = [_sharpen(scores[stream], power) for stream, power in zip(STREAMS, inverse_temperatures, strict=True)]
    if features == "log scores":
        parts = [log_scores(part) for part in parts]
    if kernel is None:
        combined = weights[0] * parts[0] + weights[1] * parts[1]
    else:
        both = np.concatenate(parts, axis=1)
        combined = (normalize(both) if features == "unit length" else both) @ np.array(kernel) + np.array(bias)
    return combined if features == "scores" else softmax(combined, axis=1)


def learn_nothing(scores, labels):
    """The average, which needs no learning."""
    return "", {}


def learn_no_weights(scores, labels):
    """The geometric mean of both streams' scores, normalised, which needs no learning."""
    return "", {"features": "log scores"}


def learn_weight(scores, labels):
    """The most accurate weight; in a tie, the one with the lowest negative log-likelihood, then the nearest to 0.5."""

    def rank(weight):
        fused = combine(scores, weights=(weight, 1 - weight))
        nll = round(negative_log_likelihood(log_scores(fused), labels), 9)  # rounding errors must not break a tie
        return (fused.argmax(axis=1) == labels).sum(), -nll, -abs(weight - 0.5)

    best = float(max(WEIGHTS, key=rank))
    return f"{best:.2f} spatial + {1 - best:.2f} temporal", {"weights": [best, 1 - best]}


def learn_log_linear(scores, labels):
    """The weights of both streams' log-scores, 0 or more, with the lowest negative log-likelihood.

    A stream that knows little gets a small weight, an overconfident one a smaller, and two that make the same errors
    share theirs. Pseudo-clips hold the weights near those of a simpler fusion as long as there are few clips: each
    clip's target is mixed with the average of the streams' calibrated scores, as much as twelve clips in all (a
    catalytic prior, Huang et al. 2020). One more pseudo-clip of unknown class keeps the weights finite where all clips
    are right. `benchmarks/fusion_kinds.py` compares it with the other kinds.
    """
    logits = np.stack([log_scores(scores[stream]) for stream in STREAMS])
    logits -= logits.mean(axis=2, keepdims=True)
    scale = np.maximum(np.abs(logits).mean(axis=(1, 2), keepdims=True), 1e-9)  # the search needs numbers around 1
    logits /= scale
    calibrated = [apply_temperature(scores[stream], fit_temperature(scores[stream], labels)) for stream in STREAMS]
    shape = logits.shape[1:]
    targets = smooth_targets(labels, PSEUDO_CLIPS * np.mean(calibrated, axis=0) + 1 / shape[1], shape)

    def loss(weights):
        fused = np.tensordot(weights, logits, 1)
        slopes = ((softmax(fused, axis=1) - targets) * logits).sum(axis=(1, 2))
        return (logsumexp(fused, axis=1) - (targets * fused).sum(axis=1)).sum(), slopes

    found = minimize(loss, [0.5, 0.5], jac=True, bounds=[(0, None)] * 2, method="L-BFGS-B").x / scale.ravel()
    text = f"{found[0]:.2f} log spatial + {found[1]:.2f} log temporal"
    return text, {"features": "log scores", "weights": found.tolist()}


def learn_svm(scores, labels):
    """A linear SVM, one-vs-rest, on both streams' scores, scaled to length 1."""
    model = LinearSVC(C=SVM_C, random_state=0, max_iter=10_000)
    model.fit(normalize(_concatenate(scores)), labels)
    text = f"linear SVM, C = {SVM_C:g}, {len(labels)} clips"
    return text, {"features": "unit length"} | _decision_parameters(model, scores["spatial"].shape[1])


def learn_logistic(scores, labels):
    """A multinomial logistic regression on both streams' log-scores."""
    model = LogisticRegression(C=LOGISTIC_C, max_iter=5000).fit(log_scores(_concatenate(scores)), labels)
    text = f"logistic regression, C = {LOGISTIC_C:g}, {len(labels)} clips"
    return text, {"features": "log scores"} | _decision_parameters(model, scores["spatial"].shape[1])


def _decision_parameters(model, num_classes):
    """The kernel, 2C rows of C, and the bias, C, of a linear classifier; classes that it has not seen are `ABSENT`."""
    kernel, bias = np.zeros((2 * num_classes, num_classes)), np.full(num_classes, ABSENT)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(coefficients) == 1:  # two classes: one row, for the second; the softmax of its halves is its sigmoid
        coefficients, intercepts = (np.concatenate([-part / 2, part / 2]) for part in (coefficients, intercepts))
    kernel[:, model.classes_], bias[model.classes_] = coefficients.T, intercepts
    return {"kernel": kernel.tolist(), "bias": bias.tolist()}


def _concatenate(scores):
    return np.concatenate([scores[stream] for stream in STREAMS], axis=1)


def _sharpen(scores, power):
    return scores if power == 1 else softmax(power * log_scores(scores), axis=1)
