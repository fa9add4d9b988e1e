"""The spatial stream: preprocessing, weights from files, features, and that a saved model is the same model."""

import keras
import numpy as np
import pytest
from keras import layers
from keras.applications.imagenet_utils import preprocess_input
from networks import (
    CLASSES,
    REAL_BACKBONE,
    SIZE,
    assert_probabilities,
    assert_same_when_loaded,
    backbone_of,
    body_of,
    dtype_policy,
    head_layer,
    make_backbone,
    make_clips,
    make_images,
    predict,
    up_to,
)
from scipy.special import softmax

from models.finetuned_resnet import build_finetuned_resnet
from models.freezing import unfreeze_last_stage


@pytest.fixture(scope="module")
def resnet():
    """ResNet50 with random weights."""
    keras.utils.set_random_seed(0)
    return build_finetuned_resnet(CLASSES, SIZE, weights=None)


@pytest.fixture(scope="module")
def resnet_file(resnet, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet50.weights.h5"
    backbone_of(resnet).save_weights(path)
    return path


def test_compact_network(tmp_path):
    model = build_finetuned_resnet(CLASSES, SIZE, backbone="compact")
    assert model.input.dtype == "uint8" and model.input_shape == (None, None, SIZE, SIZE, 3)
    assert_probabilities(predict(model, make_clips(3)), 3)
    assert 0.8e6 < model.count_params() < 1.2e6
    assert_same_when_loaded(model, make_clips(3), tmp_path / "spatial.keras")


@pytest.mark.slow
def test_a_saved_resnet50_is_the_same_model(resnet, tmp_path):
    assert_same_when_loaded(resnet, make_clips(3), tmp_path / "spatial.keras")


def test_frames_for_resnet50_are_preprocessed_once_as_in_keras(resnet):
    """Defect 19: ImageNet preprocessing missing, or applied twice."""
    frames = make_images(3)
    assert_probabilities(predict(resnet, frames[:, None]), 3)
    expected = keras.applications.resnet.preprocess_input(frames.astype(np.float32))
    network, features = backbone_of(resnet), predict(up_to(resnet, "pool"), frames)
    np.testing.assert_allclose(features, predict(network, expected), rtol=1e-5, atol=1e-5)
    for wrong in (frames.astype(np.float32), expected[..., ::-1], expected / 255):
        assert abs(features - predict(network, wrong)).max() > 0.01


@pytest.mark.parametrize("preprocessing", ["torch", "tf", "caffe"])
def test_frames_for_a_saved_backbone_are_preprocessed_as_asked(preprocessing, tmp_path):
    """Defect 19, for each way that Keras has a name for."""
    image = keras.Input((SIZE, SIZE, 3))
    keras.Model(image, layers.Activation("linear")(image)).save(tmp_path / "identity.keras")
    model = build_finetuned_resnet(CLASSES, SIZE, backbone=tmp_path / "identity.keras", preprocessing=preprocessing)
    frames = make_images(3)
    expected = preprocess_input(frames.astype(np.float32), mode=preprocessing, data_format="channels_last")
    np.testing.assert_allclose(predict(up_to(model, "pool"), frames), expected, rtol=1e-5, atol=1e-5)


def test_resnet50_from_a_file_has_all_its_weights_and_conv5_as_its_last_stage(resnet, resnet_file):
    """Defects 19 and 20: fine-tuning trains convolutions of the last stage, and no batch norm; no weight is random."""
    keras.utils.set_random_seed(99)
    model = build_finetuned_resnet(CLASSES, SIZE, weights=resnet_file)
    expected = backbone_of(resnet).get_weights()
    for weight, value in zip(backbone_of(model).get_weights(), expected, strict=True):
        np.testing.assert_array_equal(weight, value)
    backbone_of(model).trainable = False
    assert [weight.path.split("/")[-2] for weight in model.trainable_weights] == ["scores", "scores"]
    names = unfreeze_last_stage(model)
    assert len(names) == 10 and all(name.startswith("conv5") and name.endswith("conv") for name in names)
    trainable = {weight.path.split("/")[-2] for weight in model.trainable_weights}
    assert trainable == {*names, "scores"}


def test_the_scale_of_a_backbones_features_does_not_matter(tmp_path):
    """A real backbone has features of 0.01: at the learning rate of a backbone its head could not change."""
    image = keras.Input((SIZE, SIZE, 3))
    features = layers.Conv2D(16, 3, strides=8, activation="relu", name="conv")(image)
    keras.Model(image, features).save(tmp_path / "large.keras")
    keras.Model(image, layers.Rescaling(0.01)(features)).save(tmp_path / "small.keras")
    large, small = (
        predict(body_of(build_finetuned_resnet(3, SIZE, backbone=tmp_path / name)), make_images(3))
        for name in ("large.keras", "small.keras")
    )
    np.testing.assert_allclose(small, large, atol=0.2)  # of a length of 10


@pytest.mark.parametrize(
    ("kind", "policy"),
    [
        ("saved", "float32"),
        ("pooled", "mixed_bfloat16"),
        pytest.param("resnet50", "float32", marks=pytest.mark.slow),
        pytest.param("resnet50", "mixed_bfloat16", marks=pytest.mark.slow),
    ],
)
def test_scores_are_the_softmax_of_a_linear_head_on_the_mean_features(kind, policy, resnet_file, tmp_path):
    """So a head that was fitted to stored features, float32 under any policy, gives these scores in the whole model."""
    backbone = kind if kind == "resnet50" else make_backbone(tmp_path / "mine.keras", pooled=kind == "pooled")
    with dtype_policy(policy):
        model = build_finetuned_resnet(CLASSES, SIZE, resnet_file, backbone)
    clips, scores = make_clips(3), head_layer(model, "scores")
    features = predict(body_of(model), clips.reshape(-1, *clips.shape[2:]))
    kernel, bias = scores.get_weights()
    assert features.shape == (6, len(kernel)) and features.dtype == np.float32
    generator = np.random.default_rng(0)
    kernel, bias = generator.normal(0, 0.1, kernel.shape), generator.normal(0, 1, bias.shape)
    scores.set_weights([kernel, bias])
    of_clips = features.reshape(3, 2, -1).mean(axis=1)
    np.testing.assert_allclose(predict(model, clips), softmax(of_clips @ kernel + bias, axis=1), rtol=1e-4, atol=1e-6)


def test_frames_are_resized_for_a_saved_backbone_of_another_size(tmp_path):
    model = build_finetuned_resnet(CLASSES, SIZE, backbone=make_backbone(tmp_path / "mine.keras", side=24))
    assert model.input_shape == (None, None, SIZE, SIZE, 3)
    assert body_of(model).get_layer("resize").output.shape == (None, 24, 24, 3)
    assert_probabilities(predict(model, make_clips(3)), 3)
    assert_same_when_loaded(model, make_clips(3), tmp_path / "spatial.keras")


def test_a_saved_backbone_for_any_size_keeps_its_stages(tmp_path):
    """Without sizes every layer would seem to be the last stage, and fine-tuning would unfreeze them all."""
    model = build_finetuned_resnet(CLASSES, SIZE, backbone=make_backbone(tmp_path / "mine.keras", side=None))
    assert backbone_of(model).input_shape == (None, SIZE, SIZE, 3)
    assert unfreeze_last_stage(model) == ["conv2"]
    assert_same_when_loaded(model, make_clips(3), tmp_path / "spatial.keras")


@pytest.mark.slow
def test_the_real_backbone():
    if not REAL_BACKBONE.exists():
        pytest.skip(f"{REAL_BACKBONE} does not exist")
    model = build_finetuned_resnet(CLASSES, 112, backbone=REAL_BACKBONE)
    frames = make_images(3, count=1, size=112)
    assert_probabilities(predict(model, frames[None]), 1)
    resized = layers.Resizing(224, 224)(frames.astype(np.float32))
    expected = preprocess_input(np.array(resized), mode="torch", data_format="channels_last")
    features = predict(backbone_of(model), expected)
    np.testing.assert_allclose(predict(up_to(model, "pool"), frames), features, atol=0.02)
    assert abs(features - predict(backbone_of(model), np.array(resized))).max() > 0.5
    names = unfreeze_last_stage(model)
    assert names and all(name.startswith("stage3_conv") for name in names)
