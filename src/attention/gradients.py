"""Gradients by the input of a network, under each backend: Keras has no function for them, but trains weights."""

import keras
import numpy as np
from keras import ops


class _Shifted(keras.Model):
    """Maps (M, h, w, K) → the features of maps + shift. Its only weight is the shift, which begins at 0."""

    def __init__(self, tail: keras.Model, shape: tuple[int, ...]):
        super().__init__()
        # In a function, where Keras finds no weights: those of the tail are not trained.
        self._features = lambda maps: tail(maps, training=False)
        self.shift = self.add_weight(shape=shape, initializer="zeros", dtype="float32")

    def call(self, maps):
        return ops.cast(self._features(maps + self.shift), "float32")


def input_gradients(tail: keras.Model, maps: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The gradient, by feature maps, of the sum of weighted features.

    It is found in one step of training: gradient ascent with learning rate 1, of a shift of the maps.

    Args:
        tail: maps → features float (M, F). Its weights and statistics stay as they are.
        maps: float32 (M, h, w, K).
        weights: float32 (M, F).

    Returns:
        float32 (M, h, w, K).
    """
    model = _Shifted(tail, maps.shape)
    model.compile(
        keras.optimizers.SGD(1.0),
        loss=lambda weights, features: -ops.sum(weights * features),
        run_eagerly=True, jit_compile=False, auto_scale_loss=False,
    )  # fmt: skip
    model.train_on_batch(maps, weights)
    return ops.convert_to_numpy(model.shift)
