"""Probes of networks that use one kind of information: removing it changes their accuracy, other probes do not."""

import keras
import numpy as np
import pytest
from conftest import TINY_CONFIG, TINY_TRAINING

from src.evaluation import probes
from src.inputs import read_clips

L = TINY_CONFIG.flow_length


def probe(two_stream, tiny_store, temporal=None):
    clips, store, names = read_clips(tiny_store[0])
    temporal = temporal or two_stream.get_layer("temporal")
    return probes.probe_streams(two_stream.get_layer("spatial"), temporal, clips, store, names, TINY_TRAINING)


@pytest.fixture(scope="module")
def by_direction(two_stream, tiny_store):
    """Probes of a network that uses the direction of all fields; the motion of these clips is uniform in time."""
    return probe(two_stream, tiny_store)


def test_backwards_a_push_to_the_right_is_taken_for_one_to_the_left(by_direction):
    assert by_direction["temporal"].tolist() == [1, 1, 1]
    assert by_direction["backwards"].tolist() == [1, 0, 0]


def test_shuffling_or_repeating_a_field_does_not_change_uniform_motion(by_direction):
    assert by_direction["shuffled"].tolist() == by_direction["one field"].tolist() == [1, 1, 1]


def test_columns_and_counts(by_direction):
    columns = ["spatial", "one frame", "temporal", "backwards", "shuffled", "one field", "clips"]
    assert list(by_direction.columns) == columns
    assert by_direction.clips.tolist() == [2, 2, 2] and by_direction.index.name == "class"


def test_fields_of_a_stack_are_shuffled_as_pairs_and_the_middle_one_is_repeated():
    stack = np.broadcast_to(np.arange(2 * L, dtype=np.uint8), (4, 4, 2 * L))
    shuffled, repeated = probes._shuffle(stack)[0, 0].tolist(), probes._repeat_middle(stack)[0, 0].tolist()
    assert sorted(zip(shuffled[::2], shuffled[1::2], strict=True)) == [(0, 1), (2, 3), (4, 5)]
    assert repeated == [2, 3] * L


def test_the_single_frame_is_that_of_the_middle_segment(two_stream, tiny_store, monkeypatch):
    asked = []

    def record(model, clips, store, stream, split, names, config, change=None):
        asked.append((stream, split, config.test_segments, change is not None))
        return np.full(((clips.split == split).sum(), 3), 1 / 3)

    monkeypatch.setattr(probes, "predict_scores", record)
    probe(two_stream, tiny_store)
    assert asked == [
        ("spatial", "validation", None, False), ("spatial", "validation", 1, False),
        ("temporal", "validation", None, False), *[("temporal", "validation", None, True)] * 3,
    ]  # fmt: skip


def test_two_probes_agree_to_the_last_digit(two_stream, tiny_store):
    """The shuffled order depends on the stack alone. (This network uses the order of the fields.)"""
    temporal = keras.models.clone_model(two_stream.get_layer("temporal"))
    weights = np.random.default_rng(0).normal(0, 5, (2 * L, 3))
    temporal.get_layer("scores").set_weights([weights, np.zeros(3)])
    first, second = (probe(two_stream, tiny_store, temporal) for _ in range(2))
    assert first.equals(second)
