"""The spatial stream: one RGB frame → class probabilities. What is there."""

import socket
import warnings
from pathlib import Path

import keras
from keras import layers

# Mean and deviation of ImageNet's RGB values in 0 … 255, by the name Keras gives each way of preprocessing.
_NORMALIZATIONS = {
    "torch": {"mean": [123.675, 116.28, 103.53], "deviation": [58.395, 57.12, 57.375]},
    "tf": {"mean": [127.5, 127.5, 127.5], "deviation": [127.5, 127.5, 127.5]},
    "caffe": {"mean": [123.68, 116.779, 103.939], "deviation": [1.0, 1.0, 1.0]},  # and BGR, see below
}
_COMPACT_FILTERS = (32, 64, 128, 192)


def build_finetuned_resnet(
    num_classes: int,
    crop_size: int = 224,
    weights: str | Path | None = "imagenet",
    backbone: str | Path = "resnet50",
    preprocessing: str = "torch",
) -> keras.Model:
    """Builds the spatial stream: normalisation, a backbone called "backbone", average pooling, softmax.

    Args:
        num_classes: C.
        crop_size: side of the input, pixels.
        weights: for ResNet50: "imagenet", a file of ResNet50 weights (without top), or None for random ones.
        backbone: "resnet50", "compact" (a residual network of about a million parameters, for learning from
            scratch), or the path of a saved Keras model that maps images to features (N, h, w, F) or (N, F). One
            with a fixed input size gets the frames resized to it.
        preprocessing: what a saved backbone expects, as Keras names it: "torch" (scaled, ImageNet mean and
            deviation), "tf" (-1 … 1), "caffe" (BGR, ImageNet mean).

    Returns:
        a functional model: "frame" uint8 (N, crop_size, crop_size, 3), RGB → "scores" float32 (N, C), after softmax.
        A pretrained backbone is frozen, and its batch norm always runs in inference mode.

    Raises:
        ValueError: unknown backbone or preprocessing, or a backbone that gives no features.
        FileNotFoundError: no file at the path of weights or backbone.

    He et al. 2016 (ResNet); Simonyan & Zisserman 2014 (the stream).
    """
    if str(backbone) == "resnet50":
        network, preprocessing = _resnet50(crop_size, weights), "caffe"
    elif str(backbone) == "compact":
        network, preprocessing = _compact(crop_size), "tf"
    else:
        network = _saved_backbone(backbone, crop_size)
    if preprocessing not in _NORMALIZATIONS:
        raise ValueError(f"preprocessing must be one of {tuple(_NORMALIZATIONS)}. Received: {preprocessing!r}")

    frame = keras.Input((crop_size, crop_size, 3), dtype="uint8", name="frame")
    x = _normalize(_resize(frame, network.input_shape), preprocessing)
    learns_from_scratch = str(backbone) == "compact" or (str(backbone) == "resnet50" and weights is None)
    # A frozen layer's batch norm runs in inference mode. (Keras 3 passes over a training=False set here.)
    network.trainable = learns_from_scratch
    x = network(x)
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D(name="pool")(x)
    if len(x.shape) != 2:
        raise ValueError(f"{backbone}: a backbone must give (N, h, w, F) or (N, F). Received: {x.shape}")
    if not learns_from_scratch:
        # Backbones give features of any scale (one in use: 0.01), and a head's learning rate fits one.
        x = layers.LayerNormalization(epsilon=1e-8, center=False, scale=False, name="feature_norm")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    scores = layers.Dense(num_classes, activation="softmax", dtype="float32", name="scores")(x)
    return keras.Model(frame, scores, name="spatial")


