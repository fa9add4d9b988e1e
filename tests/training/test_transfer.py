"""A stream that starts from another run: its body, a new head, what is checked and recorded."""

import dataclasses
import re
import shutil

import keras
import numpy as np
import pytest
from conftest import TINY_CONFIG, TINY_NAMES
from keras import layers
from small_networks import save_backbone, use_small_networks

from models import leaf_layers
from src.config import TrainConfig
from src.inputs import read_clips
from src.training import fitting
from src.training.networks import build_spatial, build_temporal
from src.training.runs import start_run
from src.training.streams import train_spatial, train_temporal

CONFIG = TrainConfig(
    crop_size=32, temporal_crop_size=32, batch_size=5, spatial_weights="compact", spatial_steps=2, temporal_steps=2,
    spatial_learning_rate=1e-2, fine_tune_learning_rate=1e-5,
)  # fmt: skip
OTHER_NAMES = ["walk", "run"]


@pytest.fixture(scope="module", autouse=True)
def small_networks():
    with pytest.MonkeyPatch.context() as patch:
        use_small_networks(patch)
        patch.setattr(fitting, "ROUNDS", 1)
        yield


@pytest.fixture(scope="module")
def data(tiny_store):
    return read_clips(tiny_store[0])


def make_run(root, name, config, names=TINY_NAMES):
    return start_run(name, "tiny", "digest", TINY_CONFIG, config, names, root=root)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return save_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture(scope="module")
def source(data, tmp_path_factory):
    """A run with two other classes, both streams from scratch. (Nothing is trained: the weights are as they began.)"""
    return save_run(tmp_path_factory.mktemp("runs"), "source", data, CONFIG)


def save_run(root, name, data, config):
    """The folder of a run whose networks were built, not trained, and saved as finished streams."""
    run = make_run(root, name, config, OTHER_NAMES)
    build_spatial(run, data[1], OTHER_NAMES, config)[0].save(run.folder / "spatial.keras")
    build_temporal(run, *data[:2], OTHER_NAMES, config)[0].save(run.folder / "temporal.keras")
    return run.folder


def from_run(folder, **changes):
    return dataclasses.replace(CONFIG, spatial_weights=str(folder), temporal_weights=str(folder), **changes)


def assert_equal_weights(model, expected):
    for weight, other in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


def load_body(folder, stream):
    return keras.models.load_model(folder / f"{stream}.keras").get_layer("body")


def test_both_streams_start_from_the_bodies_of_another_run(source, data, tmp_path):
    config = from_run(source, consensus="ordered")
    run = make_run(tmp_path, "run", config)
    spatial, pretrained = build_spatial(run, data[1], TINY_NAMES, config)
    temporal, rate = build_temporal(run, *data, config)
    assert not pretrained and rate == config.temporal_learning_rate
    for stream, model in (("spatial", spatial), ("temporal", temporal)):
        body = load_body(source, stream)
        assert_equal_weights(model.get_layer("body"), body)
        assert model.name == stream and model.output_shape == (None, 3) and model.input_shape[1] == 2
        assert model.get_layer("head").get_layer("consensus").kind == "ordered"
        assert len(model.get_layer("body").trainable_weights) == len(body.trainable_weights) > 0
        noted = run.record["notes"][f"{stream}_network"]
        assert noted["run"] == str(source) and len(noted["digest"]) == 16 and not noted["pretrained"]
        assert noted["learning_rate"] == {"spatial": 1e-2, "temporal": 1e-3}[stream]
    scale = load_body(source, "temporal").get_layer("unit_scale").scale
    assert temporal.get_layer("body").get_layer("unit_scale").scale == scale


