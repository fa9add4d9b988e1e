"""The temporal stream from scratch: the paper's layers, and displacements in float32 before the first convolution."""

import numpy as np
import pytest
from keras import layers
from networks import (
    CLASSES,
    LENGTH,
    SIZE,
    assert_probabilities,
    assert_same_when_loaded,
    dtype_policy,
    make_images,
    predict,
    up_to,
)

from models.temporal_cnn import build_temporal_cnn

FLOW = make_images(2 * LENGTH)
DISPLACEMENTS = (FLOW.astype(np.float64) - 128) / 127


@pytest.mark.parametrize("head", ["pool", pytest.param("dense", marks=pytest.mark.slow)])
def test_scores_are_probabilities_also_of_the_saved_model(head, tmp_path):
    model = build_temporal_cnn(CLASSES, SIZE, LENGTH, head)
    assert model.input.dtype == "uint8" and model.input_shape == (None, SIZE, SIZE, 2 * LENGTH)
    assert_probabilities(predict(model, FLOW), 3)
    assert_same_when_loaded(model, FLOW, tmp_path / "temporal.keras")


def test_the_dense_head_is_the_papers():
    model = build_temporal_cnn(CLASSES, SIZE, head="dense")
    filters = [layer.filters for layer in model.layers if isinstance(layer, layers.Conv2D)]
    assert filters == [96, 256, 512, 512, 512]
    assert [model.get_layer(name).units for name in ("full6", "full7")] == [4096, 2048]
    assert {layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)} == {0.9}
    assert model.input_shape[-1] == 20 and model.get_layer("conv1").kernel.shape == (7, 7, 20, 96)


def test_no_motion_is_exactly_zero_and_the_bound_is_one():
    """Defects 8 and 11: flow is dequantised (128 → 0, 1 … 255 → -1 … 1), not divided by 255 as if it were an image."""
    model = build_temporal_cnn(CLASSES, SIZE, LENGTH, subtract_mean=False)
    flow = np.full((1, SIZE, SIZE, 2 * LENGTH), 128, np.uint8)
    flow[0, 0, 0] = [128, 1, 255, 129, 127, 128]
    values = predict(up_to(model, "conv1"), flow)
    assert (values[flow == 128] == 0).all()
    np.testing.assert_allclose(values[0, 0, 0], [0, -1, 1, 1 / 127, -1 / 127, 0], atol=1e-6)
    np.testing.assert_allclose(predict(up_to(model, "conv1"), FLOW), DISPLACEMENTS, atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_each_field_loses_its_mean_displacement_in_float32(policy, tmp_path):
    """Under any policy: no motion is zero, and fast motion is not rounded to another code."""
    with dtype_policy(policy):
        model = build_temporal_cnn(CLASSES, SIZE, LENGTH)
    inputs = predict(up_to(model, "conv1"), FLOW)
    np.testing.assert_allclose(inputs, DISPLACEMENTS - DISPLACEMENTS.mean(axis=(1, 2), keepdims=True), atol=1e-6)
    assert model.get_layer("conv2").compute_dtype == policy.removeprefix("mixed_")
    if policy != "float32":
        assert_probabilities(predict(model, FLOW), 3)
        assert_same_when_loaded(model, FLOW, tmp_path / "temporal.keras")


def test_unknown_head_is_refused():
    with pytest.raises(ValueError, match='head must be "dense" or "pool". Received: \'svm\''):
        build_temporal_cnn(CLASSES, SIZE, head="svm")
