"""Attention of clips in the store, in the centre crop, for the true and for the predicted class."""

import dataclasses

import keras
import numpy as np
import pytest
from conftest import TINY_TRAINING
from keras import layers

from models import build_temporal_cnn
from models.consensus import build_clip_network
from src.attention import attend_clips, find_attention
from src.inputs import EvaluationBatches, read_clips


@pytest.fixture(scope="module")
def data(tiny_store):
    clips, store, names = read_clips(tiny_store[0])
    return clips[clips.split == "test"], store, names


def temporal_of(inputs):
    length = inputs.shape[-1] // 2
    return build_temporal_cnn(3, 32, length, "small", num_segments=None)


def test_images_and_maps_of_both_classes(data, two_stream):
    clips, store, _ = data
    streams = [two_stream.get_layer(name) for name in ("spatial", "temporal")]
    scores = dict.fromkeys(("spatial", "temporal"), np.eye(3)[np.zeros(len(clips), int)])  # all predicted as class 0
    found = attend_clips(streams, clips, store, TINY_TRAINING, scores)
    true = clips.class_index.to_numpy()
    for stream, channels, kind in ((streams[0], 3, np.uint8), (streams[1], 2, np.float32)):
        images, classes, maps = found[stream.name]
        assert images.shape == (len(clips), 2, 32, 32, channels) and images.dtype == kind
        assert classes.tolist() == [[label, 0] for label in true]
        batches = EvaluationBatches(*data[:2], stream.name, "test", 3, TINY_TRAINING)
        inputs = np.concatenate([batches[n][0] for n in range(len(batches))])
        np.testing.assert_allclose(maps[:, 0], find_attention(stream, inputs, true), atol=1e-5)
        np.testing.assert_allclose(maps[:, 1], find_attention(stream, inputs, 0 * true), atol=1e-5)
    speeds = found["temporal"].images.mean(axis=(1, 2, 3))[:, 0]  # px/frame
    assert speeds[true == 1].min() > 1 and speeds[true == 2].max() < -1


@pytest.mark.parametrize("kind", ["stack", "bidirectional", "trajectory"])
def test_flow_is_shown_as_it_is_for_each_flow_input(kind, data):
    clips, store, _ = data
    plain_config = dataclasses.replace(TINY_TRAINING, flow_length=2)  # an even number, for both directions
    config = dataclasses.replace(plain_config, flow_input=kind)
    stream = temporal_of(EvaluationBatches(clips, store, "temporal", "test", 3, config)[0][0])
    scores = {"temporal": np.eye(3)[clips.class_index]}
    found = attend_clips([stream], clips, store, config, scores)["temporal"]
    assert found.maps.shape == (len(clips), 2, 2, 32, 32)
    plain = attend_clips([temporal_of(np.zeros((1, 4)))], clips, store, plain_config, scores)["temporal"]
    np.testing.assert_array_equal(found.images, plain.images)


def test_a_stream_without_maps_is_named_and_has_maps_of_zeros(data, capsys):
    inputs = keras.Input((32, 32, 3), dtype="uint8", name="inputs")
    body = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)), name="body")
    stream = build_clip_network(body, 3, None, "average", 0.0, False, "spatial")
    found = attend_clips([stream], *data[:2], TINY_TRAINING, {"spatial": np.eye(3)[data[0].class_index]})["spatial"]
    assert found.maps.shape == (len(data[0]), 2, 2, 32, 32) and not found.maps.any() and found.images.any()
    assert "Where the spatial stream looks is not shown. backbone: " in capsys.readouterr().out


def test_no_clips_say_so(data, two_stream):
    clips, store, _ = data
    with pytest.raises(ValueError, match="clips must have one row or more. Received: none"):
        attend_clips([two_stream.get_layer("spatial")], clips[:0], store, TINY_TRAINING, {"spatial": np.zeros((0, 3))})
