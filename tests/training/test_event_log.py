"""The log is read back with TensorBoard's own reader."""

import keras
import numpy as np
import pytest

from src.training import event_log
from src.training.callbacks import History
from src.training.event_log import EventLog

pytest.importorskip("tensorboard")


def fit(folder, initial_epoch, epochs, loss_is):
    """A fit of rounds of 10 steps, after 100 steps of an earlier phase."""
    history = History(folder / "history.csv")
    history.start("last stage", 100, 10)
    number = keras.Input((1,))
    model = keras.Model(number, keras.layers.Dense(1)(number))
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(1.0, 4, 0.0)), "mse")
    losses = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(loss=loss_is + epoch))
    callbacks = [losses, history, EventLog(folder / "log", history)]
    inputs = np.zeros((4, 1), np.float32), np.zeros((4, 1), np.float32)
    model.fit(*inputs, initial_epoch=initial_epoch, epochs=epochs, verbose=0, callbacks=callbacks)


def read_scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_loss_and_learning_rate_by_step(tmp_path):
    fit(tmp_path, 0, 3, loss_is=1)
    found = read_scalars(tmp_path / "log")
    assert found == {"loss": [(110, 1), (120, 2), (130, 3)], "learning_rate": [(110, 0.75), (120, 0.5), (130, 0.25)]}


def test_a_resumed_training_continues_the_log_without_repeated_steps(tmp_path):
    fit(tmp_path, 0, 3, loss_is=1)
    fit(tmp_path, 1, 4, loss_is=5)  # the backup was that of the first round
    assert read_scalars(tmp_path / "log")["loss"] == [(110, 1), (120, 6), (130, 7), (140, 8)]
    fit(tmp_path, 1, 2, loss_is=8)
    assert read_scalars(tmp_path / "log")["loss"] == [(110, 1), (120, 9)]


def test_without_the_package_a_sentence_is_printed_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(event_log, "RecordWriter", None)
    event_log.is_installed.cache_clear()
    for _ in range(2):
        fit(tmp_path, 0, 1, loss_is=1)
    event_log.is_installed.cache_clear()
    assert capsys.readouterr().out.count("pip install tensorboard") == 1
    assert not (tmp_path / "log").exists()
