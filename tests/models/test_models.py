"""Shapes, what happens to a picture inside, what is trainable when, and that a saved model is the same model."""

from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from keras.applications.imagenet_utils import preprocess_input

from models.backbones import freeze_backbone, unfreeze_last_stage
from models.finetuned_resnet import build_finetuned_resnet
from models.temporal_cnn import build_temporal_cnn
from models.two_stream import build_two_stream

REAL_BACKBONE = Path(__file__).parents[2] / "shared" / "weights" / "resnet50v2_imagenet_conv4.keras"
CLASSES, SIZE, LENGTH = 3, 32, 3


def pictures(channels, count=3, size=SIZE):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def predict(model, inputs):
    return keras.ops.convert_to_numpy(model(inputs, training=False))


def up_to(model, layer_name):
    """The model cut off at the input of a layer."""
    return keras.Model(model.input, model.get_layer(layer_name).input)


def assert_probabilities(scores, rows):
    assert scores.shape == (rows, CLASSES) and scores.dtype == np.float32
    assert (scores >= 0).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)


def assert_same_when_loaded(model, inputs, path):
    """Saved and loaded in safe mode, without custom objects: the same scores to the bit."""
    model.save(path)
    loaded = keras.models.load_model(path)
    assert loaded.name == model.name
    np.testing.assert_array_equal(predict(loaded, inputs), predict(model, inputs))


