"""Against scikit-learn, whose fits are the same but slow, and sums of blocks against sums of all."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from src.fusion.blocks import BLOCK, sum_blocks
from src.fusion.linear import fit_logistic, fit_svm

RNG = np.random.default_rng(0)
CLASSES = np.arange(200) % 5
FEATURES = RNG.normal(size=(200, 8)) * [1, 1, 1, 1, 1, 3, 0.1, 30] + 5 + np.eye(5)[CLASSES] @ RNG.normal(size=(5, 8))


def test_svm_is_that_of_scikit_learn():
    expected = LinearSVC(C=0.7, tol=1e-9, max_iter=100_000).fit(FEATURES, CLASSES)
    kernel, bias = fit_svm(FEATURES, CLASSES, 0.7)
    np.testing.assert_allclose(FEATURES @ kernel + bias, expected.decision_function(FEATURES), atol=0.05)


@pytest.mark.parametrize("count", [200, 30])
def test_logistic_regression_is_that_of_scikit_learn(count):
    features, classes = FEATURES[:count], CLASSES[:count]
    expected = LogisticRegression(C=0.3, tol=1e-10, max_iter=100_000).fit(features, classes).decision_function(features)
    kernel, bias = fit_logistic(features, classes, 0.3)
    found = features @ kernel + bias
    found -= found.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected - expected.mean(axis=1, keepdims=True), atol=0.05)


def test_features_that_are_constant_or_copies_are_no_obstacle():
    features = np.column_stack([FEATURES, FEATURES[:, 0], np.zeros(200)])
    for fit in (fit_svm, fit_logistic):
        kernel, bias = fit(features, CLASSES, 1.0)
        assert np.isfinite(kernel).all() and np.isfinite(bias).all()
        np.testing.assert_allclose(kernel[0], kernel[8], atol=1e-2)
        np.testing.assert_allclose(kernel[9], 0, atol=1e-6)


@pytest.mark.parametrize("count", [1, BLOCK, BLOCK + 1, 5 * BLOCK - 1])
def test_blocks_cover_all_rows_once(count):
    values = RNG.integers(0, 1000, (count, 3))
    np.testing.assert_array_equal(sum_blocks(lambda rows: values[rows].sum(axis=0), count), values.sum(axis=0))
