"""Which layers of a stream are trained: the head, the last stage, or all with partial batch norm."""

from collections.abc import Iterator

import keras
import numpy as np
from keras import layers

from models.backbones import MOMENTUM


def unfreeze_last_stage(model: keras.Model) -> list[str]:
    """Makes the last stage of a stream's backbone trainable, except its batch norm.

    The last stage is all layers after the last one with an output of a higher resolution (conv5 of a ResNet50). Pooled
    outputs, as in squeeze-and-excitation, belong to the stage that they are in.

    Returns:
        the names of the layers that are trainable now.
    """
    backbone = model.get_layer("body").get_layer("backbone")
    backbone.trainable = True
    leaves = list(leaf_layers(backbone))
    resolutions = [_output_resolution(layer) for layer in leaves]
    last = [resolution for resolution in resolutions if resolution][-1]
    higher = [number for number, resolution in enumerate(resolutions) if resolution and max(resolution) > max(last)]
    last_stage = leaves[max(higher, default=-1) + 1 :]
    for layer in leaves:
        layer.trainable = layer in last_stage and not isinstance(layer, layers.BatchNormalization)
    return [layer.name for layer in last_stage if layer.trainable and layer.weights]


def freeze_batch_norm_but_first(model: keras.Model) -> list[str]:
    """Makes a stream trainable, except all batch norm layers of its backbone but the first: partial batch norm.

    The first batch norm is trained, and updates its mean and variance, because the outputs of the first convolution
    on flow are distributed differently. The others are frozen and run in inference mode. If batch norm was folded
    into the convolutions, so that only a shift is left, the first one is frozen too: it has no variance to start from.

    Returns:
        the names of the batch norm layers that are frozen now.

    Wang et al. 2016 (TSN), section 3.2.
    """
    backbone = model.get_layer("body").get_layer("backbone")
    backbone.trainable = True
    norms = [layer for layer in leaf_layers(backbone) if isinstance(layer, layers.BatchNormalization)]
    if norms and not _is_folded(norms[0]):
        norms[0].momentum = MOMENTUM
        norms = norms[1:]
    for norm in norms:
        norm.trainable = False
    return [norm.name for norm in norms]


def leaf_layers(model: keras.Model) -> Iterator[layers.Layer]:
    """Iterates over the layers of a model and of the models inside it."""
    for layer in model.layers:
        yield from leaf_layers(layer) if isinstance(layer, keras.Model) else [layer]


def _output_resolution(layer):
    shape = layer.output.shape if not isinstance(layer.output, list) else layer.output[0].shape
    return shape[1:-1] if len(shape) == 4 else None


def _is_folded(norm):
    """Whether every channel has mean 0 although the shift is trained, which training alone does not lead to."""
    mean = keras.ops.convert_to_numpy(norm.moving_mean)
    shift = keras.ops.convert_to_numpy(norm.beta) if norm.center else np.zeros(1)
    return not mean.any() and bool(shift.any())
