"""Both streams in one model."""

import keras
import numpy as np
import pytest
from keras import layers
from networks import CLASSES, LENGTH, SIZE, assert_probabilities, assert_same_when_loaded, make_images, predict

from models.finetuned_resnet import build_finetuned_resnet
from models.temporal_cnn import build_temporal_cnn
from models.two_stream import build_two_stream

SEGMENTS = 2


@pytest.fixture(scope="module")
def streams():
    keras.utils.set_random_seed(0)
    return build_finetuned_resnet(CLASSES, SIZE, backbone="compact"), build_temporal_cnn(CLASSES, SIZE, LENGTH)


def make_clips(channels):
    """uint8 (3, SEGMENTS, SIZE, SIZE, channels)."""
    return make_images(channels, 3 * SEGMENTS).reshape(3, SEGMENTS, SIZE, SIZE, channels)


def test_scores_are_averaged_over_streams_whose_weights_are_shared(streams, tmp_path):
    """Defect 7: an average of probabilities."""
    spatial, temporal = streams
    model = build_two_stream(spatial, temporal)
    assert model.get_layer("spatial") is spatial and model.get_layer("temporal") is temporal
    inputs = {"frame": make_clips(3), "flow": make_clips(2 * LENGTH)}
    fused = predict(model, inputs)
    assert_probabilities(fused, 3)
    expected = (predict(spatial, inputs["frame"]) + predict(temporal, inputs["flow"])) / 2
    np.testing.assert_allclose(fused, expected, rtol=1e-6)
    assert_same_when_loaded(model, inputs, tmp_path / "two_stream.keras")


@pytest.mark.parametrize("dropout", [0.5, None])
def test_streams_of_one_segment_average_its_scores_over_the_clip(dropout, tmp_path):
    """As runs of older versions saved and scored them, with a dropout before the scores, or a dense layer."""

    def build(name, channels):
        x = inputs = keras.Input((SIZE, SIZE, channels), dtype="uint8")
        x = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 50)(x))
        x = layers.BatchNormalization()(layers.GlobalAveragePooling2D()(x))
        x = layers.Dropout(dropout, name="dropout")(x) if dropout else layers.Dense(4, activation="relu")(x)
        scores = layers.Dense(CLASSES, activation="softmax", dtype="float32", name="scores")(x)
        keras.Model(inputs, scores, name=name).save(tmp_path / f"{name}.keras")
        return keras.models.load_model(tmp_path / f"{name}.keras")

    keras.utils.set_random_seed(0)
    older = {name: build(name, channels) for name, channels in (("spatial", 3), ("temporal", 2 * LENGTH))}
    build_two_stream(*older.values()).save(tmp_path / "two_stream.keras")
    model = keras.models.load_model(tmp_path / "two_stream.keras")
    for name, stream in older.items():
        clips = make_clips(stream.input_shape[-1])
        by_segment = [predict(stream, segments) for segments in clips.transpose(1, 0, 2, 3, 4)]
        assert np.abs(by_segment[0] - by_segment[1]).max() > 1e-3
        converted = model.get_layer(name)
        np.testing.assert_allclose(predict(converted, clips), np.mean(by_segment, axis=0), atol=1e-6)
        features = predict(converted.get_layer("body"), clips[:, 0])
        assert features.shape == (3, 4)
        np.testing.assert_allclose(predict(converted.get_layer("head"), features[:, None]), by_segment[0], atol=1e-6)


def test_streams_of_other_classes_are_refused(streams):
    with pytest.raises(ValueError, match="same classes. Received: 3 and 4"):
        build_two_stream(streams[0], build_temporal_cnn(4, SIZE, LENGTH))
