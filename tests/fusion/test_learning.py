"""Weights by hand, and classifiers against scikit-learn's on the features that they must be given."""

import numpy as np
import pytest
from made_scores import make_scores, random_labels
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from src.fusion.learning import LOGISTIC_C, learn_logistic, learn_svm, learn_weight


def weight_of(scores, labels):
    return float(learn_weight(scores, labels)[0].split(" ")[0])


def test_weight_by_hand():
    """Clip 1 needs 0.9 w + 0.2 (1 - w) > 1/2, w > 3/7; clip 2 needs 0.6 w + 0.1 (1 - w) < 1/2, w < 4/5. The NLL,
    -log(0.2 + 0.7 w) - log(0.9 - 0.5 w), is least at w = 53/70 = 0.757."""
    scores = {"spatial": np.array([[0.9, 0.1], [0.6, 0.4]]), "temporal": np.array([[0.2, 0.8], [0.1, 0.9]])}
    text, combine = learn_weight(scores, np.array([0, 1]))
    assert text == "0.75 spatial + 0.25 temporal"
    np.testing.assert_allclose(combine(scores), 0.75 * scores["spatial"] + 0.25 * scores["temporal"])


def test_accuracy_decides_on_the_weight_before_the_likelihood_does():
    """Clip 1 needs 0.55 w + 0.29 (1 - w) > 1/2, w > 21/26 = 0.808. Temporal has the better likelihood on the others."""
    scores = {
        "spatial": np.array([[0.55, 0.45], [0.51, 0.49], [0.49, 0.51]]),
        "temporal": np.array([[0.29, 0.71], [0.99, 0.01], [0.01, 0.99]]),
    }
    assert weight_of(scores, np.array([0, 0, 1])) == 0.85


def test_of_tied_weights_the_nearest_to_a_half_is_taken():
    same = make_scores(random_labels(30, 3), 3)["spatial"]
    assert weight_of({"spatial": same, "temporal": same}, random_labels(30, 3)) == 0.5


def test_svm_is_given_both_streams_as_one_vector_of_length_one():
    labels = random_labels(50, 3)
    scores = make_scores(labels, 3)
    features = np.concatenate([scores["spatial"], scores["temporal"]], axis=1)
    features /= np.sqrt((features**2).sum(axis=1, keepdims=True))
    expected = softmax(LinearSVC(random_state=0).fit(features, labels).decision_function(features), axis=1)
    np.testing.assert_allclose(learn_svm(scores, labels)[1](scores), expected, rtol=1e-4)


@pytest.mark.parametrize("num_classes", [2, 4])
def test_logistic_gives_the_probabilities_of_a_regression_on_both_streams_log_scores(num_classes):
    labels = random_labels(50, num_classes)
    scores = make_scores(labels, num_classes)
    features = np.log(np.concatenate([scores["spatial"], scores["temporal"]], axis=1, dtype=np.float64))
    model = LogisticRegression(C=LOGISTIC_C, max_iter=5000).fit(features, labels)
    np.testing.assert_allclose(learn_logistic(scores, labels)[1](scores), model.predict_proba(features), rtol=1e-6)
