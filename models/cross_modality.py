"""The temporal stream on a backbone pretrained on RGB images: cross-modality initialisation (Wang et al. 2016, TSN)."""

from pathlib import Path

import keras
import numpy as np
from keras import layers

from models.backbones import build_backbone, imagenet_rms, pool_features, resize_to
from models.consensus import build_clip_network
from models.freezing import freeze_batch_norm_but_first
from models.temporal_cnn import motion_input
from models.temporal_shift import insert_temporal_shift


def build_cross_modality(
    num_classes: int,
    crop_size: int,
    flow_length: int,
    flow_scale: float,
    backbone: str | Path = "resnet50",
    weights: str | Path | None = "imagenet",
    preprocessing: str = "torch",
    subtract_mean: bool = False,
    frames_bound: float | None = None,
    dropout: float = 0.5,
    num_segments: int | None = None,
    consensus: str = "average",
    temporal_shift: bool = False,
) -> keras.Model:
    """Builds the temporal stream on a backbone whose first convolution is adapted to flow.

    The kernels of the first convolution are averaged over RGB, repeated over the 2L channels (Wang et al. 2016,
    section 3.2), and multiplied by 3/2L: the response to 2L equal channels is the response to a grey image. The
    convolution depends on the mean of the channels only, which `flow_scale` brings to the scale of the images that
    the backbone was trained on. All other weights are the backbone's. A batch norm of the image itself is removed:
    its scale is merged into the kernels of the first convolution; its mean is dropped, so that zero stays zero.

    Args:
        num_classes: C.
        crop_size: side of the input, pixels.
        flow_length: L.
        flow_scale: from `measure_flow_scale` of training clips, with `average=True`.
        backbone, weights, preprocessing: as in `models.backbones.build_backbone`.
        subtract_mean, frames_bound, dropout: as in `models.temporal_cnn.build_temporal_cnn`.
        num_segments, consensus, temporal_shift: as in `models.finetuned_resnet.build_finetuned_resnet`.

    Returns:
        a functional model from `models.consensus.build_clip_network`: segments (N, S, …), each as in
        `models.temporal_cnn.motion_input`, → scores float32 (N, C), after softmax. With a pretrained backbone, batch
        norm is partial: see `freeze_batch_norm_but_first`.

    Raises:
        ValueError: a `flow_scale` that is not positive; a backbone with other layers than padding and batch norm
            before its first convolution; and as in `build_backbone`.
        FileNotFoundError: as in `build_backbone`.
    """
    if not 0 < flow_scale < float("inf"):
        raise ValueError(f"flow_scale must be positive; take it from measure_flow_scale. Received: {flow_scale!r}")
    rgb_network, preprocessing, pretrained = build_backbone(backbone, crop_size, weights, preprocessing)
    network = _rebuild_on_flow(rgb_network, 2 * flow_length, backbone)
    network = insert_temporal_shift(network, num_segments) if temporal_shift else network
    motion, x = motion_input(crop_size, flow_length, subtract_mean, frames_bound)
    x = resize_to(network, x)  # displacements are not rescaled: flow_scale was measured in these units
    x = layers.Rescaling(flow_scale * imagenet_rms(preprocessing), dtype="float32", name="flow_scale")(x)
    body = keras.Model(motion, pool_features(network(x), pretrained), name="body")
    model = build_clip_network(body, num_classes, num_segments, consensus, dropout, pretrained, "temporal")
    if pretrained:
        freeze_batch_norm_but_first(model)
    return model


def _rebuild_on_flow(rgb_network, channels, backbone):
    """Rebuilds a network for `channels` input channels, with its weights, without batch norm of the image itself."""
    flow = keras.Input((*rgb_network.input_shape[1:3], channels))
    unmixed, norms, convolutions = [flow], [], []  # tensors with the channels of the input; layers that process them

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

    network = keras.models.clone_model(rgb_network, input_tensors=flow, call_function=call)
    if len(convolutions) != 1:
        raise _not_for_flow(backbone, f"{len(convolutions)} convolutions {convolutions}")
    for layer in rgb_network.layers:
        if layer.weights and layer.name not in norms:
            values = layer.get_weights()
            if layer.name == convolutions[0]:
                values[0] = _flow_kernel(values[0], channels, map(rgb_network.get_layer, norms))
            network.get_layer(layer.name).set_weights(values)
    return network


def _not_for_flow(backbone, found):
    return ValueError(
        f"{backbone}: for cross-modality initialisation a backbone must begin with one Conv2D; only ZeroPadding2D and "
        f"BatchNormalization may precede it. Found: {found}. Save the network without its preprocessing (the stream "
        "includes it) and without nested models: keras.Model(inner.input, inner.output).save(…)."
    )


def _flow_kernel(kernel, channels, norms):
    """Averages a kernel (h, w, 3, F) over RGB, scaled by the batch norms before it: (h, w, channels, F)."""
    for norm in norms:
        scale = (_array(norm.gamma) if norm.scale else 1) / np.sqrt(_array(norm.moving_variance) + norm.epsilon)
        kernel = kernel * scale[:, None]
    return np.repeat(kernel.sum(axis=2, keepdims=True) / channels, channels, axis=2)


def _array(variable):
    return keras.ops.convert_to_numpy(variable)