@contextmanager
def dtype_policy(name):
    """Models built inside are of this policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def make_backbone(path, side=24, pooled=False, nested=False):
    """Saves a small network with batch norm and two stages, image → features; returns the path."""
    keras.utils.set_random_seed(1)
    image = x = keras.Input((side, side, 3))
    for stage in (1, 2):
        x = layers.Conv2D(4 * stage, 3, strides=2, padding="same", name=f"conv{stage}")(x)
        x = layers.BatchNormalization(name=f"norm{stage}")(x)
    x = layers.GlobalAveragePooling2D()(x) if pooled else x
    network = keras.Model(image, x, name="mine")
    if nested:
        network = keras.Sequential([keras.Input((side, side, 3)), layers.Rescaling(1.0), network])
    network.save(path)
    return path


@pytest.fixture(scope="module")
def resnet():
    """ResNet50 from random weights."""
    keras.utils.set_random_seed(0)
    return build_finetuned_resnet(CLASSES, SIZE, weights=None)


@pytest.fixture(scope="module")
def resnet_file(resnet, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet50.weights.h5"
    resnet.get_layer("backbone").save_weights(path)
    return path


@pytest.fixture(scope="module")
def compact():
    keras.utils.set_random_seed(0)
    return build_finetuned_resnet(CLASSES, SIZE, backbone="compact")


@pytest.fixture(scope="module")
def temporal():
    keras.utils.set_random_seed(0)
    return build_temporal_cnn(CLASSES, SIZE, LENGTH)


def train_some_steps(model):
    """Some steps, for a head that begins at zero moves alone in the first: {path: whether the weight moved}."""
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(0.5), "categorical_crossentropy")
    for _ in range(5):
        model.train_on_batch(pictures(model.input_shape[-1]), np.eye(CLASSES))
    changed = [not np.array_equal(*pair) for pair in zip(before, model.get_weights(), strict=True)]
    return dict(zip((weight.path for weight in model.weights), changed, strict=True))


# The spatial stream


def test_compact_network(compact, tmp_path):
    assert compact.input.dtype == "uint8" and compact.input_shape == (None, SIZE, SIZE, 3)
    assert_probabilities(predict(compact, pictures(3)), 3)
    assert 0.8e6 < compact.count_params() < 1.2e6
    assert_same_when_loaded(compact, pictures(3), tmp_path / "spatial.keras")


def test_resnet50(resnet, tmp_path):
    assert_probabilities(predict(resnet, pictures(3)), 3)
    assert_same_when_loaded(resnet, pictures(3), tmp_path / "spatial.keras")


def test_resnet50_sees_a_frame_preprocessed_once_as_keras_does_it(resnet):
    """Defect 19: ImageNet preprocessing missing, or applied twice."""
    frames = pictures(3)
    expected = keras.applications.resnet.preprocess_input(frames.astype(np.float32))
    network = resnet.get_layer("backbone")
    inside = up_to(resnet, "pool")
    np.testing.assert_allclose(predict(inside, frames), predict(network, expected), rtol=1e-5, atol=1e-5)
    for wrong in (frames.astype(np.float32), expected[..., ::-1], expected / 255):
        assert abs(predict(inside, frames) - predict(network, wrong)).max() > 0.01


@pytest.mark.parametrize("preprocessing", ["torch", "tf", "caffe"])
def test_a_saved_backbone_sees_what_its_preprocessing_says(preprocessing, tmp_path):
    """Defect 19, for each way that Keras has a name for."""
    image = keras.Input((SIZE, SIZE, 3))
    keras.Model(image, layers.Activation("linear")(image)).save(tmp_path / "identity.keras")
    model = build_finetuned_resnet(CLASSES, SIZE, backbone=tmp_path / "identity.keras", preprocessing=preprocessing)
    frames = pictures(3)
    expected = preprocess_input(frames.astype(np.float32), mode=preprocessing, data_format="channels_last")
    np.testing.assert_allclose(predict(up_to(model, "pool"), frames), expected, rtol=1e-5, atol=1e-5)


def test_weights_from_a_file_are_all_there(resnet, resnet_file):
    """Defect 20: weights that silently leave the first convolution random."""
    keras.utils.set_random_seed(99)
    model = build_finetuned_resnet(CLASSES, SIZE, weights=resnet_file)
    expected = resnet.get_layer("backbone").get_weights()
    for weight, value in zip(model.get_layer("backbone").get_weights(), expected, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_the_last_stage_of_resnet50_is_conv5_without_its_batch_norm(resnet_file):
    """Defect 19: fine-tuning trains convolutions of the last stage, and no batch norm."""
    model = build_finetuned_resnet(CLASSES, SIZE, weights=resnet_file)
    freeze_backbone(model)
    assert [weight.path.split("/")[0] for weight in model.trainable_weights] == ["scores", "scores"]
    names = unfreeze_last_stage(model)
    assert len(names) == 10 and all(name.startswith("conv5") and name.endswith("conv") for name in names)
    trainable = {weight.path.split("/")[-2] for weight in model.trainable_weights}
    assert trainable == {*names, "scores"}


@pytest.mark.parametrize("stage", ["head", "last stage"])
@pytest.mark.parametrize("kind", [{}, {"pooled": True}, {"nested": True}], ids=["plain", "pooled", "nested"])
def test_training_moves_what_is_unfrozen_and_never_the_batch_norm(stage, kind, tmp_path):
    """Defect 19: batch normalisation of a frozen backbone updating during fine-tuning."""
    model = build_finetuned_resnet(CLASSES, SIZE, backbone=make_backbone(tmp_path / "mine.keras", **kind))
    freeze_backbone(model)
    if stage == "last stage":
        assert unfreeze_last_stage(model) == ["conv2"]
    moved = {tuple(path.split("/")[-2:]) for path, changed in train_some_steps(model).items() if changed}
    head = {("scores", "kernel"), ("scores", "bias")}
    assert moved == head | ({("conv2", "kernel"), ("conv2", "bias")} if stage == "last stage" else set())


def test_a_pretrained_backbone_is_frozen_from_the_start(tmp_path):
    """Defect 19: Keras 3 passes over `backbone(x, training=False)` when the model around it trains."""
    model = build_finetuned_resnet(CLASSES, SIZE, backbone=make_backbone(tmp_path / "mine.keras"))
    moved = train_some_steps(model)
    assert {path for path, changed in moved.items() if changed} == {"scores/kernel", "scores/bias"}


def test_freezing_again_freezes_all(tmp_path):
    model = build_finetuned_resnet(CLASSES, SIZE, backbone=make_backbone(tmp_path / "mine.keras"))
    unfreeze_last_stage(model)
    freeze_backbone(model)
    assert len(model.trainable_weights) == 2


def test_batch_norm_learns_where_the_whole_network_does():
    model = build_finetuned_resnet(CLASSES, SIZE, backbone="compact")
    moved = train_some_steps(model)
    assert any(moved[path] for path in moved if path.endswith("moving_mean"))
    assert any(moved[path] for path in moved if path.endswith("stem/kernel"))


def test_the_scale_of_a_backbones_features_does_not_matter(tmp_path):
    """A real backbone gives features of 0.01: at the head's learning rate they would never be learned from."""
    image = keras.Input((SIZE, SIZE, 3))
    features = layers.Conv2D(16, 3, strides=8, activation="relu", name="conv")(image)
    keras.Model(image, features).save(tmp_path / "large.keras")
    keras.Model(image, layers.Rescaling(0.01)(features)).save(tmp_path / "small.keras")
    large, small = (
        up_to(build_finetuned_resnet(3, SIZE, backbone=tmp_path / name), "dropout")
        for name in ("large.keras", "small.keras")
    )
    np.testing.assert_allclose(predict(small, pictures(3)), predict(large, pictures(3)), atol=0.02)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", ["resnet50", "compact", "saved", "pooled"])
