"""Short fits on the tiny store: what they leave, that they can be interrupted, and that they repeat."""

import dataclasses
import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import TINY_CONFIG
from keras import layers

from models import backbones, temporal_cnn
from src.config import TrainConfig
from src.evaluation.scores import predict_scores
from src.inputs.batches import EvaluationBatches, TrainingBatches
from src.inputs.data_set import read_clips
from src.store.clip_store import ClipStore
from src.training import callbacks, networks
from src.training.compiling import compile_model
from src.training.runs import Run, start_run
from src.training.saving import save_two_stream
from src.training.streams import train_spatial, train_temporal

TESTS = Path(__file__).parents[1]
EPOCHS = 3
CONFIG = TrainConfig(
    crop_size=32, batch_size=5, spatial_weights="compact", spatial_epochs=EPOCHS, temporal_epochs=1, fine_tune_epochs=2
)
COLUMNS = {"epoch", "phase", "loss", "accuracy", "val_loss", "val_accuracy"}


def make_small():
    """Gives both networks fewer channels and stages: what is tested here is how they are fitted."""
    backbones._COMPACT_FILTERS = (4, 8)
    temporal_cnn._CONVOLUTIONS = (("conv1", 8, 7, 2, True), ("conv2", 16, 5, 2, True))


@pytest.fixture(scope="module", autouse=True)
def small_networks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbones, "_COMPACT_FILTERS", None)  # to have them put back
        patch.setattr(temporal_cnn, "_CONVOLUTIONS", None)
        make_small()
        yield


@pytest.fixture(scope="module")
def data(tiny_store):
    return read_clips(tiny_store[0])


def make_run(root, name, config=CONFIG) -> Run:
    return start_run(name, "tiny", "digest", TINY_CONFIG, config, root=root)


@pytest.fixture(scope="module")
def spatial_run(data, tmp_path_factory):
    """(run, model, history) of the spatial stream, trained without interruption."""
    run = make_run(tmp_path_factory.mktemp("runs"), "whole")
    return run, *train_spatial(run, *data, CONFIG)


def names_of(run):
    return {path.name for path in run.folder.iterdir()}


def assert_equal_weights(model, other):
    for weight, expected in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def never(*arguments, **named):
    raise AssertionError("must not be called")


def test_what_training_leaves(spatial_run):
    run, model, history = spatial_run
    assert names_of(run) == {"config.json", "history_spatial.csv", "spatial.keras"}
    assert set(history.columns) == COLUMNS and history.epoch.tolist() == [1, 2, 3]
    assert set(history.phase) == {"all layers"} and np.isfinite(history.drop(columns="phase").to_numpy()).all()
    pd.testing.assert_frame_equal(pd.read_csv(run.folder / "history_spatial.csv"), history)
    assert json.loads((run.folder / "config.json").read_text())["notes"]["spatial_network"]["backbone"] == "compact"
    assert_equal_weights(keras.models.load_model(run.folder / "spatial.keras"), model)


def test_the_best_epoch_by_validation_loss_is_returned(spatial_run, data):
    """Defects 6 and 17: chosen on validation, whose loss is that of all 12 pictures, not of batches of 5, 5 and 2."""
    _, model, history = spatial_run
    clips, store, _ = data
    whole = dataclasses.replace(CONFIG, batch_size=99)
    pictures, classes = EvaluationBatches(clips, store, "spatial", "validation", 3, whole)[0]
    targets = 0.9 * classes + 0.1 / 3
    losses = -(targets * np.log(model.predict_on_batch(pictures))).sum(axis=1)
    assert losses.mean() == pytest.approx(history.val_loss.min(), rel=1e-4)


def test_a_finished_run_is_loaded_and_not_trained(spatial_run, data, monkeypatch):
    run, model, history = spatial_run
    monkeypatch.setattr(keras.Model, "fit", never)
    again, table = train_spatial(make_run(run.folder.parent, "whole"), *data, CONFIG)
    assert_equal_weights(again, model)
    pd.testing.assert_frame_equal(table, history)


def test_scores_of_the_saved_model_agree_to_the_last_digit(spatial_run, data):
    """Defect 5."""
    run, model, _ = spatial_run
    clips, store, names = data
    loaded = keras.models.load_model(run.folder / "spatial.keras")
    scores = [predict_scores(m, clips, store, "spatial", "test", names, CONFIG) for m in (model, model, loaded)]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])


