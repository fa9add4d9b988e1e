"""Compile, callbacks, one fit; what was interrupted goes on where it stopped."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import pandas as pd

from models.finetuned_resnet import build_finetuned_resnet, freeze_backbone, resolve_weights, unfreeze_last_stage
from models.temporal_cnn import build_temporal_cnn
from models.two_stream import build_two_stream
from src.clip_store import ClipStore, write_text
from src.config import TrainConfig
from src.input_pipeline import EvaluationBatches, TrainingBatches
from src.progress import progress
from src.runs import Run

WEIGHT_DECAY = 0.01
LABEL_SMOOTHING = 0.1  # keeps a stream that knows half of the answer from being sure of the other half
WARM_UP = 0.1  # share of the steps in which the rate rises


@dataclass(frozen=True)
class Phase:
    """One fit: how long, at which highest rate, and what it sets trainable first."""

    name: str
    epochs: int
    learning_rate: float
    set_trainable: Callable[[keras.Model], object] = lambda model: None


def train_spatial(run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig):
    """Fits the spatial stream, or loads it where this run has fitted it.

    With pretrained weights: the head on the frozen backbone, then the last stage at a lower rate, batch norm in
    inference mode throughout. Without: the whole network from the start.

    Args:
        run: where the weights and the history go.
        clips, store, class_names: from `input_pipeline.read_clips`.
        config: how to fit.

    Returns:
        (model, history): the weights of the best epoch by validation loss; DataFrame epoch, phase, loss, accuracy,
        val_loss, val_accuracy, a row an epoch.

    Raises:
        ValueError: the loss was never a number.
    """
    network = run.record.get("notes", {}).get("spatial_network") or resolve_weights(config.spatial_weights)
    run.note(spatial_network=network)
    keras.utils.set_random_seed(config.seed)
    model = build_finetuned_resnet(
        len(class_names), config.crop_size, network["weights"], network["backbone"], config.backbone_preprocessing
    )
    phases = [Phase("all layers", config.spatial_epochs, config.spatial_learning_rate)]
    if network["pretrained"]:
        phases = [
            Phase("head", config.spatial_epochs, config.spatial_learning_rate, freeze_backbone),
            Phase("last stage", config.spatial_epochs, config.fine_tune_learning_rate, unfreeze_last_stage),
        ]
    return _train(run, "spatial", model, phases, clips, store, class_names, config)


def train_temporal(run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig):
    """Fits the temporal stream from scratch, or loads it where this run has fitted it; as `train_spatial`."""
    keras.utils.set_random_seed(config.seed + 1)
    length = store.config.flow_length
    model = build_temporal_cnn(len(class_names), config.crop_size, length, config.temporal_head, config.subtract_mean)
    phases = [Phase("all layers", config.temporal_epochs, config.temporal_learning_rate)]
    return _train(run, "temporal", model, phases, clips, store, class_names, config)


def save_two_stream(run: Run, spatial: keras.Model, temporal: keras.Model) -> keras.Model:
    """Joins the fitted streams, saves them as two_stream.keras, and returns the model that was read back."""
    path = run.folder / "two_stream.keras"
    _save(build_two_stream(spatial, temporal), path)
    return keras.models.load_model(path)


def compile_model(model: keras.Model, learning_rate: float, steps: int) -> None:
    """Compiles with AdamW, a warm-up and a cosine decay to zero over `steps`, and cross-entropy on probabilities."""
    warm_up = max(1, round(WARM_UP * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=max(1, steps - warm_up), warmup_target=learning_rate, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY)
    loss = keras.losses.CategoricalCrossentropy(from_logits=False, label_smoothing=LABEL_SMOOTHING)
    model.compile(optimizer, loss, metrics=["accuracy"])


def _train(run, stream, model, phases, clips, store, class_names, config):
    """Runs the phases that are not done, each from the best weights so far; saves the model of the best epoch."""
    finished, best = run.folder / f"{stream}.keras", run.folder / f"best_{stream}.weights.h5"
    history = _History(run.folder / f"history_{stream}.csv")
    if finished.exists():
        return keras.models.load_model(finished), history.table
    bare = keras.Model(model.input, model.output, name=model.name)  # the same layers without an optimizer: what is kept
    common = (clips, store, stream, config.crop_size, config.batch_size)
    training = TrainingBatches(*common, class_names, config.seed)
    validation = EvaluationBatches(*common, "validation", len(class_names))
    for number, phase in enumerate(phases):
        phase.set_trainable(model)
        history.start(phase.name, first_epoch=sum(earlier.epochs for earlier in phases[:number]))
        if history.epochs_done() < phase.epochs:
            if number:
                bare.load_weights(best)
            compile_model(model, phase.learning_rate, phase.epochs * len(training))
            backup = run.folder / f"backup_{stream}_{number}.weights.h5"
            first_epoch = _restore(model, backup) // len(training)
            callbacks = [
                _StartEpoch(training),
                # In this order, so that an epoch counts as done only when everything else of it is on disk.
                _BestWeights(bare, best, history.least_validation_loss()),
                history,
                _Backup(backup),
                _EpochBar(f"{stream} stream, {phase.name}", phase.epochs),
            ]
            model.fit(
                training,
                shuffle=False,  # the batches do it, the same way each time
                initial_epoch=first_epoch,
                epochs=phase.epochs,
                validation_data=validation,
                callbacks=callbacks,
                verbose=0,
            )
    if not best.exists():
        raise ValueError(
            f"{run.folder}: the {stream} stream diverged: its validation loss was never a number. "
            "Lower its learning rate, and choose another run_name."
        )
    bare.load_weights(best)
    _save(bare, finished)
    for weights in run.folder.glob(f"*_{stream}*.weights.h5"):
        weights.unlink()
    return keras.models.load_model(finished), history.table


def _restore(model, backup):
    """Loads weights and optimizer of an interrupted phase, where there are; returns the steps it had done."""
    model.optimizer.build(model.trainable_variables)
    if backup.exists():
        model.load_weights(backup)
    return int(model.optimizer.iterations)


def _write_weights(model, path):
    """Writes the weights, and the optimizer if there is one, atomically: the file is there whole, or not."""
    temporary = path.with_name(f"incomplete_{path.name}")
    model.save_weights(temporary)
    os.replace(temporary, path)


def _save(model, path):
    """Saves a model, atomically."""
    temporary = path.with_name(f"incomplete_{path.name}")
    model.save(temporary)
    os.replace(temporary, path)


class _StartEpoch(keras.callbacks.Callback):
    """Sets what is random in an epoch, batches and dropout, also when training goes on after an interruption."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch
        for state in self.model.variables:
            if state.name == "seed_generator_state":  # dropout's (seed, draws so far), which no file of weights has
                state.assign([state[0], epoch * len(self.batches)])


