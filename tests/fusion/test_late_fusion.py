"""Fusion of scores whose best fusion is known, and of validations too small to learn from."""

import json

import numpy as np
import pytest
from made_scores import accuracy, make_scores, random_labels
from scipy.special import softmax

from src.fusion import late_fusion
from src.fusion.calibration import apply_temperature, fit_temperature
from src.fusion.late_fusion import (
    CLASSIFIERS,
    KINDS,
    UNLEARNED,
    average_scores,
    fit_fusion,
    fit_fusions,
    out_of_fold_hits,
)

SPATIAL = np.array([[0.7, 0.2, 0.1], [0.4, 0.3, 0.3]])
TEMPORAL = np.array([[0.1, 0.8, 0.1], [0.2, 0.6, 0.2]])
BOTH = {"spatial": SPATIAL, "temporal": TEMPORAL}

pytestmark = pytest.mark.filterwarnings("error")


def test_average_by_hand():
    np.testing.assert_allclose(average_scores(**BOTH), [[0.4, 0.5, 0.1], [0.3, 0.45, 0.25]])
    assert average_scores(SPATIAL.astype(np.float32), TEMPORAL.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    "scores",
    [
        np.log(SPATIAL),
        np.array([[2.0, -1.5, 0.5], [0.4, 0.3, 0.3]]),  # rows sum to 1
        SPATIAL * 2,
        np.full_like(SPATIAL, np.nan),
    ],
    ids=["logits", "negative", "not normalised", "nan"],
)
def test_scores_that_are_no_probabilities_are_refused_by_stream(scores):
    """Defect 7: logits of two networks summed, and called an average of probabilities."""
    with pytest.raises(ValueError, match="spatial scores must be probabilities"):
        average_scores(scores, TEMPORAL)
    for kind in KINDS:
        with pytest.raises(ValueError, match="temporal scores must be probabilities"):
            fit_fusion(kind, {"spatial": SPATIAL, "temporal": scores}, np.array([0, 1]))


def test_streams_that_scored_different_videos_or_classes_or_none_are_refused():
    for other in (TEMPORAL[:1], TEMPORAL[:, :2]):
        with pytest.raises(ValueError, match=r"\(2, 3\)"):
            average_scores(SPATIAL, other)
    with pytest.raises(ValueError, match=r"one or more. Received: \(0, 3\)"):
        average_scores(SPATIAL[:0], TEMPORAL[:0])


@pytest.mark.parametrize("labels", [[0], [0, -1], [0, 3]])
def test_labels_that_do_not_fit_the_scores_are_refused(labels):
    for kind in KINDS:
        with pytest.raises(ValueError, match="class indices from 0 to 2, one for each of 2 videos. Received"):
            fit_fusion(kind, BOTH, np.array(labels))


def test_scores_of_another_number_of_classes_are_refused():
    two = np.full((4, 2), 0.5)
    for kind in KINDS:
        with pytest.raises(ValueError, match="validation's 3 classes. Received: 2 classes"):
            fit_fusion(kind, BOTH, np.array([0, 1])).apply({"spatial": two, "temporal": two})


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="kind must be one of .* Received: 'mean'"):
        fit_fusion("mean", BOTH, np.array([0, 1]))


def test_temperature_is_used_only_for_the_stream_that_it_helps():
    """Labels are drawn by temporal's scores, so those are calibrated; spatial is made overconfident by T = 4."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1, size=(60, 3))
    labels = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((60, 1))).argmax(axis=1)
    scores = {"spatial": softmax(4 * logits, axis=1), "temporal": softmax(logits, axis=1)}
    fitted, temperature = fit_fusion("calibrated average", scores, labels), fit_temperature(scores["spatial"], labels)
    assert fitted.learned == f"T: spatial {temperature:.3g}" and temperature == pytest.approx(4, rel=0.3)
    calibrated = apply_temperature(scores["spatial"], temperature)
    np.testing.assert_allclose(fitted.apply(scores), (calibrated + scores["temporal"]) / 2)
    calibrated = dict.fromkeys(scores, scores["temporal"])
    assert fit_fusion("calibrated average", calibrated, labels).learned == "T: none helps"
    assert fit_fusion("calibrated average", scores, labels, np.zeros(60)).learned == "T: none helps"  # of one group


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_classes", [2, 5])
def test_every_kind_gives_probabilities_and_beats_the_better_stream_if_errors_are_independent(kind, num_classes):
    labels, test_labels = random_labels(200, num_classes), random_labels(1000, num_classes, seed=1)
    validation, test = (make_scores(y, num_classes, y[:3], 1.5, 1.5) for y in (labels, test_labels))
    fused = fit_fusion(kind, validation, labels).apply(test)
    assert fused.shape == (1000, num_classes) and fused.min() >= 0
    np.testing.assert_allclose(fused.sum(axis=1), 1, rtol=1e-5)
    assert accuracy(fused, test_labels) > max(accuracy(values, test_labels) for values in test.values())


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_that_learn_ignore_a_stream_at_random(kind):
    """Temporal says a random class with 0.95; spatial is always right, with 0.6."""
    labels, noise = random_labels(300, 4), random_labels(300, 4, seed=1)
    spatial, temporal = (np.full((300, 4), rest) for rest in (0.4 / 3, 0.05 / 3))
    spatial[np.arange(300), labels], temporal[np.arange(300), noise] = 0.6, 0.95
    validation, test = (
        {"spatial": spatial[part], "temporal": temporal[part]} for part in (slice(150), slice(150, None))
    )
    found = accuracy(fit_fusion(kind, validation, labels[:150]).apply(test), labels[150:])
    assert found < 0.5 if kind in UNLEARNED else found > 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_is_fused_independently_of_the_others(kind):
    """Defect 6: nothing is learned from the scores that are fused, which are test's."""
    labels = random_labels(40, 3)
    fitted, test = fit_fusion(kind, make_scores(labels, 3), labels), make_scores(labels, 3, seed=1)
    one_by_one = [fitted.apply({name: test[name][[row]] for name in test}) for row in range(len(labels))]
    np.testing.assert_allclose(fitted.apply(test), np.concatenate(one_by_one), rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2, 2], [0, 1, 2], [2, 2, 2], [1], [3, 0, 0, 3, 1, 3]])
