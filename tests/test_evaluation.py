"""Scores of a small network against their definition."""

import keras
import numpy as np
import pytest
from conftest import TINY_COUNTS

from src.config import TrainConfig
from src.evaluation import predict_scores
from src.input_pipeline import read_clips


@pytest.fixture(scope="module")
def small_model():
    """Frame → scores, with everything that behaves differently in training mode."""
    keras.utils.set_random_seed(0)
    frame = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(frame)
    x = keras.layers.Conv2D(4, 5, strides=4)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.5)(x)
    return keras.Model(frame, keras.layers.Dense(3, activation="softmax")(x))


def predict(model, tiny_store, split="validation", **config):
    clips, store, _ = read_clips(tiny_store[0])
    return predict_scores(model, clips, store, "spatial", split, TrainConfig(crop_size=32, **config))


def define(model, tiny_store):
    """What the scores are by definition: the mean over a video's two segments and three crops of each."""
    clips, store, _ = read_clips(tiny_store[0])
    scores = []
    for name in clips.clip_name[clips.split == "validation"]:
        frames = [store.read_frame(name, segment)[8:40] for segment in range(2)]
        views = np.stack([frame[:, left : left + 32] for frame in frames for left in (0, 16, 32)])
        scores.append(keras.ops.convert_to_numpy(model(views, training=False)).mean(axis=0))
    return scores


def test_scores_are_one_row_of_probabilities_per_video(small_model, tiny_store):
    scores = predict(small_model, tiny_store, batch_size=4)
    assert scores.shape == (3 * TINY_COUNTS["validation"], 3) and scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)


def test_two_evaluations_agree_to_the_last_digit(small_model, tiny_store):
    """Defect 5: evaluating in training mode, with dropout and the statistics of the batch."""
    before = [weight.copy() for weight in small_model.get_weights()]
    first, second = predict(small_model, tiny_store), predict(small_model, tiny_store)
    np.testing.assert_array_equal(first, second)
    for old, new in zip(before, small_model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_evaluation_ignores_the_mode_the_model_was_in(small_model, tiny_store):
    """Defect 5: scores right after a training step are those of the saved statistics."""
    small_model.compile(keras.optimizers.SGD(0.0), "categorical_crossentropy")
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    small_model.train_on_batch(pictures, np.eye(3)[[0, 1, 2, 0]])
    np.testing.assert_allclose(predict(small_model, tiny_store), define(small_model, tiny_store), atol=1e-6)


@pytest.mark.parametrize("batch_size", [5, 7, 12])
def test_scores_average_a_videos_own_pictures_whatever_the_batch(small_model, tiny_store, batch_size):
    """Defect 17: 12 segments in batches of 5, 5, 2 (or 7, 5, or 12) give each video the mean of its own."""
    scores = predict(small_model, tiny_store, batch_size=batch_size)
    np.testing.assert_allclose(scores, define(small_model, tiny_store), atol=1e-6)