class _History(keras.callbacks.Callback):
    """history_<stream>.csv: a row an epoch, over all phases; an epoch that is done again replaces its row."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.phase, self.first_epoch = path, None, 0
        self.table = pd.read_csv(path) if path.exists() else pd.DataFrame()

    def start(self, phase, first_epoch):
        self.phase, self.first_epoch = phase, first_epoch

    def epochs_done(self):
        return int((self.table.phase == self.phase).sum()) if len(self.table) else 0

    def least_validation_loss(self):
        return float(self.table.val_loss.min()) if len(self.table) else float("inf")

    def on_epoch_end(self, epoch, logs=None):
        number = self.first_epoch + epoch + 1
        row = {"epoch": number, "phase": self.phase} | {name: float(value) for name, value in logs.items()}
        earlier = self.table[self.table.epoch < number] if len(self.table) else self.table
        self.table = pd.concat([earlier, pd.DataFrame([row])], ignore_index=True)
        write_text(self.path, self.table.to_csv(index=False))


class _BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the least validation loss."""

    def __init__(self, bare: keras.Model, path: Path, least: float):
        super().__init__()
        self.bare, self.path, self.least = bare, path, least

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_loss"] < self.least:
            self.least = logs["val_loss"]
            _write_weights(self.bare, self.path)


class _Backup(keras.callbacks.Callback):
    """Keeps where training is: one file, so that a kill at any moment leaves the state after a whole epoch."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        _write_weights(self.model, self.path)


class _EpochBar(keras.callbacks.Callback):
    """A progress bar over epochs, with the latest validation accuracy."""

    def __init__(self, label, epochs):
        super().__init__()
        self.label, self.epochs = label, epochs

    def on_train_begin(self, logs=None):
        self.bar = progress(total=self.epochs, label=self.label, unit="epoch")

    def on_epoch_end(self, epoch, logs=None):
        self.bar.update(epoch + 1 - self.bar.n)  # the epochs of an earlier session count too
        self.bar.set_postfix(loss=f"{logs['loss']:.2f}", val_accuracy=f"{logs['val_accuracy']:.2f}")

    def on_train_end(self, logs=None):
        self.bar.close()
