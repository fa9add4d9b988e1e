"""Batches compared with the content of the store."""

import itertools

import numpy as np
import pandas as pd
import pytest
from conftest import TINY_CONFIG, TINY_COUNTS, TINY_NAMES, read_content

from src.config import ClipConfig, TrainConfig
from src.flow import reverse_stack
from src.inputs.batches import (
    EvaluationBatches,
    TrainingBatches,
    ValidationBatches,
    fill_places,
    scored_segments,
)
from src.inputs.data_set import read_clips
from src.store import Clip, ClipStore
from src.subsets import flipped_classes
from src.video.crops import crop_frame, crop_stack, scored_crops

COLUMNS = ["clip_name", "class_index", "split"]  # the columns that batches need
SIZE = 32
HOLDING, TO_RIGHT, TO_LEFT = range(3)  # class indices: alphabetical
BOTH_STREAMS = pytest.mark.parametrize("stream", ["spatial", "temporal"])


@pytest.fixture(scope="module")
def data(tiny_store):
    return read_clips(tiny_store[0])


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """The classes of `tiny_store`, each with three clips of noise, in which each crop is unique."""
    store = ClipStore(tmp_path_factory.mktemp("noise"), ClipConfig(short_side=40, num_segments=2, flow_length=2))
    store.prepare()
    generator, rows, staging = np.random.default_rng(0), [], store.make_staging()
    for index in range(9):
        frames = generator.integers(0, 256, (2, 40, 44, 3), dtype=np.uint8)
        clip = Clip(frames, generator.integers(1, 256, (2, 40, 44, 4), dtype=np.uint8), [])
        store.write(f"{index}-x", clip, "x", staging)
        rows.append((f"{index}-x", index % 3, "train"))
    return pd.DataFrame(rows, columns=COLUMNS), store, TINY_NAMES


def make_training(data, stream="spatial", epoch=0, class_names=None, steps=1, **config):
    clips, store, names = data
    config = TrainConfig(**{"crop_size": SIZE, "temporal_crop_size": SIZE, "batch_size": 5, "seed": 3} | config)
    batches = TrainingBatches(clips, store, stream, class_names or names, config, steps)
    batches.epoch = epoch
    return batches


def make_evaluation(data, stream, split, num_crops=1, **config):
    clips, store, names = data
    config = TrainConfig(**{"crop_size": SIZE, "temporal_crop_size": SIZE, "batch_size": 5} | config)
    return EvaluationBatches(clips, store, stream, split, len(names), config, num_crops)


def read_all(batches):
    inputs, classes = zip(*(batches[index] for index in range(len(batches))), strict=True)
    return np.concatenate(inputs), np.concatenate(classes)


def stored_crop(store, stream, name, segment, crop, keep_aspect=False):
    if stream == "spatial":
        return crop_frame(store.read_frame(name, segment), crop, SIZE)
    return crop_stack(store.read_stack(name, segment), crop, SIZE, keep_aspect)


def draws(batches, number):
    """clip_name → (segments, backwards, crop, class in the batch), as drawn in pass `number`."""
    found, asked = {}, []
    read, crop = batches.inputs.read, batches.inputs.crop
    batches.inputs.read = lambda clip, segment, backwards, start: (
        asked.append((clip, segment, backwards)) or read(clip, segment, backwards, start)
    )
    batches.inputs.crop = lambda segment, chosen, out: asked.append(chosen) or crop(segment, chosen, out)
    for sample in range(number * batches.clips_per_pass, (number + 1) * batches.clips_per_pass):
        asked.clear()
        _, label = batches.sample(sample)
        count = batches.num_segments
        (names, segments, backwards), crops = map(set, zip(*asked[:count], strict=True)), asked[count:]
        assert len(names) == len(backwards) == len(set(crops)) == 1
        assert segments == set(range(count)) and [segment for _, segment, _ in asked[:count]] == sorted(
            segments, reverse=backwards == {True}
        )
        found[names.pop()] = (backwards.pop(), crops[0], int(label))
    batches.inputs.read, batches.inputs.crop = read, crop
    return found


