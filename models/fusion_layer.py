"""Late fusion as a layer, so that a saved model holds the fusion that was learned for its streams."""

import keras
import numpy as np
from keras import layers, ops

LEAST_SCORE = 1e-10  # float32 scores can be exactly zero, which has no logarithm


@keras.saving.register_keras_serializable(package="two_stream")
class Fused(layers.Layer):
    """Late fusion: [spatial, temporal], scores, each float (B, C) → float32 (B, C), probabilities.

    The default is the average. All else is fitted by `src.fusion.fit_fusion`, whose `Fusion.parameters` are the
    arguments, and whose `Fusion.apply` computes the same with NumPy.

    Args:
        inverse_temperatures: (2,); each stream's scores are raised to this power and normalised.
        features: what is combined: "scores", "log scores", or "unit length", both streams' scores as one vector of
            length 1.
        weights: (2,), of the streams, if there is no kernel.
        kernel: (2C, C), of both streams' features, spatial first; None takes `weights`.
        bias: (C,), with the kernel.
        class_names: by class index, for whoever loads the model; None if they are not known.

    The softmax of the combination is the output, except for "scores", whose combination is a probability already.
    """

    def __init__(
        self, inverse_temperatures=(1.0, 1.0), features="scores", weights=(0.5, 0.5), kernel=None, bias=None,
        class_names=None, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs | {"dtype": "float32"})
        self.parameters = {
            "inverse_temperatures": inverse_temperatures, "features": features, "weights": weights, "kernel": kernel,
            "bias": bias, "class_names": class_names,
        }  # fmt: skip
        self.class_names = class_names

    def call(self, scores):
        given = self.parameters
        parts = [_calibrate(*pair) for pair in zip(scores, given["inverse_temperatures"], strict=True)]
        if given["features"] == "log scores":
            parts = [_log(part) for part in parts]
        if given["kernel"] is None:
            combined = sum(weight * part for weight, part in zip(given["weights"], parts, strict=True))
        else:
            both = ops.concatenate(parts, axis=-1)
            if given["features"] == "unit length":
                both = both / ops.norm(both, axis=-1, keepdims=True)
            kernel, bias = (np.array(given[name], np.float32) for name in ("kernel", "bias"))
            # Not a matrix product, whose factors GPUs may round to 10 bits (TF32).
            combined = ops.add(ops.sum(ops.multiply(ops.expand_dims(both, -1), kernel), axis=-2), bias)
        return combined if given["features"] == "scores" else ops.softmax(combined, axis=-1)

    def compute_output_spec(self, scores):
        return keras.KerasTensor(scores[0].shape, "float32")

    def get_config(self):
        return super().get_config() | self.parameters


def _calibrate(scores, inverse_temperature):
    return scores if inverse_temperature == 1 else ops.softmax(inverse_temperature * _log(scores), axis=-1)


def _log(scores):
    return ops.log(ops.maximum(scores, LEAST_SCORE))
