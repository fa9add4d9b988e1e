"""Batches against what the store holds."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from conftest import TINY_CLASSES, TINY_CONFIG, TINY_COUNTS

from src.config import ClipConfig, TrainConfig
from src.flow.flow_input import reverse_stack
from src.inputs.batches import EvaluationBatches, TrainingBatches
from src.inputs.data_set import read_clips
from src.inputs.examples import read_examples
from src.store.clip_store import Clip, ClipStore
from src.store.manifest import read_prepared, write_manifest
from src.subsets.class_maps import flipped_classes
from src.video.crops import crop_frame, crop_stack, scored_crops

COLUMNS = ["clip_name", "class_index", "split"]  # those that batches need
SIZE = 32
HOLDING, TO_RIGHT, TO_LEFT = range(3)  # class indices: alphabetical


@pytest.fixture(scope="module")
def data(tiny_store):
    return read_clips(tiny_store[0])


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """The classes of `tiny_store`, each with three clips of noise: what was cut from where is found again."""
    store = ClipStore(tmp_path_factory.mktemp("noise"), ClipConfig(short_side=40, num_segments=2, flow_length=2))
    store.prepare()
    generator, rows = np.random.default_rng(0), []
    room = store.make_staging()
    for index in range(9):
        frames = generator.integers(0, 256, (2, 40, 44, 3), dtype=np.uint8)
        clip = Clip(frames, generator.integers(1, 256, (2, 40, 44, 4), dtype=np.uint8), [])
        store.write(f"{index}-x", clip, "x", room)
        rows.append((f"{index}-x", index % 3, "train"))
    names = [name.replace("[", "").replace("]", "") for name in TINY_CLASSES]
    return pd.DataFrame(rows, columns=COLUMNS), store, names


def cut_whole(stack, view, size):
    return crop_stack(stack, view, size, keep_aspect=False)


def make_training(data, stream="spatial", epoch=0, class_names=None, **config):
    clips, store, names = data
    config = TrainConfig(**{"crop_size": SIZE, "batch_size": 5, "seed": 3} | config)
    batches = TrainingBatches(clips, store, stream, class_names or names, config)
    batches.epoch = epoch
    return batches


def make_evaluation(data, stream, split, num_crops=1, **config):
    clips, store, names = data
    config = TrainConfig(**{"crop_size": SIZE, "batch_size": 5} | config)
    return EvaluationBatches(clips, store, stream, split, len(names), config, num_crops)


def read_all(batches):
    pictures, classes = zip(*(batches[index] for index in range(len(batches))), strict=True)
    return np.concatenate(pictures), np.concatenate(classes)


def geometry(batches, epoch):
    """clip_name → (segment, backwards, view, class in the batch), as the pictures were asked for."""
    found, asked = {}, []
    read, cut = batches.inputs.read, batches.inputs.crop
    batches.inputs.read = lambda clip, segment, backwards, start: (
        asked.append((segment, backwards)) or read(clip, segment, backwards, start)
    )
    batches.inputs.crop = lambda picture, view: asked.append(view) or cut(picture, view)
    for place, name in enumerate(batches.clips):
        asked.clear()
        _, label = batches.sample(epoch, place)
        (segment, backwards), view = asked
        found[name] = (segment, backwards, view, int(label))
    batches.inputs.read, batches.inputs.crop = read, cut
    return found


@pytest.mark.parametrize("stream, channels", [("spatial", 3), ("temporal", 2 * TINY_CONFIG.flow_length)])
def test_shapes_and_types_with_a_ragged_last_batch(data, stream, channels):
    training, evaluation = make_training(data, stream), make_evaluation(data, stream, "test", batch_size=2)
    assert [len(training[index][0]) for index in range(len(training))] == [5, 5, 2]
    assert [len(evaluation[index][0]) for index in range(len(evaluation))] == [8, 4]
    for batches, size in ((training, 5), (evaluation, 8)):
        pictures, classes = batches[0]
        assert pictures.dtype == np.uint8 and pictures.shape == (size, SIZE, SIZE, channels)
        assert classes.dtype == np.float32 and classes.shape == (size, 3)
        assert (classes.sum(axis=1) == 1).all() and set(classes.ravel()) == {0, 1}


def test_the_next_batch_is_made_meanwhile_and_is_the_same_as_in_any_other_order(data):
    """Also over the end of an epoch, and for whoever does not read in order."""
    in_order = make_training(data)
    expected = {}
    for epoch in range(2):
        in_order.epoch = epoch
        expected |= {(epoch, index): in_order[index] for index in range(len(in_order))}
    mixed = make_training(data)
    for epoch, index in [(1, 2), (0, 1), (0, 2), (1, 0), (1, 1), (0, 0)]:
        mixed.epoch = epoch
        for found, wanted in zip(mixed[index], expected[epoch, index], strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_the_same_seed_and_epoch_give_the_same_batches(data):
    first, again = (read_all(make_training(data, epoch=2)) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


@pytest.mark.parametrize("other", [{"epoch": 3}, {"seed": 4}])
def test_another_epoch_or_seed_gives_other_batches(data, other):
    first, second = read_all(make_training(data, epoch=2)), read_all(make_training(data, **{"epoch": 2, **other}))
    assert not np.array_equal(first[0], second[0])


def test_each_epoch_has_every_training_clip_once_in_its_own_order(data):
    orders = []
    for epoch in range(2):
        batches, seen = make_training(data), []
        batches.sample = lambda epoch, place, seen=seen: (seen.append(place), (np.zeros(1), 0))[1]
        batches._readers.map = lambda function, places: list(map(function, places))
        batches.make(epoch, range(5)), batches.make(epoch, range(5, 12))
        orders.append(seen)
        assert sorted(seen) == list(range(3 * TINY_COUNTS["train"]))
    assert orders[0] != orders[1]


def test_both_streams_get_the_same_segment_view_mirror_and_time(noise):
    """Defect 1: RGB mirrored but not the flow of the same clip."""
    seen = []
    for epoch in range(25):
        spatial, temporal = (
            geometry(make_training(noise, stream, time_reversal=True), epoch) for stream in ("spatial", "temporal")
        )
        assert spatial == temporal
        seen += spatial.values()
    segments, backwards, views, labels = map(set, zip(*seen, strict=True))
    assert (segments, backwards, labels) == ({0, 1}, {False, True}, {0, 1, 2})
    assert {view.height for view in views} == {40, 35, 30, 26} and {view.flipped for view in views} == {False, True}


@pytest.mark.parametrize("stream, cut", [("spatial", crop_frame), ("temporal", cut_whole)])
def test_a_sample_is_that_view_of_what_is_stored(noise, stream, cut):
    batches = make_training(noise, stream)
    batches.config = TrainConfig(crop_size=SIZE, augment=True, seed=3)
    store = noise[1]
    read = store.read_frame if stream == "spatial" else store.read_stack
    for place, (name, (segment, _, view, label)) in enumerate(geometry(batches, 0).items()):
        picture, found = batches.sample(0, place)
        expected = cut(read(name, segment), view, SIZE)
        assert found == label and picture.shape == expected.shape
        if stream == "temporal":  # colours are changed, displacements never
            np.testing.assert_array_equal(picture, expected)


def test_flow_is_never_colour_jittered_and_frames_are(noise, monkeypatch):
    """Defect 4: photometric augmentation applied to displacements."""
    jittered = []
    monkeypatch.setattr("src.inputs.batches.jitter_colour", lambda generator, frame: jittered.append(frame) or frame)
    read_all(make_training(noise, "temporal"))
    assert not jittered
    read_all(make_training(noise, "spatial"))
    assert {frame.shape for frame in jittered} == {(SIZE, SIZE, 3)}


@pytest.mark.parametrize("stream", ["spatial", "temporal"])
def test_without_augmentation_a_clip_gives_the_middle_of_its_middle_segment(noise, stream):
    batches, store = make_training(noise, stream, augment=False), noise[1]
    read, cut = (store.read_frame, crop_frame) if stream == "spatial" else (store.read_stack, cut_whole)
    for epoch in range(2):
        for place, name in enumerate(batches.clips):
            picture, label = batches.sample(epoch, place)
            np.testing.assert_array_equal(picture, cut(read(name, 1), scored_crops(40, 44, 1, False)[0], SIZE))
            assert label == batches.labels[place]


def test_a_mirrored_push_carries_the_label_of_its_mirror_image(noise):
    """Defect 1: mirroring a left/right class without swapping its label."""
    other, seen = {HOLDING: HOLDING, TO_RIGHT: TO_LEFT, TO_LEFT: TO_RIGHT}, set()
    for epoch in range(8):
        for name, (_, _, view, label) in geometry(make_training(noise), epoch).items():
            true = int(name[0]) % 3
            assert label == (other[true] if view.flipped else true)
            seen.add((true, view.flipped))
    assert len(seen) == 6


def test_the_flow_agrees_with_the_label_after_mirroring_and_reversal(data):
    """Defects 1 and 3: in every batch, what is labelled a push to the right moves to the right."""
    pairs = {"Pushing something from left to right": "Pushing something from right to left", "Holding something":
             "Holding something"}  # fmt: skip
    for epoch in range(4):
        batches = make_training(data, "temporal", epoch, time_reversal=True, reversal_map=pairs)
        stacks, classes = read_all(batches)
        u, v = (np.median(stacks[..., axis::2].astype(int) - 128, axis=(1, 2, 3)) for axis in (0, 1))
        labels = classes.argmax(axis=1)
        assert (u[labels == TO_RIGHT] > 5).all() and (u[labels == TO_LEFT] < -5).all()
        assert (u[labels == HOLDING] == 0).all() and (abs(v) <= 2).all()


def test_a_direction_without_its_partner_is_never_mirrored(noise):
    """Defect 1: a subset that holds one class of a pair."""
    names = ["Holding something", "Pushing something from left to right", "Pulling something from right to left"]
    assert flipped_classes(names).tolist() == [0, -1, -1]
    mirrored = {HOLDING: set(), TO_RIGHT: set(), TO_LEFT: set()}
    for epoch in range(8):
        for _, _, view, label in geometry(make_training(noise, class_names=names), epoch).values():
            mirrored[label].add(view.flipped)
    assert mirrored == {HOLDING: {True, False}, TO_RIGHT: {False}, TO_LEFT: {False}}


def test_a_reversed_clip_carries_the_label_of_its_reverse_and_its_flow(noise):
    """By 20BN's map a push to the right is a pull to the left backwards; a class without a reverse is not reversed."""
    names = ["Moving something down", "Moving something up", "Dropping something onto something"]
    seen = set()
    for epoch in range(8):
        batches = make_training(noise, "temporal", class_names=names, time_reversal=True)
        for name, (segment, backwards, _, label) in geometry(batches, epoch).items():
            true = int(name[0]) % 3
            assert label == ((1, 0, 2)[true] if backwards else true)
            seen.add((true, backwards))
            if backwards:
                stored, bound = noise[1].read_stack(name, segment), noise[1].config.flow_bound
                np.testing.assert_array_equal(batches.inputs.read(name, segment, True), reverse_stack(stored, bound))
    assert seen == {(0, False), (0, True), (1, False), (1, True), (2, False)}


