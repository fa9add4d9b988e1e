"""Stored features compared with the features of the images."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

from src.config import TrainConfig
from src.inputs.data_set import read_clips
from src.inputs.features import FrameFeatures, feature_crops
from src.video.crops import crop_frame, scored_crops

CONFIG = TrainConfig(crop_size=32, batch_size=5, seed=3)
TO_RIGHT, TO_LEFT = 1, 2


def make_extractor(seed=0, filters=4):
    keras.utils.set_random_seed(seed)
    frame = keras.Input((32, 32, 3), dtype="uint8")
    x = layers.Conv2D(filters, 3, strides=4, name="conv")(layers.Rescaling(1 / 255)(frame))
    return keras.Model(frame, layers.GlobalAveragePooling2D()(x))


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
        for segment in range(2):
            frame = store.read_frame(name, segment)
            inputs = np.stack([crop_frame(frame, crop, 32) for crop in feature_crops(*frame.shape[:2], False)])
            expected = np.asarray(features.extractor(inputs))
            np.testing.assert_allclose(features.read(name)[segment], expected, atol=1e-3)  # stored as float16


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
    for network in ({"seed": 1}, {"filters": 5}):
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
    segments = store.config.num_segments
    assert inputs.shape == (len(train), segments * 6, 4) and labels.shape == inputs.shape[:2]
    np.testing.assert_array_equal(inputs[1], features.read(train.clip_name.iloc[1]).reshape(-1, 4))
    swapped = {TO_RIGHT: TO_LEFT, TO_LEFT: TO_RIGHT}
    for label, row in zip(train.class_index, labels.reshape(len(train), segments, 6), strict=True):
        assert (row[:, :3] == label).all() and (row[:, 3:] == swapped.get(label, label)).all()


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
    np.testing.assert_array_equal(plain.read_inputs(clips, class_names)[0][0], stored[:, 1])
