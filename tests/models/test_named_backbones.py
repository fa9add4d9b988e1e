"""The named networks of Keras: preprocessing, the last stage, frozen batch norm, precision, and flow as input."""

import keras
import numpy as np
import pytest
from networks import (
    CLASSES,
    MOBILE_NET,
    WEIGHTS,
    assert_probabilities,
    assert_same_when_loaded,
    backbone_of,
    dtype_policy,
    make_clips,
    make_images,
    predict,
    up_to,
)

from models.backbones import NETWORKS
from models.cross_modality import build_cross_modality
from models.finetuned_resnet import build_finetuned_resnet
from models.freezing import unfreeze_last_stage

SIDE = 64
MODULES = {
    "mobilenetv2": "mobilenet_v2", "mobilenetv3": "mobilenet_v3",
    "efficientnetv2b0": "efficientnet_v2", "convnexttiny": "convnext",
}  # fmt: skip
LAST_STAGE = {  # the layers that begin and end it, and one that must not be in it
    "mobilenetv2": ("block_13_depthwise", "Conv_1", "block_13_expand"),
    "mobilenetv3": ("expanded_conv_12_depthwise", "conv_1", "expanded_conv_12_expand"),
    "efficientnetv2b0": ("block6a_dwconv2", "top_conv", "block6a_expand_conv"),
    "convnexttiny": ("convnext_tiny_downsampling_conv_2", "layer_normalization", "convnext_tiny_stage_2_block_8_gamma"),
}
INSIDE = {"mobilenetv3": "expanded_conv_14_squeeze_excite_conv", "efficientnetv2b0": "block6b_se_reduce"}


@pytest.fixture(scope="module", params=list(MODULES))
def named(request):
    """(name, spatial stream with random weights)."""
    keras.utils.set_random_seed(0)
    return request.param, build_finetuned_resnet(CLASSES, SIDE, None, request.param)


def test_frames_are_preprocessed_once_as_in_keras(named):
    """Defect 19. The input of the first convolution equals that in Keras's own network, with its own preprocessing."""
    name, model = named
    frames = make_images(3, size=SIDE)
    network = getattr(keras.applications, NETWORKS[name][0])(
        include_top=False, weights=None, input_shape=(SIDE, SIDE, 3)
    )
    network.set_weights(backbone_of(model).get_weights())
    preprocess = getattr(keras.applications, MODULES[name]).preprocess_input
    expected = predict(network, preprocess(frames.astype(np.float32)))
    np.testing.assert_allclose(predict(up_to(model, "pool"), frames), expected, rtol=1e-3, atol=1e-3 * expected.std())
    wrong = predict(backbone_of(model), frames.astype(np.float32))
    assert abs(wrong - expected).max() > 0.1 * expected.std()


def test_the_last_stage_is_trained_without_its_batch_norm(named):
    name, model = named
    names = unfreeze_last_stage(model)
    first, last, before = LAST_STAGE[name]
    assert names[0] == first and before not in names and INSIDE.get(name, first) in names
    assert names[-1].startswith(last)
    norms = [layer for layer in backbone_of(model).layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert not any(norm.trainable for norm in norms)


@pytest.mark.slow
def test_a_saved_stream_is_the_same_model(named, tmp_path):
    assert_same_when_loaded(named[1], make_clips(3, size=SIDE), tmp_path / "spatial.keras")


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MODULES))
def test_mixed_precision_gives_float32_scores(name):
    with dtype_policy("mixed_bfloat16"):
        model = build_finetuned_resnet(CLASSES, SIDE, None, name)
    assert_probabilities(predict(model, make_clips(3, size=SIDE)), 3)


@pytest.mark.parametrize("name", ["mobilenetv2", "mobilenetv3", "efficientnetv2b0"])
def test_flow_as_input(name):
    model = build_cross_modality(CLASSES, SIDE, 3, 1.0, name, None)
    assert_probabilities(predict(model, make_clips(6, size=SIDE)), 3)


def test_convnext_does_not_take_flow():
    """Its first convolution is inside a nested model."""
    with pytest.raises(ValueError, match="convnexttiny: for cross-modality .* Sequential 'convnext_tiny_stem'"):
        build_cross_modality(CLASSES, SIDE, 3, 1.0, "convnexttiny", None)


@pytest.mark.skipif(not WEIGHTS.exists(), reason=f"{WEIGHTS} does not exist")
def test_real_weights_of_a_named_network_are_frozen():
    model = build_finetuned_resnet(CLASSES, SIDE, MOBILE_NET, "mobilenetv2")
    expected = keras.applications.MobileNetV2(include_top=False, weights=MOBILE_NET, input_shape=(SIDE, SIDE, 3))
    for weight, value in zip(backbone_of(model).get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, value)
    assert [weight.path.split("/")[-2] for weight in model.trainable_weights] == ["scores", "scores"]
    before = backbone_of(model).get_weights()
    model.compile(keras.optimizers.SGD(0.5), "categorical_crossentropy")
    model.train_on_batch(make_clips(3, size=SIDE), np.eye(CLASSES))
    for weight, value in zip(backbone_of(model).get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)
