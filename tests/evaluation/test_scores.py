"""Scores of a small network against their definition."""

import hashlib

import keras
import numpy as np
import pytest
from conftest import TINY_CONFIG, TINY_COUNTS, TINY_TRAINING

from models.consensus import build_clip_network
from src.config import TrainConfig
from src.evaluation.scores import average_crops, digest_weights, evaluation_protocol, predict_scores, score_split
from src.inputs import read_clips
from src.training import start_run
from src.video.crops import crop_frame, scored_crops


@pytest.fixture(scope="module")
def small_model():
    """Frames of a clip → scores, with layers that behave differently in training mode."""
    keras.utils.set_random_seed(0)
    frame = keras.Input((32, 32, 3), dtype="uint8", name="frame")
    x = keras.layers.Rescaling(1 / 255)(frame)
    x = keras.layers.Conv2D(4, 5, strides=4)(x)
    x = keras.layers.BatchNormalization()(x)
    body = keras.Model(frame, keras.layers.GlobalAveragePooling2D()(x), name="body")
    return build_clip_network(body, 3, None, "average", 0.5, False, "spatial")


def predict(model, tiny_store, split="validation", **config):
    clips, store, names = read_clips(tiny_store[0])
    return predict_scores(model, clips, store, "spatial", split, names, TrainConfig(crop_size=32, **config))


def define(model, tiny_store, num_crops=3, segments=(0, 1)):
    """The scores by definition: the mean over the crops of a video, each of all its segments."""
    clips, store, _ = read_clips(tiny_store[0])
    scores = []
    for name in clips.clip_name[clips.split == "validation"]:
        frames = [store.read_frame(name, segment) for segment in segments]
        inputs = [[crop_frame(frame, crop, 32) for frame in frames] for crop in scored_crops(48, 64, num_crops, False)]
        by_crop = keras.ops.convert_to_numpy(model(np.array(inputs), training=False))
        if num_crops == 10:
            by_crop = np.concatenate([by_crop[:5], by_crop[5:][:, [0, 2, 1]]])  # right, flipped, is left
        scores.append(by_crop.mean(axis=0))
    return scores


def test_evaluation_ignores_the_mode_the_model_was_in(small_model, tiny_store):
    """Defect 5: scores right after a training step use the moving statistics, and no dropout."""
    small_model.compile(keras.optimizers.SGD(0.0), "categorical_crossentropy")
    inputs = np.random.default_rng(0).integers(0, 256, (4, 2, 32, 32, 3), dtype=np.uint8)
    small_model.train_on_batch(inputs, np.eye(3)[[0, 1, 2, 0]])
    np.testing.assert_allclose(predict(small_model, tiny_store), define(small_model, tiny_store), atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 4, 12])
def test_scores_average_a_videos_own_inputs_whatever_the_batch(small_model, tiny_store, batch_size):
    """Defect 17: six clips one by one, in batches of 2, or all at once, are averaged by video."""
    scores = predict(small_model, tiny_store, batch_size=batch_size)
    assert scores.shape == (3 * TINY_COUNTS["validation"], 3) and scores.dtype == np.float32
    np.testing.assert_allclose(scores, define(small_model, tiny_store), atol=1e-6)


@pytest.mark.parametrize("num_crops", [1, 5, 10])
@pytest.mark.parametrize("test_segments, segments", [(None, (0, 1)), (1, (1,))])
def test_segments_and_crops_are_those_of_the_configuration(small_model, tiny_store, num_crops, test_segments, segments):
    """Defect 2: the columns of left and right are exchanged in the scores of flipped crops before averaging."""
    scores = predict(small_model, tiny_store, test_crops=num_crops, test_segments=test_segments)
    np.testing.assert_allclose(scores, define(small_model, tiny_store, num_crops, segments), atol=1e-6)


def test_flipped_crops_need_a_flipped_class_of_every_class(tiny_store):
    names, config = ["Holding something", "turn_left"], TrainConfig(test_crops=10)
    with pytest.raises(ValueError, match=r"none for the classes \[1\]"):
        average_crops(np.full((10, 2), 0.5), names, config)


