"""Batches against what the store holds."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from conftest import TINY_CLASSES, TINY_CONFIG, TINY_COUNTS

from src.augmentation import mirror_frame, mirror_stack, mirrored_classes
from src.clip_store import Clip, ClipStore
from src.config import ClipConfig
from src.input_pipeline import EvaluationBatches, TrainingBatches, read_clips, read_examples
from src.manifest import read_prepared, write_manifest

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
    room = store.make_room()
    for index in range(9):
        frames = generator.integers(0, 256, (2, 40, 44, 3), dtype=np.uint8)
        clip = Clip(frames, generator.integers(1, 256, (2, 40, 44, 4), dtype=np.uint8), [])
        store.write(f"{index}-x", clip, "x", room)
        rows.append((f"{index}-x", index % 3, "train"))
    names = [name.replace("[", "").replace("]", "") for name in TINY_CLASSES]
    return pd.DataFrame(rows, columns=COLUMNS), store, names


def make_training(data, stream="spatial", epoch=0, batch_size=5, class_names=None, seed=3):
    clips, store, names = data
    batches = TrainingBatches(clips, store, stream, SIZE, batch_size, class_names or names, seed)
    batches.epoch = epoch
    return batches


def read_all(batches):
    pictures, classes = zip(*(batches[index] for index in range(len(batches))), strict=True)
    return np.concatenate(pictures), np.concatenate(classes)


def find(picture, candidates):
    """What was cut from where: (segment, mirrored, top, left) of a picture in a clip's pictures (S, H, W, C)."""
    mirror = mirror_frame if picture.shape[-1] == 3 else mirror_stack
    found = set()
    for mirrored, whole in ((False, candidates), (True, mirror(candidates))):
        windows = np.lib.stride_tricks.sliding_window_view(whole, (SIZE, SIZE), axis=(1, 2))  # S, top, left, C, y, x
        corners = np.argwhere((windows[..., 0, 0] == picture[0, 0]).all(axis=-1))
        found |= {
            (segment, mirrored, top, left)
            for segment, top, left in corners.tolist()
            if (windows[segment, top, left] == picture.transpose(2, 0, 1)).all()
        }
    return found


def geometry(batches):
    """clip_name → (segment, mirrored, top, left), found by searching the store, and the class in the batch."""
    found = {}
    for place, name in enumerate(batches.clips):
        picture, label = batches.augmented(place)
        where = find(picture, np.stack([batches.read(name, segment) for segment in range(2)]))
        assert len(where) == 1
        found[name] = (*where.pop(), int(label))
    return found


@pytest.mark.parametrize("stream, channels", [("spatial", 3), ("temporal", 2 * TINY_CONFIG.flow_length)])
def test_shapes_and_types_with_a_ragged_last_batch(data, stream, channels):
    training = make_training(data, stream)
    assert [len(training[index][0]) for index in range(len(training))] == [5, 5, 2]
    evaluation = EvaluationBatches(data[0], data[1], stream, SIZE, 5, "test", 3)
    assert [len(evaluation[index][0]) for index in range(len(evaluation))] == [5, 5, 2]
    for batches in (training, evaluation):
        pictures, classes = batches[0]
        assert pictures.dtype == np.uint8 and pictures.shape == (5, SIZE, SIZE, channels)
        assert classes.dtype == np.float32 and classes.shape == (5, 3)
        assert (classes.sum(axis=1) == 1).all() and set(classes.ravel()) == {0, 1}


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
        batches, seen = make_training(data, epoch=epoch), []
        batches.augmented = lambda place, seen=seen: (seen.append(place), (np.zeros(1), 0))[1]
        read_all(batches)
        orders.append(seen)
        assert sorted(seen) == list(range(3 * TINY_COUNTS["train"]))
    assert orders[0] != orders[1]


def test_both_streams_get_the_same_segment_crop_and_mirror(noise):
    """Defect 1: RGB mirrored but not the flow of the same clip."""
    seen = []
    for epoch in range(6):
        spatial, temporal = (geometry(make_training(noise, stream, epoch)) for stream in ("spatial", "temporal"))
        assert spatial == temporal
        seen += spatial.values()
    assert [len(set(values)) for values in zip(*seen, strict=True)] == [2, 2, 9, 13, 3]  # every value there is


def test_a_mirrored_push_carries_the_label_of_its_mirror_image(noise):
    """Defect 1: mirroring a left/right class without swapping its label."""
    other, seen = {HOLDING: HOLDING, TO_RIGHT: TO_LEFT, TO_LEFT: TO_RIGHT}, set()
    for epoch in range(4):
        for name, (_, mirrored, _, _, label) in geometry(make_training(noise, epoch=epoch)).items():
            true = int(name[0]) % 3
            assert label == (other[true] if mirrored else true)
            seen.add((true, mirrored))
    assert len(seen) == 6


