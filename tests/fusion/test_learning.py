"""Weights by hand, and classifiers against scikit-learn's on the features that they must be given."""

import numpy as np
import pytest
from made_scores import make_scores, random_labels
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from src.fusion.learning import LOGISTIC_C, combine, learn_log_linear, learn_logistic, learn_svm, learn_weight


def weight_of(scores, labels):
    return float(learn_weight(scores, labels)[0].split(" ")[0])


def test_weight_by_hand():
    """Clip 1 needs 0.9 w + 0.2 (1 - w) > 1/2, w > 3/7; clip 2 needs 0.6 w + 0.1 (1 - w) < 1/2, w < 4/5. The NLL,
    -log(0.2 + 0.7 w) - log(0.9 - 0.5 w), is least at w = 53/70 = 0.757."""
    scores = {"spatial": np.array([[0.9, 0.1], [0.6, 0.4]]), "temporal": np.array([[0.2, 0.8], [0.1, 0.9]])}
    text, parameters = learn_weight(scores, np.array([0, 1]))
    assert text == "0.75 spatial + 0.25 temporal"
    np.testing.assert_allclose(combine(scores, **parameters), 0.75 * scores["spatial"] + 0.25 * scores["temporal"])


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
    expected = softmax(
        LinearSVC(tol=1e-9, max_iter=100_000, random_state=0).fit(features, labels).decision_function(features), axis=1
    )
    np.testing.assert_allclose(combine(scores, **learn_svm(scores, labels)[1]), expected, rtol=5e-3)


@pytest.mark.parametrize("num_classes", [2, 4])
def test_logistic_gives_the_probabilities_of_a_regression_on_both_streams_log_scores(num_classes):
    labels = random_labels(50, num_classes)
    scores = make_scores(labels, num_classes)
    features = np.log(np.concatenate([scores["spatial"], scores["temporal"]], axis=1, dtype=np.float64))
    model = LogisticRegression(C=LOGISTIC_C, tol=1e-9, max_iter=100_000).fit(features, labels)
    np.testing.assert_allclose(
        combine(scores, **learn_logistic(scores, labels)[1]), model.predict_proba(features), rtol=5e-3
    )


def weights_of(scores, labels):
    return learn_log_linear(scores, labels)[1]["weights"]


def test_log_linear_weights_are_recovered_from_labels_drawn_by_them():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, size=(2, 20_000, 5))
    fused = softmax(0.2 * logits[0] + 1.5 * logits[1], axis=1)
    labels = (fused.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    scores = dict(zip(("spatial", "temporal"), softmax(logits, axis=2), strict=True))
    np.testing.assert_allclose(weights_of(scores, labels), [0.2, 1.5], rtol=0.05)


def test_log_linear_weights_by_hand():
    """Spatial says 0.9 for class 0, the class of 6 in 8 clips, temporal 1/2. Calibrated, spatial says 6.5 / 9 (see
    `test_calibration`), so the average of both is 11 / 18, and the best score is that of 6 clips, 12 of 11 / 18 and a
    half, of 8 + 12 + 1: 415 / 630. Its odds are 415 / 215 = 9^a."""
    scores = {"spatial": np.tile([0.9, 0.1], (8, 1)), "temporal": np.full((8, 2), 0.5)}
    labels = np.array([0, 0, 0, 1] * 2)
    assert weights_of(scores, labels)[0] == pytest.approx(np.log(415 / 215) / np.log(9), rel=1e-4)
    fused = combine(scores, **learn_log_linear(scores, labels)[1])
    np.testing.assert_allclose(fused[0], [415 / 630, 215 / 630], rtol=1e-4)


def test_log_linear_weights_do_not_depend_on_how_sharp_scores_are():
    """They multiply the logarithms: a stream at T = 77 gets 77 times the weight."""
    labels = random_labels(2000, 4)
    scores = make_scores(labels, 4)
    flat = scores | {"temporal": softmax(np.log(scores["temporal"]) / 77, axis=1)}
    first, second = weights_of(scores, labels), weights_of(flat, labels)
    np.testing.assert_allclose([first[0], 77 * first[1]], second, rtol=1e-3)


def test_log_linear_weights_stay_finite_where_all_clips_are_right_and_certain():
    labels = random_labels(30, 3)
    scores = dict.fromkeys(("spatial", "temporal"), np.eye(3)[labels])
    weights = weights_of(scores, labels)
    assert 0 < sum(weights) < 1 and min(weights) >= 0  # 0.3 are 7 in logarithms, from 1e-10 to 1: an error in 500


def test_a_dozen_clips_are_enough_to_leave_out_a_stream_that_is_sure_and_wrong():
    """Spatial says a random class with 0.999, temporal the right one of 6 with 0.3."""
    labels, noise = random_labels(12, 6), random_labels(12, 6, seed=1)
    spatial, temporal = np.full((12, 6), 0.001 / 5), np.full((12, 6), 0.7 / 5)
    spatial[np.arange(12), noise], temporal[np.arange(12), labels] = 0.999, 0.3
    scores = {"spatial": spatial, "temporal": temporal}
    assert (combine(scores).argmax(axis=1) == labels).mean() < 0.5
    assert (combine(scores, **learn_log_linear(scores, labels)[1]).argmax(axis=1) == labels).all()
