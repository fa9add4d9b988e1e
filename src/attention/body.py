"""A stream's body, cut at feature maps: segments → maps → features."""

from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from models import leaf_layers

# Of networks from scratch, which have few layers, the last maps, 3 x 3 or 4 x 4, are too coarse to show a hand. Through
# the many layers of pretrained ones gradients become noise, and their last maps say more.
SIDE, DEEP_SIDE = 20, 7


class CutBody(NamedTuple):
    """A body in parts, which share its weights.

    Attributes:
        to_maps: segments (M, …) → feature maps (M, h', w', K).
        tail: feature maps → features (M, F) before the layers of `norms`.
        norms: the last layers of the body, which bring features to one length if the backbone is pretrained; else none.
    """

    to_maps: keras.Model
    tail: keras.Model
    norms: list[keras.Layer]

    def undo_norms(self, features: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Weights of the body's features → weights of the tail's features, whose products differ by a constant.

        The length by which the features of a segment are divided counts as a constant: it scales all places alike.

        Args:
            features: float32 (M, F), of the tail.
            weights: float32 (M, F), of the body's features.

        Returns:
            float32 (M, F).
        """
        for layer in reversed(self.norms):
            if isinstance(layer, layers.Rescaling):
                weights = weights * layer.scale
            else:
                deviation = np.sqrt(features.var(axis=-1, keepdims=True) + layer.epsilon)
                weights = (weights - weights.mean(axis=-1, keepdims=True)) / deviation
        return weights


def cut_body(body: keras.Model, side: int | None = None) -> CutBody:
    """Cuts a body at the output of a layer that gives feature maps (M, h', w', K).

    It is the last layer whose maps have `side` rows and columns or more, and through which all ways from the segments
    to the features lead; it may be in a model inside the body. If there is none, half as many will do, at least 2.
    None is `DEEP_SIDE` for a pretrained backbone, else `SIDE`. A body that learns nothing is cut at any such layer.

    Raises:
        ValueError: there is no such layer.
    """
    norms = []
    for layer in reversed(body.layers):
        if not isinstance(layer, layers.LayerNormalization | layers.Rescaling):
            break
        norms.insert(0, layer)
    pooled = keras.Model(body.input, norms[0].input) if norms else body
    side = side or (DEEP_SIDE if norms else SIDE)
    for wanted in (side >> halved for halved in range(side.bit_length() - 1)):
        parts = _cut(pooled, wanted, bool(pooled.weights))
        if parts:
            return CutBody(*map(_chain, parts), norms)
    raise ValueError(
        "backbone: where a stream looks is found from feature maps (N, h, w, K), h and w above 1, on which alone its "
        f"features depend. Found: none among the outputs of {[layer.name for layer in leaf_layers(body)]}. Choose a "
        "convolutional backbone."
    )


def _cut(network, side, learned):
    """The models before and after the maps, each in order; None if no layer gives such maps.

    Args:
        learned: whether the maps must depend on weights: an image is no feature map.
    """
    for layer in reversed(network.layers):
        # Of the call of the layer in this network; a model's own `input` and `output` are inside it.
        called, result = keras.Operation.input.fget(layer), keras.Operation.output.fget(layer)
        if _is_maps(layer, result) and min(result.shape[1:3]) >= side:
            before, after = keras.Model(network.input, result), _between(result, network.output)
            if after and (before.weights or not learned):
                return [before], after
        inside = _cut(layer, side, learned) if isinstance(layer, keras.Model) else None
        after = _between(result, network.output) if inside else None
        if after is not None:
            return [*_between(network.input, called), *inside[0]], [*inside[1], *after]
    return None


def _is_maps(layer, result):
    """Whether the output of a layer is feature maps; padded ones are shifted against the image."""
    if isinstance(layer, layers.InputLayer | layers.ZeroPadding2D):
        return False
    return isinstance(result, keras.KerasTensor) and len(result.shape) == 4


def _between(tensor, output):
    """The model from a tensor to an output, in a list, empty if both are the same; None if there are other ways."""
    try:
        return [] if tensor is output else [keras.Model(tensor, output)]
    except ValueError:
        return None


def _chain(models):
    """One model that applies several after one another."""
    if len(models) == 1:
        return models[0]
    inputs = x = keras.Input(models[0].input.shape[1:], dtype=models[0].input.dtype)
    for model in models:
        x = model(x)
    return keras.Model(inputs, x)
