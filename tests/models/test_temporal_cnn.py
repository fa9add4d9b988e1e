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
    body_of,
    dtype_policy,
    head_layer,
    make_clips,
    make_images,
    predict,
    up_to,
)

from models.freezing import leaf_layers
from models.temporal_cnn import build_temporal_cnn, measure_flow_scale

FLOW, CLIPS = make_images(2 * LENGTH), make_clips(2 * LENGTH)
DISPLACEMENTS = (FLOW.astype(np.float64) - 128) / 127


@pytest.mark.parametrize(
    "network, head", [("small", "pool"), ("cnn_m", "pool"), pytest.param("cnn_m", "dense", marks=pytest.mark.slow)]
)
def test_scores_are_probabilities_also_of_the_saved_model(network, head, tmp_path):
    model = build_temporal_cnn(CLASSES, SIZE, LENGTH, network, head)
    assert model.input.dtype == "uint8" and model.input_shape == (None, None, SIZE, SIZE, 2 * LENGTH)
    assert_probabilities(predict(model, CLIPS), 3)
    assert_same_when_loaded(model, CLIPS, tmp_path / "temporal.keras")


def test_the_dense_head_is_the_papers():
    model = build_temporal_cnn(CLASSES, SIZE, head="dense")
    body = body_of(model)
    filters = [layer.filters for layer in body.layers if isinstance(layer, layers.Conv2D)]
    assert filters == [96, 256, 512, 512, 512]
    assert [body.get_layer(name).units for name in ("full6", "full7")] == [4096, 2048]
    assert [layer.rate for layer in leaf_layers(model) if isinstance(layer, layers.Dropout)] == [0.9, 0.9]
    assert model.input_shape[-1] == 20 and body.get_layer("conv1").kernel.shape == (7, 7, 20, 96)


def test_no_motion_is_exactly_zero_and_the_bound_is_one():
    """Defects 8 and 11: flow is dequantised (128 → 0, 1 … 255 → -1 … 1), not divided by 255 as if it were an image."""
    model = build_temporal_cnn(CLASSES, SIZE, LENGTH)
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
        model = build_temporal_cnn(CLASSES, SIZE, LENGTH, subtract_mean=True, flow_scale=2.0)
    inputs = predict(up_to(model, "conv1"), FLOW)
    np.testing.assert_allclose(inputs, 2 * (DISPLACEMENTS - DISPLACEMENTS.mean(axis=(1, 2), keepdims=True)), atol=1e-5)
    assert body_of(model).get_layer("conv2").compute_dtype == policy.removeprefix("mixed_")
    if policy != "float32":
        assert_probabilities(predict(model, CLIPS), 3)
        assert_same_when_loaded(model, CLIPS, tmp_path / "temporal.keras")


def test_the_small_network_has_four_convolutions():
    model = build_temporal_cnn(CLASSES, 64, network="small", dropout=0.3)
    shapes = [layer.output.shape[1:] for layer in body_of(model).layers if isinstance(layer, layers.Conv2D)]
    assert shapes == [(32, 32, 32), (16, 16, 64), (8, 8, 128), (4, 4, 256)]
    assert head_layer(model, "dropout").rate == 0.3


def test_the_scale_of_flow_by_hand():
    """Half of the values are ±30 codes, the others 0: 127 / √(30² / 2). A pan of 30 minus its mean is still."""
    stacks = np.full((2, 4, 4, 2), 128, np.uint8)
    stacks[0, ..., 0], stacks[1, ..., 1] = 128 + 30, 128 - 30
    assert measure_flow_scale(stacks) == pytest.approx(127 / 450**0.5)
    assert measure_flow_scale(stacks, subtract_mean=True) == 1.0
    stacks[0, :2, :, 0] = 128  # the rest of this field moves by ±15 around its mean
    assert measure_flow_scale(stacks[:1], subtract_mean=True) == pytest.approx(127 / (15**2 / 2) ** 0.5)


def test_the_measured_scale_gives_displacements_of_unit_size():
    for subtract_mean in (False, True):
        scale = measure_flow_scale(FLOW, subtract_mean)
        model = build_temporal_cnn(CLASSES, SIZE, LENGTH, subtract_mean=subtract_mean, flow_scale=scale)
        assert np.square(predict(up_to(model, "conv1"), FLOW)).mean() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("network, head", [("cnn_m", "svm"), ("large", "pool"), ("small", "dense")])
def test_unknown_networks_and_heads_are_refused(network, head):
    with pytest.raises(ValueError, match=f"network must be one of .* Received: '{network}', '{head}'"):
        build_temporal_cnn(CLASSES, SIZE, network=network, head=head)
