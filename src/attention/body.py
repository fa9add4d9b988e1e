"""A stream's body, cut at its last feature maps: segments → maps → features."""

from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from models import leaf_layers


class CutBody(NamedTuple):
    """A body in two parts, which share its weights.

    Attributes:
        to_maps: segments (M, …) → feature maps (M, h', w', K).
        tail: feature maps → features (M, F).
    """

    to_maps: keras.Model
    tail: keras.Model

    @property
    def is_pooled(self) -> bool:
        """Whether the features are the mean of the maps over places, possibly brought to one length."""
        kinds = [type(layer) for layer in self._steps()]
        return kinds[:1] == [layers.GlobalAveragePooling2D] and set(kinds[1:]) <= {
            layers.LayerNormalization, layers.Rescaling
        }  # fmt: skip

    def weight_maps(self, maps: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Weights of the features of a pooled body, (M, F), → weights of its maps, (M, K), K = F.

        Their products with the means of the maps differ from those with the features by a constant. The length of a
        segment's features, by which they are divided, counts as a constant: it scales all places alike.
        """
        means = maps.mean(axis=(1, 2))
        for layer in reversed(self._steps()):
            if isinstance(layer, layers.Rescaling):
                weights = weights * np.asarray(layer.scale)
            elif isinstance(layer, layers.LayerNormalization):
                deviation = np.sqrt(means.var(axis=-1, keepdims=True) + layer.epsilon)
                weights = (weights - weights.mean(axis=-1, keepdims=True)) / deviation
        return weights

    def _steps(self):
        return [layer for layer in leaf_layers(self.tail) if not isinstance(layer, layers.InputLayer)]


def cut_body(body: keras.Model) -> CutBody:
    """Cuts a body at the output of the last layer that gives feature maps: (M, h', w', K), h' and w' above 1.

    The layer may be in a model inside the body. It must be the only way from the segments to the features.

    Raises:
        ValueError: no layer with weights gives maps, or the features depend on other layers, too.
    """
    try:
        parts = _cut(body)
    except ValueError as error:  # Keras: the features are no function of the maps
        raise ValueError(
            f"backbone: attention maps need features that depend on the last feature maps alone. Found: {error}. "
            "Choose a backbone without shortcuts past its last convolution."
        ) from error
    if parts is None or not parts[0][-1].weights:
        raise ValueError(
            "backbone: attention maps need a layer with weights whose output is (N, h, w, K), h and w above 1. Found: "
            f"none in {[layer.name for layer in leaf_layers(body)]}. Choose a convolutional backbone."
        )
    return CutBody(*map(_chain, parts))


def _cut(network):
    """The models before and after the last maps of a network, in order; None if it has no maps."""
    for layer in reversed(network.layers):
        # Of the call of the layer in this network; a model's own `input` and `output` are inside it.
        called, result = keras.Operation.input.fget(layer), keras.Operation.output.fget(layer)
        if isinstance(result, keras.KerasTensor) and len(result.shape) == 4 and min(result.shape[1:3]) > 1:
            return [keras.Model(network.input, result)], [keras.Model(result, network.output)]
        inside = _cut(layer) if isinstance(layer, keras.Model) else None
        if inside:
            before, after = keras.Model(network.input, called), keras.Model(result, network.output)
            return [before, *inside[0]], [*inside[1], after]
    return None


def _chain(models):
    """One model that applies several after one another."""
    if len(models) == 1:
        return models[0]
    inputs = x = keras.Input(models[0].input.shape[1:], dtype=models[0].input.dtype)
    for model in models:
        x = model(x)
    return keras.Model(inputs, x)
