"""What late fusion learns on validation: the weights of the streams, an SVM, or a logistic regression.

Each `learn_` function takes scores, "spatial" and "temporal" → float (N, C), and labels, int (N,); it returns what was
learned as text, and the parameters of `combine`. Temperatures are learned in `calibration`.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.preprocessing import normalize

from src.config import STREAMS
from src.fusion.blocks import sum_blocks
from src.fusion.calibration import LEAST_SCORE, apply_temperature, fit_temperature, log_scores, smooth_targets
from src.fusion.linear import fit_logistic, fit_svm

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
        def measure(rows):
            part = {stream: values[rows] for stream, values in scores.items()}
            fused, own = combine(part, weights=(weight, 1 - weight)), labels[rows]
            kept = np.maximum(fused, LEAST_SCORE, dtype=np.float64)
            likelihood = np.log(kept[np.arange(len(own)), own] / kept.sum(axis=1)).sum()
            return np.array([(fused.argmax(axis=1) == own).sum(), likelihood])

        hits, likelihood = sum_blocks(measure, len(labels))
        return hits, round(likelihood / len(labels), 9), -abs(weight - 0.5)  # rounding errors must not break a tie

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
    logits = [log_scores(scores[stream]) for stream in STREAMS]
    for part in logits:
        part -= part.mean(axis=1, keepdims=True)
    scale = np.maximum([np.abs(part).mean() for part in logits], 1e-9)  # the search needs numbers around 1
    for part, size in zip(logits, scale, strict=True):
        part /= size
    spatial, temporal = (
        apply_temperature(scores[stream], fit_temperature(scores[stream], labels)) for stream in STREAMS
    )
    pseudo = PSEUDO_CLIPS / 2 * (spatial + temporal) + 1 / spatial.shape[1]
    targets = smooth_targets(labels, pseudo, pseudo.shape)
    expected = np.array([np.vdot(targets, part) for part in logits])

    def loss(weights):
        def measure(rows):
            fused = weights[0] * logits[0][rows] + weights[1] * logits[1][rows]
            top = fused.max(axis=1)
            shares = np.exp(fused - top[:, None])
            sums = shares.sum(axis=1)
            slopes = [(np.vecdot(shares, part[rows]) / sums).sum() for part in logits]
            return np.array([(np.log(sums) + top).sum(), *slopes])

        total, *slopes = sum_blocks(measure, len(labels))
        return total - weights @ expected, slopes - expected

    found = minimize(loss, [0.5, 0.5], jac=True, bounds=[(0, None)] * 2, method="L-BFGS-B").x / scale
    text = f"{found[0]:.2f} log spatial + {found[1]:.2f} log temporal"
    return text, {"features": "log scores", "weights": found.tolist()}


def learn_svm(scores, labels):
    """A linear SVM, one-vs-rest, on both streams' scores, scaled to length 1."""
    present, classes = np.unique(labels, return_inverse=True)
    kernel, bias = fit_svm(normalize(_concatenate(scores)), classes, SVM_C)
    if len(present) == 2:  # one machine, of opposite signs: the softmax of its halves is the sigmoid of its decision
        kernel, bias = kernel / 2, bias / 2
    text = f"linear SVM, C = {SVM_C:g}, {len(labels)} clips"
    return text, {"features": "unit length"} | _decision_parameters(kernel, bias, present, scores["spatial"].shape[1])


def learn_logistic(scores, labels):
    """A multinomial logistic regression on both streams' log-scores."""
    present, classes = np.unique(labels, return_inverse=True)
    c = LOGISTIC_C / 2 if len(present) == 2 else LOGISTIC_C  # as if one class's logit were 0, for which C was chosen
    kernel, bias = fit_logistic(log_scores(_concatenate(scores)).astype(np.float32), classes, c)
    text = f"logistic regression, C = {LOGISTIC_C:g}, {len(labels)} clips"
    return text, {"features": "log scores"} | _decision_parameters(kernel, bias, present, scores["spatial"].shape[1])


def _decision_parameters(kernel, bias, present, num_classes):
    """The kernel, 2C rows of C, and the bias, C, of a linear classifier of the classes that are present."""
    whole, biases = np.zeros((2 * num_classes, num_classes)), np.full(num_classes, ABSENT)
    whole[:, present], biases[present] = kernel, bias
    return {"kernel": whole.tolist(), "bias": biases.tolist()}


def _concatenate(scores):
    return np.concatenate([scores[stream] for stream in STREAMS], axis=1)


def _sharpen(scores, power):
    return scores if power == 1 else softmax(power * log_scores(scores), axis=1)
