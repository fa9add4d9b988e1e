"""Probes of networks that use one kind of information: removing it changes their accuracy, other probes do not."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import TINY_CONFIG, TINY_TRAINING

from models import build_temporal_cnn
from models.consensus import build_clip_network
from src.config import STREAMS, ClipConfig, TrainConfig
from src.evaluation import predict_scores, probes
from src.inputs import read_clips
from src.store import Clip, ClipStore

L = TINY_CONFIG.flow_length


def probe(two_stream, tiny_store, temporal=None):
    clips, store, names = read_clips(tiny_store[0])
    temporal = temporal or two_stream.get_layer("temporal")
    return probes.probe_streams(two_stream.get_layer("spatial"), temporal, clips, store, names, TINY_TRAINING)


SEGMENTS = ["one segment", "segments reversed", "segments shuffled"]
FIELDS = ["fields reversed", "fields shuffled", "one field"]


def test_the_direction_of_uniform_motion_is_lost_on_fields_played_backwards_only(two_stream, tiny_store):
    """Backwards, a push to the right is taken for one to the left."""
    table = probe(two_stream, tiny_store)
    columns = [f"{stream}{name}" for stream in STREAMS for name in ("", *(f", {probe}" for probe in SEGMENTS))]
    assert list(table.columns) == [*columns, *(f"temporal, {name}" for name in FIELDS), "clips"]
    assert table.index.name == "class" and table.clips.tolist() == [2, 2, 2]
    assert table["temporal, fields reversed"].tolist() == [1, 0, 0]
    for name in ("", ", one segment", ", segments reversed", ", fields shuffled", ", one field"):
        assert table[f"temporal{name}"].tolist() == [1, 1, 1]


def test_of_a_large_split_some_clips_are_probed(two_stream, tiny_store, monkeypatch):
    whole = probe(two_stream, tiny_store)
    monkeypatch.setattr(probes, "MOST_CLIPS", 4)
    table = probe(two_stream, tiny_store)
    assert table.clips.sum() == 4 and table.clips.max() <= 2
    known = table.clips > 0
    pd.testing.assert_series_equal(table["temporal"][known], whole["temporal"][known])


@pytest.mark.parametrize("consensus", ["average", "ordered"])
def test_the_order_of_segments_matters_to_streams_that_know_it_alone(consensus, tmp_path):
    """Three clips of each class: the frames of "brighter" are grey levels in rising order, of "darker" in falling. The
    stream compares late with early segments, or takes their average, which is the same for both classes."""
    store = ClipStore(tmp_path, ClipConfig(short_side=32, num_segments=6, flow_length=1))
    store.prepare()
    rows, staging = [], store.make_staging()
    for number in range(6):
        levels = np.arange(20, 200, 30) + number
        levels = levels if number % 2 == 0 else levels[::-1]
        frames = np.broadcast_to(levels.astype(np.uint8)[:, None, None, None], (6, 32, 32, 3)).copy()
        stacks = np.broadcast_to((levels // 2 + 64).astype(np.uint8)[:, None, None, None], (6, 32, 32, 2)).copy()
        store.write(f"{number}-x", Clip(frames, stacks, []), "x", staging)
        rows.append((f"{number}-x", number % 2, "validation"))
    clips = pd.DataFrame(rows, columns=["clip_name", "class_index", "split"])
    config = TrainConfig(crop_size=32, temporal_crop_size=32, consensus=consensus, test_crops=1)
    streams = []
    for name, channels in (("spatial", 3), ("temporal", 2)):
        segment = keras.Input((32, 32, channels), dtype="uint8", name=name)
        mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(segment))
        body = keras.Model(segment, mean, name="body")
        streams.append(build_clip_network(body, 2, 6, consensus, 0.0, False, name))
        kernel = np.zeros((channels * (3 if consensus == "ordered" else 1), 2))
        kernel[-2 * channels if consensus == "ordered" else 0] = -9, 9  # early minus late, or the mean
        streams[-1].get_layer("head").get_layer("scores").set_weights([kernel, np.array([0.5, 0.0])])
    table = probes.probe_streams(*streams, clips, store, ["brighter", "darker"], config)
    for stream in STREAMS:
        given, backwards, one = (
            table[f"{stream}{name}"].tolist() for name in ("", ", segments reversed", ", one segment")
        )
        if consensus == "ordered":
            assert (given, backwards, one) == ([1, 1], [0, 0], [1, 0])
        else:
            assert given == backwards == table[f"{stream}, segments shuffled"].tolist()


def test_fields_of_a_stack_are_shuffled_as_pairs_and_the_middle_one_is_repeated():
    stack = np.broadcast_to(np.arange(2 * L, dtype=np.uint8), (4, 4, 2 * L))
    shuffled, repeated = probes._shuffle(stack)[0, 0].tolist(), probes._repeat_middle(stack)[0, 0].tolist()
    assert sorted(zip(shuffled[::2], shuffled[1::2], strict=True)) == [(0, 1), (2, 3), (4, 5)]
    assert repeated == [2, 3] * L


def test_probes_change_the_order_of_segments_or_the_fields_of_both_streams(two_stream, tiny_store, monkeypatch):
    asked = []

    def record(model, clips, store, stream, split, names, config, change=None):
        asked.append((stream, split, model.output_shape[1:], change is not None))
        return np.full(((clips.split == split).sum(), *model.output_shape[1:]), 1 / 3)

    monkeypatch.setattr(probes, "predict_scores", record)
    probe(two_stream, tiny_store)
    orders = [(stream, "validation", (4, 3), False) for stream in STREAMS]  # four orders in one pass
    assert asked == [*orders, *[("temporal", "validation", (3,), True)] * 3]
    places = np.arange(6)
    assert [order(places).tolist() for order in probes.ORDERS.values()] == [
        [3] * 6,
        [5, 4, 3, 2, 1, 0],
        [1, 3, 5, 0, 2, 4],
    ]


@pytest.mark.parametrize("shift", [False, True])
def test_orders_scored_in_one_pass_are_those_of_passes_of_their_own(tiny_store, shift):
    """With a temporal shift, the body has to see the segments in their order, too."""
    clips, store, names = read_clips(tiny_store[0])
    config = dataclasses.replace(TINY_TRAINING, consensus="ordered", temporal_shift=shift)
    segments, size = store.config.num_segments, config.crop_size_of("temporal")
    options = {"num_segments": segments, "consensus": "ordered", "temporal_shift": shift}
    model = build_temporal_cnn(len(names), size, L, "small", **options)
    data = clips, store, "temporal", "validation", names, config
    orders = [order(np.arange(segments)) for order in probes.ORDERS.values()]
    found = predict_scores(probes._build_with_orders(model, orders, config), *data)
    for number, order in enumerate(probes.ORDERS.values()):
        np.testing.assert_allclose(found[:, number], predict_scores(model, *data, order=order), rtol=1e-5)


def test_two_probes_agree_to_the_last_digit(two_stream, tiny_store):
    """The shuffled order depends on the stack alone. (This network uses the order of the fields.)"""
    temporal = keras.models.clone_model(two_stream.get_layer("temporal"))
    weights = np.random.default_rng(0).normal(0, 5, (2 * L, 3))
    temporal.get_layer("head").get_layer("scores").set_weights([weights, np.zeros(3)])
    first, second = (probe(two_stream, tiny_store, temporal) for _ in range(2))
    assert first.equals(second)
