"""What the tests of models share: small backbones, inputs, and checks of scores and of saved models."""

from contextlib import contextmanager

import keras
import numpy as np
from conftest import FIGHTS
from keras import layers

WEIGHTS = FIGHTS.parents[1] / "weights"
REAL_BACKBONE = WEIGHTS / "resnet50v2_imagenet_conv4.keras"
MOBILE_NET = WEIGHTS / "mobilenet_v2_imagenet_notop.weights.h5"
CLASSES, SIZE, LENGTH = 3, 32, 3


def make_images(channels, count=3, size=SIZE):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def make_clips(channels, count=3, segments=2, size=SIZE):
    """Segments uint8 (count, segments, size, size, channels)."""
    return make_images(channels, count * segments, size).reshape(count, segments, size, size, channels)


def predict(model, inputs):
    return keras.ops.convert_to_numpy(model(inputs, training=False))


def body_of(stream):
    """The network of one segment: (M, …) → features (M, F)."""
    return stream.get_layer("body")


def backbone_of(stream):
    return body_of(stream).get_layer("backbone")


def head_layer(stream, name):
    """A layer of the network from the features of a clip's segments to its scores."""
    return stream.get_layer("head").get_layer(name)


def up_to(stream, layer_name):
    """The part of a stream's body before a layer: segments (M, …) → the layer's input."""
    body = body_of(stream)
    return keras.Model(body.input, body.get_layer(layer_name).input)


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
    """Models built inside have this policy."""
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


def trained_weights(model):
    """{(layer, weight)} that change in a few steps; more than one, because a head of zeros is alone in the first."""
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(0.5), "categorical_crossentropy")
    for _ in range(5):
        model.train_on_batch(make_clips(model.input_shape[-1]), np.eye(CLASSES))
    pairs = zip(model.weights, before, model.get_weights(), strict=True)
    return {tuple(weight.path.split("/")[-2:]) for weight, old, new in pairs if not np.array_equal(old, new)}
