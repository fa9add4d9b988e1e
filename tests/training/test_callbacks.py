import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

from src.config import TrainConfig
from src.inputs import TrainingBatches, read_clips
from src.training.callbacks import History, StartRound, StepBar


def test_each_round_gets_its_own_batches_once(tiny_store, monkeypatch):
    """Keras reads batches ahead: they must not belong to another round, and none may be missing or repeated."""

    def numbered(batches, index):
        return np.full((1, 1), 100 * batches.epoch + 2**index, np.float32), np.zeros((1, 1), np.float32)

    monkeypatch.setattr(TrainingBatches, "__getitem__", numbered)
    clips, store, names = read_clips(tiny_store[0])
    batches = TrainingBatches(clips, store, "spatial", names, TrainConfig(batch_size=2), steps=6)
    assert len(batches) == 6
    number = keras.Input((1,))
    model = keras.Model(number, layers.Dense(1, use_bias=False, kernel_initializer="ones")(number))
    model.compile(keras.optimizers.SGD(0.0), "mae")
    start = StartRound(batches, seed=0)
    fit = model.fit(batches, shuffle=False, initial_epoch=2, epochs=5, verbose=0, callbacks=[start])
    assert fit.history["loss"] == pytest.approx([100 * epoch + 63 / 6 for epoch in (2, 3, 4)])


def test_the_bar_counts_the_steps_of_all_rounds_and_shows_loss_and_accuracy(capsys, monkeypatch):
    monkeypatch.setattr("tqdm.std.time", iter(range(0, 10**8, 10)).__next__)  # slow, whose digits need room
    bar = StepBar("temporal, all layers", rounds=1200, round_steps=10)
    bar.on_train_begin()
    for epoch in (1, 2):  # a resume after the first round
        bar.on_epoch_begin(epoch)
        for batch in range(10):
            bar.on_train_batch_end(batch)
        bar.on_epoch_end(epoch, {"loss": 11.5, "val_accuracy": 0.25})
    bar.on_train_end()
    last = capsys.readouterr().out.strip().split("\r")[-1]
    assert "temporal, all layers" in last and "30/12000" in last and last.endswith(", loss=11.50, val_acc=0.25]")


def test_the_history_counts_steps_over_all_phases_and_a_repeated_round_replaces_its_row(tmp_path):
    path, last = tmp_path / "history.csv", {}
    for rounds in ([0, 1, 2], [1, 2]):  # a resume from the backup after the first round
        history = History(path)
        history.start("last stage", 100, 25)
        for number in rounds:
            last[number] = len(rounds) + number / 4
            history.on_epoch_end(number, {"loss": last[number]})
    found = pd.read_csv(path)
    pd.testing.assert_frame_equal(found, history.table)
    assert found.step.tolist() == [125, 150, 175] and found.phase.tolist() == ["last stage"] * 3
    assert found.loss.tolist() == [3.0, 2.25, 2.5]
