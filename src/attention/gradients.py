"""The gradient of a network's output by its input maps, under each backend of Keras, which has no name for gradients."""

import keras
import numpy as np
from keras import ops


class _Shifted(keras.Model):
    """Maps (M, h, w, K) and weights (M, F) → products (M,) of the weights and the features of maps + shift.

    Its only weight is the shift, (M, 1, 1, K). It begins at 0, so a step of gradient ascent makes it the gradient.
    """

    def __init__(self, tail: keras.Model, shape: tuple[int, ...]):
        super().__init__()
        # In a function, where Keras finds no weights: those of the tail are not trained.
        self._features = lambda maps: tail(maps, training=False)
        self.shift = self.add_weight(shape=(shape[0], 1, 1, shape[-1]), initializer="zeros", dtype="float32")

    def call(self, inputs):
        features = ops.cast(self._features(inputs["maps"] + self.shift), "float32")
        return ops.sum(features * inputs["weights"], axis=-1)


def channel_gradients(tail: keras.Model, maps: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The gradient of weighted features by the channels of maps, summed over places.

    Args:
        tail: maps → features float (M, F). Its weights and its batch norm stay as they are.
        maps: float32 (M, h, w, K).
        weights: float32 (M, F), of the features.

    Returns:
        float32 (M, K): how much the weighted sum of a segment's features grows when one channel of its maps grows by
        the same small amount at each place, divided by this amount. Selvaraju et al. 2017 (Grad-CAM), equation 1, times
        the number of places.
    """
    model = _Shifted(tail, maps.shape)
    model.compile(
        keras.optimizers.SGD(1.0),
        loss=lambda _, products: -ops.sum(products),
        run_eagerly=True, jit_compile=False, auto_scale_loss=False,
    )  # fmt: skip
    model.train_on_batch({"maps": maps, "weights": weights}, np.zeros(len(maps), np.float32))
    return ops.convert_to_numpy(model.shift)[:, 0, 0]
