"""Linear classifiers of many clips and classes: scikit-learn's SVM and logistic regression, all classes at once.

scikit-learn fits them on one core, the SVM one class after another; 25,000 clips of 174 classes take minutes.
"""

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from src.fusion.blocks import list_blocks, sum_blocks

ITERATIONS, TOLERANCE = 1000, 1e-6  # of the search; the relative decrease of the loss at which it ends


def fit_svm(features: np.ndarray, classes: np.ndarray, c: float) -> tuple[np.ndarray, np.ndarray]:
    """A linear SVM, one-vs-rest, with squared hinge loss; the bias is penalised, too: scikit-learn's `LinearSVC`.

    Args:
        features: float (N, F).
        classes: int (N,), 0 … K - 1, each present.
        c: inverse strength of the penalty.

    Returns:
        (kernel float64 (F, K), bias float64 (K,)).
    """
    return _fit(features, classes, _squared_hinge, 2, np.full(features.shape[1] + 1, 1 / c))


def fit_logistic(features: np.ndarray, classes: np.ndarray, c: float) -> tuple[np.ndarray, np.ndarray]:
    """A multinomial logistic regression: scikit-learn's `LogisticRegression`. Arguments and result as `fit_svm`."""
    return _fit(features, classes, _cross_entropy, 0.5, np.append(np.full(features.shape[1], 1 / c), 0))


def _fit(features, classes, loss, curvature, penalty):
    """Minimises the loss of features · kernel + bias, plus half the penalty times their squares, by L-BFGS.

    Args:
        loss: (values float (n, K), which it may overwrite; classes) → (sum, gradient), convex.
        curvature: the largest second derivative of the loss.
        penalty: float (F + 1,), of each row of the kernel, then of the bias.
    """
    inputs = np.column_stack([features.astype(np.float32, copy=False), np.ones(len(features), np.float32)])
    with threadpool_limits(1, "blas"):  # blocks are computed in threads of our own
        bound = curvature * sum_blocks(lambda rows: _product(inputs[rows]), len(inputs)) + np.diag(penalty)
        bound[np.diag_indices_from(bound)] += 1e-9 * np.trace(bound) / len(bound)  # the bias may have no penalty
        # The bound of the loss's curvature is the unit matrix for root · weights: the search needs few steps for these.
        root = cholesky(bound)
        inverse = solve_triangular(root, np.eye(len(root)))
        for rows in list_blocks(len(inputs)):
            inputs[rows] = inputs[rows] @ inverse
        penalty = inverse.T @ (penalty[:, None] * inverse)

        def objective(values):
            weights = values.reshape(len(root), -1)

            def measure(rows):
                value, slopes = loss(inputs[rows] @ weights.astype(np.float32), classes[rows])
                return np.append(inputs[rows].T @ slopes, value)

            total, shrunk = sum_blocks(measure, len(inputs)), penalty @ weights
            return total[-1] + (weights * shrunk).sum() / 2, total[:-1] + shrunk.ravel()

        start = -objective(np.zeros(len(root) * (classes.max() + 1)))[1]  # the minimum of the bound
        options = {"maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "ftol": TOLERANCE, "gtol": 0}
        found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x
    weights = inverse @ found.reshape(len(root), -1)
    return weights[:-1], weights[-1]


def _product(part):
    part = part.astype(np.float64)
    return part.T @ part


def _squared_hinge(values, classes):
    """max(0, 1 - y · value)², y = 1 for the class and -1 for the others."""
    own = np.arange(len(classes)), classes
    values[own] *= -1
    values += 1
    np.maximum(values, 0, out=values)
    total = np.square(values).sum(dtype=np.float64)
    values *= 2
    values[own] *= -1
    return total, values


def _cross_entropy(values, classes):
    own = np.arange(len(classes)), classes
    values -= values.max(axis=1, keepdims=True)
    total = -values[own].sum(dtype=np.float64)
    np.exp(values, out=values)
    sums = values.sum(axis=1, keepdims=True)
    values /= sums
    values[own] -= 1
    return total + np.log(sums).sum(dtype=np.float64), values
