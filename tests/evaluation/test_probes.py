"""Probes of networks that use one kind of information: removing it changes their accuracy, other probes do not."""

import keras
import numpy as np
from conftest import TINY_CONFIG, TINY_TRAINING

from src.evaluation import probes
from src.inputs import read_clips

L = TINY_CONFIG.flow_length


def probe(two_stream, tiny_store, temporal=None):
    clips, store, names = read_clips(tiny_store[0])
    temporal = temporal or two_stream.get_layer("temporal")
    return probes.probe_streams(two_stream.get_layer("spatial"), temporal, clips, store, names, TINY_TRAINING)


def test_the_direction_of_uniform_motion_is_lost_on_clips_played_backwards_only(two_stream, tiny_store):
    """Backwards, a push to the right is taken for one to the left."""
    table = probe(two_stream, tiny_store)
    columns = ["spatial", "one frame", "temporal", "backwards", "shuffled", "one field", "clips"]
    assert list(table.columns) == columns and table.index.name == "class"
    for name in ("temporal", "shuffled", "one field"):
        assert table[name].tolist() == [1, 1, 1]
    assert table.backwards.tolist() == [1, 0, 0] and table.clips.tolist() == [2, 2, 2]


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