def test_scores_of_crops_are_averaged_by_clip_after_left_and_right_are_exchanged_in_flipped_ones():
    """By hand: two clips of ten crops, of which the last five are flipped."""
    names = ["turn_left", "turn_right"]
    scores = np.repeat([[0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [0.5, 0.5]], 5, axis=0)
    found = average_crops(scores, names, TrainConfig(test_crops=10))
    np.testing.assert_allclose(found, [[0.7, 0.3], [0.4, 0.6]], rtol=1e-6)
    plain = average_crops(scores[4:7], names, TrainConfig(test_crops=3))
    np.testing.assert_allclose(plain, [[1.6 / 3, 1.4 / 3]], rtol=1e-6)
    assert plain.dtype == np.float32


@pytest.fixture
def run(tmp_path):
    return start_run("first", "tiny", "0123456789ab", TINY_CONFIG, TrainConfig(), ["a"], root=tmp_path)


def test_a_run_scores_a_split_once(two_stream, tiny_store, run, monkeypatch):
    """Defect 6: test is scored once; later calls read what was written then, and refuse other clips."""
    streams = [two_stream.get_layer(stream) for stream in ("spatial", "temporal")]
    clips, *rest = read_clips(tiny_store[0])
    first = score_split(run, *streams, clips, *rest, TINY_TRAINING, "test")
    assert set(first) == {"spatial", "temporal", "fused"}
    np.testing.assert_allclose(first["fused"], (first["spatial"] + first["temporal"]) / 2, atol=1e-7)
    monkeypatch.setattr("src.evaluation.scores.predict_scores", None)
    again = score_split(run, *streams, clips, *rest, TINY_TRAINING, "test")
    for stream, scores in first.items():
        np.testing.assert_array_equal(again[stream], scores)
    other = clips.iloc[::-1].reset_index(drop=True)
    with pytest.raises(ValueError, match="scores_test.npz: the scores must belong to the 6 clips"):
        score_split(run, *streams, other, *rest, TINY_TRAINING, "test")
    changed = keras.models.clone_model(streams[1])  # the same network with other weights
    with pytest.raises(ValueError, match=f"digest {digest_weights([streams[0], changed])}.*{digest_weights(streams)}"):
        score_split(run, streams[0], changed, clips, *rest, TINY_TRAINING, "test")


def test_the_digest_of_weights_is_that_of_their_file_and_not_of_the_state_of_dropout(small_model, tmp_path):
    """Predicting in training mode moves the seed of dropout; loading the weights gives the same numbers."""
    before = digest_weights([small_model])
    small_model.save(tmp_path / "model.keras")
    small_model.get_layer("head").get_layer("dropout")(np.ones((1, 4)), training=True)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert digest_weights([small_model]) == before == digest_weights([loaded])
    assert digest_weights([small_model, small_model]) != before


def test_the_digest_of_weights_by_hand():
    """SHA-256 of the bytes of all weights, float32, kernel before bias."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.set_weights([np.array([[1.0], [2.0]]), np.array([3.0])])
    assert digest_weights([model]) == hashlib.sha256(np.float32([1, 2, 3]).tobytes()).hexdigest()[:12]


def test_the_protocol_says_how_numbers_are_measured(tiny_store, run):
    _, store, names = read_clips(tiny_store[0])
    expected = {"subset": "0123456789ab", "store": TINY_CONFIG.key, "segments": 2, "crops": 3, "seed": 0}
    assert evaluation_protocol("0123456789ab", store, names, TrainConfig()) == expected
    one = evaluation_protocol("0123456789ab", store, names, TrainConfig(test_segments=1, test_crops=10, seed=4))
    assert one == expected | {"segments": 1, "crops": 10, "seed": 4}
    repeated = evaluation_protocol("0123456789ab", store, names, TrainConfig(test_segments=1, consensus="ordered"))
    assert repeated == expected | {"segments": 1}  # in both places


@pytest.mark.parametrize("config", [{"test_segments": 3}, {"test_crops": 10}])
def test_a_protocol_that_is_not_possible_is_refused_before_training(config, tiny_store, run):
    _, store, _ = read_clips(tiny_store[0])
    with pytest.raises(ValueError, match="test_segments must be at most 2|Flipped crops"):
        evaluation_protocol("0123456789ab", store, ["turn_left", "stay", "wave"], TrainConfig(**config))