def resolve_weights(spatial_weights: str | None) -> dict:
    """What a notebook's `spatial_weights` stands for, as arguments of `build_finetuned_resnet`.

    "auto" is ResNet50 with ImageNet weights where they are cached or can be downloaded, else the compact network,
    with a warning.

    Returns:
        {"backbone": …, "weights": …, "pretrained": bool}.

    Raises:
        FileNotFoundError: a path that is not there.
        RuntimeError: "imagenet" was asked for and cannot be downloaded.
    """
    if spatial_weights is None:
        return {"backbone": "resnet50", "weights": None, "pretrained": False}
    if spatial_weights == "compact":
        return {"backbone": "compact", "weights": None, "pretrained": False}
    if spatial_weights in ("auto", "imagenet"):
        failure = _fetch_imagenet()
        if failure is None:
            return {"backbone": "resnet50", "weights": "imagenet", "pretrained": True}
        if spatial_weights == "imagenet":
            raise RuntimeError(f"The ImageNet weights of ResNet50 are neither cached nor to be downloaded: {failure}")
        warnings.warn(
            "NO PRETRAINED WEIGHTS: the ImageNet weights of ResNet50 are neither cached nor to be downloaded "
            f"({failure}). The spatial stream is a compact residual network that learns from scratch; expect it to "
            "know less. Connect once, or set spatial_weights to a file.",
            stacklevel=2,
        )
        return {"backbone": "compact", "weights": None, "pretrained": False}
    path = Path(spatial_weights)
    if not path.exists():
        raise FileNotFoundError(
            f'{path}: spatial_weights must be "auto", "imagenet", "compact", None or a file; there is no such file.'
        )
    if path.suffix == ".keras":
        return {"backbone": str(path), "weights": None, "pretrained": True}
    return {"backbone": "resnet50", "weights": str(path), "pretrained": True}


def freeze_backbone(model: keras.Model) -> None:
    """Leaves only the head trainable: phase one."""
    model.get_layer("backbone").trainable = False


def unfreeze_last_stage(model: keras.Model) -> list[str]:
    """Makes the backbone's last stage trainable, all but its batch norm: phase two.

    The last stage is what works at the lowest resolution (conv5 of a ResNet50).

    Returns:
        the names of the layers that are trainable now.
    """
    backbone = model.get_layer("backbone")
    backbone.trainable = True
    leaves = list(_leaves(backbone))
    last = [_output_resolution(layer) for layer in leaves if _output_resolution(layer)][-1]
    last_stage = [layer for layer in leaves if _output_resolution(layer) == last]
    for layer in leaves:
        layer.trainable = layer in last_stage and not isinstance(layer, layers.BatchNormalization)
    return [layer.name for layer in last_stage if layer.trainable and layer.weights]


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
    network = keras.models.load_model(path, compile=False)
    if len(network.inputs) != 1 or len(network.outputs) != 1 or network.input_shape[-1] != 3:
        raise ValueError(f"{path}: a backbone must map one image (N, h, w, 3) to features. Received: {network.inputs}")
    if None in network.input_shape[1:]:  # sizes must be known, they tell which stage is the last
        weights = network.get_weights()
        network = keras.models.clone_model(network, input_tensors=keras.Input((crop_size, crop_size, 3)))
        network.set_weights(weights)
    network.name = "backbone"
    return network


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


def _resize(frame, input_shape):
    height, width = input_shape[1:3]
    if (height, width) == tuple(frame.shape[1:3]):
        return frame
    return layers.Resizing(height, width, interpolation="bilinear", dtype="float32", name="resize")(frame)


def _normalize(frame, preprocessing):
    values = _NORMALIZATIONS[preprocessing]
    scale = [1 / deviation for deviation in values["deviation"]]
    offset = [-mean / deviation for mean, deviation in zip(values["mean"], values["deviation"], strict=True)]
    x = layers.Rescaling(scale, offset, name="normalize")(frame)
    return keras.ops.flip(x, axis=-1) if preprocessing == "caffe" else x


def _leaves(model):
    """The layers of a model and of the models in it."""
    for layer in model.layers:
        yield from _leaves(layer) if isinstance(layer, keras.Model) else [layer]


def _output_resolution(layer):
    shape = layer.output.shape if not isinstance(layer.output, list) else layer.output[0].shape
    return shape[1:-1] if len(shape) == 4 else None