def test_a_head_on_features_kept_gives_the_scores_of_the_whole(kind, policy, resnet_file, tmp_path):
    """Phase one: features of a frozen backbone, float32 under any policy, are computed once, then only the head."""
    backbone, weights = kind, resnet_file
    if kind in ("saved", "pooled"):
        backbone = make_backbone(tmp_path / "mine.keras", pooled=kind == "pooled")
    with dtype_policy(policy):
        model = build_finetuned_resnet(CLASSES, SIZE, weights, backbone)
        cut = keras.Input(model.get_layer("dropout").input.shape[1:])
        head = keras.Model(cut, model.get_layer("scores")(model.get_layer("dropout")(cut)))
    features = predict(up_to(model, "dropout"), pictures(3))
    assert features.shape == (3, model.get_layer("scores").kernel.shape[0]) and features.dtype == np.float32
    np.testing.assert_allclose(predict(head, features), predict(model, pictures(3)), rtol=1e-5)
    assert [weight.path for weight in head.weights] == [weight.path for weight in model.weights[-2:]]
    before = predict(model, pictures(3))
    head.compile(keras.optimizers.SGD(0.5), "categorical_crossentropy")
    head.train_on_batch(features, np.eye(CLASSES))
    assert abs(predict(model, pictures(3)) - before).max() > 1e-3


def test_a_saved_backbone_of_another_size_gets_resized_frames(tmp_path):
    model = build_finetuned_resnet(CLASSES, SIZE, backbone=make_backbone(tmp_path / "mine.keras", side=24))
    assert model.input_shape == (None, SIZE, SIZE, 3)
    assert model.get_layer("resize").output.shape == (None, 24, 24, 3)
    assert_probabilities(predict(model, pictures(3)), 3)
    assert_same_when_loaded(model, pictures(3), tmp_path / "spatial.keras")


def test_a_saved_backbone_for_any_size_keeps_its_weights_and_its_stages(tmp_path):
    """Without sizes every layer looks like the last stage, and fine-tuning would unfreeze them all."""
    path = make_backbone(tmp_path / "mine.keras", side=None)
    model = build_finetuned_resnet(CLASSES, SIZE, backbone=path)
    assert model.get_layer("backbone").input_shape == (None, SIZE, SIZE, 3)
    expected = keras.models.load_model(path).get_weights()
    for weight, value in zip(model.get_layer("backbone").get_weights(), expected, strict=True):
        np.testing.assert_array_equal(weight, value)
    assert unfreeze_last_stage(model) == ["conv2"]
    assert_same_when_loaded(model, pictures(3), tmp_path / "spatial.keras")


def test_the_real_backbone():
    if not REAL_BACKBONE.exists():
        pytest.skip(f"{REAL_BACKBONE} is not there")
    model = build_finetuned_resnet(CLASSES, 112, backbone=REAL_BACKBONE)
    frames = pictures(3, count=1, size=112)
    assert_probabilities(predict(model, frames), 1)
    resized = layers.Resizing(224, 224)(frames.astype(np.float32))
    expected = preprocess_input(np.array(resized), mode="torch", data_format="channels_last")
    features = predict(model.get_layer("backbone"), expected)
    np.testing.assert_allclose(predict(up_to(model, "pool"), frames), features, atol=0.02)
    assert abs(features - predict(model.get_layer("backbone"), np.array(resized))).max() > 0.5
    names = unfreeze_last_stage(model)
    assert names and all(name.startswith("stage3_conv") for name in names)


@pytest.mark.parametrize("argument", ["weights", "backbone"])
def test_a_path_without_a_file_is_refused(argument, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.keras: .* no such file"):
        build_finetuned_resnet(CLASSES, SIZE, **{argument: tmp_path / "nowhere.keras"})


def test_unknown_preprocessing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="preprocessing must be one of .*'inception'"):
        path = make_backbone(tmp_path / "mine.keras")
        build_finetuned_resnet(CLASSES, SIZE, backbone=path, preprocessing="inception")


def test_a_backbone_without_features_is_refused(tmp_path):
    image = keras.Input((SIZE, SIZE, 3))
    keras.Model(image, layers.Reshape((SIZE * SIZE, 3))(image)).save(tmp_path / "sequence.keras")
    with pytest.raises(ValueError, match="sequence.keras: a backbone must give"):
        build_finetuned_resnet(CLASSES, SIZE, backbone=tmp_path / "sequence.keras")


def test_a_backbone_for_something_else_than_images_is_refused(tmp_path, temporal):
    temporal.save(tmp_path / "flow.keras")
    with pytest.raises(ValueError, match="flow.keras: a backbone must map one image"):
        build_finetuned_resnet(CLASSES, SIZE, backbone=tmp_path / "flow.keras")


# The temporal stream


