"""The temporal stream: a stack of L flow fields → class probabilities. How it moves."""

import keras
from keras import layers

from src.optical_flow import STEPS, ZERO

# Five convolutions as in the paper (CNN-M-2048): filters, kernel, strides, and whether pooling follows.
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
) -> keras.Model:
    """Builds the temporal stream of Simonyan & Zisserman 2014, with batch norm after each convolution.

    Args:
        num_classes: C.
        crop_size: side of the input, pixels.
        flow_length: L; the input has 2L channels u1, v1, u2, v2, …
        head: "dense", the paper's 4096-2048 with dropout 0.9, or "pool", global average pooling, for small sets.
        subtract_mean: subtract from every field its mean displacement over the picture, mostly camera motion
            (section 3.1 of the paper).

    Returns:
        a functional model: "flow" uint8 (N, crop_size, crop_size, 2L), quantised flow as the store holds it →
        "scores" float32 (N, C), after softmax. Displacements reach the network divided by `flow_bound`: -1 … 1.

    Raises:
        ValueError: unknown head.
    """
    if head not in ("dense", "pool"):
        raise ValueError(f'head must be "dense" or "pool". Received: {head!r}')
    flow = keras.Input((crop_size, crop_size, 2 * flow_length), dtype="uint8", name="flow")
    x = dequantize(flow, subtract_mean)
    for name, filters, size, strides, pooled in _CONVOLUTIONS:
        x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)  # small sets have few steps an epoch
        x = layers.ReLU(name=f"{name}_relu")(x)
        if pooled and not (name == "conv5" and head == "pool"):
            x = layers.MaxPooling2D(2, padding="same", name=f"{name}_pool")(x)
    x = _dense_head(x) if head == "dense" else _pool_head(x)
    scores = layers.Dense(num_classes, activation="softmax", dtype="float32", name="scores")(x)
    return keras.Model(flow, scores, name="temporal")


def dequantize(flow: keras.KerasTensor, subtract_mean: bool) -> keras.KerasTensor:
    """Quantised flow, uint8 (N, s, s, 2L) → displacements divided by `flow_bound`, float32 -1 … 1; 128 becomes 0.

    With `subtract_mean`, each field loses its mean over the picture. In float32 under any dtype policy: bfloat16 would
    round fast motion by up to a code, and what is left when the mean is gone may not be more than that.
    """
    x = layers.Rescaling(1 / STEPS, offset=-ZERO / STEPS, dtype="float32", name="dequantize")(flow)
    if subtract_mean:
        mean = layers.GlobalAveragePooling2D(keepdims=True, dtype="float32", name="mean_displacement")(x)
        x = layers.Subtract(dtype="float32", name="subtract_mean")([x, mean])
    return x


def _dense_head(x):
    x = layers.Flatten(name="flatten")(x)
    for name, units in (("full6", 4096), ("full7", 2048)):
        x = layers.Dense(units, activation="relu", name=name)(x)
        x = layers.Dropout(0.9, name=f"{name}_dropout")(x)
    return x


def _pool_head(x):
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return layers.Dropout(0.5, name="dropout")(x)