def test_a_killed_training_goes_on_to_the_same_numbers(spatial_run, data, tmp_path):
    """Killed (SIGKILL) in the middle of its second epoch; also: same seed, same numbers, in another process."""
    _, model, history = spatial_run
    script = f"""
        import os, signal, sys
        sys.path[:0] = {[str(TESTS.parent), str(TESTS), str(TESTS / "training")]}
        from test_streams import CONFIG, TrainingBatches, make_run, make_small, read_clips, train_spatial

        read = TrainingBatches.__getitem__
        def killed(batches, index):
            if (batches.epoch, index) == (1, 1):
                os.kill(os.getpid(), signal.SIGKILL)
            return read(batches, index)
        TrainingBatches.__getitem__ = killed
        make_small()
        train_spatial(make_run({str(tmp_path)!r}, "killed"), *read_clips({str(data[1].root)!r}), CONFIG)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    run = make_run(tmp_path, "killed")
    assert len(pd.read_csv(run.folder / "history_spatial.csv")) == 1
    again, table = train_spatial(run, *data, CONFIG)
    pd.testing.assert_frame_equal(table, history, check_exact=True)
    assert_equal_weights(again, model)
    assert names_of(run) == {"config.json", "history_spatial.csv", "spatial.keras"}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A saved backbone with batch norm and two stages, as a user would bring one."""
    keras.utils.set_random_seed(5)
    image = x = keras.Input((32, 32, 3))
    for stage in (1, 2):
        x = layers.Conv2D(4, 3, strides=2, padding="same", name=f"conv{stage}")(x)
        x = layers.BatchNormalization(name=f"norm{stage}")(x)
    path = tmp_path_factory.mktemp("backbone") / "mine.keras"
    keras.Model(image, x).save(path)
    return path


@pytest.fixture(scope="module")
def pretrained(backbone):
    return dataclasses.replace(CONFIG, spatial_weights=str(backbone), spatial_epochs=2)


@pytest.fixture(scope="module")
def pretrained_run(pretrained, data, tmp_path_factory):
    """(run, model, history) of a head and a last stage, trained without interruption; what was trainable by epoch."""
    trainable, begin = [], callbacks.StartEpoch.on_epoch_begin

    def watched(callback, epoch, logs=None):
        trainable.append({weight.path.split("/")[-2] for weight in callback.model.trainable_weights})
        begin(callback, epoch, logs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.StartEpoch, "on_epoch_begin", watched)
        run = make_run(tmp_path_factory.mktemp("runs"), "whole", pretrained)
        return run, *train_spatial(run, *data, pretrained), trainable


def test_a_pretrained_backbone_is_trained_in_two_phases(pretrained_run, backbone):
    """Defect 19: head, then last stage, and never the batch norm."""
    run, model, history, trainable = pretrained_run
    assert trainable == [{"scores"}] * 2 + [{"scores", "conv2"}] * 2
    assert history.phase.tolist() == ["head", "head", "last stage", "last stage"]
    assert history.epoch.tolist() == [1, 2, 3, 4]
    trained, saved = model.get_layer("backbone"), keras.models.load_model(backbone)
    for name in ("conv1", "norm1", "norm2"):
        assert_equal_weights(trained.get_layer(name), saved.get_layer(name))
    assert names_of(run) == {"config.json", "history_spatial.csv", "spatial.keras"}


@pytest.mark.parametrize("trainable_weights, epoch", [(2, 1), (4, 0), (4, 1)], ids=["head", "between", "last stage"])
def test_an_interrupted_phase_goes_on_to_the_same_numbers(
    trainable_weights, epoch, pretrained, pretrained_run, data, tmp_path, monkeypatch
):
    begin = callbacks.StartEpoch.on_epoch_begin

    def interrupted(callback, number, logs=None):
        if number == epoch and len(callback.model.trainable_weights) == trainable_weights:
            raise KeyboardInterrupt
        begin(callback, number, logs)

    monkeypatch.setattr(callbacks.StartEpoch, "on_epoch_begin", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_spatial(make_run(tmp_path, "interrupted", pretrained), *data, pretrained)
    monkeypatch.setattr(callbacks.StartEpoch, "on_epoch_begin", begin)
    monkeypatch.setattr(networks, "resolve_weights", never)  # what the run began with is recorded
    run = make_run(tmp_path, "interrupted", pretrained)
    again, table = train_spatial(run, *data, pretrained)
    pd.testing.assert_frame_equal(table, pretrained_run[2], check_exact=True)
    assert_equal_weights(again, pretrained_run[1])
    assert names_of(run) == {"config.json", "history_spatial.csv", "spatial.keras"}


def test_training_that_is_killed_again_and_again_ends_with_the_same_weights(pretrained, pretrained_run, data, tmp_path):
    """SIGKILL in real processes, at moments that no code chose, in either phase or between them."""
    script = f"""
        import sys
        sys.path[:0] = {[str(TESTS.parent), str(TESTS), str(TESTS / "training")]}
        from test_streams import TrainConfig, make_run, make_small, read_clips, train_spatial

        make_small()
        config = TrainConfig(**{pretrained.to_dict()!r})
        print("ready", flush=True)
        train_spatial(make_run({str(tmp_path)!r}, "killed", config), *read_clips({str(data[1].root)!r}), config)
    """
    killed, generator = 0, np.random.default_rng(0)
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE)
        process.stdout.readline()
        try:
            process.wait(timeout=generator.uniform(0.5, 4))
            break
        except subprocess.TimeoutExpired:
            process.kill()
            killed += process.wait() == -signal.SIGKILL
    assert killed
    again, table = train_spatial(make_run(tmp_path, "killed", pretrained), *data, pretrained)
    pd.testing.assert_frame_equal(table, pretrained_run[2], check_exact=True)
    assert_equal_weights(again, pretrained_run[1])


