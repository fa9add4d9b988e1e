"""Callbacks of a fit: random state, history, backup, progress bar. An epoch of Keras is a round: a part of the steps.

A kill at any moment leaves files from which training continues to the same weights. Keras's CSVLogger, ModelCheckpoint
and BackupAndRestore do not ensure this: they write in place, so that a kill can leave half a file; a repeated epoch
gets a second row in the CSV file; and BackupAndRestore keeps weights and epoch in two files.
"""

import re
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from src.files import write_text
from src.progress import progress
from src.training.compiling import OWN
from src.training.saving import write_weights


class StartRound(keras.callbacks.Callback):
    """Sets the random state of batches and dropout before each round, so that a resumed round repeats exactly."""

    def __init__(self, batches, seed: int):
        super().__init__()
        self.batches, self.seed = batches, seed

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch
        # Dropout under PyTorch draws from the state of the backend, that of other backends from states of its own.
        keras.utils.set_random_seed(int(np.random.SeedSequence([self.seed, epoch]).generate_state(1)[0]))
        for state in self.model.variables:
            if state.name == "seed_generator_state":  # dropout's (seed, draws so far), which weight files do not hold
                state.assign([state[0], epoch * len(self.batches)])


class OwnTask(keras.callbacks.Callback):
    """Makes the values of a round those of the own task, where a network learns two: its loss, its validation.

    Args:
        stream: of the own task, compiled.
        validation: its batches, or None.
    """

    def __init__(self, stream: keras.Model, validation: keras.utils.PyDataset | None):
        super().__init__()
        self.stream, self.validation = stream, validation

    def on_epoch_end(self, epoch, logs=None):
        own = {name: logs[f"{OWN}_{name}"] for name in ("loss", "accuracy")}
        if self.validation is not None:
            found = self.stream.evaluate(self.validation, verbose=0, return_dict=True)
            own |= {f"val_{name}": value for name, value in found.items()}
        logs.clear()
        logs.update(own)  # the later callbacks get the same dictionary


class History(keras.callbacks.Callback):
    """Writes history_<stream>.csv: one row per round, over all phases; a repeated round replaces its row.

    Without validation clips, val_loss and val_accuracy are NaN.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.phase, self.first_step, self.round_steps = path, None, 0, 1
        self.table = pd.read_csv(path) if path.exists() else pd.DataFrame()

    def start(self, phase: str, first_step: int, round_steps: int) -> None:
        """Starts or resumes a phase of rounds of `round_steps`, which follows `first_step` steps of earlier phases."""
        self.phase, self.first_step, self.round_steps = phase, first_step, round_steps

    def on_epoch_end(self, epoch, logs=None):
        number = self.first_step + (epoch + 1) * self.round_steps
        row = {"step": number, "phase": self.phase} | {name: float(value) for name, value in logs.items()}
        row = row | {name: row.get(name, np.nan) for name in ("val_loss", "val_accuracy")}
        earlier = self.table[self.table.step < number] if len(self.table) else self.table
        self.table = pd.concat([earlier, pd.DataFrame([row])], ignore_index=True)
        write_text(self.path, self.table.to_csv(index=False))


class Backup(keras.callbacks.Callback):
    """Writes weights and optimizer state after each round to one file, with the number of rounds done in its name.

    The optimizer's step count cannot replace that number: with float16 it omits steps whose gradients overflow.

    Args:
        folder: folder of the files.
        name: first part of their names.
    """

    def __init__(self, folder: Path, name: str):
        super().__init__()
        self.folder, self.name = folder, name

    def restore(self, model: keras.Model) -> int:
        """Loads the latest backup, if any, into a compiled model; returns the number of rounds done."""
        model.optimizer.build(model.trainable_variables)
        rounds = count_rounds(self.folder, self.name)
        if rounds:
            model.load_weights(self._path(rounds))
        return rounds

    def on_epoch_end(self, epoch, logs=None):
        write_weights(self.model, self._path(epoch + 1))
        for path in find_backups(self.folder, self.name):
            if path != self._path(epoch + 1):
                path.unlink()

    def _path(self, rounds):
        return self.folder / f"{self.name}_{rounds}.weights.h5"


def find_backups(folder: Path, name: str) -> list[Path]:
    """The files of `Backup`: NAME_ROUNDS.weights.h5, where a part of `name` may be a pattern; no other file is ours."""
    named = re.compile(rf"{name}_\d+\.weights\.h5")
    return [path for path in folder.iterdir() if named.fullmatch(path.name)]


def count_rounds(folder: Path, name: str) -> int:
    """Number of rounds done, by the latest file of `Backup`; 0 if there is none."""
    rounds = [int(path.name.split(".")[0].rpartition("_")[2]) for path in find_backups(folder, name)]
    return max(rounds, default=0)


class StepBar(keras.callbacks.Callback):
    """A progress bar over the steps of a phase."""

    def __init__(self, label: str, rounds: int, round_steps: int):
        super().__init__()
        self.label, self.rounds, self.round_steps = label, rounds, round_steps

    def on_train_begin(self, logs=None):
        self.bar = progress(total=self.rounds * self.round_steps, label=self.label, unit="step")

    def on_epoch_begin(self, epoch, logs=None):
        self.bar.update(epoch * self.round_steps - self.bar.n)  # after a resume the bar starts at the steps done

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()

    def on_epoch_end(self, epoch, logs=None):
        shown = {"loss": "loss", "val_accuracy": "val_acc"}  # short: the line is cut where it is full
        self.bar.set_postfix({short: f"{logs[name]:.2f}" for name, short in shown.items() if name in logs})

    def on_train_end(self, logs=None):
        self.bar.close()
