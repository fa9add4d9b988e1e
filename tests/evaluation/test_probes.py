"""Networks that use one thing each: a probe that takes it away shows it, and the others do not."""

import keras
import numpy as np
import pytest
from conftest import TINY_CONFIG

from src.config import TrainConfig
from src.evaluation.probes import probe_streams
from src.inputs.data_set import read_clips

L = TINY_CONFIG.flow_length


def make_spatial():
    keras.utils.set_random_seed(0)
    frame = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(frame))
    return keras.Model(frame, keras.layers.Dense(3, activation="softmax")(x))


def make_temporal(weights):
    """Mean displacements by channel → scores by `weights` (2L, 3)."""
    flow = keras.Input((32, 32, 2 * L), dtype="uint8")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 127, -128 / 127)(flow))
    scores = keras.layers.Dense(3, activation="softmax")
    model = keras.Model(flow, scores(x))
    scores.set_weights([np.array(weights, float), np.array([1.0, 0, 0])])
    return model


def probe(temporal, tiny_store, **config):
    clips, store, names = read_clips(tiny_store[0])
    return probe_streams(
        make_spatial(), temporal, clips, store, names, TrainConfig(crop_size=32, batch_size=4, **config)
    )


@pytest.fixture(scope="module")
def by_direction(tiny_store):
    """Of a network that looks at the direction of all fields: the motion of these clips is uniform in time."""
    return probe(make_temporal([[0, 20, -20], [0, 0, 0]] * L), tiny_store)


def test_backwards_a_push_to_the_right_is_taken_for_one_to_the_left(by_direction):
    assert by_direction["temporal"].tolist() == [1, 1, 1]
    assert by_direction["backwards"].tolist() == [1, 0, 0]


def test_uniform_motion_is_the_same_shuffled_and_as_one_field(by_direction):
    assert by_direction["shuffled"].tolist() == by_direction["one field"].tolist() == [1, 1, 1]


def test_columns_and_counts(by_direction):
    columns = ["spatial", "one frame", "temporal", "backwards", "shuffled", "one field", "clips"]
    assert list(by_direction.columns) == columns
    assert by_direction.clips.tolist() == [2, 2, 2] and by_direction.index.name == "class"


def test_the_single_frame_is_that_of_the_middle_segment(tiny_store, monkeypatch):
    asked = []

    def watched(model, clips, store, stream, split, names, config, change=None):
        asked.append((stream, split, config.test_segments, change is not None))
        return np.full(((clips.split == split).sum(), 3), 1 / 3)

    monkeypatch.setattr("src.evaluation.probes.predict_scores", watched)
    probe(make_temporal([[0, 0, 0]] * 2 * L), tiny_store)
    assert asked == [
        ("spatial", "validation", None, False), ("spatial", "validation", 1, False),
        ("temporal", "validation", None, False), *[("temporal", "validation", None, True)] * 3,
    ]  # fmt: skip


def test_two_probes_agree_to_the_last_digit(tiny_store):
    """Shuffling is by the stack, not by chance."""
    temporal = make_temporal(np.random.default_rng(0).normal(0, 5, (2 * L, 3)))
    first, second = (probe(temporal, tiny_store) for _ in range(2))
    assert first.equals(second)