def test_time_runs_forwards_unless_asked(noise):
    assert not any(backwards for _, backwards, _, _ in geometry(make_training(noise), 0).values())


def test_the_users_own_map_decides_what_a_mirror_does(noise):
    names, own = ["a", "b", "c"], {"a": "b"}
    labels = {name: set() for name in names}
    for epoch in range(8):
        for name, (_, _, view, label) in geometry(make_training(noise, class_names=names, flip_map=own), epoch).items():
            labels[names[int(name[0]) % 3]].add((view.flipped, names[label]))
    assert labels == {
        "a": {(False, "a"), (True, "b")}, "b": {(False, "b"), (True, "a")}, "c": {(False, "c"), (True, "c")},
    }  # fmt: skip


@pytest.mark.parametrize("stream", ["spatial", "temporal"])
@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("num_crops", [1, 3, 5, 10])
def test_evaluation_is_every_segment_in_order_as_it_is_stored(data, stream, split, num_crops):
    """Defect 12: nothing is augmented."""
    clips, store, _ = data
    pictures, classes = read_all(make_evaluation(data, stream, split, num_crops))
    read, cut = (store.read_frame, crop_frame) if stream == "spatial" else (store.read_stack, cut_whole)
    rows = clips[clips.split == split]
    whole = [read(name, segment) for name in rows.clip_name for segment in range(2)]
    views = scored_crops(48, 64, num_crops, False)
    np.testing.assert_array_equal(pictures, [cut(picture, view, SIZE) for picture in whole for view in views])
    np.testing.assert_array_equal(classes.argmax(axis=1), np.repeat(rows.class_index, 2 * num_crops))


