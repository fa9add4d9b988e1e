"""One fit per phase. An interrupted stream is resumed, and ends with the weights of an uninterrupted one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import pandas as pd

from models import takes_frames
from src.config import TrainConfig
from src.inputs import EvaluationBatches, MiddleFeatures, TrainingBatches
from src.training.callbacks import Backup, BestWeights, EpochBar, History, StartEpoch
from src.training.compiling import compile_model
from src.training.devices import EvenBatches, on_devices, synchronized_batch_norm
from src.training.runs import Run
from src.training.saving import write_model, write_weights


@dataclass(frozen=True)
class Phase:
    """One call of `fit`: the model, its data, the peak learning rate, and a function that sets the trainable layers."""

    name: str
    model: keras.Model
    epochs: int
    learning_rate: float
    training: TrainingBatches
    validation: EvaluationBatches | MiddleFeatures
    set_trainable: Callable[[keras.Model], object] = lambda model: None


def fit_stream(
    run: Run, stream: str, build: Callable[[int], tuple[keras.Model, list[Phase]]], config: TrainConfig
) -> tuple[keras.Model, pd.DataFrame]:
    """Runs the phases that are not done, saves the model of the best epoch, and removes what only a resume needs.

    Args:
        run: the run; a stream that it has finished is only loaded.
        stream: "spatial" or "temporal".
        build: number of devices → (model, its phases). Each phase starts from the best weights so far.
        config: `precision`, `data_parallel`, `xla` and `batch_size`.

    Returns:
        (model, history): see `src.training.streams.train_spatial`.
    """
    finished, history = run.folder / f"{stream}.keras", History(run.folder / f"history_{stream}.csv")
    if not finished.exists():
        with on_devices(config.precision, config.data_parallel, config.xla, config.batch_size) as devices:
            model, phases = build(devices)
            for number, phase in enumerate(phases):
                history.start(phase.name, first_epoch=sum(earlier.epochs for earlier in phases[:number]))
                with synchronized_batch_norm(phase.model, devices):
                    xla = config.xla or (devices == 1 and takes_frames(model))
                    _fit_phase(run.folder, stream, number, phase, history, xla, devices)
            write_model(keras.Model(model.input, model.output, name=model.name), finished)  # without optimizer
    for weights in run.folder.glob(f"*_{stream}_*.weights.h5"):
        weights.unlink()
    model = keras.models.load_model(finished)
    if takes_frames(model):
        model.compile(jit_compile=True)  # prediction is several times as fast
    return model, history.table


def _fit_phase(folder: Path, stream, number, phase, history, xla, devices):
    """Runs the epochs of a phase that are not done, and loads the best weights of this and the earlier phases."""
    best, backup = folder / f"best_{stream}_{number}.weights.h5", Backup(folder, f"backup_{stream}_{number}")
    network = keras.Model(phase.model.input, phase.model.output)  # the same layers, without optimizer
    if number and not best.exists():
        write_weights(network, best)  # stays the best unless an epoch of this phase is better
    phase.set_trainable(phase.model)
    if history.epochs_done() < phase.epochs:
        compile_model(phase.model, phase.learning_rate, phase.epochs * len(phase.training), xla)
        phase.model.fit(
            phase.training,
            shuffle=False,  # the batches are shuffled, reproducibly
            initial_epoch=backup.restore(phase.model),
            epochs=phase.epochs,
            validation_data=EvenBatches(phase.validation, devices),
            callbacks=[
                StartEpoch(phase.training),
                # The backup follows them: it marks the epoch as done, so all else must be on disk before.
                BestWeights(network, best, history.least_validation_loss()),
                history,
                backup,
                EpochBar(f"{stream} stream, {phase.name}", phase.epochs),
            ],
            verbose=0,
        )
    if not best.exists():
        raise ValueError(
            f"{folder}: the {stream} stream diverged: its validation loss was NaN in every epoch. "
            "Lower its learning rate, and choose another run_name."
        )
    network.load_weights(best)
