"""The layer fuses as `src.fusion` does with NumPy, also after loading."""

import keras
import numpy as np
import pytest
from networks import predict

from models.fusion_layer import LEAST_SCORE, Fused
from src.fusion import KINDS, calibration, fit_fusion

CLASSES = 4


def make_scores(seed, power=1.0, classes=CLASSES):
    """Scores of 60 clips, right more often than not; float32, some exactly 0."""
    rng = np.random.default_rng(seed)
    labels, scores = np.arange(60) % (classes - 1), {}  # the last class has no clips
    for name in ("spatial", "temporal"):
        logits = rng.normal(size=(60, classes)) + 2 * np.eye(classes)[labels]
        values = np.exp(power * logits)
        values[0, 0] = 0
        scores[name] = (values / values.sum(axis=1, keepdims=True)).astype(np.float32)
    return scores, labels


def build(parameters, classes=CLASSES):
    """[spatial, temporal] → fused, as in a saved model."""
    inputs = [keras.Input((classes,)) for _ in range(2)]
    return keras.Model(inputs, Fused(**parameters, name="fused")(inputs))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("power", [1.0, 4.0, 0.02], ids=["calibrated", "overconfident", "underconfident"])
def test_the_layer_fuses_as_numpy_does(kind, power, tmp_path):
    scores, labels = make_scores(0, power)
    fusion, (test, _) = fit_fusion(kind, scores, labels), make_scores(1, power)
    model = build(fusion.parameters)
    model.save(tmp_path / "fused.keras")
    for fused in (model, keras.models.load_model(tmp_path / "fused.keras")):
        found = predict(fused, list(test.values()))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, fusion.apply(test), atol=1e-5)
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_two_classes_fuse_as_numpy_does():
    scores, labels = make_scores(0, classes=3)
    scores = {name: values[:, :2] / values[:, :2].sum(axis=1, keepdims=True) for name, values in scores.items()}
    for kind in KINDS:
        fusion = fit_fusion(kind, scores, labels)
        found = predict(build(fusion.parameters, 2), list(scores.values()))
        np.testing.assert_allclose(found, fusion.apply(scores), atol=1e-5)


def test_a_stream_that_tells_nothing_is_flat():
    """An inverse temperature of 0, from an infinite temperature."""
    scores, _ = make_scores(0)
    parameters = {"inverse_temperatures": [0.0, 1.0]}
    expected = (1 / CLASSES + scores["temporal"]) / 2
    np.testing.assert_allclose(predict(build(parameters), list(scores.values())), expected, atol=1e-6)


def test_the_default_is_the_average_and_the_smallest_score_is_numpys():
    assert LEAST_SCORE == calibration.LEAST_SCORE
    scores, _ = make_scores(0)
    found = predict(build({}), list(scores.values()))
    np.testing.assert_allclose(found, (scores["spatial"] + scores["temporal"]) / 2, rtol=1e-6)
