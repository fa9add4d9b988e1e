"""Segmental consensus: the scores of a clip from those of its segments, by hand."""

import keras
import numpy as np
from networks import CLASSES, LENGTH, SIZE, assert_probabilities, make_images, predict
from scipy.special import softmax

from models.consensus import build_consensus
from models.temporal_cnn import build_temporal_cnn


def make_network():
    """Input uint8 (N, 2) → the softmax of its values."""
    values = keras.Input((2,), dtype="uint8")
    x = keras.layers.Rescaling(1.0)(values)
    network = keras.Model(values, keras.layers.Dense(2, activation="softmax", name="scores")(x), name="temporal")
    network.get_layer("scores").set_weights([np.eye(2), np.zeros(2)])
    return network


def test_logits_are_averaged_over_the_segments_of_each_clip():
    """Two clips of three segments. The mean logits of the first are 1 and 3, so its scores are 1 and e² of 1 + e²: 0.12
    for class 0; the mean of its segments' scores would be 0.36. No segment counts for the other clip."""
    model = build_consensus(make_network(), 3)
    assert model.input_shape == (None, 3, 2) and model.input.dtype == "uint8"
    segments = np.array([[[3, 0], [0, 2], [0, 7]], [[5, 5], [6, 0], [0, 6]]], np.uint8)
    expected = [[1 / (1 + np.exp(2)), np.exp(2) / (1 + np.exp(2))], [0.5, 0.5]]
    np.testing.assert_allclose(predict(model, segments), expected, rtol=1e-6)


def test_one_segment_has_the_scores_of_the_network():
    network = build_temporal_cnn(CLASSES, SIZE, LENGTH, "small")
    inputs = make_images(2 * LENGTH)
    found = predict(build_consensus(network, 1), inputs[:, None])
    np.testing.assert_allclose(found, predict(network, inputs), rtol=1e-5)


def test_training_the_consensus_trains_the_network():
    """One loss for a clip, and the network that is saved is the one that was trained."""
    network = build_temporal_cnn(CLASSES, SIZE, LENGTH, "small")
    inputs = np.stack([make_images(2 * LENGTH, 2) for _ in range(2)])
    model = build_consensus(network, 2)
    before = predict(network, inputs[0])
    model.compile(keras.optimizers.SGD(0.5), "categorical_crossentropy")
    model.train_on_batch(inputs, np.eye(CLASSES)[:2])
    after = predict(network, inputs[0])
    assert_probabilities(after, 2)
    assert abs(after - before).max() > 1e-3
    assert [weight.path for weight in model.trainable_weights] == [weight.path for weight in network.trainable_weights]
    np.testing.assert_allclose(predict(model, inputs[:1])[0], softmax(np.log(after).mean(axis=0)), rtol=1e-4)