def test_the_flow_agrees_with_the_label_after_mirroring(data):
    """Defects 1 and 3: in every batch, what is labelled a push to the right moves to the right."""
    for epoch in range(4):
        stacks, classes = read_all(make_training(data, "temporal", epoch))
        u, v = (np.median(stacks[..., axis::2].astype(int) - 128, axis=(1, 2, 3)) for axis in (0, 1))
        labels = classes.argmax(axis=1)
        assert (u[labels == TO_RIGHT] > 5).all() and (u[labels == TO_LEFT] < -5).all()
        assert (u[labels == HOLDING] == 0).all() and (abs(v) <= 2).all()


def test_a_direction_without_its_partner_is_never_mirrored(noise):
    """Defect 1: a subset that holds one class of a pair."""
    names = ["Holding something", "Pushing something from left to right", "Pulling something from right to left"]
    assert mirrored_classes(names).tolist() == [0, -1, -1]
    mirrored = {HOLDING: set(), TO_RIGHT: set(), TO_LEFT: set()}
    for epoch in range(4):
        for _, is_mirrored, _, _, label in geometry(make_training(noise, epoch=epoch, class_names=names)).values():
            mirrored[label].add(is_mirrored)
    assert mirrored == {HOLDING: {True, False}, TO_RIGHT: {False}, TO_LEFT: {False}}


@pytest.mark.parametrize("stream", ["spatial", "temporal"])
@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("lefts", [[16], [0, 16, 32]])
def test_evaluation_is_every_segment_in_order_as_it_is_stored(data, stream, split, lefts):
    """Defects 2 and 12: nothing is augmented, so no score of a mirrored picture needs its columns exchanged."""
    clips, store, _ = data
    pictures, classes = read_all(EvaluationBatches(clips, store, stream, SIZE, 5, split, 3, len(lefts)))
    read, rows = (store.read_frame if stream == "spatial" else store.read_stack), clips[clips.split == split]
    whole = [read(name, segment) for name in rows.clip_name for segment in range(2)]
    np.testing.assert_array_equal(pictures, [p[8:40, left : left + SIZE] for p in whole for left in lefts])
    np.testing.assert_array_equal(classes.argmax(axis=1), np.repeat(rows.class_index, 2 * len(lefts)))


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


def test_unknown_stream_is_refused(data):
    with pytest.raises(ValueError, match="'optical'"):
        make_training(data, "optical")


def test_a_crop_larger_than_the_stored_pictures_is_refused(data):
    clips, store, names = data
    TrainingBatches(clips, store, "spatial", 48, 4, names, 0)[0]
    with pytest.raises(ValueError, match="crop_size must be at most .* 48. Received: 49"):
        EvaluationBatches(clips, store, "spatial", 49, 4, "test", 3)


def test_clips_of_portrait_and_landscape_videos_go_into_one_batch(tmp_path):
    store = ClipStore(tmp_path, ClipConfig(short_side=32, num_segments=1, flow_length=2))
    store.prepare()
    rows = []
    for index, (height, width) in enumerate([(32, 50), (50, 32), (32, 32)]):
        clip = Clip(np.zeros((1, height, width, 3), np.uint8), np.full((1, height, width, 4), 128, np.uint8), [(0, 1)])
        store.write(f"{index}-x", clip, "x", store.make_room())
        rows.append((f"{index}-x", 0, "train"))
    clips = pd.DataFrame(rows, columns=COLUMNS)
    pictures, _ = TrainingBatches(clips, store, "temporal", 32, 3, ["a"], 0)[0]
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
    ClipStore(root).write(f"{name.split('-')[0]}-{'0' * 16}", other, "0" * 16, ClipStore(root).make_room())
    clips, store, _ = read_clips(root)
    assert len(clips) == len(tiny_store[1]) and clips.clip_name[0] == name
    assert store.read_frame(clips.clip_name[0], 0).any()


def test_clips_that_failed_are_left_out(tiny_store, tmp_path):
    failed = tiny_store[1].video_id[[0, 5]].tolist()
    clips, store, names = read_clips(copy_store(tiny_store, tmp_path, failed))
    assert set(clips.video_id) == set(tiny_store[1].video_id) - set(failed) and len(names) == 3
    assert clips.index.tolist() == list(range(len(clips)))
    read_all(TrainingBatches(clips, store, "spatial", SIZE, 4, names, 0))


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
