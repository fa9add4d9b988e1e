"""A video file is processed as the training clips are, and gets the same scores."""

import keras
import numpy as np
import pytest
from conftest import TINY_CONFIG, TINY_NAMES, TINY_TRAINING, moving_texture, write_video
from keras import layers

from models import build_two_stream
from src.config import TrainConfig
from src.evaluation.scores import predict_scores
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
    [{}, {"test_crops": 10, "temporal_crop_size": 40}, {"test_crops": 5, "test_segments": 1, "flow_length": 1}],
)
def test_a_video_is_scored_by_the_protocol_of_its_run(tiny_store, config):
    """Scores are those of `predict_scores`, flipped crops included; only the store compresses frames and flow."""
    clips, store, names = read_clips(tiny_store[0])
    config = TrainConfig(crop_size=SIZE, **config)
    frame = keras.Input((SIZE, SIZE, 3), dtype="uint8")
    size = config.temporal_crop_size or SIZE
    flow = keras.Input((size, size, 2 * (config.flow_length or TINY_CONFIG.flow_length)), dtype="uint8")
    keras.utils.set_random_seed(0)
    pooled = [layers.Flatten()(layers.Rescaling(1 / 255)(x)) for x in (frame, flow)]
    streams = [
        keras.Model(x, layers.Dense(3, activation="softmax", name="scores")(y), name=name)
        for x, y, name in zip((frame, flow), pooled, ("spatial", "temporal"), strict=True)
    ]
    model, row = build_two_stream(*streams), clips[clips.split == "test"].iloc[2]
    scores, _ = predict_video(row.path, model, names, TINY_CONFIG, config)
    for stream in ("spatial", "temporal"):
        expected = predict_scores(model.get_layer(stream), clips, store, stream, "test", names, config)[2]
        np.testing.assert_allclose(scores[stream], expected, atol=0.01)
