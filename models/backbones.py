"""Backbones: networks from images to features, which either stream can be built on."""

import warnings
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

import models.settings  # noqa: F401 (sets those of Keras before a layer is built)

# Mean and standard deviation that preprocessing assumes of RGB values 0 … 255, by the names that Keras uses.
NORMALIZATIONS = {
    "torch": {"mean": [123.675, 116.28, 103.53], "deviation": [58.395, 57.12, 57.375]},
    "tf": {"mean": [127.5, 127.5, 127.5], "deviation": [127.5, 127.5, 127.5]},
    "caffe": {"mean": [123.68, 116.779, 103.939], "deviation": [1.0, 1.0, 1.0]},  # in BGR order
}
# Networks of Keras: name → (class in keras.applications, the preprocessing it was trained with, arguments). Those that
# have preprocessing layers of their own are built without them, because the stream includes preprocessing.
_PLAIN = {"include_preprocessing": False}
NETWORKS = {
    "resnet50": ("ResNet50", "caffe", {}),
    "mobilenetv2": ("MobileNetV2", "tf", {}),
    "mobilenetv3": ("MobileNetV3Large", "tf", _PLAIN),
    "efficientnetv2b0": ("EfficientNetV2B0", "torch", _PLAIN),
    "convnexttiny": ("ConvNeXtTiny", "torch", _PLAIN),
}
# A step of Adam changes a logit by at most the learning rate times the sum of all features, so this length sets the
# learning rate of the head relative to that of the backbone, whatever the number and scale of the features.
FEATURE_LENGTH = 10
COMPACT_FILTERS = (32, 64, 128, 192)
COMPACT_SIZE = 80  # pixels, at most: from scratch on a CPU, larger images take minutes more
MOMENTUM = 0.9  # of batch norm; Keras' 0.99 is too slow for small data sets, which have few steps per epoch


class Backbone(NamedTuple):
    """A network and the preprocessing that it expects.

    Attributes:
        network: functional, called "backbone": images (N, h, w, 3) → features (N, h', w', F) or (N, F).
        preprocessing: a key of `NORMALIZATIONS`.
        pretrained: whether its weights come from a file.
    """

    network: keras.Model
    preprocessing: str
    pretrained: bool


def build_backbone(
    backbone: str | Path, crop_size: int, weights: str | Path | None, preprocessing: str = "torch"
) -> Backbone:
    """Builds or loads a backbone.

    Args:
        backbone: a key of `NETWORKS`, "compact" (a residual network of about a million parameters, for training from
            scratch), or the path of a saved Keras model that maps one image to features.
        crop_size: side of the input, pixels; the compact network has at most 80, and a saved model of a fixed size
            keeps its own.
        weights: for a key of `NETWORKS`: "imagenet", a file of this network's weights (without top), or None for
            random weights.
        preprocessing: what a saved model expects, a key of `NORMALIZATIONS`.

    Returns:
        a `Backbone` in the current dtype policy, whatever the policy of a saved model.

    Raises:
        ValueError: unknown preprocessing, or a saved model that does not map one image to features.
        FileNotFoundError: there is no file at the path of weights or backbone.

    He et al. 2016 (ResNet); Sandler et al. 2018, Howard et al. 2019 (MobileNet V2, V3); Tan & Le 2021
    (EfficientNetV2); Liu et al. 2022 (ConvNeXt).
    """
    if preprocessing not in NORMALIZATIONS:
        raise ValueError(f"preprocessing must be one of {tuple(NORMALIZATIONS)}. Received: {preprocessing!r}")
    if str(backbone) in NETWORKS:
        return Backbone(_keras_network(backbone, crop_size, weights), NETWORKS[backbone][1], weights is not None)
    if str(backbone) == "compact":
        return Backbone(_compact(min(crop_size, COMPACT_SIZE)), "tf", False)
    return Backbone(_saved_backbone(backbone, crop_size), preprocessing, True)


def imagenet_rms(preprocessing: str) -> float:
    """Returns the root mean square of ImageNet's values after preprocessing: 1 for "torch", 58 for "caffe"."""
    imagenet, assumed = (
        {name: np.array(values) for name, values in NORMALIZATIONS[key].items()} for key in ("torch", preprocessing)
    )
    squares = imagenet["deviation"] ** 2 + (imagenet["mean"] - assumed["mean"]) ** 2
    return float(np.sqrt((squares / assumed["deviation"] ** 2).mean()))