def test_fewer_segments_are_scored_where_asked(data):
    clips, store, _ = data
    pictures, classes = read_all(make_evaluation(data, "spatial", "test", test_segments=1))
    names = clips[clips.split == "test"].clip_name
    expected = [crop_frame(store.read_frame(name, 1), scored_crops(48, 64, 1, False)[0], SIZE) for name in names]
    np.testing.assert_array_equal(pictures, expected)
    assert len(classes) == len(names)


def test_more_segments_than_are_stored_are_refused(data):
    with pytest.raises(ValueError, match="test_segments must be at most 2, .* Received: 3. Prepare"):
        make_evaluation(data, "spatial", "test", test_segments=3)


def test_training_looks_at_training_clips_only(data):
    """Defect 6."""
    clips, batches = data[0], make_training(data)
    assert set(batches.clips) == set(clips.clip_name[clips.split == "train"])
    assert (clips[clips.split == "train"].class_index.to_numpy() == batches.labels).all()


def test_the_files_on_disk_are_not_changed(data):
    """Defect 12: augmentation baked into the files."""
    root = data[1].root

    def digest():
        return {path: hashlib.sha256(path.read_bytes()).digest() for path in root.rglob("*") if path.is_file()}

    before = digest()
    for stream in ("spatial", "temporal"):
        read_all(make_training(data, stream))
    assert digest() == before