def test_without_epochs_for_it_the_last_stage_stays_as_it_came(pretrained, backbone, data, tmp_path):
    config = dataclasses.replace(pretrained, fine_tune_epochs=0)
    model, history = train_spatial(make_run(tmp_path, "head only", config), *data, config)
    assert set(history.phase) == {"head"}
    assert_equal_weights(model.get_layer("backbone"), keras.models.load_model(backbone))


@pytest.mark.parametrize("validation_losses, kept", [([0.3, 0.5, 0.2, 0.9], 2), ([0.3, 0.5, 0.4, 0.9], 0)])
def test_each_phase_begins_and_training_ends_with_the_best_weights_so_far(
    validation_losses, kept, backbone, data, tmp_path, monkeypatch
):
    """Defect 6: of four epochs the first is the best of phase one, and the third of all, or the first."""
    config = dataclasses.replace(CONFIG, spatial_weights=str(backbone), spatial_epochs=2)
    losses, begins, ends = iter(validation_losses), [], []
    begin = callbacks.StartEpoch.on_epoch_begin

    def watched(callback, epoch, logs=None):
        begins.append(head_of(callback.model))
        begin(callback, epoch, logs)

    def head_of(model):
        return [np.array(weight) for weight in model.get_layer("scores").get_weights()]

    monkeypatch.setattr(callbacks.StartEpoch, "on_epoch_begin", watched)
    monkeypatch.setattr(callbacks.Backup, "on_epoch_end", lambda self, *_: ends.append(head_of(self.model)))
    monkeypatch.setattr(keras.Model, "evaluate", lambda *_, **__: {"loss": next(losses), "accuracy": 0.0})
    model, history = train_spatial(make_run(tmp_path, "best", config), *data, config)
    assert history.val_loss.tolist() == validation_losses
    for begun, best, last in ((begins[2], ends[0], ends[1]), (head_of(model), ends[kept], ends[3])):
        same = [[np.array_equal(*pair) for pair in zip(begun, other, strict=True)] for other in (best, last)]
        assert all(same[0]) and not all(same[1])


def test_a_last_stage_that_gets_no_better_is_put_back(backbone, data, tmp_path, monkeypatch):
    """The head of phase one is kept with the backbone that it was trained on."""
    config = dataclasses.replace(CONFIG, spatial_weights=str(backbone), spatial_epochs=2)
    losses = iter([0.3, 0.2, 0.5, 0.9])
    monkeypatch.setattr(keras.Model, "evaluate", lambda *_, **__: {"loss": next(losses), "accuracy": 0.0})
    model, _ = train_spatial(make_run(tmp_path, "no better", config), *data, config)
    assert_equal_weights(model.get_layer("backbone"), keras.models.load_model(backbone))


def test_the_temporal_stream_and_both_in_one(spatial_run, data, monkeypatch):
    """Defect 6: training reads training and validation clips, and none of the test."""
    run, spatial, _ = spatial_run
    clips, store, _ = data
    seen, read = set(), ClipStore.read_stack
    monkeypatch.setattr(ClipStore, "read_stack", lambda self, *where: seen.add(where[0]) or read(self, *where))
    run = make_run(run.folder.parent, "both")
    temporal, history = train_temporal(run, *data, CONFIG)
    assert set(clips.split[clips.clip_name.isin(seen)]) == {"train", "validation"}
    assert set(history.columns) == COLUMNS and len(history) == 1
    assert names_of(run) == {"config.json", "history_temporal.csv", "temporal.keras"}

    two_stream = save_two_stream(run, spatial, temporal)
    assert names_of(run) == {"config.json", "history_temporal.csv", "temporal.keras", "two_stream.keras"}
    frames, stacks = (
        EvaluationBatches(clips, store, stream, "test", 3, CONFIG)[0][0] for stream in ("spatial", "temporal")
    )
    fused = np.asarray(two_stream.predict_on_batch({"frame": frames, "flow": stacks}))
    expected = (spatial.predict_on_batch(frames) + temporal.predict_on_batch(stacks)) / 2
    np.testing.assert_allclose(fused, expected, atol=1e-6)


