"""What happens at each epoch of a fit: random state, history, best weights, backup, progress bar.

Every file appears whole or not at all, and an epoch counts as done, by its backup, only when all else of it is on
disk: a kill at any moment leaves what training goes on from to the same weights.
"""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from src.files import atomic_path, write_text
from src.progress import progress


def write_weights(model: keras.Model, path: Path) -> None:
    """Writes the weights, and the optimizer if there is one, atomically."""
    with atomic_path(path) as temporary:
        model.save_weights(temporary)


class StartEpoch(keras.callbacks.Callback):
    """Sets what is random in an epoch, batches and dropout, also when training goes on after an interruption."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch
        for state in self.model.variables:
            if state.name == "seed_generator_state":  # dropout's (seed, draws so far), which no file of weights has
                state.assign([state[0], epoch * len(self.batches)])


class History(keras.callbacks.Callback):
    """history_<stream>.csv: a row an epoch, over all phases; an epoch that is done again replaces its row."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.phase, self.first_epoch = path, None, 0
        self.table = pd.read_csv(path) if path.exists() else pd.DataFrame()

    def start(self, phase: str, first_epoch: int) -> None:
        """A phase begins, or goes on."""
        self.phase, self.first_epoch = phase, first_epoch

    def epochs_done(self) -> int:
        """Of this phase."""
        return int((self.table.phase == self.phase).sum()) if len(self.table) else 0

    def least_validation_loss(self) -> float:
        """Over all phases; infinite before the first epoch."""
        return float(min(self.table.val_loss.dropna(), default=np.inf)) if len(self.table) else np.inf

    def on_epoch_end(self, epoch, logs=None):
        number = self.first_epoch + epoch + 1
        row = {"epoch": number, "phase": self.phase} | {name: float(value) for name, value in logs.items()}
        earlier = self.table[self.table.epoch < number] if len(self.table) else self.table
        self.table = pd.concat([earlier, pd.DataFrame([row])], ignore_index=True)
        write_text(self.path, self.table.to_csv(index=False))


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the least validation loss."""

    def __init__(self, bare: keras.Model, path: Path, least: float):
        super().__init__()
        self.bare, self.path, self.least = bare, path, least

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_loss"] < self.least:
            self.least = logs["val_loss"]
            write_weights(self.bare, self.path)


class Backup(keras.callbacks.Callback):
    """Keeps where training is, in one file: weights and optimizer after a whole epoch, whose number is in the name.

    The optimizer's own count of steps will not do: with float16 it passes over steps whose gradients overflow.

    Args:
        folder: where the files go.
        name: what their names begin with.
    """

    def __init__(self, folder: Path, name: str):
        super().__init__()
        self.folder, self.name = folder, name

    def restore(self, model: keras.Model) -> int:
        """Loads the latest backup into a compiled model, where there is one; returns the epochs it had done."""
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
    """A progress bar over epochs, with the latest validation accuracy."""

    def __init__(self, label: str, epochs: int):
        super().__init__()
        self.label, self.epochs = label, epochs

    def on_train_begin(self, logs=None):
        self.bar = progress(total=self.epochs, label=self.label, unit="epoch")

    def on_epoch_end(self, epoch, logs=None):
        self.bar.update(epoch + 1 - self.bar.n)  # the epochs of an earlier session count too
        self.bar.set_postfix(loss=f"{logs['loss']:.2f}", val_accuracy=f"{logs['val_accuracy']:.2f}")

    def on_train_end(self, logs=None):
        self.bar.close()
