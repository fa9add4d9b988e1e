"""Short fits on the tiny store: what they leave, that they can be interrupted, and that they repeat."""

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

from models.temporal_cnn import build_temporal_cnn
from src import training
from src.config import TrainConfig
from src.evaluation import predict_scores
from src.input_pipeline import EvaluationBatches, TrainingBatches, read_clips
from src.runs import Run, start_run
from src.training import compile_model, save_two_stream, train_spatial, train_temporal

TESTS = Path(__file__).parent
EPOCHS = 3
CONFIG = TrainConfig(crop_size=32, batch_size=5, spatial_weights="compact", spatial_epochs=EPOCHS, temporal_epochs=1)
COLUMNS = {"epoch", "phase", "loss", "accuracy", "val_loss", "val_accuracy"}


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
    """Defect 6: the choice is made on validation."""
    _, model, history = spatial_run
    model = keras.models.clone_model(model)
    model.set_weights(spatial_run[1].get_weights())
    compile_model(model, 1e-3, steps=1)
    validation = EvaluationBatches(data[0], data[1], "spatial", CONFIG.crop_size, 5, "validation", 3)
    loss = model.evaluate(validation, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(history.val_loss.min(), rel=1e-4)


def test_a_finished_run_is_loaded_and_not_trained(spatial_run, data, monkeypatch):
    run, model, history = spatial_run
    monkeypatch.setattr(keras.Model, "fit", never)
    again, table = train_spatial(make_run(run.folder.parent, "whole"), *data, CONFIG)
    assert_equal_weights(again, model)
    pd.testing.assert_frame_equal(table, history)


def test_scores_of_the_saved_model_agree_to_the_last_digit(spatial_run, data):
    """Defect 5."""
    run, model, _ = spatial_run
    clips, store, _ = data
    loaded = keras.models.load_model(run.folder / "spatial.keras")
    scores = [predict_scores(m, clips, store, "spatial", "test", CONFIG) for m in (model, model, loaded)]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])


def test_a_killed_training_goes_on_to_the_same_numbers(spatial_run, data, tmp_path):
    """Killed (SIGKILL) in the middle of its second epoch; also: same seed, same numbers, in another process."""
    _, model, history = spatial_run
    script = f"""
        import os, signal, sys
        sys.path[:0] = {[str(TESTS.parent), str(TESTS)]}
        from test_training import CONFIG, TrainingBatches, make_run, read_clips, train_spatial

        read = TrainingBatches.__getitem__
        def killed(batches, index):
            if (batches.epoch, index) == (1, 1):
                os.kill(os.getpid(), signal.SIGKILL)
            return read(batches, index)
        TrainingBatches.__getitem__ = killed
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
