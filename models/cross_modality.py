"""The temporal stream on a backbone that knows pictures: cross-modality initialisation (Wang et al. 2016, TSN)."""

from pathlib import Path

import keras
import numpy as np
from keras import layers

from models.backbones import build_backbone, classify, leaf_layers, picture_scale, resize_to
from models.temporal_cnn import flow_input
from src.flow import STEPS, ZERO

_MOMENTUM = 0.9  # of the batch norm that learns: small sets have few steps an epoch


def build_cross_modality(
    num_classes: int,
    crop_size: int,
    flow_length: int,
    flow_scale: float,
    backbone: str | Path = "resnet50",
    weights: str | Path | None = "imagenet",
    preprocessing: str = "torch",
    subtract_mean: bool = True,
    frames_bound: float | None = None,
    dropout: float = 0.7,
) -> keras.Model:
    """Builds the temporal stream on a backbone whose first convolution is made to see flow.

    The first convolution's kernels are averaged over RGB and repeated over the 2L channels (Wang et al. 2016, section
    3.2), times 3/2L: to a flow whose channels are all alike it responds as it does to a grey picture. It sees the
    mean of the channels only, which `flow_scale` brings to the scale of the pictures that the backbone knows. All
    other weights are the backbone's. Batch norm of the picture itself, before the first convolution, becomes part of
    the kernels by its scale; its mean is of pictures, and no motion must stay zero.

    Args:
        num_classes: C.
        crop_size: side of the input, pixels.
        flow_length: L.
        flow_scale: from `measure_flow_scale` of training clips.
        backbone, weights, preprocessing: as in `models.backbones.build_backbone`.
        subtract_mean: subtract from every field its mean displacement over the picture.
        frames_bound: as in `models.temporal_cnn.build_temporal_cnn`.
        dropout: before the scores; 0.7 is the paper's for this stream.

    Returns:
        a functional model, from the input of `models.temporal_cnn.flow_input` to "scores" float32 (N, C), after
        softmax. Where the backbone is pretrained, batch norm is partial: see
        `freeze_batch_norm_but_first`.

    Raises:
        ValueError: a flow_scale that is not positive; a backbone that does more to a picture than padding and batch
            norm before its first convolution; and as `build_backbone`.
        FileNotFoundError: no file at the path of weights or backbone.
        RuntimeError: the network that was built does not hold the backbone's weights.
    """
    if not 0 < flow_scale < float("inf"):
        raise ValueError(f"flow_scale must be positive; take it from measure_flow_scale. Received: {flow_scale!r}")
    pictures, preprocessing, pretrained = build_backbone(backbone, crop_size, weights, preprocessing)
    network = _rebuild_on_flow(pictures, 2 * flow_length, backbone)
    motion, x = flow_input(crop_size, flow_length, subtract_mean, frames_bound)
    # Values stay in the units of the input where the size changes: flow_scale was measured in these.
    x = resize_to(network, x)
    x = layers.Rescaling(flow_scale * picture_scale(preprocessing), dtype="float32", name="flow_scale")(x)
    model = keras.Model(motion, classify(network(x), num_classes, dropout, pretrained), name="temporal")
    if pretrained:
        freeze_batch_norm_but_first(model)
    return model


def measure_flow_scale(stacks: np.ndarray, subtract_mean: bool = True) -> float:
    """What brings flow to the scale of a normalised picture: 1 / root mean square of the mean over its channels.

    Args:
        stacks: uint8 (N, h, w, 2L), quantised flow of training clips; some dozens are enough.
        subtract_mean: as in `build_cross_modality`.

    Returns:
        the scale, for displacements divided by `flow_bound`; 1.0 where nothing moves.

    Raises:
        ValueError: no stacks, or another shape or dtype.
    """
    if stacks.dtype != np.uint8 or stacks.ndim != 4 or not len(stacks):
        raise ValueError(f"stacks must be uint8 (N, h, w, 2L), N > 0. Received: {stacks.dtype} {stacks.shape}")
    channels, squares = stacks.shape[-1], []
    for stack in stacks:
        codes = stack.sum(axis=-1, dtype=np.int64) - ZERO * channels  # whole numbers: no motion is exactly zero
        squares.append(np.square(codes - codes.mean() if subtract_mean else codes).mean())
    deviation = float(np.sqrt(np.mean(squares))) / (STEPS * channels)
    return 1 / deviation if deviation > 0 else 1.0


