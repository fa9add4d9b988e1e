"""A stream's body, cut at feature maps: segments → maps → features."""

from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from models import leaf_layers


class CutBody(NamedTuple):
    """A body in parts, which share its weights.

    Attributes:
        to_maps: segments (M, …) → feature maps (M, h', w', K).
        tail: feature maps → features (M, F) before the layers of `norms`.
        norms: the last layers of the body if they bring pooled features to one length; else none.
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


def cut_body(body: keras.Model, side: int) -> CutBody:
    """Cuts a body at the output of a layer that gives feature maps (M, h', w', K).

    It is the last layer whose maps have `side` rows and columns or more, and through which all ways from the segments
    to the features lead; it may be in a model inside the body. If there is none, half as many will do, at least 2.

    Raises:
        ValueError: there is no such layer.
    """
    norms = []
    for layer in reversed(body.layers):
        if not isinstance(layer, layers.LayerNormalization | layers.Rescaling):
            break
        norms.insert(0, layer)
    pooled = keras.Model(body.input, norms[0].input) if norms else body
    while side > 1:
        parts = _cut(pooled, side)
        if parts:
            return CutBody(*map(_chain, parts), norms)
        side //= 2
    raise ValueError(
        "backbone: where a stream looks is found from feature maps (N, h, w, K), h and w above 1, on which alone its "
        f"features depend. Found: none among the outputs of {[layer.name for layer in leaf_layers(body)]}. Choose a "
        "convolutional backbone."
    )


def _cut(network, side):
    """The models before and after the maps, each in order; None if no layer of the network gives such maps."""
    for layer in reversed(network.layers):
        # Of the call of the layer in this network; a model's own `input` and `output` are inside it.
        called, result = keras.Operation.input.fget(layer), keras.Operation.output.fget(layer)
        if _is_maps(layer, result) and min(result.shape[1:3]) >= side:
            before, after = keras.Model(network.input, result), _between(result, network.output)
            if before.weights and after:
                return [before], [after]
        inside = _cut(layer, side) if isinstance(layer, keras.Model) else None
        after = inside and _between(result, network.output)
        if after:
            return [keras.Model(network.input, called), *inside[0]], [*inside[1], after]
    return None


def _is_maps(layer, result):
    """Whether the output of a layer is feature maps; padded ones are shifted against the image."""
    padded = isinstance(layer, layers.ZeroPadding2D)
    return isinstance(result, keras.KerasTensor) and len(result.shape) == 4 and not padded


def _between(maps, output):
    """The model from maps to an output; None if the output depends on more than the maps."""
    try:
        return keras.Model(maps, output)
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
