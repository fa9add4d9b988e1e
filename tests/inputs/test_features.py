"""Kept features against those of the pictures themselves."""

import dataclasses

import keras
import numpy as np
import pytest
from conftest import TINY_COUNTS
from keras import layers

from src.config import TrainConfig
from src.inputs.batches import EvaluationBatches, TrainingBatches
from src.inputs.data_set import read_clips
from src.inputs.features import NUM_CROPS, FeatureBatches, FrameFeatures, MiddleFeatures, feature_crops
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


@pytest.fixture
def features(data, tmp_path):
    """Computed for all clips, in a folder of their own."""
    clips, store, _ = data
    features = FrameFeatures(make_extractor(), store, CONFIG)
    features.folder = tmp_path / features.folder.name
    features.compute(clips)
    return features


def test_kept_features_are_those_of_the_views(data, features):
    clips, store, _ = data
    for name in clips.clip_name[:4]:
        for segment in range(2):
            frame = store.read_frame(name, segment)
            views = np.stack([crop_frame(frame, view, 32) for view in feature_crops(*frame.shape[:2], False)])
            expected = np.asarray(features.extractor(views))
            np.testing.assert_allclose(features.read(name)[segment], expected, atol=1e-3)  # kept as float16


def test_the_kept_views_are_three_along_the_longer_side_and_their_mirror_images():
    views = feature_crops(48, 64, False)
    assert views[:3] == scored_crops(48, 64, 3, False) and [view.flipped for view in views] == [False] * 3 + [True] * 3
    assert [view.left for view in views[3:]] == [view.left for view in views[:3]]


def test_features_are_computed_once(data, features):
    def never(inputs):
        raise AssertionError("must not be called")

    features.compute(data[0], never)


def test_an_interrupted_computation_goes_on(data, features, monkeypatch):
    clips, (first, second) = data[0], sorted(features.folder.iterdir())[:2]
    expected = second.read_bytes()
    second.unlink()
    (features.folder / "x.incomplete").write_bytes(b"half")
    kept = first.stat().st_mtime_ns
    features.compute(clips)
    assert second.read_bytes() == expected and first.stat().st_mtime_ns == kept


@pytest.mark.parametrize(
    "network, config",
    [
        ({"seed": 1}, {}),
        ({"filters": 5}, {}),
        ({}, {"crop_size": 40}),
        ({}, {"keep_aspect": True}),
        ({}, {"precision": "mixed_bfloat16"}),
        ({}, {"backbone_preprocessing": "tf"}),
    ],
)
def test_features_of_another_network_or_of_other_views_are_kept_apart(network, config, data):
    store, config = data[1], dataclasses.replace(CONFIG, **config)
    folder = FrameFeatures(make_extractor(), store, CONFIG).folder
    assert FrameFeatures(make_extractor(**network), store, config).folder != folder
    assert FrameFeatures(make_extractor(), store, dataclasses.replace(CONFIG, seed=9)).folder == folder


def test_batches_are_random_kept_views_with_the_class_of_the_mirror_image(data, features):
    """Defect 1, for a head on kept features."""
    clips, store, names = data
    batches, seen = FeatureBatches(features, clips, store, names, CONFIG), set()
    for epoch in range(30):
        for place, name in enumerate(batches.clips):
            found, label = batches.sample(epoch, place)
            kept, true = features.read(name), batches.labels[place]
            (segment, view), *more = np.argwhere((kept == found.astype(np.float16)).all(axis=-1)).tolist()
            mirrored = view >= 3
            if not more:  # some views of a still texture look alike
                assert label == ({TO_RIGHT: TO_LEFT, TO_LEFT: TO_RIGHT}.get(true, true) if mirrored else true)
                seen.add((segment, view))
    assert seen == {(segment, view) for segment in range(2) for view in range(6)}


def test_a_clip_gives_the_same_segment_label_and_mirror_as_in_batches_of_pictures(data, features):
    """Defect 1: the same coin for both streams, also where one of them sees kept features."""
    clips, store, names = data
    kept = FeatureBatches(features, clips, store, names, CONFIG)
    pictures, seen = TrainingBatches(clips, store, "temporal", names, CONFIG), []
    cut = pictures.inputs.crop
    pictures.inputs.crop = lambda picture, view: seen.append(view.flipped) or cut(picture, view)
    for epoch in range(8):
        for place, name in enumerate(kept.clips):
            found, label = kept.sample(epoch, place)
            assert pictures.sample(epoch, place)[1] == label
            places = np.argwhere((features.read(name) == found.astype(np.float16)).all(axis=-1))
            assert seen[-1] in {view >= NUM_CROPS for _, view in places}
    assert set(seen) == {False, True}


def test_without_augmentation_it_is_the_middle_view_of_the_middle_segment(data, features):
    clips, store, names = data
    batches = FeatureBatches(features, clips, store, names, TrainConfig(crop_size=32, augment=False))
    for place, name in enumerate(batches.clips):
        np.testing.assert_array_equal(batches.sample(7, place)[0], features.read(name)[1, 1].astype(np.float32))


def test_batches_have_every_clip_once_and_a_ragged_end(data, features):
    clips, store, names = data
    batches = FeatureBatches(features, clips, store, names, CONFIG)
    sizes = [(found.shape, classes.shape) for found, classes in (batches[index] for index in range(len(batches)))]
    assert sizes == [((5, 4), (5, 3))] * 2 + [((2, 4), (2, 3))]


def test_a_head_is_validated_on_the_features_of_the_validation_pictures(data, features):
    clips, store, _ = data
    evaluation = EvaluationBatches(clips, store, "spatial", "validation", 3, CONFIG)
    (found, classes), *more = (MiddleFeatures(features, evaluation)[0],)
    assert len(found) == 2 * 3 * TINY_COUNTS["validation"] and not more
    pictures, expected = zip(*(evaluation[index] for index in range(len(evaluation))), strict=True)
    np.testing.assert_allclose(found, np.asarray(features.extractor(np.concatenate(pictures))), atol=1e-3)
    np.testing.assert_array_equal(classes, np.concatenate(expected))