def test_all_layers_are_trained_and_the_stream_is_saved(source, data, tmp_path):
    config = from_run(source, temporal_steps=6)  # the head, which starts at zero, learns before the body does
    run = make_run(tmp_path, "run", config)
    model, history = train_temporal(run, *data, config)
    assert history.phase.tolist() == ["all layers"] and history.step.tolist() == [6]
    before, after = (
        m.get_layer("conv1").get_weights()[0] for m in (load_body(source, "temporal"), model.get_layer("body"))
    )
    assert np.abs(before - after).max() > 1e-4  # more than weight decay
    assert_equal_weights(keras.models.load_model(run.folder / "temporal.keras"), model)


def test_a_frozen_backbone_stays_frozen_and_a_head_is_fitted_to_its_features(backbone, data, tmp_path):
    pretrained = dataclasses.replace(CONFIG, spatial_weights=str(backbone), temporal_weights=str(backbone))
    folder = save_run(tmp_path, "source", data, pretrained)
    config = from_run(folder)
    run = make_run(tmp_path, "run", config)
    model, history = train_spatial(run, *data, config)
    assert not len(history) and model.get_layer("head").get_layer("scores").get_weights()[0].any()
    assert_equal_weights(model.get_layer("body"), load_body(folder, "spatial"))
    assert run.record["notes"]["spatial_network"]["pretrained"]
    temporal, rate = build_temporal(run, *data, config)  # cross-modality, as in that run: partial batch norm
    frozen = [layer.name for layer in leaf_layers(temporal) if layer.weights and not layer.trainable]
    assert frozen == ["norm2"] and rate == config.fine_tune_learning_rate
    assert_equal_weights(temporal.get_layer("body"), load_body(folder, "temporal"))


def test_the_last_stage_of_another_runs_backbone_can_be_trained(backbone, data, tmp_path):
    config = dataclasses.replace(CONFIG, spatial_weights=str(backbone))
    config = from_run(save_run(tmp_path, "source", data, config), fine_tune_steps=2, fine_tune_learning_rate=1e-2)
    model, _ = train_spatial(make_run(tmp_path, "run", config), *data, config)
    body = load_body(tmp_path / "source", "spatial")
    changed = {
        layer.name
        for layer, other in zip(leaf_layers(model.get_layer("body")), leaf_layers(body), strict=True)
        if any(not np.array_equal(*pair) for pair in zip(layer.get_weights(), other.get_weights(), strict=True))
    }
    assert changed == {"conv2"}


def test_a_chain_of_runs_keeps_what_the_first_one_was(source, data, tmp_path):
    config = from_run(source)
    second = save_run(tmp_path, "second", data, config)
    run = make_run(tmp_path, "third", from_run(second))
    assert_equal_weights(
        build_temporal(run, *data, from_run(second))[0].get_layer("body"), load_body(source, "temporal")
    )
    assert run.record["notes"]["temporal_network"]["backbone"] is None


def test_the_size_of_the_input_needs_not_be_set_if_both_runs_have_the_default():
    for weights in ("scratch", "runs/x", "/somewhere/runs/2026-01-02_03-04-05", "../x/"):
        assert TrainConfig(temporal_weights=weights).crop_size_of("temporal") == 64
        assert TrainConfig(temporal_weights=weights, temporal_network="cnn_m").crop_size_of("temporal") == 160
    for weights in ("imagenet", "compact", None, "weights/resnet50.h5", "weights/mine.keras"):
        assert TrainConfig(temporal_weights=weights).crop_size_of("temporal") == 160


