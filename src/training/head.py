"""The head of a stream on a frozen backbone: a logistic regression on stored features."""

import warnings

import numpy as np
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

C_VALUES = tuple(10.0**exponent for exponent in range(-5, 1))  # inverse strengths of the penalty, strongest first
FOLDS = 5
MOST_INPUTS = 6_000  # drawn at random, from which C is chosen: so 25,000 clips take minutes
BLOCK = 256  # features whose deviation is found at a time
TOLERANCE, ITERATIONS = 1e-3, 200  # of L-BFGS
# Bias of a class without clips: beside the other scores its own is 1e-10 or less, which fusion counts as 0. If it were
# exactly 0, the label smoothing of a fine-tuning would make the loss infinite.
ABSENT = float(np.log(1e-10))


def fit_head(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, num_classes: int, num_features: int | None = None
) -> tuple[np.ndarray, np.ndarray, dict]:
    """Fits the layer "scores" of a stream to features of training clips.

    It is a logistic regression on standardised features with an L2 penalty. Clips have equal weights within a class,
    and classes have equal weights. The strength of the penalty is the one with the lowest log loss on clips of other
    groups, by cross-validation over groups: where features do not carry over to other scenes or people, the scores
    become flat instead of wrong and sure.

    Args:
        features: float (N, K, F), of K inputs of each training clip, such as its crops; see
            `models.consensus.pool_segments`.
        labels: int (N, K), class of each input; -1 leaves it out.
        groups: (N,), the group of each clip. If there is only one, each clip is a group.
        num_classes: C.
        num_features: the length of the average over segments, which comes first; None is F. What follows are other
            scales of the same features, which keep their size relative to the average: if each were standardised, it
            would count as much as the average even where the order tells nothing.

    Returns:
        (kernel float32 (F, C), bias float32 (C,), report). They take features that are not standardised. The report, in
        units of JSON: "C", the inverse strength of the penalty; "log_loss" and "accuracy" of cross-validation, classes
        weighted equally, None if no class is in two groups, where C is the strongest penalty; "uniform_log_loss" of
        equal scores, the natural logarithm of the number of classes; "inputs", how many were fitted.

    Raises:
        ValueError: fewer than two classes have inputs.
    """
    groups = np.unique(groups, return_inverse=True)[1] if len(np.unique(groups)) > 1 else np.arange(len(groups))
    used = labels >= 0
    x = features.reshape(-1, features.shape[-1]) if used.all() else features[used]  # not copied where all are used
    x, y, groups = x.astype(np.float32, copy=False), labels[used], np.repeat(groups, used.sum(axis=1))
    if len(np.unique(y)) < 2:
        raise ValueError(f"A head needs training inputs of two classes or more. Received: classes {np.unique(y)}")
    weight = len(features) / len(x)  # of an input: a clip counts as one, however many inputs it has
    # One thread: on a machine that is busy, the threads of OpenBLAS wait for one another, and a fit of 1 s takes 20 s.
    with warnings.catch_warnings(), threadpool_limits(1, "blas"):
        warnings.simplefilter("ignore", UserWarning)  # few clips of a class; a fit that ends by the limit of iterations
        sizes = weight, num_classes, num_features or x.shape[1]
        c, log_loss, accuracy = _choose_c(x, y, groups, *sizes)
        *_, (kernel, bias) = _fit_path(x, y, C_VALUES[: C_VALUES.index(c) + 1], *sizes)
    report = {
        "C": c,
        "log_loss": log_loss,
        "accuracy": accuracy,
        "uniform_log_loss": round(float(np.log(len(np.unique(y)))), 4),
        "inputs": len(x),
    }
    return kernel, bias, report


def describe_head(stream: str, report: dict) -> str:
    """Says in a sentence how well a fitted head does on training clips of other groups."""
    loss, uniform = report["log_loss"], report["uniform_log_loss"]
    if loss is None:
        return (
            f"The {stream} stream's head: C = {report['C']:g}. It could not be tested on other groups, because each "
            "class has training clips of one group only, so its scores are nearly equal. Add groups."
        )
    text = (
        f"The {stream} stream's head: C = {report['C']:g}. On training clips of groups that it was not fitted to, "
        f"a single crop has balanced accuracy {report['accuracy']:.2f} and log loss {loss:.2f} (equal scores: "
        f"{uniform:.2f})."
    )
    if loss > 0.95 * uniform:
        text += " Its features say little about other groups, so its scores are nearly equal."
    return text


def _choose_c(x, y, groups, *sizes):
    """(C, log loss, accuracy) with the lowest log loss on inputs of other groups, classes weighted equally.

    If nothing is known about other groups, C is the strongest penalty, and log loss and accuracy are None.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if len(x) > MOST_INPUTS:
        some = np.random.default_rng(0).choice(len(x), MOST_INPUTS, replace=False)
        x, y, groups = x[some], y[some], groups[some]
    losses, hits = np.zeros((2, len(C_VALUES), len(x)))
    counted = np.zeros(len(x), bool)
    folds = min(FOLDS, len(np.unique(groups)), np.bincount(y).max())
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=0) if folds > 1 else None
    for train, held_out in splitter.split(x, y, groups) if splitter else ():
        held_out = held_out[np.isin(y[held_out], y[train])]  # a class that has no other group cannot be learned here
        if len(np.unique(y[train])) < 2 or not len(held_out):
            continue
        counted[held_out] = True
        for number, (kernel, bias) in enumerate(_fit_path(x[train], y[train], C_VALUES, *sizes)):
            logits = log_softmax(x[held_out] @ kernel + bias, axis=1)
            losses[number, held_out] = -logits[np.arange(len(held_out)), y[held_out]]
            hits[number, held_out] = logits.argmax(axis=1) == y[held_out]
    if not counted.any():  # each class is in one group
        return C_VALUES[0], None, None
    weights = _balanced(y[counted])
    losses, hits = (np.average(values[:, counted], axis=1, weights=weights) for values in (losses, hits))
    best = int(losses.argmin())
    return C_VALUES[best], round(float(losses[best]), 4), round(float(hits[best]), 4)


def _fit_path(x, y, values, weight, num_classes, num_features):
    """Yields (kernel, bias) for each C in increasing order; each fit starts from the one before."""
    from sklearn.linear_model import LogisticRegression

    mean, blocks = x.mean(axis=0), np.split(x[:, :num_features], range(BLOCK, num_features, BLOCK), axis=1)
    deviation = np.concatenate([block.std(axis=0) for block in blocks])  # which makes a copy
    deviation = np.where(deviation > 1e-6 * deviation.max(), deviation, np.inf)  # a constant feature is left out
    deviation = np.tile(deviation, x.shape[1] // num_features)
    standard, weights = x - mean, (weight * _balanced(y)).astype(np.float32)
    standard /= deviation
    model = LogisticRegression(tol=TOLERANCE, max_iter=ITERATIONS, warm_start=True)
    for c in values:
        model.set_params(C=c).fit(standard, y, sample_weight=weights)
        logits = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # scikit-learn has one logit for two classes, the difference of both
            logits = tuple(np.concatenate([-part / 2, part / 2]) for part in logits)
        kernel, bias = np.zeros((x.shape[1], num_classes), np.float32), np.full(num_classes, ABSENT, np.float32)
        kernel[:, model.classes_] = (logits[0] / deviation).T
        bias[model.classes_] = logits[1] - mean @ kernel[:, model.classes_]
        yield kernel, bias


def _balanced(labels):
    """Weights of mean 1 that give all classes the same sum."""
    counts = np.bincount(labels)
    return (len(labels) / (counts > 0).sum() / np.maximum(counts, 1))[labels]