def freeze_batch_norm_but_first(model: keras.Model) -> list[str]:
    """Makes a stream trainable, all but its backbone's batch norm after the first: partial batch norm (TSN).

    The first one learns, also its mean and variance: what comes out of the first convolution is distributed as flow
    is. The others are frozen and run in inference mode. Where batch norm is folded into the convolutions (a shift is
    all that is left of it) the first one is frozen, too: it has no variance to begin from.

    Returns:
        the names of the batch norm layers that are frozen now.

    Wang et al. 2016, section 3.2.
    """
    backbone = model.get_layer("backbone")
    backbone.trainable = True
    norms = [layer for layer in leaf_layers(backbone) if isinstance(layer, layers.BatchNormalization)]
    if norms and not _is_folded(norms[0]):
        norms[0].momentum = _MOMENTUM
        norms = norms[1:]
    for norm in norms:
        norm.trainable = False
    return [norm.name for norm in norms]


def _is_folded(norm):
    """A mean of zero in every channel comes of no training, unless the shift is untrained as well."""
    shift = norm.beta if norm.center else np.zeros(1)
    return not _array(norm.moving_mean).any() and bool(_array(shift).any())


def _rebuild_on_flow(pictures, channels, backbone):
    """The network over `channels` channels, with its weights; the batch norm of the picture is left out."""
    flow = keras.Input((*pictures.input_shape[1:3], channels))
    unmixed, norms, convolutions = [flow], [], []  # tensors that still have the input's channels, and who takes them

    def call(layer, *arguments, **options):
        if not any(argument is tensor for argument in keras.tree.flatten(arguments) for tensor in unmixed):
            return layer(*arguments, **options)
        if isinstance(layer, layers.BatchNormalization):
            norms.append(layer.name)
            return arguments[0]
        if isinstance(layer, layers.ZeroPadding2D):
            unmixed.append(layer(*arguments))
            return unmixed[-1]
        if isinstance(layer, layers.Conv2D) and layer.groups == 1:
            convolutions.append(layer.name)
            return layer(*arguments)
        raise _not_for_flow(backbone, f"{type(layer).__name__} {layer.name!r}")

    network = keras.models.clone_model(pictures, input_tensors=flow, call_function=call)
    if len(convolutions) != 1:
        raise _not_for_flow(backbone, f"{len(convolutions)} convolutions {convolutions}")
    expected = _flow_weights(pictures, channels, norms, convolutions[0])
    for name, values in expected.items():
        network.get_layer(name).set_weights(values)
    _verify(network, expected, _picture_kernel(pictures, norms, convolutions[0]), convolutions[0], backbone)
    return network


def _not_for_flow(backbone, found):
    return ValueError(
        f"{backbone}: for cross-modality initialisation a picture must go through one Conv2D first, with nothing but "
        f"ZeroPadding2D and BatchNormalization before it. Found: {found}. Save the network without its preprocessing "
        "(the stream does that) and without models inside models: keras.Model(inner.input, inner.output).save(…)."
    )


def _picture_kernel(pictures, norms, convolution):
    """The first convolution's kernel (h, w, 3, F), with the scale of the batch norm before it."""
    kernel = _array(pictures.get_layer(convolution).kernel)
    for norm in map(pictures.get_layer, norms):
        scale = (_array(norm.gamma) if norm.scale else 1) / np.sqrt(_array(norm.moving_variance) + norm.epsilon)
        kernel = kernel * scale[:, None]
    return kernel


def _flow_weights(pictures, channels, norms, convolution):
    """Weights of every layer by name: the picture network's, but for the first convolution's kernel."""
    with_weights = (layer for layer in pictures.layers if layer.weights and layer.name not in norms)
    weights = {layer.name: layer.get_weights() for layer in with_weights}
    kernel = _picture_kernel(pictures, norms, convolution).sum(axis=2, keepdims=True) / channels
    weights[convolution][0] = np.repeat(kernel, channels, axis=2)
    return weights


def _verify(network, expected, picture_kernel, convolution, backbone):
    """Holds what was built against what it was built from: a layer left random would not be noticed otherwise."""
    found = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}
    wrong = [
        name
        for name in sorted(found.keys() | expected.keys())
        if not all(map(np.array_equal, found.get(name, [None]), expected.get(name, [None])))
    ]
    kernel = _array(network.get_layer(convolution).kernel)
    tolerance = 1e-5 * abs(picture_kernel).sum(axis=2).max()
    is_picture = np.allclose(kernel.sum(axis=2), picture_kernel.sum(axis=2), rtol=0, atol=tolerance)
    if wrong or not is_picture or np.ptp(kernel, axis=2).any():
        raise RuntimeError(
            f"{backbone}: the temporal network must hold the backbone's weights, and its first convolution "
            f"{convolution!r} their mean over RGB in each of its channels. Layers that do not: "
            f"{wrong or [convolution]}. This is a defect of this code or of this version of Keras."
        )


def _array(variable):
    return keras.ops.convert_to_numpy(variable)
