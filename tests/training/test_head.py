"""The fitted head: what it learns, how sure it is about unseen groups, and that Keras computes the same scores."""

import keras
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from models.consensus import build_head
from src.training.head import C_VALUES, describe_head, fit_head


def make_clips(signal, clips=40, inputs=3, size=20, classes=2, own=0.0, seed=0):
    """(features, labels, groups) of groups of four clips of one class.

    `signal` is added to feature k of class k, and `own` scales what only the clips of a group have in common.
    """
    generator = np.random.default_rng(seed)
    classes_of = np.arange(clips) // 4 % classes
    groups = np.arange(clips) // 4
    features = generator.normal(size=(clips, 1, size)) + 0.1 * generator.normal(size=(clips, inputs, size))
    features += own * generator.normal(size=(clips, size))[groups][:, None]
    features[np.arange(clips), :, classes_of] += signal
    return 3 + 0.05 * features, np.repeat(classes_of[:, None], inputs, axis=1), groups


def scores_of(features, kernel, bias):
    return softmax(features @ kernel + bias, axis=-1)


@pytest.mark.parametrize("classes", [2, 3])
def test_classes_that_carry_over_to_other_groups_are_learned(classes):
    kernel, bias, report = fit_head(*make_clips(4.0, 48, classes=classes), classes)
    features, labels, _ = make_clips(4.0, 48, classes=classes, seed=1)
    assert (scores_of(features, kernel, bias).argmax(axis=-1) == labels).mean() > 0.95
    assert report["accuracy"] > 0.95 and report["log_loss"] < 0.5 * report["uniform_log_loss"]
    assert report["uniform_log_loss"] == pytest.approx(np.log(classes), abs=1e-4)
    assert (kernel.dtype, bias.dtype, kernel.shape) == (np.float32, np.float32, (20, classes))


def test_scores_and_log_loss_are_those_of_scikit_learns_regression_on_standardised_features():
    """Three inputs of a clip weigh as one clip, so their sum of losses has a third of C."""
    features, labels, groups = make_clips(1.0)
    keep = (labels[:, 0] == 0) | (groups % 4 == 1)  # classes of unequal size
    features, labels, groups = features[keep], labels[keep], groups[keep]
    kernel, bias, report = fit_head(features, labels, groups, 2)
    x, y, groups = features.reshape(-1, 20), labels.ravel(), groups.repeat(3)
    weights = compute_sample_weight("balanced", y)
    folds, losses = StratifiedGroupKFold(5, shuffle=True, random_state=0), {}
    models = {
        c: make_pipeline(StandardScaler(), LogisticRegression(C=c / 3, class_weight="balanced")) for c in C_VALUES
    }
    for c, model in models.items():
        scores = cross_val_predict(model, x, y, groups=groups, cv=folds, method="predict_proba")
        losses[c] = log_loss(y, scores, sample_weight=weights)
    best = min(losses, key=losses.get)
    assert (report["C"], report["log_loss"]) == (best, pytest.approx(losses[best], rel=0.01))
    np.testing.assert_allclose(scores_of(x, kernel, bias), models[best].fit(x, y).predict_proba(x), atol=0.01)


def test_scores_are_flat_where_features_tell_only_groups_apart():
    """Training clips could be told apart perfectly, by their group."""
    features, labels, groups = make_clips(0.0, own=3.0)
    kernel, bias, report = fit_head(features, labels, groups, 2)
    assert report["C"] <= 1e-3 and report["log_loss"] > 0.9 * np.log(2)
    unseen = make_clips(0.0, own=3.0, seed=1)[0]
    assert scores_of(unseen, kernel, bias).max() < 0.75
    assert "nearly equal" in describe_head("spatial", report)