def test_squares_of_the_picture_where_the_aspect_is_kept(data):
    clips, store, _ = data
    pictures, _ = read_all(make_evaluation(data, "temporal", "test", 3, keep_aspect=True))
    views = scored_crops(48, 64, 3, True)
    assert {(view.height, view.width) for view in views} == {(42, 42)}
    first = store.read_stack(clips[clips.split == "test"].clip_name.iloc[0], 0)
    np.testing.assert_array_equal(pictures[:3], [crop_stack(first, view, SIZE, True) for view in views])
    seen = geometry(make_training(data, keep_aspect=True), 0).values()
    assert max(view.width for _, _, view, _ in seen) <= 48


def test_unknown_stream_is_refused(data):
    with pytest.raises(ValueError, match="'optical'"):
        make_training(data, "optical")


def test_networks_may_see_more_pixels_than_are_stored(data):
    """A backbone that wants 224 sees a store of 128: views are resized, not cut smaller."""
    pictures, _ = make_training(data, crop_size=80)[0]
    assert pictures.shape[1:] == (80, 80, 3)


def test_clips_of_portrait_and_landscape_videos_go_into_one_batch(tmp_path):
    store = ClipStore(tmp_path, ClipConfig(short_side=32, num_segments=1, flow_length=2))
    store.prepare()
    rows = []
    for index, (height, width) in enumerate([(32, 50), (50, 32), (32, 32)]):
        clip = Clip(np.zeros((1, height, width, 3), np.uint8), np.full((1, height, width, 4), 128, np.uint8), [(0, 1)])
        store.write(f"{index}-x", clip, "x", store.make_staging())
        rows.append((f"{index}-x", 0, "train"))
    clips = pd.DataFrame(rows, columns=COLUMNS)
    pictures, _ = TrainingBatches(clips, store, "temporal", ["a"], TrainConfig(crop_size=32))[0]
    assert pictures.shape == (3, 32, 32, 4) and (pictures == 128).all()


