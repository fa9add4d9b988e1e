"""Scores of a small network against its definition, and metrics against values computed by hand."""

import keras
import numpy as np
import pytest
from conftest import TINY_COUNTS

from src.config import TrainConfig
from src.evaluation import predict_scores
from src.input_pipeline import read_clips
from src.metrics import (
    accuracy_table,
    chance_accuracy,
    choose_examples,
    class_accuracy,
    compute_metrics,
    confusion_matrix,
    evaluate_split,
    most_confused,
)

# Five videos of three classes; the predictions are 0, 1, 0, 2, 0.
SCORES = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.7, 0.1, 0.2], [0.1, 0.2, 0.7], [0.5, 0.4, 0.1]])
LABELS = np.array([0, 1, 1, 2, 0])


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
    for video_id in clips.video_id[clips.split == "validation"]:
        frames = [store.read_frame(video_id, segment)[8:40] for segment in range(2)]
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


def test_metrics_by_hand():
    assert compute_metrics(SCORES, LABELS) == pytest.approx({"top1": 4 / 5, "top5": 1, "mean_class": (1 + 0.5 + 1) / 3})


def test_metrics_do_not_average_over_unequal_batches():
    """Defect 17: batches of 2, 2 and 1 have accuracies 1, 1/2 and 0; their mean, 1/2, is not the accuracy, 3/5."""
    labels = np.array([0, 1, 0, 1, 1])
    assert compute_metrics(SCORES, labels)["top1"] == pytest.approx(3 / 5)


def test_mean_class_leaves_out_classes_without_videos():
    labels = np.array([0, 0, 0, 2, 0])
    assert compute_metrics(SCORES, labels)["mean_class"] == pytest.approx((3 / 4 + 1) / 2)


def test_top5_by_hand():
    scores = np.array([[0.3, 0.2, 0.15, 0.14, 0.12, 0.09]] * 6)
    metrics = compute_metrics(scores, np.arange(6))
    assert metrics["top1"] == pytest.approx(1 / 6) and metrics["top5"] == pytest.approx(5 / 6)


def test_ties_are_broken_the_same_way_in_top1_and_top5():
    """A network that gives every class the same score knows nothing, and must not get top-5 for it."""
    uniform = np.full((10, 10), 0.1)
    metrics = compute_metrics(uniform, np.arange(10))
    assert metrics["top1"] == pytest.approx(0.1) and metrics["top5"] == pytest.approx(0.5)
    assert confusion_matrix(uniform, np.arange(10)).trace() == 1


def test_metrics_are_plain_numbers_for_json():
    assert all(type(value) is float for value in compute_metrics(SCORES, LABELS).values())
    assert type(chance_accuracy(LABELS, LABELS)) is float


@pytest.mark.parametrize("scores, labels", [(SCORES[:0], LABELS[:0]), (SCORES, LABELS[:4]), (SCORES[0], LABELS[:3])])
def test_metrics_of_nothing_or_of_other_videos_are_refused(scores, labels):
    with pytest.raises(ValueError, match="Received"):
        compute_metrics(scores, labels)


def test_chance_is_the_most_frequent_class_of_the_training_clips():
    """Defect 6: it is looked up in training, not in the split that is measured (where class 0 would give 3/5)."""
    assert chance_accuracy(np.array([0, 0, 0, 1, 2]), np.array([1, 1, 0, 2])) == pytest.approx(1 / 5)


def test_rows_of_the_confusion_matrix_are_the_truth():
    matrix = confusion_matrix(SCORES, LABELS)
    assert matrix.tolist() == [[2, 0, 0], [1, 1, 0], [0, 0, 1]] and matrix.dtype == np.int64


def test_accuracy_per_class():
    flipped = SCORES[:, ::-1]
    table = class_accuracy({"spatial": SCORES, "temporal": flipped}, np.array([0, 1, 1, 0, 0]), ["a", "b", "c"])
    assert table.columns.tolist() == ["spatial", "temporal", "clips"] and table.index.tolist() == ["a", "b", "c"]
    assert table.spatial[:2].tolist() == pytest.approx([2 / 3, 1 / 2]) and table.temporal["a"] == pytest.approx(1 / 3)
    assert np.isnan(table.spatial["c"]) and table.clips.tolist() == [3, 2, 0]


def test_most_confused_pairs_in_order():
    matrix = np.array([[5, 3, 0], [1, 9, 0], [4, 0, 0]])
    table = most_confused(matrix, ["a", "b", "c"])
    assert table.to_numpy().tolist() == [["c", "a", 4, 1.0], ["a", "b", 3, 3 / 8], ["b", "a", 1, 1 / 10]]
    assert table.columns.tolist() == ["truth", "predicted", "clips", "share"]
    assert len(most_confused(matrix, ["a", "b", "c"], count=2)) == 2


def test_nothing_confused_is_an_empty_table():
    assert most_confused(np.diag([3, 2]), ["a", "b"]).columns.tolist() == ["truth", "predicted", "clips", "share"]


def test_examples_show_right_and_wrong_ones_the_same_each_time():
    scores = np.tile([0.9, 0.1], (20, 1))
    labels = np.repeat([0, 1], 10)
    chosen = choose_examples(scores, labels, count=6, seed=1)
    assert labels[chosen].tolist() == [0, 0, 0, 1, 1, 1] and len(set(chosen)) == 6
    np.testing.assert_array_equal(chosen, choose_examples(scores, labels, count=6, seed=1))
    assert len(set(choose_examples(scores, np.zeros(20, int), count=6))) == 6  # none is wrong


def test_splits_become_a_table():
    metrics = {
        "validation": evaluate_split({"spatial": SCORES, "fused": SCORES}, LABELS, chance=0.4),
        "test": evaluate_split({"spatial": SCORES[:2], "fused": SCORES[:2]}, LABELS[:2], chance=0.5),
    }
    assert metrics["test"]["n"] == 2 and metrics["validation"]["spatial"]["top1"] == pytest.approx(0.8)
    table = accuracy_table(metrics)
    assert table.columns.tolist() == ["n", "chance", "top1", "top5", "mean_class"]
    assert table.index.tolist() == [(s, t) for s in ("validation", "test") for t in ("spatial", "fused")]
    assert table.loc[("test", "fused")].tolist() == [2, 0.5, 1, 1, 1]