def test_the_classes_of_unequal_size_weigh_the_same():
    """The bias has no penalty, so at the optimum each class has, on average over classes, the score 1 / C."""
    features, labels, groups = make_clips(1.0)
    keep = (labels[:, 0] == 0) | (groups == 1)  # five groups against one
    features, labels = features[keep], labels[keep]
    scores = scores_of(features, *fit_head(features, labels, np.arange(len(labels)), 2)[:2])
    of_classes = [scores[labels == label].mean(axis=0) for label in (0, 1)]
    np.testing.assert_allclose(np.mean(of_classes, axis=0), 0.5, atol=0.01)


def test_copies_of_the_inputs_of_a_clip_change_nothing():
    features, labels, groups = make_clips(2.0)
    once = fit_head(features, labels, groups, 2)
    twice = fit_head(np.tile(features, (1, 2, 1)), np.tile(labels, (1, 2)), groups, 2)
    assert once[2]["C"] == twice[2]["C"]
    np.testing.assert_allclose(scores_of(features, *once[:2]), scores_of(features, *twice[:2]), atol=0.01)


def test_inputs_without_a_class_are_left_out_and_absent_classes_score_nothing():
    features, labels, groups = make_clips(4.0)
    labels[:, 1] = -1
    features[:, 1] = np.nan
    kernel, bias, report = fit_head(features, labels, groups, 4)
    assert report["inputs"] == 80 and np.isfinite(kernel).all()
    assert (scores_of(features[:, 0], kernel, bias)[:, 2:] <= 1e-10).all()
    with pytest.raises(ValueError, match="two classes or more. Received: classes \\[0\\]"):
        fit_head(features, np.zeros_like(labels), groups, 4)


@pytest.mark.parametrize("groups", [np.zeros(8), np.repeat([0, 1], 4)], ids=["one group", "one group a class"])
def test_groups_that_cannot_be_divided(groups):
    features, labels, _ = make_clips(4.0, clips=8)
    kernel, _, report = fit_head(features, labels, groups, 2)
    assert np.isfinite(kernel).all() and report["C"] in C_VALUES
    if groups.any():
        assert (report["C"], report["log_loss"], report["accuracy"]) == (C_VALUES[0], None, None)
        assert "could not be tested on other groups" in describe_head("spatial", report)


@pytest.mark.parametrize("of_class", [1, 2, 3])
def test_classes_of_fewer_inputs_than_folds(of_class):
    """One input of each clip, as with one segment and without augmentation."""
    labels = np.repeat(np.arange(4), of_class)[:, None]
    features = 3 + np.random.default_rng(0).normal(size=(len(labels), 1, 20))
    kernel, _, report = fit_head(features, labels, np.arange(len(labels)), 4)
    assert np.isfinite(kernel).all() and (report["log_loss"] is None) == (of_class == 1)


def test_one_clip_whose_flipped_class_is_another_one():
    labels = np.repeat([[0, 1]], 3, axis=1)
    report = fit_head(np.random.default_rng(0).normal(size=(1, 6, 20)), labels, np.zeros(1), 2)[2]
    assert (report["C"], report["log_loss"]) == (C_VALUES[0], None)


def test_an_absent_class_leaves_the_loss_of_a_fine_tuning_finite():
    """TensorFlow takes logits for the loss: of smoothed targets it grows with the bias of a class that has no clips."""
    kernel, bias, _ = fit_head(*make_clips(4.0), 3)
    head = build_head(20, 3, 1, "average", 0.0, pretrained=True)
    head.get_layer("scores").set_weights([kernel, bias])
    head.compile(loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1))
    features, labels, _ = make_clips(4.0)
    assert head.evaluate(features[:, :1], np.eye(3)[labels[:, 0]], verbose=0) < 2


def test_keras_gives_the_same_scores():
    features, labels, groups = make_clips(4.0)
    kernel, bias, _ = fit_head(features, labels, groups, 2)
    head = build_head(20, 2, 1, "average", 0.5, pretrained=True)
    head.get_layer("scores").set_weights([kernel, bias])
    given = keras.ops.convert_to_numpy(head(features[:, :1].astype(np.float32), training=False))
    np.testing.assert_allclose(given, scores_of(features[:, 0], kernel, bias), atol=1e-4)
