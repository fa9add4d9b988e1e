"""The temporal stream: a stack of L flow fields, or the L + 1 frames to compute it from → class probabilities."""

import keras
from keras import layers

from models.backbones import MOMENTUM
from models.farneback import FarnebackFlow
from src.flow import STEPS, ZERO

# The five convolutions of the paper (CNN-M-2048): name, filters, kernel size, strides, and whether pooling follows.
_CONVOLUTIONS = (
    ("conv1", 96, 7, 2, True),
    ("conv2", 256, 5, 2, True),
    ("conv3", 512, 3, 1, False),
    ("conv4", 512, 3, 1, False),
    ("conv5", 512, 3, 1, True),
)


def build_temporal_cnn(
    num_classes: int,
    crop_size: int = 224,
    flow_length: int = 10,
    head: str = "pool",
    subtract_mean: bool = True,
    frames_bound: float | None = None,
) -> keras.Model:
    """Builds the temporal stream of Simonyan & Zisserman 2014, with batch norm after each convolution.

    Args:
        num_classes: C.
        crop_size: side of the input, pixels.
        flow_length: L; the input has 2L channels u1, v1, u2, v2, …
        head: "dense", the paper's 4096-2048 with dropout 0.9, or "pool", global average pooling, for small data sets.
        subtract_mean: subtract from each field its mean displacement, which is mostly camera motion (section 3.1 of
            the paper).
        frames_bound: None for a network whose input is quantized flow. Otherwise its input is frames, from which it
            computes flow, and `frames_bound` is the displacement that is scaled to 1, px/frame at `crop_size`.

    Returns:
        a functional model from the input of `motion_input` to "scores" float32 (N, C), after softmax.

    Raises:
        ValueError: unknown head.
    """
    if head not in ("dense", "pool"):
        raise ValueError(f'head must be "dense" or "pool". Received: {head!r}')
    motion, x = motion_input(crop_size, flow_length, subtract_mean, frames_bound)
    for name, filters, size, strides, pooled in _CONVOLUTIONS:
        x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
        if pooled and not (name == "conv5" and head == "pool"):
            x = layers.MaxPooling2D(2, padding="same", name=f"{name}_pool")(x)
    x = _dense_head(x) if head == "dense" else _pool_head(x)
    scores = layers.Dense(num_classes, activation="softmax", dtype="float32", name="scores")(x)
    return keras.Model(motion, scores, name="temporal")


def motion_input(
    crop_size: int, flow_length: int, subtract_mean: bool, frames_bound: float | None = None
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Builds the first layers of a temporal network, which turn its input into displacements.

    Args:
        crop_size, flow_length, subtract_mean, frames_bound: as in `build_temporal_cnn`.

    Returns:
        (input, displacements). The input is "flow" uint8 (N, s, s, 2L), quantized flow as the store holds it, channels
        u1, v1, u2, v2, …, or "frames" uint8 (N, L + 1, s, s), grey, where s is `crop_size`. The displacements are
        float32 (N, s, s, 2L), divided by the bound, so that quantized flow is -1 … 1, and no motion is 0. They are
        float32 under any dtype policy: bfloat16 rounds fast motion by up to one code, and after subtraction of the
        mean the remaining motion may be as small as that.
    """
    if frames_bound is None:
        motion = keras.Input((crop_size, crop_size, 2 * flow_length), dtype="uint8", name="flow")
        x = layers.Rescaling(1 / STEPS, offset=-ZERO / STEPS, dtype="float32", name="dequantize")(motion)
    else:
        motion = keras.Input((flow_length + 1, crop_size, crop_size), dtype="uint8", name="frames")
        x = FarnebackFlow(dtype="float32", name="farneback")(motion)  # (N, L, s, s, 2)
        x = layers.Permute((2, 3, 1, 4), dtype="float32", name="fields_last")(x)
        x = layers.Reshape((crop_size, crop_size, 2 * flow_length), dtype="float32", name="stack")(x)
        x = layers.Rescaling(1 / frames_bound, dtype="float32", name="normalize")(x)
    if subtract_mean:
        mean = layers.GlobalAveragePooling2D(keepdims=True, dtype="float32", name="mean_displacement")(x)
        x = layers.Subtract(dtype="float32", name="subtract_mean")([x, mean])
    return motion, x


def takes_frames(temporal: keras.Model) -> bool:
    """Whether the input of a temporal network is frames, from which it computes flow."""
    return any(isinstance(layer, FarnebackFlow) for layer in temporal.layers)


def _dense_head(x):
    x = layers.Flatten(name="flatten")(x)
    for name, units in (("full6", 4096), ("full7", 2048)):
        x = layers.Dense(units, activation="relu", name=name)(x)
        x = layers.Dropout(0.9, name=f"{name}_dropout")(x)
    return x


def _pool_head(x):
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return layers.Dropout(0.5, name="dropout")(x)
