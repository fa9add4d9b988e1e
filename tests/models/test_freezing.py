"""Which weights training changes: the head, the last stage, or all with partial batch norm."""

import keras
import numpy as np
import pytest
from keras import layers
from networks import CLASSES, MOBILE_NET, REAL_BACKBONE, SIZE, WEIGHTS, backbone_of, make_backbone, trained_weights

from models.cross_modality import build_cross_modality
from models.finetuned_resnet import build_finetuned_resnet
from models.freezing import freeze_batch_norm_but_first, unfreeze_last_stage

HEAD = {("scores", "kernel"), ("scores", "bias")}
LAST_STAGE = {("conv2", "kernel"), ("conv2", "bias")}
NORM_WEIGHTS = ("gamma", "beta", "moving_mean", "moving_variance")


def build_temporal(backbone, weights=None, preprocessing="torch"):
    return build_cross_modality(CLASSES, SIZE, 3, 1.0, backbone, weights, preprocessing)


@pytest.mark.parametrize("stage", ["head", "last stage"])
@pytest.mark.parametrize("kind", [{}, {"pooled": True}, {"nested": True}], ids=["plain", "pooled", "nested"])
def test_training_changes_unfrozen_layers_and_no_batch_norm(stage, kind, tmp_path):
    """Defect 19: batch normalisation of a frozen backbone updating during fine-tuning."""
    model = build_finetuned_resnet(CLASSES, SIZE, backbone=make_backbone(tmp_path / "mine.keras", **kind))
    if stage == "last stage":
        assert unfreeze_last_stage(model) == ["conv2"]
    assert trained_weights(model) == (HEAD | LAST_STAGE if stage == "last stage" else HEAD)


@pytest.mark.parametrize("stream", ["spatial", "temporal"])
def test_a_network_from_scratch_is_trained_with_all_its_batch_norm(stream):
    model = build_temporal("compact") if stream == "temporal" else build_finetuned_resnet(3, SIZE, backbone="compact")
    trained = trained_weights(model)
    norms = {layer.name for layer in backbone_of(model).layers if "norm" in layer.name}
    assert trained >= {("stem", "kernel"), *((norm, "moving_variance") for norm in norms)} and len(norms) == 12


def test_a_pretrained_temporal_stream_starts_with_partial_batch_norm(tmp_path):
    model = build_temporal(make_backbone(tmp_path / "mine.keras", SIZE))
    norm = {("norm1", name) for name in NORM_WEIGHTS}
    weights = HEAD | LAST_STAGE | {("conv1", "kernel"), ("conv1", "bias")}
    # The bias before batch norm has no effect, except through rounding.
    assert trained_weights(model) | {("conv1", "bias")} == weights | norm
    assert backbone_of(model).get_layer("norm1").momentum == 0.9
    assert freeze_batch_norm_but_first(model) == ["norm2"]


def test_the_phases_of_the_spatial_stream_work_on_the_temporal_stream(tmp_path):
    model = build_temporal(make_backbone(tmp_path / "mine.keras", SIZE))
    backbone_of(model).trainable = False
    assert [weight.path.split("/")[-2] for weight in model.trainable_weights] == ["scores", "scores"]
    assert unfreeze_last_stage(model) == ["conv2"]


def test_folded_batch_norm_stays_in_inference_mode_while_convolutions_are_trained(tmp_path):
    """Folding leaves a shift: normalised by a batch's variance, the output would have another scale."""
    network = keras.models.load_model(make_backbone(tmp_path / "mine.keras", SIZE))
    for name in ("norm1", "norm2"):
        network.get_layer(name).beta.assign(np.linspace(-1, 1, network.get_layer(name).beta.shape[0]))
    network.save(tmp_path / "folded.keras")
    model = build_temporal(tmp_path / "folded.keras")
    assert freeze_batch_norm_but_first(model) == ["norm1", "norm2"]
    assert {layer for layer, _ in trained_weights(model)} == {"conv1", "conv2", "scores"}


def test_a_backbone_without_batch_norm_is_trained_whole(tmp_path):
    image = keras.Input((SIZE, SIZE, 3))
    keras.Model(image, layers.Conv2D(4, 3, name="conv")(image)).save(tmp_path / "mine.keras")
    model = build_temporal(tmp_path / "mine.keras")
    assert freeze_batch_norm_but_first(model) == []
    assert {layer for layer, _ in trained_weights(model)} == {"conv", "scores"}


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.exists(), reason=f"{WEIGHTS} does not exist")
def test_partial_batch_norm_of_real_networks(tmp_path):
    mobile_net = keras.applications.MobileNetV2(include_top=False, weights=MOBILE_NET, input_shape=(None, None, 3))
    mobile_net.save(tmp_path / "mobile_net.keras")
    model = build_temporal(tmp_path / "mobile_net.keras", preprocessing="tf")
    assert len(freeze_batch_norm_but_first(model)) == 52  # all of them: folded
    model = build_temporal(REAL_BACKBONE)
    frozen = freeze_batch_norm_but_first(model)
    assert "batchnorm1" not in frozen and "stage1_batchnorm0" in frozen
    assert backbone_of(model).get_layer("batchnorm1").trainable
