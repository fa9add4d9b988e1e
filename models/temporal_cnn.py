"""The temporal stream: stacks of L flow fields, or the L + 1 frames to compute them from → class probabilities."""

import keras
import numpy as np
from keras import layers

from models.backbones import MOMENTUM
from models.consensus import build_clip_network
from models.farneback import FarnebackFlow
from models.freezing import leaf_layers
from models.temporal_shift import TemporalShift
from src.flow import STEPS, ZERO

# Convolutions of each network: name, filters, kernel size, strides, and whether pooling follows.
_CONVOLUTIONS = {
    "small": (
        ("conv1", 32, 5, 2, True),
        ("conv2", 64, 3, 1, True),
        ("conv3", 128, 3, 1, True),
        ("conv4", 256, 3, 1, False),
    ),
    "cnn_m": (  # CNN-M-2048, the paper's
        ("conv1", 96, 7, 2, True),
        ("conv2", 256, 5, 2, True),
        ("conv3", 512, 3, 1, False),
        ("conv4", 512, 3, 1, False),
        ("conv5", 512, 3, 1, True),
    ),
}

DENSE_DROPOUT = 0.9  # of the dense head, as in the paper


def build_temporal_cnn(
    num_classes: int,
    crop_size: int = 224,
    flow_length: int = 10,
    network: str = "cnn_m",
    head: str = "pool",
    subtract_mean: bool = False,
    frames_bound: float | None = None,
    flow_scale: float = 1.0,
    dropout: float = 0.5,
    num_segments: int | None = None,
    consensus: str = "average",
    temporal_shift: bool = False,
) -> keras.Model:
    """Builds a temporal stream from scratch, with batch norm after each convolution.

    Args:
        num_classes: C.
        crop_size: side of the input, pixels.
        flow_length: L; the input has 2L channels u1, v1, u2, v2, …
        network: "cnn_m", the network of Simonyan & Zisserman 2014, or "small", a quarter of its width and depth, which
            learns as much from a few hundred clips in a third of the time.
        head: of "cnn_m": "dense", the paper's 4096-2048 with dropout 0.9, or "pool", global average pooling, for small
            data sets.
        subtract_mean: subtract from each field its mean displacement, which is mostly camera motion (section 3.1 of
            the paper).
        frames_bound: None for a network whose input is quantized flow. Otherwise its input is frames, from which it
            computes flow, and `frames_bound` is the displacement that is scaled to 1, px/frame at `crop_size`.
        flow_scale: from `measure_flow_scale` of training clips.
        dropout: of the pooled features.
        num_segments, consensus: as in `models.finetuned_resnet.build_finetuned_resnet`.
        temporal_shift: shift channels along the segments before each convolution but the first, see
            `models.temporal_shift`.

    Returns:
        a functional model from `models.consensus.build_clip_network`: segments (N, S, …), each as in `motion_input`,
        → scores float32 (N, C), after softmax.

    Raises:
        ValueError: unknown network or head, or the dense head for another network.
    """
    if network not in _CONVOLUTIONS or head not in ("dense", "pool") or (network, head) == ("small", "dense"):
        raise ValueError(
            f'network must be one of {tuple(_CONVOLUTIONS)}, and head "pool" or, for "cnn_m", "dense". '
            f"Received: {network!r}, {head!r}"
        )
    motion, x = motion_input(crop_size, flow_length, subtract_mean, frames_bound)
    # Displacements are small beside 1. Batch norm would divide them by its initial variance, 1, until it has learned.
    x = layers.Rescaling(flow_scale, dtype="float32", name="unit_scale")(x)
    convolutions = _CONVOLUTIONS[network]
    for name, filters, size, strides, pooled in convolutions:
        if temporal_shift and name != convolutions[0][0]:
            x = TemporalShift(num_segments, name=f"{name}_shift")(x)
        x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
        if pooled and not (name == convolutions[-1][0] and head == "pool"):
            x = layers.MaxPooling2D(2, padding="same", name=f"{name}_pool")(x)
    x = _dense_layers(x) if head == "dense" else layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    dropout = DENSE_DROPOUT if head == "dense" else dropout
    body = keras.Model(motion, x, name="body")
    return build_clip_network(body, num_classes, num_segments, consensus, dropout, False, "temporal")


def measure_flow_scale(stacks: np.ndarray, subtract_mean: bool = False, average: bool = False) -> float:
    """Measures the factor that brings displacements, divided by the bound, to a root mean square of 1.

    Args:
        stacks: uint8 (N, h, w, 2L), quantized flow of training clips; a few dozen are enough.
        subtract_mean: as in `build_temporal_cnn`.
        average: measure the mean over the channels, on which a cross-modality network depends, instead of all values.

    Returns:
        the factor; 1.0 if nothing moves.
    """
    squares, units = [], STEPS * (stacks.shape[-1] if average else 1)
    for stack in stacks:
        codes = stack.astype(np.int64) - ZERO  # integers, so that no motion is exactly 0
        codes = codes.sum(axis=-1, keepdims=True) if average else codes
        squares.append(np.square(codes - codes.mean(axis=(0, 1)) if subtract_mean else codes).mean())
    deviation = float(np.sqrt(np.mean(squares))) / units
    return 1 / deviation if deviation > 0 else 1.0


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
    return any(isinstance(layer, FarnebackFlow) for layer in leaf_layers(temporal))


def _dense_layers(x):
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(4096, activation="relu", name="full6")(x)
    x = layers.Dropout(DENSE_DROPOUT, name="full6_dropout")(x)
    return layers.Dense(2048, activation="relu", dtype="float32", name="full7")(x)
