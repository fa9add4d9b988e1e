import keras
import numpy as np
import pytest
from keras import layers

from src.config import TrainConfig
from src.inputs import TrainingBatches, read_clips
from src.training.callbacks import StartRound


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
    fit = model.fit(batches, shuffle=False, initial_epoch=2, epochs=5, verbose=0, callbacks=[StartRound(batches)])
    assert fit.history["loss"] == pytest.approx([100 * epoch + 63 / 6 for epoch in (2, 3, 4)])