@pytest.mark.parametrize("stream, channels", [("spatial", 3), ("temporal", 2 * TINY_CONFIG.flow_length)])
def test_shapes_and_types_with_a_ragged_last_batch(data, stream, channels):
    training, evaluation = make_training(data, stream), make_evaluation(data, stream, "test", batch_size=2)
    assert [len(training[index][0]) for index in range(len(training))] == [5]
    assert [len(evaluation[index][0]) for index in range(len(evaluation))] == [4, 2]  # clips of two segments
    for batches, shape in ((training, (5, 2)), (evaluation, (4, 2))):
        inputs, classes = batches[0]
        assert inputs.dtype == np.uint8 and inputs.shape == (*shape, SIZE, SIZE, channels)
        assert classes.dtype == np.float32 and classes.shape == (shape[0], 3)
        assert (classes.sum(axis=1) == 1).all() and set(classes.ravel()) == {0, 1}


def test_batches_do_not_depend_on_the_order_in_which_they_are_read(data):
    """The next batch is made in advance, also across the end of an epoch."""
    in_order, mixed, expected = make_training(data, steps=3), make_training(data, steps=3), {}
    for epoch in range(2):
        in_order.epoch = epoch
        expected |= {(epoch, index): in_order[index] for index in range(len(in_order))}
    for epoch, index in [(1, 2), (0, 1), (0, 2), (1, 0), (1, 1), (0, 0)]:
        mixed.epoch = epoch
        for found, wanted in zip(mixed[index], expected[epoch, index], strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_batches_depend_on_seed_and_epoch_alone(data):
    inputs, classes = read_all(make_training(data, epoch=2))
    again = read_all(make_training(data, epoch=2))
    np.testing.assert_array_equal(inputs, again[0])
    np.testing.assert_array_equal(classes, again[1])
    for other in ({"epoch": 3}, {"epoch": 2, "seed": 4}):
        assert not np.array_equal(inputs, read_all(make_training(data, **other))[0])


def test_readers_share_the_samples_of_a_batch_and_pass_an_error_on(data):
    batches, written = make_training(data), []
    batches.share(written.append, 100)
    assert sorted(written) == list(range(100))
    batches.inputs.read = lambda *where: 1 / 0
    with pytest.raises(ZeroDivisionError):
        batches[0]


def test_each_pass_has_every_training_clip_once_in_its_own_order(data):
    """Defect 6: and no clip of another split. Batches go on where the last one ended, also in the next part."""
    clips, orders = data[0], []
    batches, seen = make_training(data, steps=2, batch_size=4), []
    batches.sample = lambda number, out: (seen.append(number), (out, 0))[1]
    for epoch in range(3):
        batches.make(epoch, range(4)), batches.make(epoch, range(4, 8))
    assert sorted(seen[:12]) == list(range(12)) and sorted(seen) == list(range(24))
    for number in range(2):
        orders.append(list(draws(make_training(data), number)))
        assert sorted(orders[-1]) == sorted(clips.clip_name[clips.split == "train"])
    assert len(orders[0]) == 3 * TINY_COUNTS["train"] and orders[0] != orders[1]


def test_clips_of_small_classes_are_repeated_in_other_crops(noise):
    """Each class has as many samples as the largest one."""
    clips, store, names = noise
    few = clips.drop(clips.index[(clips.class_index == 1)][1:])
    batches, labels, inputs = make_training((few, store, names), class_names=["a", "b", "c"]), [], []
    for number in range(batches.clips_per_pass):
        found, label = batches.sample(number)
        labels.append(label)
        inputs.append(found)
    assert np.bincount(labels).tolist() == [3, 3, 3]
    assert len(np.unique(inputs, axis=0)) == 9


@BOTH_STREAMS
def test_validation_has_as_many_segments_as_training(tmp_path, stream):
    store = ClipStore(tmp_path, ClipConfig(short_side=32, num_segments=5, flow_length=2))
    store.prepare()
    frames = np.stack([np.full((32, 40, 3), 40 * segment, np.uint8) for segment in range(5)])
    stacks = np.stack([np.full((32, 40, 4), 128 + segment, np.uint8) for segment in range(5)])
    store.write("0-x", Clip(frames, stacks, []), "x", store.make_staging())
    clips = pd.DataFrame([("0-x", 0, "train"), ("0-x", 0, "validation")], columns=COLUMNS)
    config = TrainConfig(crop_size=32, temporal_crop_size=32, augment=False, consensus="average")
    (training, _), (validation, _) = (
        batches(clips, store, stream, ["a"], config)[0] for batches in (TrainingBatches, ValidationBatches)
    )
    np.testing.assert_array_equal(training[0], validation[0])
    values = (validation[0].mean(axis=(1, 2, 3)) / (40 if stream == "spatial" else 1)).round() % 128
    assert values.tolist() == ([1, 3] if stream == "spatial" else [0, 1, 2, 3, 4])


@pytest.mark.parametrize("stream, count", [("spatial", 2), ("temporal", 4)])
def test_a_sample_has_two_random_frames_or_all_stacks_of_a_clip_in_order(stream, count, tmp_path):
    store = ClipStore(tmp_path, ClipConfig(short_side=32, num_segments=4, flow_length=1))
    store.prepare()
    frames = np.stack([np.full((32, 32, 3), 40 * segment, np.uint8) for segment in range(4)])
    store.write("0-x", Clip(frames, np.full((4, 32, 32, 2), 128, np.uint8), []), "x", store.make_staging())
    clips = pd.DataFrame([("0-x", 0, "train")], columns=COLUMNS)
    config = TrainConfig(temporal_crop_size=32, consensus="average")
    batches, drawn = TrainingBatches(clips, store, stream, ["a"], config), []
    read = batches.inputs.read
    batches.inputs.read = lambda clip, segment, *rest: drawn.append(int(segment)) or read(clip, segment, *rest)
    samples = []
    for number in range(60):
        drawn.clear()
        assert len(batches.sample(number)[0]) == count
        samples.append(tuple(drawn))
    assert set(samples) == set(itertools.combinations(range(4), count))


@BOTH_STREAMS
def test_validation_takes_the_centre_of_each_segment_of_each_clip(data, stream):
    clips, store, names = data
    config = TrainConfig(crop_size=SIZE, temporal_crop_size=SIZE, batch_size=4)
    inputs, classes = read_all(ValidationBatches(clips, store, stream, names, config))
    rows, crop = clips[clips.split == "validation"], scored_crops(48, 64, 1, False)[0]
    expected = [[stored_crop(store, stream, name, number, crop) for number in range(2)] for name in rows.clip_name]
    np.testing.assert_array_equal(inputs, expected)
    np.testing.assert_array_equal(classes.argmax(axis=1), rows.class_index)


def test_both_streams_get_the_same_crop_flip_and_direction_of_time(noise):
    """Defect 1: RGB flipped, but not the flow of the same clip."""
    seen = []
    for epoch in range(25):
        spatial, temporal = (
            draws(make_training(noise, stream, time_reversal=True), epoch) for stream in ("spatial", "temporal")
        )
        assert spatial == temporal
        seen += spatial.values()
    backwards, crops, labels = map(set, zip(*seen, strict=True))
    assert (backwards, labels) == ({False, True}, {0, 1, 2})
    assert {crop.height for crop in crops} == {40, 35, 30, 26} and {crop.flipped for crop in crops} == {False, True}


@BOTH_STREAMS
def test_a_sample_is_a_crop_of_the_stored_segment_and_only_frames_get_colour_jitter(noise, stream, monkeypatch):
    """Defect 4: photometric augmentation applied to displacements."""
    jittered = []
    monkeypatch.setattr("src.inputs.batches.jitter_colour", lambda generator, frames: jittered.append(frames))
    batches = make_training(noise, stream)
    for number, (name, (_, crop, label)) in enumerate(draws(batches, 0).items()):
        found, found_label = batches.sample(number)
        assert found_label == label
        np.testing.assert_array_equal(found, [stored_crop(noise[1], stream, name, segment, crop) for segment in (0, 1)])
    assert {frames.shape for frames in jittered} == ({(2, SIZE, SIZE, 3)} if stream == "spatial" else set())


@BOTH_STREAMS
def test_without_augmentation_a_clip_gives_the_centre_of_its_segments(noise, stream):
    batches, crop = make_training(noise, stream, augment=False), scored_crops(40, 44, 1, False)[0]
    centres = {
        tuple(map(bytes, (stored_crop(noise[1], stream, name, segment, crop) for segment in (0, 1)))): label
        for name, label in zip(batches.clips, batches.labels, strict=True)
    }
    for number in range(2 * len(batches.clips)):
        found, label = batches.sample(number)
        assert centres[tuple(map(bytes, found))] == label


def test_a_flipped_push_gets_the_class_of_the_opposite_direction(noise):
    """Defect 1: flipping a left/right class without swapping its label."""
    other, seen = {HOLDING: HOLDING, TO_RIGHT: TO_LEFT, TO_LEFT: TO_RIGHT}, set()
    for epoch in range(8):
        for name, (_, crop, label) in draws(make_training(noise), epoch).items():
            true = int(name[0]) % 3
            assert label == (other[true] if crop.flipped else true)
            seen.add((true, crop.flipped))
    assert len(seen) == 6


def test_the_flow_agrees_with_the_class_after_flip_and_time_reversal(data):
    """Defects 1 and 3: in every batch, a sample labelled as a push to the right moves to the right."""
    reversal = {TINY_NAMES[TO_RIGHT]: TINY_NAMES[TO_LEFT], TINY_NAMES[HOLDING]: TINY_NAMES[HOLDING]}
    for epoch in range(4):
        options = {"batch_size": 12, "time_reversal": True, "reversal_map": reversal}
        stacks, classes = read_all(make_training(data, "temporal", epoch, **options))
        u, v = (np.median(stacks[..., axis::2].astype(int) - 128, axis=(1, 2, 3, 4)) for axis in (0, 1))
        labels = classes.argmax(axis=1)
        assert (u[labels == TO_RIGHT] > 5).all() and (u[labels == TO_LEFT] < -5).all()
        assert (u[labels == HOLDING] == 0).all() and (abs(v) <= 2).all()


def test_a_direction_without_its_opposite_class_is_never_flipped(noise):
    """Defect 1: a subset that holds one class of a pair."""
    names = ["Holding something", "Pushing something from left to right", "Pulling something from right to left"]
    assert flipped_classes(names).tolist() == [0, -1, -1]
    flipped = {HOLDING: set(), TO_RIGHT: set(), TO_LEFT: set()}
    for epoch in range(8):
        for _, crop, label in draws(make_training(noise, class_names=names), epoch).values():
            flipped[label].add(crop.flipped)
    assert flipped == {HOLDING: {True, False}, TO_RIGHT: {False}, TO_LEFT: {False}}


def test_a_reversed_clip_gets_the_class_of_its_reverse_and_its_flow(noise):
    """By 20BN's map; a class without a reverse is not reversed."""
    names, seen = ["Moving something down", "Moving something up", "Dropping something onto something"], set()
    for epoch in range(8):
        batches = make_training(noise, "temporal", class_names=names, time_reversal=True)
        for name, (backwards, _, label) in draws(batches, epoch).items():
            true = int(name[0]) % 3
            assert label == ((1, 0, 2)[true] if backwards else true)
            seen.add((true, backwards))
            if backwards:
                stored, bound = noise[1].read_stack(name, 1), noise[1].config.flow_bound
                np.testing.assert_array_equal(batches.inputs.read(name, 1, True), reverse_stack(stored, bound))
    assert seen == {(0, False), (0, True), (1, False), (1, True), (2, False)}
    assert not any(backwards for backwards, _, _ in draws(make_training(noise), 0).values())  # the default


def test_the_users_flip_map_decides_the_class_of_a_flipped_clip(noise):
    names, labels = ["a", "b", "c"], {name: set() for name in "abc"}
    for epoch in range(8):
        batches = make_training(noise, class_names=names, flip_map={"a": "b"})
        for name, (_, crop, label) in draws(batches, epoch).items():
            labels[names[int(name[0]) % 3]].add((crop.flipped, names[label]))
    assert labels == {
        "a": {(False, "a"), (True, "b")}, "b": {(False, "b"), (True, "a")}, "c": {(False, "c"), (True, "c")},
    }  # fmt: skip


@BOTH_STREAMS
@pytest.mark.parametrize("split, num_crops", [("validation", 1), ("test", 3), ("test", 5), ("test", 10)])
def test_evaluation_takes_every_segment_in_order_without_augmentation(data, stream, split, num_crops):
    """Defect 12."""
    clips, store, _ = data
    inputs, classes = read_all(make_evaluation(data, stream, split, num_crops))
    rows, crops = clips[clips.split == split], scored_crops(48, 64, num_crops, False)
    expected = [
        [stored_crop(store, stream, name, segment, crop) for segment in range(2)]
        for name in rows.clip_name
        for crop in crops
    ]
    np.testing.assert_array_equal(inputs, expected)
    np.testing.assert_array_equal(classes.argmax(axis=1), np.repeat(rows.class_index, num_crops))


def test_test_segments_chooses_fewer_segments(data):
    clips, store, _ = data
    inputs, classes = read_all(make_evaluation(data, "spatial", "test", test_segments=1, consensus="average"))
    names, crop = clips[clips.split == "test"].clip_name, scored_crops(48, 64, 1, False)[0]
    np.testing.assert_array_equal(inputs[:, 0], [stored_crop(store, "spatial", name, 1, crop) for name in names])
    assert inputs.shape[1] == 1 and len(classes) == len(names)
    with pytest.raises(ValueError, match="test_segments must be at most 2, .* Received: 3. Lower it"):
        make_evaluation(data, "spatial", "test", test_segments=3)


@pytest.mark.parametrize(
    "stored, wanted, places",
    [
        (6, None, [0, 1, 2, 3, 4, 5]), (6, 1, [3] * 6), (6, 2, [1, 1, 1, 4, 4, 4]), (3, 2, [0, 0, 2]),
        (6, 4, [0, 0, 2, 3, 3, 5]), (1, 1, [0]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("options", [{"consensus": "ordered"}, {"temporal_shift": True}, {}], ids=str)
def test_networks_of_a_fixed_number_of_segments_get_as_many_places(tmp_path, stored, wanted, places, options):
    """Fewer segments are repeated in their order; the average takes them as they are."""
    store = ClipStore(tmp_path, ClipConfig(num_segments=stored))
    config = TrainConfig(**{"test_segments": wanted, "consensus": "average"} | options)
    assert scored_segments(store, config).tolist() == (places if options else sorted(set(places)))
    frames = np.arange(2 * len(set(places))).reshape(-1, 2)
    filled = fill_places(frames, stored, config)
    assert filled.shape == ((stored if options else len(frames)), 2) and set(filled[:, 0]) == set(frames[:, 0])
    assert (np.diff(filled[:, 0]) >= 0).all()


def test_evaluation_gives_the_segments_in_the_order_that_a_probe_asks_for(data):
    clips, store, names = data
    config = TrainConfig(crop_size=SIZE, consensus="ordered", batch_size=5)
    given, backwards = (
        EvaluationBatches(clips, store, "spatial", "test", len(names), config, 3, order=order)
        for order in (None, lambda segments: segments[::-1])
    )
    assert [len(given[index][0]) for index in range(len(given))] == [9, 9]  # three clips of 2 · 3 of about 20 inputs
    np.testing.assert_array_equal(read_all(backwards)[0], read_all(given)[0][:, ::-1])
    np.testing.assert_array_equal(read_all(backwards)[1], read_all(given)[1])


@BOTH_STREAMS
def test_a_stream_that_knows_the_order_is_trained_on_all_segments_and_backwards_in_reversed_order(tmp_path, stream):
    store = ClipStore(tmp_path, ClipConfig(short_side=32, num_segments=4, flow_length=1))
    store.prepare()
    frames = np.stack([np.full((32, 32, 3), 40 * segment, np.uint8) for segment in range(4)])
    store.write("0-x", Clip(frames, np.full((4, 32, 32, 2), 128, np.uint8), []), "x", store.make_staging())
    clips = pd.DataFrame([("0-x", 0, "train")], columns=COLUMNS)
    options = {"temporal_crop_size": 32, "consensus": "ordered", "time_reversal": True}
    batches = TrainingBatches(clips, store, stream, ["a", "b"], TrainConfig(**options, reversal_map={"a": "b"}))
    read, asked, seen = batches.inputs.read, [], set()
    batches.inputs.read = lambda clip, segment, *rest: asked.append(int(segment)) or read(clip, segment, *rest)
    for number in range(20):
        asked.clear()
        seen.add((batches.sample(number)[1], tuple(asked)))
    assert seen == {(0, (0, 1, 2, 3)), (1, (3, 2, 1, 0))}


def test_the_files_on_disk_are_not_changed(data):
    """Defect 12: augmentation baked into the files."""
    before = read_content(data[1])
    for stream in ("spatial", "temporal"):
        read_all(make_training(data, stream))
    assert read_content(data[1]) == before


def test_crops_are_squares_of_the_frame_with_keep_aspect(data):
    clips, store, _ = data
    inputs, _ = read_all(make_evaluation(data, "temporal", "test", 3, keep_aspect=True))
    crops = scored_crops(48, 64, 3, True)
    assert {(crop.height, crop.width) for crop in crops} == {(42, 42)}
    name = clips[clips.split == "test"].clip_name.iloc[0]
    expected = [stored_crop(store, "temporal", name, 0, crop, True) for crop in crops]
    np.testing.assert_array_equal(inputs[:3, 0], expected)
    assert max(crop.width for _, crop, _ in draws(make_training(data, keep_aspect=True), 0).values()) <= 48


def test_inputs_may_have_more_pixels_than_the_store(data):
    """For a backbone that expects 224 pixels, crops of a store of 128 are resized."""
    assert make_training(data, crop_size=80)[0][0].shape[1:] == (2, 80, 80, 3)


def test_clips_of_portrait_and_landscape_videos_go_into_one_batch(tmp_path):
    store = ClipStore(tmp_path, ClipConfig(short_side=32, num_segments=1, flow_length=2))
    store.prepare()
    for index, (height, width) in enumerate([(32, 50), (50, 32), (32, 32)]):
        clip = Clip(np.zeros((1, height, width, 3), np.uint8), np.full((1, height, width, 4), 128, np.uint8), [(0, 1)])
        store.write(f"{index}-x", clip, "x", store.make_staging())
    clips = pd.DataFrame([(f"{index}-x", 0, "train") for index in range(3)], columns=COLUMNS)
    config = TrainConfig(temporal_crop_size=32, batch_size=3)
    inputs, _ = TrainingBatches(clips, store, "temporal", ["a"], config)[0]
    assert inputs.shape == (3, 1, 32, 32, 4) and (inputs == 128).all()