def test_each_epoch_gets_its_own_batches_in_order(data, monkeypatch):
    """What Keras reads ahead must not be of another epoch, and an epoch must not lack a batch or get one twice."""
    clips, store, names = data

    def numbered(batches, index):
        return np.full((1, 1), 100 * batches.epoch + 2**index, np.float32), np.zeros((1, 1), np.float32)

    monkeypatch.setattr(TrainingBatches, "__getitem__", numbered)
    batches = TrainingBatches(clips, store, "spatial", names, dataclasses.replace(CONFIG, batch_size=2))
    assert len(batches) == 6
    number = keras.Input((1,))
    model = keras.Model(number, layers.Dense(1, use_bias=False, kernel_initializer="ones")(number))
    model.compile(keras.optimizers.SGD(0.0), "mae")
    start = callbacks.StartEpoch(batches)
    fit = model.fit(batches, shuffle=False, initial_epoch=2, epochs=5, verbose=0, callbacks=[start])
    assert fit.history["loss"] == pytest.approx([100 * epoch + 63 / 6 for epoch in (2, 3, 4)])


def test_the_loss_falls_to_what_label_smoothing_leaves(data):
    """Defect 16: softmax outputs fed to a loss that expects logits; it would stay above log(e + 2) - 0.933 = 0.62."""
    clips, store, names = data
    smooth = np.array([1 - 0.1 * 2 / 3, 0.1 / 3, 0.1 / 3])
    keras.utils.set_random_seed(0)
    # Whole pictures move in these clips, so the mean displacement is what tells the classes apart.
    model = temporal_cnn.build_temporal_cnn(3, 32, TINY_CONFIG.flow_length, subtract_mean=False)
    batch = TrainingBatches(clips, store, "temporal", names, dataclasses.replace(CONFIG, batch_size=12))[0]
    compile_model(model, 1e-2, steps=80)
    certain, nearly = np.array([[1.0, 0, 0]]), np.array([[0.98, 0.01, 0.01]])
    assert float(model.loss(certain, nearly)) == pytest.approx(-(smooth * np.log(nearly)).sum(), rel=1e-5)
    losses = [float(model.train_on_batch(*batch)[0]) for _ in range(80)]
    assert losses[0] > 0.9
    assert -(smooth * np.log(smooth)).sum() < np.mean(losses[-5:]) < 0.5


def test_cross_modality_learns_all_layers_and_one_batch_norm(backbone, data, tmp_path):
    """TSN's partial batch norm: the first learns, the others keep their statistics."""
    config = dataclasses.replace(CONFIG, temporal_weights=str(backbone), fine_tune_learning_rate=1e-2)
    run = make_run(tmp_path, "cross", config)
    model, history = train_temporal(run, *data, config)
    trained, saved = model.get_layer("backbone"), keras.models.load_model(backbone)
    assert len(history) == 1 and run.record["notes"]["temporal_network"]["backbone"] == str(backbone)
    assert_equal_weights(trained.get_layer("norm2"), saved.get_layer("norm2"))
    for name in ("conv2", "norm1"):
        pairs = zip(trained.get_layer(name).get_weights(), saved.get_layer(name).get_weights(), strict=True)
        assert not any(np.array_equal(*pair) for pair in pairs)


@pytest.mark.parametrize(
    "change",
    [
        {"flow_length": 1},
        {"flow_length": 2, "flow_input": "bidirectional"},
        {"flow_input": "trajectory", "temporal_crop_size": 40},
        {"temporal_head": "dense", "augment": False},
    ],
)
def test_every_flow_input_trains(change, data, tmp_path):
    config = dataclasses.replace(CONFIG, **change)
    model, history = train_temporal(make_run(tmp_path, "input", config), *data, config)
    assert model.input_shape[-1] == 2 * (config.flow_length or TINY_CONFIG.flow_length)
    assert model.input_shape[1] == (config.temporal_crop_size or 32)
    assert np.isfinite(history.val_loss).all()


def test_an_interrupted_training_in_float16_repeats_no_epoch(data, tmp_path, monkeypatch):
    """Its optimizer counts no step whose gradients overflow, and so cannot say how many epochs were done."""
    config = dataclasses.replace(CONFIG, temporal_epochs=3, precision="mixed_float16")
    whole, history = train_temporal(make_run(tmp_path, "whole", config), *data, config)
    begin = callbacks.StartEpoch.on_epoch_begin

    def interrupted(callback, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt
        begin(callback, epoch, logs)

    monkeypatch.setattr(callbacks.StartEpoch, "on_epoch_begin", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_temporal(make_run(tmp_path, "interrupted", config), *data, config)
    monkeypatch.setattr(callbacks.StartEpoch, "on_epoch_begin", begin)
    again, table = train_temporal(make_run(tmp_path, "interrupted", config), *data, config)
    pd.testing.assert_frame_equal(table, history, check_exact=True)
    assert_equal_weights(again, whole)
