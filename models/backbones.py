"""Backbones: networks that turn pictures into features, for either stream to be built on, and what of them learns."""

import socket
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

# Mean and deviation of ImageNet's RGB values in 0 … 255, by the name Keras gives each way of preprocessing.
NORMALIZATIONS = {
    "torch": {"mean": [123.675, 116.28, 103.53], "deviation": [58.395, 57.12, 57.375]},
    "tf": {"mean": [127.5, 127.5, 127.5], "deviation": [127.5, 127.5, 127.5]},
    "caffe": {"mean": [123.68, 116.779, 103.939], "deviation": [1.0, 1.0, 1.0]},  # and BGR
}
_COMPACT_FILTERS = (32, 64, 128, 192)


class Backbone(NamedTuple):
    """A network and what it expects.

    Attributes:
        network: functional, called "backbone": pictures (N, h, w, 3) → features (N, h', w', F) or (N, F).
        preprocessing: of its pictures, a key of `NORMALIZATIONS`.
        pretrained: whether its weights are more than random.
    """

    network: keras.Model
    preprocessing: str
    pretrained: bool


def build_backbone(
    backbone: str | Path, crop_size: int, weights: str | Path | None, preprocessing: str = "torch"
) -> Backbone:
    """Builds or loads a backbone.

    Args:
        backbone: "resnet50", "compact" (a residual network of about a million parameters, for learning from
            scratch), or the path of a saved Keras model that maps one image to features.
        crop_size: side of the pictures, pixels; a saved model of a fixed size keeps its own.
        weights: for ResNet50: "imagenet", a file of ResNet50 weights (without top), or None for random ones.
        preprocessing: what a saved model expects, a key of `NORMALIZATIONS`.

    Returns:
        a `Backbone`, in the dtype policy in use, also where a saved model was of another one.

    Raises:
        ValueError: unknown preprocessing, or a saved model that does not map one image to features.
        FileNotFoundError: no file at the path of weights or backbone.

    He et al. 2016 (ResNet).
    """
    if preprocessing not in NORMALIZATIONS:
        raise ValueError(f"preprocessing must be one of {tuple(NORMALIZATIONS)}. Received: {preprocessing!r}")
    if str(backbone) == "resnet50":
        return Backbone(_resnet50(crop_size, weights), "caffe", weights is not None)
    if str(backbone) == "compact":
        return Backbone(_compact(crop_size), "tf", False)
    return Backbone(_saved_backbone(backbone, crop_size), preprocessing, True)


def picture_scale(preprocessing: str) -> float:
    """The root mean square of ImageNet's pictures after a way of preprocessing: 1 for "torch", 58 for "caffe"."""
    pictures, values = (
        {name: np.array(numbers) for name, numbers in NORMALIZATIONS[key].items()} for key in ("torch", preprocessing)
    )
    squares = pictures["deviation"] ** 2 + (pictures["mean"] - values["mean"]) ** 2
    return float(np.sqrt((squares / values["deviation"] ** 2).mean()))


def resize_to(network: keras.Model, x: keras.KerasTensor) -> keras.KerasTensor:
    """Resizes (N, s, s, C) to the size that a network expects, where it is another one; values stay as they are."""
    height, width = network.input_shape[1:3]
    if (height, width) == tuple(x.shape[1:3]):
        return x
    return layers.Resizing(height, width, interpolation="bilinear", dtype="float32", name="resize")(x)


def classify(x: keras.KerasTensor, num_classes: int, dropout: float, pretrained: bool) -> keras.KerasTensor:
    """The head of a stream: a backbone's output → average pooling, dropout, softmax; float32 under any dtype policy.

    What enters the layer "dropout" are the features, float32 (N, F).
    """
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    if pretrained:
        # Backbones give features of any scale (one in use: 0.01) and number, and a head's learning rate fits one: a
        # step of Adam moves a score by the sum of all features. So their mean is taken off, and their length made 1.
        norm = layers.LayerNormalization(epsilon=1e-8, center=False, scale=False, dtype="float32", name="feature_norm")
        x = layers.Rescaling(x.shape[-1] ** -0.5, dtype="float32", name="feature_length")(norm(x))
    x = layers.Dropout(dropout, dtype="float32", name="dropout")(x)
    # On features that mean something it begins at equal scores, not at random ones that must first be unlearned.
    kernel = "zeros" if pretrained else "glorot_uniform"
    scores = layers.Dense(num_classes, activation="softmax", kernel_initializer=kernel, dtype="float32", name="scores")
    return scores(x)


def resolve_weights(weights: str | None, stream: str = "spatial") -> dict:
    """What a notebook's `spatial_weights` or `temporal_weights` stands for, as arguments of `build_backbone`.

    "auto" is ResNet50 with ImageNet weights where they are cached or can be downloaded, else the compact network,
    with a warning.

    Args:
        weights: "auto", "imagenet", "compact", None (ResNet50 from random weights), or a path.
        stream: "spatial" or "temporal", for the messages.

    Returns:
        {"backbone": …, "weights": …, "pretrained": bool}.

    Raises:
        FileNotFoundError: a path that is not there.
        RuntimeError: "imagenet" was asked for and cannot be downloaded.
    """
    if weights is None:
        return {"backbone": "resnet50", "weights": None, "pretrained": False}
    if weights == "compact":
        return {"backbone": "compact", "weights": None, "pretrained": False}
    if weights in ("auto", "imagenet"):
        failure = _fetch_imagenet()
        if failure is None:
            return {"backbone": "resnet50", "weights": "imagenet", "pretrained": True}
        if weights == "imagenet":
            raise RuntimeError(f"The ImageNet weights of ResNet50 are neither cached nor to be downloaded: {failure}")
        warnings.warn(
            "NO PRETRAINED WEIGHTS: the ImageNet weights of ResNet50 are neither cached nor to be downloaded "
            f"({failure}). The {stream} stream is a compact residual network that learns from scratch; expect it to "
            f"know less. Connect once, or set {stream}_weights to a file.",
            stacklevel=2,
        )
        return {"backbone": "compact", "weights": None, "pretrained": False}
    path = Path(weights)
    if not path.exists():
        raise FileNotFoundError(
            f'{path}: {stream}_weights must be "auto", "imagenet", "compact", None or a file; there is no such file.'
        )
    if path.suffix == ".keras":
        return {"backbone": str(path), "weights": None, "pretrained": True}
    return {"backbone": "resnet50", "weights": str(path), "pretrained": True}


