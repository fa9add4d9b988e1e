"""Gradients under each backend of Keras are those of the backend in use."""

import keras
import numpy as np
import pytest
from keras import layers
from on_backend import run_python

from src.attention.gradients import input_gradients

PROGRAM = """
import sys, keras, numpy as np
from src.attention import find_attention
from src.attention.gradients import input_gradients
stream, data = keras.models.load_model(sys.argv[1] + "/temporal.keras"), np.load(sys.argv[1] + "/data.npz")
tail = keras.models.load_model(sys.argv[1] + "/tail.keras")
found = find_attention(stream, data["inputs"], data["classes"])
np.savez(sys.argv[1] + "/found.npz", maps=found, gradients=input_gradients(tail, data["maps"], data["weights"]))
print(keras.backend.backend())
"""


def make_tail():
    """Maps (M, 6, 6, 4) → features (M, 5), with batch norm and dropout, whose training would change the result."""
    keras.utils.set_random_seed(2)
    maps = keras.Input((6, 6, 4))
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, activation="relu")(maps))
    return keras.Model(maps, layers.Dense(5, activation="relu")(layers.Dropout(0.5)(layers.Flatten()(x))))


def make_data():
    generator = np.random.default_rng(0)
    return generator.normal(size=(3, 6, 6, 4)).astype("f4"), generator.normal(size=(3, 5)).astype("f4")


def test_gradients_are_differences_and_leave_the_network_as_it_is():
    tail, (maps, weights) = make_tail(), make_data()
    before, trainable = tail.get_weights(), len(tail.trainable_weights)
    found = input_gradients(tail, maps, weights)
    direction = np.random.default_rng(1).normal(size=maps.shape).astype("f4")

    def product(step):
        return (keras.ops.convert_to_numpy(tail(maps + step * direction, training=False)) * weights).sum()

    assert (found * direction).sum() == pytest.approx((product(1e-3) - product(-1e-3)) / 2e-3, rel=0.02)
    assert len(tail.trainable_weights) == trainable
    for old, new in zip(before, tail.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_backends_agree(backend, tmp_path):
    from models import build_temporal_cnn
    from src.attention import find_attention

    keras.utils.set_random_seed(1)
    stream = build_temporal_cnn(3, 32, 2, "small", num_segments=2, consensus="ordered", temporal_shift=True)
    tail, (maps, weights) = make_tail(), make_data()
    inputs, classes = np.random.default_rng(0).integers(0, 256, (2, 2, 32, 32, 4), dtype=np.uint8), np.array([2, 0])
    stream.save(tmp_path / "temporal.keras")
    tail.save(tmp_path / "tail.keras")
    np.savez(tmp_path / "data.npz", inputs=inputs, classes=classes, maps=maps, weights=weights)
    assert run_python(backend, "-c", PROGRAM, str(tmp_path)).split()[-1] == backend
    found = np.load(tmp_path / "found.npz")
    np.testing.assert_allclose(found["gradients"], input_gradients(tail, maps, weights), atol=1e-5)
    np.testing.assert_allclose(found["maps"], find_attention(stream, inputs, classes), atol=1e-4)
