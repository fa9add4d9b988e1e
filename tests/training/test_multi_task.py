"""Multi-task learning on the tiny store and a second data set: one body, two heads, and exact resume."""

import dataclasses
import json
import re

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import TINY_CONFIG, TINY_NAMES, make_subset, prepare, write_good
from small_networks import use_small_networks

from models import leaf_layers
from src.config import TrainConfig
from src.inputs import TrainingBatches, ValidationBatches, read_clips
from src.store import manifest_digest, read_prepared
from src.training import callbacks, fitting
from src.training.compiling import OTHER, OWN, compile_model
from src.training.multi_task import add_task, build_joint, read_other
from src.training.networks import build_temporal
from src.training.runs import start_run
from src.training.streams import train_spatial, train_temporal

CONFIG = TrainConfig(
    crop_size=32, temporal_crop_size=32, batch_size=5, spatial_weights="compact", spatial_steps=4, temporal_steps=4,
)  # fmt: skip
TRAIN = {"spatial": train_spatial, "temporal": train_temporal}


@pytest.fixture(scope="module", autouse=True)
def small_networks():
    with pytest.MonkeyPatch.context() as patch:
        use_small_networks(patch)
        patch.setattr(fitting, "ROUNDS", 2)
        yield


@pytest.fixture(scope="module")
def data(tiny_store):
    return read_clips(tiny_store[0])


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Another prepared folder: six clips in two classes, all for training. Do not write to it."""
    folder = tmp_path_factory.mktemp("other")
    prepare(make_subset(write_good(folder, 6)), folder / "data")
    return folder / "data"


def make_run(root, name, config):
    return start_run(name, "tiny", "digest", TINY_CONFIG, config, TINY_NAMES, root=root)


@pytest.fixture(scope="module")
def config(other):
    return dataclasses.replace(CONFIG, also=str(other))


@pytest.fixture(scope="module")
def whole(data, config, tmp_path_factory):
    """stream → (run, model, history) of a training on both data sets without interruption."""
    run = make_run(tmp_path_factory.mktemp("runs"), "whole", config)
    return {stream: (run, *train(run, *data, config)) for stream, train in TRAIN.items()}


def assert_equal_weights(model, expected):
    for weight, other in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


@pytest.mark.parametrize("stream", TRAIN)
def test_the_saved_stream_and_its_history_are_those_of_the_own_data_set(stream, whole, data, config, other):
    run, model, history = whole[stream]
    assert model.output_shape == (None, 3) and [layer.name for layer in model.layers][-1] == "head"
    assert_equal_weights(keras.models.load_model(run.folder / f"{stream}.keras"), model)
    assert set(history.columns) == {"step", "phase", "loss", "accuracy", "val_loss", "val_accuracy"}
    batches = ValidationBatches(*data[:2], stream, data[2], dataclasses.replace(config, batch_size=99))
    inputs, classes = batches[0]
    scores = np.asarray(model.predict_on_batch(inputs))
    losses = -((0.9 * classes + 0.1 / 3) * np.log(scores)).sum(axis=1)
    assert history.val_loss.iloc[-1] == pytest.approx(losses.mean(), rel=1e-4)
    assert not list(run.folder.glob("backup*"))
    found = json.loads((run.folder / "config.json").read_text())["notes"]["also"]
    assert found == {"data": str(other), "manifest_digest": manifest_digest(read_prepared(other)[0])}


@pytest.mark.parametrize("stream", [pytest.param("spatial", marks=pytest.mark.slow), "temporal"])
def test_an_interrupted_training_resumes_to_the_same_weights(stream, whole, data, config, tmp_path, monkeypatch):
    begin = callbacks.StartRound.on_epoch_begin

    def interrupted(callback, number, logs=None):
        if number == 1:  # one round is done
            raise KeyboardInterrupt
        begin(callback, number, logs)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.StartRound, "on_epoch_begin", interrupted)
        with pytest.raises(KeyboardInterrupt):
            TRAIN[stream](make_run(tmp_path, "interrupted", config), *data, config)
    model, history = TRAIN[stream](make_run(tmp_path, "interrupted", config), *data, config)
    exact = keras.backend.backend() != "torch"  # there, rounding differs, which Adam enlarges where gradients are small
    pd.testing.assert_frame_equal(history, whole[stream][2], check_exact=exact, rtol=1e-5)
    if exact:
        assert_equal_weights(model, whole[stream][1])


def test_the_other_data_set_changes_the_body(whole, data, tmp_path):
    """Otherwise it would lend nothing; the first layer must have other weights than in a training alone."""
    alone, _ = train_temporal(make_run(tmp_path, "alone", CONFIG), *data, CONFIG)
    first, second = (m.get_layer("body").get_layer("conv1").get_weights()[0] for m in (alone, whole["temporal"][1]))
    assert np.abs(first - second).max() > 1e-4


@pytest.fixture
def joint(data, config, tmp_path):
    """(stream, network of both tasks, a batch of both)."""
    run = make_run(tmp_path, "joint", config)
    model, _ = build_temporal(run, *data, config)
    batches = train_batches(model, run, data, config)
    return model, build_joint(model, 2, config), batches[0]


def train_batches(model, run, data, config):
    clips, store, names = data
    own = TrainingBatches(clips, store, "temporal", names, config)
    phase = fitting.Phase("all layers", 1, 1e-3, own, ValidationBatches(clips, store, "temporal", names, config))
    return add_task(phase, "temporal", model, read_other(run, clips, store, config), config).training


def test_the_tasks_share_all_layers_but_batch_norm(joint):
    model, network, _ = joint
    own, other = (list(leaf_layers(network.get_layer(name).get_layer("body"))) for name in ("temporal", "other_stream"))
    assert [layer.name for layer in own] == [layer.name for layer in other]
    for mine, theirs in zip(own[1:], other[1:], strict=True):  # the first ones are the inputs
        assert (mine is theirs) != isinstance(mine, keras.layers.BatchNormalization)


def test_batch_norm_has_the_statistics_of_the_own_data_set(joint, config):
    """A step on both data sets moves the statistics of a stream as a step on its own data set does; those of the
    other task stay apart. (With a learning rate of 0; the dropout is behind all batch norm.)"""
    model, network, (inputs, targets) = joint
    norms = [layer for layer in leaf_layers(model) if isinstance(layer, keras.layers.BatchNormalization)]
    start = [norm.get_weights() for norm in norms]

    def step(trained, *batch):
        for norm, weights in zip(norms, start, strict=True):
            norm.set_weights(weights)
        compile_model(trained, 0.0, 1, config)
        trained.train_on_batch(*batch)
        return [weight for norm in norms for weight in norm.get_weights()]

    alone = step(model, inputs[OWN], targets[OWN])
    both = step(network, inputs, targets)
    other = step(network, {OWN: inputs[OWN], OTHER: 255 - inputs[OTHER]}, targets)
    assert any(np.abs(a - b).max() > 0.01 for a, b in zip(alone, sum(start, []), strict=True))
    for found in (both, other):
        for weight, expected in zip(found, alone, strict=True):
            np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-6)


def test_the_loss_is_the_sum_of_both_losses(joint, config):
    _, network, (inputs, targets) = joint
    compile_model(network, 1e-3, 10, config)
    found = network.evaluate(inputs, targets, batch_size=5, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(found["own_loss"] + found["other_loss"], rel=1e-5)


def test_a_batch_holds_clips_of_both_data_sets_and_their_own_classes(joint):
    _, _, (inputs, targets) = joint
    assert inputs[OWN].shape == inputs[OTHER].shape == (5, 2, 32, 32, 6)
    assert targets[OWN].shape == (5, 3) and targets[OTHER].shape == (5, 2)
    assert not np.array_equal(inputs[OWN], inputs[OTHER])


def test_clips_of_other_parameters_are_refused_with_all_differences(data, other, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    config = dataclasses.replace(TINY_CONFIG, flow_length=2, flow_bound=5.0)
    prepare(make_subset(write_good(folder, 2)), folder / "data", config)
    train = dataclasses.replace(CONFIG, also=str(folder / "data"))
    with pytest.raises(ValueError, match=re.escape("flow_length: 3 → 2; flow_bound: 10.0 → 5.0. Prepare one")):
        train_temporal(make_run(tmp_path, "run", train), *data, train)


def test_videos_of_validation_and_test_are_refused(data, tiny_store, tmp_path):
    """The same videos in another folder, where they are for training, would show the network its test clips."""
    root, subset = tiny_store
    prepare(subset.assign(split="train", group=""), tmp_path / "all")
    config = dataclasses.replace(CONFIG, also=str(tmp_path / "all"))
    with pytest.raises(ValueError, match="validates or tests with. Found: 12, "):
        train_temporal(make_run(tmp_path, "run", config), *data, config)


def test_a_run_notices_that_the_other_data_set_changed(data, config, other, tmp_path):
    run = make_run(tmp_path, "run", config)
    run.record_facts(also={"data": str(other), "manifest_digest": "0123456789ab"})
    with pytest.raises(ValueError, match="also learns from the subset 0123456789ab that was prepared there; now it is"):
        train_temporal(run, *data, config)


def test_a_folder_that_was_never_prepared_is_named(data, tmp_path):
    config = dataclasses.replace(CONFIG, also=str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        train_spatial(make_run(tmp_path, "run", config), *data, config)