def test_small_and_imbalanced_validations_can_be_learned_from(kind, labels):
    labels = np.array(labels)
    scores, test = make_scores(labels, 4), make_scores(random_labels(8, 4), 4, seed=1)
    first, second = (fit_fusion(kind, scores, labels) for _ in range(2))
    fused = first.apply(test)
    assert fused.shape == (8, 4)
    np.testing.assert_allclose(fused.sum(axis=1), 1, rtol=1e-5)
    assert first.learned == second.learned
    np.testing.assert_array_equal(fused, second.apply(test))


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("present", [[0, 3], [0, 1, 3]])
def test_a_class_without_validation_clips_gets_a_score_of_zero(kind, present):
    labels = np.repeat(present, 10)
    fitted = fit_fusion(kind, make_scores(labels, 4), labels)
    fused = fitted.apply(make_scores(random_labels(20, 4), 4, seed=1))
    absent = [index for index in range(4) if index not in present]
    assert (fused[:, absent] == 0).all() and (fused[:, present] > 0).all()
    assert accuracy(fitted.apply(make_scores(labels, 4, seed=2)), labels) > 0.8


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_with_one_class_nothing_is_learned_and_the_table_says_so(kind):
    scores = make_scores(np.ones(6, int), 3)
    fitted = fit_fusion(kind, scores, np.ones(6, int))
    assert "one class" in fitted.learned
    np.testing.assert_array_equal(fitted.apply(scores), average_scores(**scores))


def test_accuracy_of_kinds_that_learn_is_on_held_out_clips():
    """Labels are random: an SVM on 40 numbers fits the clips it has seen, and cannot predict others."""
    labels = random_labels(60, 20)
    scores = make_scores(random_labels(60, 20, seed=1), 20, spatial=0, temporal=0)
    assert accuracy(fit_fusion("svm", scores, labels).apply(scores), labels) > 0.5
    assert out_of_fold_hits(["svm"], scores, labels)["svm"].mean() < 0.2


def test_clips_of_a_group_are_held_out_together_also_where_temperatures_are_chosen(monkeypatch):
    labels, groups, asked = random_labels(60, 3), np.arange(60) // 4, []
    monkeypatch.setattr(late_fusion, "fit_fusions", lambda *given: asked.append(given) or fit_fusions(*given))
    out_of_fold_hits(["weighted"], make_scores(labels, 3), labels, groups)
    assert len(asked) == 5
    for _, scores, seen_labels, seen in asked:
        assert len(scores["spatial"]) == len(seen_labels) == len(seen) == 4 * len(set(seen)) < 60


def test_one_group_cannot_be_divided_but_the_average_does_not_learn():
    scores, labels = {name: np.tile(values, (6, 1)) for name, values in BOTH.items()}, np.tile([1, 0], 6)
    group = np.zeros(12)
    found = out_of_fold_hits(["weighted", "average"], scores, labels, group)
    assert found["weighted"] is None
    assert found["average"].tolist() == [True, False] * 6  # it predicts 1 for all


def test_geometric_mean_by_hand():
    """The roots of 0.7 · 0.1, 0.2 · 0.8 and 0.1 · 0.1, of 0.4 · 0.2, 0.3 · 0.6 and 0.3 · 0.2, normalised."""
    roots = np.sqrt([[0.07, 0.16, 0.01], [0.08, 0.18, 0.06]])
    fused = fit_fusion("geometric", BOTH, np.array([0, 1])).apply(BOTH)
    np.testing.assert_allclose(fused, roots / roots.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("power", [1, 4, 1 / 30], ids=["calibrated", "overconfident", "underconfident"])
def test_a_weak_stream_does_not_weigh_as_much_as_a_strong_one_in_log_linear(power):
    """Two classes, 40 validation clips: the fusion is not clearly below the stream that knows more, whatever the
    confidence of the one that knows less; the average is, where that is overconfident."""
    gains = {"average": [], "log-linear": []}
    for seed in range(20):
        labels, test_labels = random_labels(40, 2, seed), random_labels(1000, 2, seed)
        validation, test = (make_scores(y, 2, 2 * seed + n, 0.3, 1.1) for n, y in enumerate((labels, test_labels)))
        for scores in (validation, test):
            scores["spatial"] = apply_temperature(scores["spatial"], 1 / power / 0.3)
        for kind, found in gains.items():
            fused = fit_fusion(kind, validation, labels).apply(test)
            found.append(accuracy(fused, test_labels) - accuracy(test["temporal"], test_labels))
    assert np.mean(gains["log-linear"]) > -0.01
    assert np.mean(gains["average"]) < -0.03 or power <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_plain_numbers(kind):
    """They are written into the configuration of a saved model."""
    labels = random_labels(40, 3)
    parameters = fit_fusion(kind, make_scores(labels, 3), labels).parameters
    assert json.loads(json.dumps(parameters)) == parameters
    assert kind != "average" or parameters == {}
