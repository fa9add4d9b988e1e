"""Callbacks of a fit: random state, history, best weights, backup, progress bar.

A kill at any moment leaves files from which training continues to the same weights. Keras's CSVLogger, ModelCheckpoint
and BackupAndRestore do not ensure this: they write in place, so that a kill can leave half a file; a repeated epoch
gets a second row in the CSV file; and BackupAndRestore keeps weights and epoch in two files.
"""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from src.files import write_text
from src.progress import progress
from src.training.saving import write_weights


class StartEpoch(keras.callbacks.Callback):
    """Sets the random state of batches and dropout before each epoch, so that a resumed epoch repeats exactly."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch
        for state in self.model.variables:
            if state.name == "seed_generator_state":  # dropout's (seed, draws so far), which weight files do not hold
                state.assign([state[0], epoch * len(self.batches)])


class History(keras.callbacks.Callback):
    """Writes history_<stream>.csv: one row per epoch, over all phases; a repeated epoch replaces its row."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.phase, self.first_epoch = path, None, 0
        self.table = pd.read_csv(path) if path.exists() else pd.DataFrame()

    def start(self, phase: str, first_epoch: int) -> None:
        """Starts or resumes a phase, whose first epoch follows `first_epoch` epochs of earlier phases."""
        self.phase, self.first_epoch = phase, first_epoch

    def epochs_done(self) -> int:
        """Epochs of this phase in the table."""
        return int((self.table.phase == self.phase).sum()) if len(self.table) else 0

    def least_validation_loss(self) -> float:
        """The lowest validation loss of all phases; infinite before the first epoch."""
        return float(min(self.table.val_loss.dropna(), default=np.inf)) if len(self.table) else np.inf

    def on_epoch_end(self, epoch, logs=None):
        number = self.first_epoch + epoch + 1
        row = {"epoch": number, "phase": self.phase} | {name: float(value) for name, value in logs.items()}
        earlier = self.table[self.table.epoch < number] if len(self.table) else self.table
        self.table = pd.concat([earlier, pd.DataFrame([row])], ignore_index=True)
        write_text(self.path, self.table.to_csv(index=False))


class BestWeights(keras.callbacks.Callback):
    """Writes the weights of `network`, which shares the fitted model's layers, when the validation loss improves."""

    def __init__(self, network: keras.Model, path: Path, least: float):
        super().__init__()
        self.network, self.path, self.least = network, path, least

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_loss"] < self.least:
            self.least = logs["val_loss"]
            write_weights(self.network, self.path)


class Backup(keras.callbacks.Callback):
    """Writes weights and optimizer state after each epoch to one file, with the number of epochs done in its name.

    The optimizer's step count cannot replace that number: with float16 it omits steps whose gradients overflow.

    Args:
        folder: folder of the files.
        name: first part of their names.
    """

    def __init__(self, folder: Path, name: str):
        super().__init__()
        self.folder, self.name = folder, name

    def restore(self, model: keras.Model) -> int:
        """Loads the latest backup, if any, into a compiled model; returns the number of epochs done."""
        model.optimizer.build(model.trainable_variables)
        epochs = [int(path.name.split(".")[0].rpartition("_")[2]) for path in self._files()]
        if epochs:
            model.load_weights(self._path(max(epochs)))
        return max(epochs, default=0)

    def on_epoch_end(self, epoch, logs=None):
        write_weights(self.model, self._path(epoch + 1))
        for path in self._files():
            if path != self._path(epoch + 1):
                path.unlink()

    def _path(self, epochs):
        return self.folder / f"{self.name}_{epochs}.weights.h5"

    def _files(self):
        return list(self.folder.glob(f"{self.name}_*.weights.h5"))


class EpochBar(keras.callbacks.Callback):
    """A progress bar over epochs, with the latest loss and validation accuracy."""

    def __init__(self, label: str, epochs: int):
        super().__init__()
        self.label, self.epochs = label, epochs

    def on_train_begin(self, logs=None):
        self.bar = progress(total=self.epochs, label=self.label, unit="epoch")

    def on_epoch_end(self, epoch, logs=None):
        self.bar.update(epoch + 1 - self.bar.n)  # after a resume the bar starts at the epochs done
        self.bar.set_postfix(loss=f"{logs['loss']:.2f}", val_accuracy=f"{logs['val_accuracy']:.2f}")

    def on_train_end(self, logs=None):
        self.bar.close()