@pytest.mark.parametrize("head", ["pool", "dense"])
def test_temporal_cnn(head, tmp_path):
    model = build_temporal_cnn(CLASSES, SIZE, LENGTH, head)
    assert model.input.dtype == "uint8" and model.input_shape == (None, SIZE, SIZE, 2 * LENGTH)
    assert_probabilities(predict(model, pictures(2 * LENGTH)), 3)
    assert_same_when_loaded(model, pictures(2 * LENGTH), tmp_path / "temporal.keras")


def test_the_dense_head_is_the_papers():
    model = build_temporal_cnn(CLASSES, SIZE, head="dense")
    assert [model.get_layer(name).filters for name in ("conv1", "conv2", "conv3", "conv4", "conv5")] == [
        96, 256, 512, 512, 512,
    ]  # fmt: skip
    assert [model.get_layer(name).units for name in ("full6", "full7")] == [4096, 2048]
    assert {layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)} == {0.9}
    assert model.input_shape[-1] == 20 and model.get_layer("conv1").kernel.shape == (7, 7, 20, 96)


def test_mixed_precision_sees_every_code_and_gives_probabilities(tmp_path):
    """Flow reaches the first convolution in float32: no motion is zero, and fast motion is not rounded to a code."""
    with dtype_policy("mixed_bfloat16"):
        model = build_temporal_cnn(CLASSES, SIZE, LENGTH)
    flow = pictures(2 * LENGTH)
    field = (flow.astype(np.float64) - 128) / 127
    inside = predict(up_to(model, "conv1"), flow)
    np.testing.assert_allclose(inside, field - field.mean(axis=(1, 2), keepdims=True), atol=1e-6)
    assert model.get_layer("conv2").compute_dtype == "bfloat16"
    assert_probabilities(predict(model, flow), 3)
    assert_same_when_loaded(model, flow, tmp_path / "temporal.keras")


def test_no_motion_is_exactly_zero_and_the_bound_is_one(temporal):
    """Defects 8 and 11: flow is dequantised (128 → 0, 1 … 255 → -1 … 1), not divided by 255 as if it were a picture."""
    dequantize = keras.Model(temporal.input, temporal.get_layer("dequantize").output)
    flow = np.full((1, SIZE, SIZE, 2 * LENGTH), 128, np.uint8)
    flow[0, 0, 0] = [128, 1, 255, 129, 127, 128]
    values = predict(dequantize, flow)
    assert (values[flow == 128] == 0).all()
    np.testing.assert_allclose(values[0, 0, 0], [0, -1, 1, 1 / 127, -1 / 127, 0], atol=1e-6)


def test_each_field_loses_its_mean_displacement(temporal):
    flow = pictures(2 * LENGTH)
    inside = predict(up_to(temporal, "conv1"), flow)
    np.testing.assert_allclose(inside.mean(axis=(1, 2)), 0, atol=1e-6)
    field = (flow.astype(np.float32) - 128) / 127
    np.testing.assert_allclose(inside, field - field.mean(axis=(1, 2), keepdims=True), atol=1e-6)


def test_the_mean_displacement_can_be_kept():
    model, flow = build_temporal_cnn(CLASSES, SIZE, LENGTH, subtract_mean=False), pictures(2 * LENGTH)
    np.testing.assert_allclose(predict(up_to(model, "conv1"), flow), (flow.astype(float) - 128) / 127, atol=1e-6)


def test_unknown_head_is_refused():
    with pytest.raises(ValueError, match='head must be "dense" or "pool". Received: \'svm\''):
        build_temporal_cnn(CLASSES, SIZE, head="svm")


# Both


def test_two_stream_averages_the_scores_of_both(compact, temporal, tmp_path):
    """Defect 7: an average of probabilities."""
    model = build_two_stream(compact, temporal)
    inputs = {"frame": pictures(3), "flow": pictures(2 * LENGTH)}
    fused = predict(model, inputs)
    assert_probabilities(fused, 3)
    expected = (predict(compact, inputs["frame"]) + predict(temporal, inputs["flow"])) / 2
    np.testing.assert_allclose(fused, expected, rtol=1e-6)
    assert_same_when_loaded(model, inputs, tmp_path / "two_stream.keras")


def test_two_stream_shares_the_weights_of_its_streams(compact, temporal):
    model = build_two_stream(compact, temporal)
    assert model.count_params() == compact.count_params() + temporal.count_params()
    assert model.get_layer("spatial") is compact and model.get_layer("temporal") is temporal


def test_streams_of_other_classes_are_refused(compact):
    with pytest.raises(ValueError, match="same classes. Received: 3 and 4"):
        build_two_stream(compact, build_temporal_cnn(4, SIZE, LENGTH))