def freeze_backbone(model: keras.Model) -> None:
    """Leaves only the head of a stream trainable."""
    model.get_layer("backbone").trainable = False


def unfreeze_last_stage(model: keras.Model) -> list[str]:
    """Makes the last stage of a stream's backbone trainable, all but its batch norm.

    The last stage is what works at the lowest resolution (conv5 of a ResNet50).

    Returns:
        the names of the layers that are trainable now.
    """
    backbone = model.get_layer("backbone")
    backbone.trainable = True
    leaves = list(leaf_layers(backbone))
    last = [_output_resolution(layer) for layer in leaves if _output_resolution(layer)][-1]
    last_stage = [layer for layer in leaves if _output_resolution(layer) == last]
    for layer in leaves:
        layer.trainable = layer in last_stage and not isinstance(layer, layers.BatchNormalization)
    return [layer.name for layer in last_stage if layer.trainable and layer.weights]


def leaf_layers(model: keras.Model) -> Iterator[layers.Layer]:
    """The layers of a model and of the models in it."""
    for layer in model.layers:
        yield from leaf_layers(layer) if isinstance(layer, keras.Model) else [layer]


def _fetch_imagenet():
    """None when the weights are on disk after this call, else the reason as text."""
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(20)  # a network that swallows packets must not hold the notebook for minutes
    try:
        keras.applications.ResNet50(include_top=False, weights="imagenet", input_shape=(64, 64, 3))
    except Exception as error:  # Keras raises a bare Exception for a failed download
        return f"{type(error).__name__}: {error}".splitlines()[0][:200]
    finally:
        socket.setdefaulttimeout(timeout)
    return None


def _resnet50(crop_size, weights):
    if weights not in (None, "imagenet") and not Path(weights).exists():
        raise FileNotFoundError(f"{weights}: must be a file of ResNet50 weights; there is no such file.")
    weights = str(weights) if weights is not None else None
    shape = (crop_size, crop_size, 3)
    return keras.applications.ResNet50(include_top=False, weights=weights, input_shape=shape, name="backbone")


def _saved_backbone(path, crop_size):
    if not Path(path).exists():
        raise FileNotFoundError(f'{path}: backbone must be "resnet50", "compact" or a saved model; no such file.')
    saved = keras.models.load_model(path, compile=False)
    if len(saved.inputs) != 1 or len(saved.outputs) != 1 or saved.input_shape[-1] != 3:
        raise ValueError(f"{path}: a backbone must map one image (N, h, w, 3) to features. Received: {saved.inputs}")
    if len(saved.output_shape) not in (2, 4):
        raise ValueError(f"{path}: a backbone must give (N, h, w, F) or (N, F). Received: {saved.output_shape}")
    height, width = (side or crop_size for side in saved.input_shape[1:3])  # known sizes tell which stage is the last
    network = keras.models.clone_model(
        keras.Model(saved.inputs[0], saved.outputs[0], name="backbone"),
        input_tensors=keras.Input((height, width, 3)),
        clone_function=_copy_layer,
        recursive=True,
    )
    network.set_weights(saved.get_weights())
    return network


def _copy_layer(layer):
    """A layer of the same configuration, with new weights, in the dtype policy in use, not in that of the file."""
    config = layer.get_config()
    return type(layer).from_config(config | ({"dtype": keras.config.dtype_policy()} if "dtype" in config else {}))


def _compact(crop_size):
    """A small ResNet-like network (about 0.9 million parameters): 112 → 28 → 28 → 14 → 7 → 4."""
    image = keras.Input((crop_size, crop_size, 3))
    x = _conv_norm(image, _COMPACT_FILTERS[0], 3, 2, "stem")
    x = layers.ReLU(name="stem_relu")(x)
    x = layers.MaxPooling2D(2, name="stem_pool")(x)
    for stage, filters in enumerate(_COMPACT_FILTERS):
        strides = 1 if stage == 0 else 2
        name = f"stage{stage + 1}"
        y = layers.ReLU(name=f"{name}_relu1")(_conv_norm(x, filters, 3, strides, f"{name}_conv1"))
        y = _conv_norm(y, filters, 3, 1, f"{name}_conv2")
        shortcut = x if stage == 0 else _conv_norm(x, filters, 1, strides, f"{name}_shortcut")
        x = layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_add")([y, shortcut]))
    return keras.Model(image, x, name="backbone")


def _conv_norm(x, filters, size, strides, name):
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False, name=name)(x)
    return layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)  # small sets have few steps an epoch


def _output_resolution(layer):
    shape = layer.output.shape if not isinstance(layer.output, list) else layer.output[0].shape
    return shape[1:-1] if len(shape) == 4 else None
