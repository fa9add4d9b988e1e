"""Stored features compared with the features of the images."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

from models.consensus import build_clip_network
from models.temporal_shift import TemporalShift
from src.config import TrainConfig
from src.inputs.data_set import read_clips
from src.inputs.features import FrameFeatures, feature_crops
from src.video.crops import crop_frame, scored_crops

CONFIG = TrainConfig(crop_size=32, batch_size=5, seed=3, consensus="average")
TO_RIGHT, TO_LEFT = 1, 2


def make_extractor(seed=0, filters=4, shift=False, size=32):
    """A stream before its head: frames (N, 2, 32, 32, 3) → features (N, 2, filters)."""
    keras.utils.set_random_seed(seed)
    frame = keras.Input((32, 32, 3), dtype="uint8", name="frame")
    x = layers.Resizing(size, size)(layers.Rescaling(1 / 255)(frame))
    x = layers.Conv2D(8, 3, strides=4, name="first")(x)
    x = TemporalShift(2)(x) if shift else x
    x = layers.Conv2D(filters, 3, name="conv")(x)
    body = keras.Model(frame, layers.GlobalAveragePooling2D()(x), name="body")
    stream = build_clip_network(body, 3, 2, "average", 0.0, True, "spatial")
    return keras.Model(stream.input, stream.get_layer("unfold_segments").output)


def crops_of(store, name):
    """uint8 (V, S, 32, 32, 3): the crops whose features are stored, each of both segments."""
    frames = [store.read_frame(name, segment) for segment in range(2)]
    crops = feature_crops(*frames[0].shape[:2], False)
    return np.stack([[crop_frame(frame, crop, 32) for frame in frames] for crop in crops])


@pytest.fixture(scope="module")
def data(tiny_store):
    return read_clips(tiny_store[0])


@pytest.fixture(scope="module")
def features(data, tmp_path_factory):
    """Features of all clips, in their own folder."""
    clips, store, _ = data
    features = FrameFeatures(make_extractor(), store, CONFIG)
    features.folder = tmp_path_factory.mktemp("features") / features.folder.name
    features.compute(clips)
    return features


def test_stored_features_are_those_of_the_crops(data, features):
    clips, store, _ = data
    for name in clips.clip_name[:4]:
        expected = np.asarray(features.extractor(crops_of(store, name))).swapaxes(0, 1)
        assert features.read(name).dtype == np.float16
        np.testing.assert_allclose(features.read(name), expected, atol=1e-3)


def test_features_with_temporal_shift_are_those_of_whole_clips_and_stored_apart(data, tmp_path):
    """The same weights give other features, because the segments of a crop see each other."""
    (clips, store, _), config = data, dataclasses.replace(CONFIG, temporal_shift=True)
    shifted, plain = FrameFeatures(make_extractor(shift=True), store, config), make_extractor()
    assert shifted.folder != FrameFeatures(plain, store, CONFIG).folder
    shifted.folder = tmp_path / shifted.folder.name
    shifted.compute(clips[:2])
    for name in clips.clip_name[:2]:
        inputs = crops_of(store, name)
        expected, without = (np.asarray(network(inputs)).swapaxes(0, 1) for network in (shifted.extractor, plain))
        np.testing.assert_allclose(shifted.read(name), expected, atol=1e-3)
        assert abs(expected - without).max() > 0.01


def test_the_stored_crops_are_three_along_the_longer_side_and_the_same_flipped():
    crops = feature_crops(48, 64, False)
    assert crops[:3] == scored_crops(48, 64, 3, False) and [crop.flipped for crop in crops] == [False] * 3 + [True] * 3
    assert [crop.left for crop in crops[3:]] == [crop.left for crop in crops[:3]]


def test_only_missing_features_are_computed(data, features):
    clips, (first, second) = data[0], sorted(features.folder.iterdir())[:2]
    expected, written = second.read_bytes(), first.stat().st_mtime_ns
    second.unlink()
    (features.folder / ".partial-x.npy").write_bytes(b"half")  # left by a kill
    calls = []
    features.compute(clips, lambda inputs: calls.append(inputs) or features.extractor.predict_on_batch(inputs))
    assert len(calls) == 1 and second.read_bytes() == expected and first.stat().st_mtime_ns == written


def test_features_of_other_networks_or_crops_are_stored_apart(data):
    store, folder = data[1], FrameFeatures(make_extractor(), data[1], CONFIG).folder
    for network in ({"seed": 1}, {"filters": 5}, {"size": 24}):  # the last one has the same weights
        assert FrameFeatures(make_extractor(**network), store, CONFIG).folder != folder
    for change in ("crop_size", 40), ("keep_aspect", True), ("precision", "mixed_bfloat16"), (
        "backbone_preprocessing", "tf",
    ):  # fmt: skip
        other = dataclasses.replace(CONFIG, **dict([change]))
        assert FrameFeatures(make_extractor(), store, other).folder != folder
    assert FrameFeatures(make_extractor(), store, dataclasses.replace(CONFIG, seed=9)).folder == folder


def test_inputs_of_a_head_are_all_stored_crops_with_their_classes(data, features):
    clips, store, class_names = data
    train = clips[clips.split == "train"]
    inputs, labels = features.read_inputs(train, class_names)
    assert inputs.shape == (len(train), 6, 4) and inputs.dtype == np.float32 and labels.shape == inputs.shape[:2]
    stored = features.read(train.clip_name.iloc[1]).astype(np.float32)
    np.testing.assert_allclose(inputs[1], stored.mean(axis=0), rtol=1e-6)
    swapped = {TO_RIGHT: TO_LEFT, TO_LEFT: TO_RIGHT}
    for label, row in zip(train.class_index, labels, strict=True):
        assert (row[:3] == label).all() and (row[3:] == swapped.get(label, label)).all()


def test_inputs_of_an_ordered_head_tell_early_from_late_segments(data, features):
    """Of two segments: their mean, and half of their difference."""
    clips, store, class_names = data
    ordered = FrameFeatures(features.extractor, store, dataclasses.replace(CONFIG, consensus="ordered"))
    assert ordered.folder.name == features.folder.name
    ordered.folder = features.folder
    inputs, _ = ordered.read_inputs(clips, class_names)
    early, late = features.read(clips.clip_name.iloc[0]).astype(np.float32)
    expected = np.concatenate([(early + late) / 2, (early - late) / 2], axis=-1)
    np.testing.assert_allclose(inputs[0], expected, atol=1e-5)


def test_few_inputs_of_each_of_many_clips_are_read(data, features, monkeypatch):
    clips, _, class_names = data
    monkeypatch.setattr("src.inputs.features.MOST_INPUTS", 2 * len(clips) + 1)
    first, second = (features.read_inputs(clips, class_names) for _ in range(2))
    assert first[0].shape[:2] == (len(clips), 2)
    np.testing.assert_array_equal(first[0], second[0])
    plain = FrameFeatures(features.extractor, features.store, dataclasses.replace(CONFIG, augment=False))
    plain.folder = features.folder
    monkeypatch.setattr("src.inputs.features.MOST_INPUTS", 10_000)
    stored = features.read(clips.clip_name.iloc[0])
    found, _ = plain.read_inputs(clips, class_names)
    np.testing.assert_allclose(found[0], stored[:, 1:2].astype(np.float32).mean(axis=0), rtol=1e-6)