def test_read_clips_gives_names_by_class_index(data):
    clips, store, names = data
    assert names == [name.replace("[", "").replace("]", "") for name in TINY_CLASSES]
    assert len(clips) == 3 * sum(TINY_COUNTS.values()) and store.config == TINY_CONFIG


def copy_store(tiny_store, tmp_path, without):
    """The tiny store with some of its clips missing, as if their videos had failed."""
    table, store = read_prepared(tiny_store[0])
    (tmp_path / "config.json").write_text((store.root / "config.json").read_text())
    write_manifest(table, tmp_path / "manifest.csv")
    folder = ClipStore(tmp_path).folder
    folder.mkdir(parents=True)
    for name in table.clip_name[~table.video_id.isin(without)]:
        (folder / name).symlink_to(store.folder / name)
    return tmp_path


def test_the_clip_of_the_recorded_bytes_is_read(tiny_store, tmp_path):
    """A clip of another video with the same id is in the store, too."""
    root, name = copy_store(tiny_store, tmp_path, []), read_prepared(tiny_store[0])[0].clip_name[0]
    other = Clip(np.zeros((2, 48, 64, 3), np.uint8), np.full((2, 48, 64, 6), 128, np.uint8), [])
    ClipStore(root).write(f"{name.split('-')[0]}-{'0' * 16}", other, "0" * 16, ClipStore(root).make_staging())
    clips, store, _ = read_clips(root)
    assert len(clips) == len(tiny_store[1]) and clips.clip_name[0] == name
    assert store.read_frame(clips.clip_name[0], 0).any()


def test_clips_that_failed_are_left_out(tiny_store, tmp_path):
    failed = tiny_store[1].video_id[[0, 5]].tolist()
    clips, store, names = read_clips(copy_store(tiny_store, tmp_path, failed))
    assert set(clips.video_id) == set(tiny_store[1].video_id) - set(failed) and len(names) == 3
    assert clips.index.tolist() == list(range(len(clips)))
    read_all(make_training((clips, store, names)))


def test_a_class_whose_clips_all_failed_keeps_its_index(tiny_store, tmp_path):
    subset = tiny_store[1]
    clips, _, names = read_clips(copy_store(tiny_store, tmp_path, subset.video_id[subset.class_index == HOLDING]))
    assert len(names) == 3 and set(clips.class_index) == {TO_RIGHT, TO_LEFT}


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_split_without_clips_is_refused(tiny_store, tmp_path, split):
    subset = tiny_store[1]
    with pytest.raises(ValueError, match=f"'{split}' has none"):
        read_clips(copy_store(tiny_store, tmp_path, subset.video_id[subset.split == split]))


def test_a_folder_that_was_never_prepared_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="Run preprocess_data.ipynb"):
        read_clips(tmp_path)


def test_examples_are_the_middle_segment_and_its_mean_motion(data):
    clips, store, _ = data
    rows = clips[(clips.split == "test") & (clips.class_index == TO_LEFT)]
    frames, flows = read_examples(rows, store)
    np.testing.assert_array_equal(frames[1], store.read_frame(rows.clip_name.iloc[1], 1))
    assert flows[0].shape == (48, 64, 2) and np.median(flows[0][..., 0]) == pytest.approx(-2, abs=0.3)
