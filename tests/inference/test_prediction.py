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
from src.video import VideoError

HOLDING, TO_RIGHT, TO_LEFT = range(3)
NAMES, CONFIG, SIZE = TINY_NAMES, TINY_TRAINING, TINY_TRAINING.crop_size


def test_scores_are_those_of_evaluation_except_for_compression(two_stream, tiny_store):
    """Segments, crops and averages are those of `predict_scores`; only the store compresses frames and flow."""
    clips, store, _ = read_clips(tiny_store[0])
    test = clips[clips.split == "test"].reset_index(drop=True)
    expected = {
        stream: predict_scores(two_stream.get_layer(stream), clips, store, stream, "test", NAMES, CONFIG)
        for stream in ("spatial", "temporal")
    }
    for row in test.itertuples():
        scores, _ = predict_video(row.path, two_stream, NAMES, TINY_CONFIG, CONFIG)
        for stream in ("spatial", "temporal"):
            np.testing.assert_allclose(scores[stream], expected[stream][row.Index], atol=0.02)
        assert scores["temporal"].argmax() == row.class_index
    assert np.ptp(expected["spatial"], axis=0).max() > 0.05  # scores differ between videos


@pytest.mark.parametrize("u, label", [(0, HOLDING), (2, TO_RIGHT), (-2, TO_LEFT)])
def test_scores_of_a_video_file_are_probabilities(two_stream, tmp_path, u, label):
    """Defect 7: the fused scores are the mean of two probabilities."""
    path = write_video(tmp_path / "clip.webm", moving_texture(8, u, 0, 60, 80))
    scores, clip = predict_video(str(path), two_stream, NAMES, TINY_CONFIG, CONFIG)
    assert set(scores) == {"spatial", "temporal", "fused"}
    for values in scores.values():
        assert values.shape == (3,) and values.dtype == np.float32 and values.sum() == pytest.approx(1)
    np.testing.assert_allclose(scores["fused"], (scores["spatial"] + scores["temporal"]) / 2, atol=1e-6)
    assert scores["temporal"].argmax() == label
    assert clip.frames.shape == (2, 48, 64, 3) and clip.stacks.shape == (2, 48, 64, 6)


def test_a_portrait_video_is_scored(two_stream, tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(6, 2, 0, 80, 60))
    scores, clip = predict_video(path, two_stream, NAMES, TINY_CONFIG, CONFIG)
    assert clip.frames.shape == (2, 64, 48, 3) and scores["temporal"].argmax() == TO_RIGHT


def test_a_file_that_is_no_video_is_refused_by_name(two_stream, tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_text("not a video")
    with pytest.raises(VideoError, match="notes.mp4"):
        predict_video(path, two_stream, NAMES, TINY_CONFIG, CONFIG)


@pytest.mark.parametrize(
    "config", [{"test_crops": 10, "temporal_crop_size": 40}, {"test_crops": 5, "test_segments": 1, "flow_length": 1}]
)
def test_a_video_is_scored_by_the_protocol_of_its_run(tiny_store, config):
    """Segments, crops and flow input are those of `predict_scores`, flipped crops included."""
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
        np.testing.assert_allclose(scores[stream], expected, atol=0.05)