DIFFERENT = {
    "crop_size": (
        {"crop_size": 48},
        "spatial stream was trained with crop_size=32 (this run: 48). To start from it, set",
    ),
    "temporal": (
        {"flow_length": 2, "flow_input": "bidirectional", "temporal_network": "cnn_m", "temporal_crop_size": 40},
        "with temporal_network='small' (this run: 'cnn_m'), temporal_crop_size=32 (this run: 40), flow_length=3 (this "
        "run: 2), flow_input='stack' (this run: 'bidirectional'). To start from it, set temporal_network='small', "
        "temporal_crop_size=32, flow_length=3, flow_input='stack'.",
    ),
    "shift": (
        {"temporal_shift": True},
        "with temporal_shift=False (this run: True). To start from it, set temporal_shift",
    ),
    "precision": ({"precision": "mixed_bfloat16"}, "set precision='float32'"),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_all_differences_of_the_networks_are_listed_before_the_first_stream(name, source, data, tmp_path):
    changes, message = DIFFERENT[name]
    config = from_run(source, **changes)
    with pytest.raises(ValueError, match=re.escape(message)):
        build_spatial(make_run(tmp_path, "run", config), data[1], TINY_NAMES, config)


def test_a_difference_of_the_clips_says_how_to_prepare_them(source, data, tmp_path):
    store = type("Store", (), {"config": dataclasses.replace(TINY_CONFIG, flow_length=2), "root": data[1].root})
    config = from_run(source)
    with pytest.raises(ValueError, match=re.escape("To start from it, prepare the clips with flow_length=3.")):
        build_spatial(make_run(tmp_path, "run", config), store, TINY_NAMES, config)


def test_the_segments_of_a_shifted_network_must_be_as_many(data, tmp_path):
    folder = save_run(tmp_path, "shifted", data, dataclasses.replace(CONFIG, temporal_shift=True))
    store = type("Store", (), {"config": dataclasses.replace(TINY_CONFIG, num_segments=3), "root": data[1].root})
    message = "To start from it, set temporal_shift=True, and prepare the clips with num_segments=2."
    config = from_run(folder)
    with pytest.raises(ValueError, match=re.escape(message)):
        build_spatial(make_run(tmp_path, "run", config), store, TINY_NAMES, config)
    config = from_run(folder, temporal_shift=True, consensus="ordered")
    model, _ = build_temporal(make_run(tmp_path, "shifted too", config), *data, config)
    assert_equal_weights(model.get_layer("body"), load_body(folder, "temporal"))


def test_a_run_that_is_not_finished_is_refused(source, data, tmp_path):
    folder = shutil.copytree(source, tmp_path / "copy")
    (folder / "temporal.keras").unlink()
    config = from_run(folder)
    with pytest.raises(FileNotFoundError, match="temporal.keras: missing.*temporal stream is finished. Continue that"):
        build_spatial(make_run(tmp_path, "run", config), data[1], TINY_NAMES, config)


def test_a_stream_of_an_older_version_is_refused(source, data, tmp_path):
    folder = shutil.copytree(source, tmp_path / "copy")
    flow = keras.Input((32, 32, 6))
    keras.Model(flow, layers.Dense(2)(layers.GlobalAveragePooling2D()(flow))).save(folder / "temporal.keras")
    config = from_run(folder)
    with pytest.raises(ValueError, match="temporal.keras: temporal_weights must be a run of this version.*body"):
        build_temporal(make_run(tmp_path, "run", config), *data, config)


def test_a_run_that_changed_or_went_is_noticed_when_this_one_is_continued(source, data, tmp_path):
    folder = shutil.copytree(source, tmp_path / "copy")
    config = from_run(folder)
    build_temporal(make_run(tmp_path, "run", config), *data, config)
    build_temporal(make_run(tmp_path, "run", config), *data, config)
    build_temporal(make_run(tmp_path, "new", CONFIG), *data, CONFIG)[0].save(folder / "temporal.keras")
    with pytest.raises(ValueError, match="its temporal stream must be the one that this run started from.*another run"):
        build_temporal(make_run(tmp_path, "run", config), *data, config)
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError, match="must be the folder of a run.*no such folder"):
        build_temporal(make_run(tmp_path, "run", config), *data, config)


def test_a_folder_is_found_under_the_home_and_the_working_folder(source, data, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(source.parent))
    monkeypatch.chdir(source.parent)
    for number, folder in enumerate(("~/source", "./source", "source")):
        config = from_run(folder)
        run = make_run(tmp_path, str(number), config)
        build_temporal(run, *data, config)
        assert run.record["notes"]["temporal_network"]["run"] == str(source)