def resize_to(network: keras.Model, x: keras.KerasTensor) -> keras.KerasTensor:
    """Resizes (N, s, s, C) to the input size of a network, unless it has that size; values are not rescaled."""
    height, width = network.input_shape[1:3]
    if (height, width) == tuple(x.shape[1:3]):
        return x
    return layers.Resizing(height, width, interpolation="bilinear", dtype="float32", name="resize")(x)


def pool_features(x: keras.KerasTensor, pretrained: bool) -> keras.KerasTensor:
    """The features of a backbone's output, (N, h, w, F) or (N, F): pooled, and of one length if they are pretrained.

    Returns:
        float32 (N, F) under any dtype policy.
    """
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    if pretrained:
        # The scale and the number of features differ between backbones: they get mean 0 and one length.
        norm = layers.LayerNormalization(epsilon=1e-8, center=False, scale=False, dtype="float32", name="feature_norm")
        x = layers.Rescaling(FEATURE_LENGTH * x.shape[-1] ** -0.5, dtype="float32", name="feature_length")(norm(x))
    return x


def _keras_network(name, crop_size, weights):
    build, _, arguments = NETWORKS[name]
    if weights not in (None, "imagenet") and not Path(weights).exists():
        raise FileNotFoundError(f"{weights}: must be a file of {build} weights; there is no such file.")
    weights = str(weights) if weights is not None else None
    with warnings.catch_warnings():
        # MobileNetV2 has weights for some image sizes; Keras takes those for 224 pixels at all others, and warns.
        warnings.filterwarnings("ignore", "`input_shape` is undefined or non-square")
        shape = (crop_size, crop_size, 3)
        network = getattr(keras.applications, build)(include_top=False, weights=weights, input_shape=shape, **arguments)
    return keras.Model(network.input, network.output, name="backbone")


def _saved_backbone(path, crop_size):
    if not Path(path).exists():
        raise FileNotFoundError(
            f'{path}: backbone must be "compact", one of {tuple(NETWORKS)} or a saved model; no such file.'
        )
    saved = keras.models.load_model(path, compile=False)
    if len(saved.inputs) != 1 or len(saved.outputs) != 1 or saved.input_shape[-1] != 3:
        raise ValueError(f"{path}: a backbone must map one image (N, h, w, 3) to features. Received: {saved.inputs}")
    if len(saved.output_shape) not in (2, 4):
        raise ValueError(f"{path}: a backbone must give (N, h, w, F) or (N, F). Received: {saved.output_shape}")
    # A fixed size, because `unfreeze_last_stage` finds the last stage by its resolution.
    height, width = (side or crop_size for side in saved.input_shape[1:3])
    network = keras.models.clone_model(
        keras.Model(saved.inputs[0], saved.outputs[0], name="backbone"),
        input_tensors=keras.Input((height, width, 3)),
        clone_function=_copy_layer,
        recursive=True,
    )
    network.set_weights(saved.get_weights())
    return network


def _copy_layer(layer):
    """Returns a layer of the same configuration with new weights, in the current dtype policy, not the file's."""
    config = layer.get_config()
    return type(layer).from_config(config | ({"dtype": keras.config.dtype_policy()} if "dtype" in config else {}))


def _compact(crop_size):
    """A small ResNet-like network (about 0.9 million parameters): 80 → 20 → 20 → 10 → 5 → 3."""
    image = keras.Input((crop_size, crop_size, 3))
    x = _conv_norm(image, COMPACT_FILTERS[0], 3, 2, "stem")
    x = layers.ReLU(name="stem_relu")(x)
    x = layers.MaxPooling2D(2, name="stem_pool")(x)
    for stage, filters in enumerate(COMPACT_FILTERS):
        strides = 1 if stage == 0 else 2
        name = f"stage{stage + 1}"
        y = layers.ReLU(name=f"{name}_relu1")(_conv_norm(x, filters, 3, strides, f"{name}_conv1"))
        y = _conv_norm(y, filters, 3, 1, f"{name}_conv2")
        shortcut = x if stage == 0 else _conv_norm(x, filters, 1, strides, f"{name}_shortcut")
        x = layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_add")([y, shortcut]))
    return keras.Model(image, x, name="backbone")


def _conv_norm(x, filters, size, strides, name):
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False, name=name)(x)
    return layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(x)
