"""A video file is processed as the training clips are, and gets the same scores."""

import keras
import numpy as np
import pytest
from conftest import TINY_CONFIG, TINY_NAMES, TINY_TRAINING, moving_texture, write_video
from keras import layers

from models import build_two_stream
from models.consensus import build_clip_network
from src.config import TrainConfig
from src.evaluation.scores import predict_scores
from src.fusion import Fusion
from src.inference.prediction import predict_video
from src.inputs import read_clips

SIZE = TINY_TRAINING.crop_size


def test_a_portrait_video_is_scored_with_probabilities(two_stream, tmp_path):
    """Defect 7: the fused scores are the mean of two probabilities."""
    path = write_video(tmp_path / "clip.webm", moving_texture(6, 2, 0, 80, 60))
    scores, clip = predict_video(str(path), two_stream, TINY_NAMES, TINY_CONFIG, TINY_TRAINING)
    assert clip.frames.shape == (2, 64, 48, 3) and clip.stacks.shape == (2, 64, 48, 6)
    assert set(scores) == {"spatial", "temporal", "fused"}
    for values in scores.values():
        assert values.shape == (3,) and values.dtype == np.float32 and values.sum() == pytest.approx(1)
    np.testing.assert_allclose(scores["fused"], (scores["spatial"] + scores["temporal"]) / 2, atol=1e-6)
    assert TINY_NAMES[scores["temporal"].argmax()] == "Pushing something from left to right"


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"test_crops": 10, "temporal_crop_size": 40, "consensus": "ordered"},
        {"test_crops": 5, "test_segments": 1, "flow_length": 1},
        {"test_crops": 1, "test_segments": 1, "consensus": "ordered"},
    ],
)
def test_a_video_is_scored_by_the_protocol_of_its_run(tiny_store, config):
    """Scores are those of `predict_scores`, flipped crops included; only the store compresses frames and flow."""
    clips, store, names = read_clips(tiny_store[0])
    config = TrainConfig(crop_size=SIZE, **config)
    frame = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="frame")
    size = config.crop_size_of("temporal")
    flow = keras.Input((size, size, 2 * (config.flow_length or TINY_CONFIG.flow_length)), dtype="uint8")
    keras.utils.set_random_seed(0)
    streams, segments = [], TINY_CONFIG.num_segments if config.fixed_segments else None
    for name, x in (("spatial", frame), ("temporal", flow)):
        body = keras.Model(x, layers.Flatten()(layers.Rescaling(1 / 255)(x)), name="body")
        streams.append(build_clip_network(body, 3, segments, config.consensus, 0.5, False, name))
    model, row = build_two_stream(*streams), clips[clips.split == "test"].iloc[2]
    scores, _ = predict_video(row.path, model, names, TINY_CONFIG, config)
    for stream in ("spatial", "temporal"):
        expected = predict_scores(model.get_layer(stream), clips, store, stream, "test", names, config)[2]
        np.testing.assert_allclose(scores[stream], expected, atol=0.01)


def test_a_video_is_fused_as_the_saved_model_says_after_its_streams_are_averaged(two_stream, tmp_path):
    """Fusion is that of the fusion table: of the mean scores of each stream, not the mean of fused segments."""
    streams = [two_stream.get_layer(stream) for stream in ("spatial", "temporal")]
    parameters = {"features": "log scores", "weights": [0.5, 2.0]}
    build_two_stream(*streams, parameters).save(tmp_path / "two_stream.keras")
    model = keras.models.load_model(tmp_path / "two_stream.keras")
    path = write_video(tmp_path / "clip.webm", np.concatenate([moving_texture(9, u, 0, 48, 64) for u in (2, -2)]))
    scores, _ = predict_video(path, model, TINY_NAMES, TINY_CONFIG, TINY_TRAINING)
    fusion = Fusion("", 3, parameters)
    expected = fusion.apply({stream: scores[stream][None] for stream in ("spatial", "temporal")})[0]
    np.testing.assert_allclose(scores["fused"], expected, atol=1e-5)
    averaged, _ = predict_video(path, two_stream, TINY_NAMES, TINY_CONFIG, TINY_TRAINING)
    assert np.abs(averaged["fused"] - scores["fused"]).max() > 0.01


def test_older_models_average(two_stream, tmp_path):
    streams = [two_stream.get_layer(stream) for stream in ("spatial", "temporal")]
    inputs = [keras.Input(stream.input_shape[1:]) for stream in streams]
    fused = layers.Average(name="fused")([stream(x) for stream, x in zip(streams, inputs, strict=True)])
    older = keras.Model(inputs, fused)
    path = write_video(tmp_path / "clip.webm", moving_texture(6, 2, 0, 48, 64))
    found, expected = (
        predict_video(path, model, TINY_NAMES, TINY_CONFIG, TINY_TRAINING)[0]["fused"] for model in (older, two_stream)
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)
