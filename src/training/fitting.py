"""One fit per phase. An interrupted stream is resumed, and ends with the weights of an uninterrupted one."""

import contextlib
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import pandas as pd

from models import takes_frames
from src.config import TrainConfig
from src.devices import jit_compile
from src.inputs import ValidationBatches
from src.training.callbacks import Backup, History, OwnTask, StartRound, StepBar, find_backups
from src.training.compiling import compile_model
from src.training.devices import EvenBatches, on_devices, synchronized_batch_norm
from src.training.event_log import EventLog
from src.training.runs import Run
from src.training.saving import write_model

ROUNDS, LONGEST_ROUND = 12, 2000  # a round ends with validation and a backup; a kill loses at most one
OnRound = Callable[[pd.DataFrame, int], object]  # is given the history so far, and the steps of the whole training


@dataclass(frozen=True)
class Phase:
    """One call of `fit`: the steps, their peak learning rate, the data, and a function that sets the trainable layers.

    `steps` are rounded up to whole rounds, and `training` gives the batches of a round. `network`, if it is given, is
    trained instead of the stream, which is a part of it, see `src.training.multi_task`.
    """

    name: str
    steps: int
    learning_rate: float
    training: keras.utils.PyDataset
    validation: ValidationBatches
    set_trainable: Callable[[keras.Model], object] = lambda model: None
    network: keras.Model | None = None

    @property
    def rounds(self) -> int:
        """Number of rounds."""
        return -(-self.steps // len(self.training))


def round_steps(steps: int) -> int:
    """Steps of a round of a phase."""
    return min(-(-steps // ROUNDS), LONGEST_ROUND)


def fit_stream(
    run: Run, stream: str, build: Callable[[int], tuple[keras.Model, list[Phase]]], config: TrainConfig,
    on_round: OnRound | None = None,
) -> tuple[keras.Model, pd.DataFrame]:  # fmt: skip
    """Runs the phases that are not done, saves the model with the last weights, and removes what only a resume needs.

    The run records the seconds of a fit that was not interrupted, in its notes, as "spatial_seconds".

    Args:
        run: the run; a stream that it has finished is only loaded.
        stream: "spatial" or "temporal".
        build: number of devices → (the stream's network, its phases, each of which continues the one before).
        config: how to train.
        on_round: see `src.training.streams.train_spatial`.

    Returns:
        (model, history): see `src.training.streams.train_spatial`.
    """
    finished, history = run.folder / f"{stream}.keras", History(run.folder / f"history_{stream}.csv")
    if not finished.exists():
        begun, start = history.path.exists(), time.perf_counter()
        with (
            on_devices(config.precision, config.data_parallel, config.xla, config.batch_size) as devices,
            contextlib.closing(EventLog(run.folder / "tensorboard" / stream, history)) as log,
        ):
            model, phases = build(devices)
            first_step, total = 0, sum(phase.rounds * len(phase.training) for phase in phases)
            seen = [history, log]
            if on_round:
                show = functools.partial(_show_history, on_round, history, total)
                seen.append(keras.callbacks.LambdaCallback(on_train_begin=show, on_epoch_end=show))
            for number, phase in enumerate(phases):
                history.start(phase.name, first_step, len(phase.training))
                with synchronized_batch_norm(phase.network or model, devices):
                    backup = Backup(run.folder, f"backup_{stream}_{number}")
                    _fit_phase(model, stream, phase, seen, backup, devices, config)
                first_step += phase.rounds * len(phase.training)
            write_model(keras.Model(model.input, model.output, name=model.name), finished)  # without optimizer
        if not begun:
            run.record_facts(**{f"{stream}_seconds": round(time.perf_counter() - start, 1)})
    for weights in find_backups(run.folder, rf"backup_{stream}_\d+"):
        weights.unlink()
    model = keras.models.load_model(finished)
    if takes_frames(model):
        model.compile(jit_compile=jit_compile(True))  # prediction is several times as fast
    return model, history.table


def compile_phase(model: keras.Model, phase: Phase, devices: int, config: TrainConfig) -> keras.Model:
    """Sets what a phase trains, and compiles it; returns the network to fit, the stream or one that holds it."""
    phase.set_trainable(model)
    xla = config.xla or (devices == 1 and takes_frames(model))
    network = phase.network or model
    for part in {model, network}:
        compile_model(part, phase.learning_rate, phase.rounds * len(phase.training), config, xla)
    return network


def _show_history(on_round, history, total, *arguments):
    on_round(history.table, total)


def _fit_phase(model, stream, phase, seen, backup, devices, config):
    """Runs the rounds of a phase that are not done. All callbacks precede the backup, which marks a round as done.

    `seen`: the callbacks that follow the training, the history first.
    """
    network = compile_phase(model, phase, devices, config)
    validation = EvenBatches(phase.validation, devices) if phase.validation.count else None
    network.fit(
        phase.training,
        shuffle=False,  # the batches are shuffled, reproducibly
        initial_epoch=backup.restore(network),
        epochs=phase.rounds,
        validation_data=validation if network is model else None,
        callbacks=[
            StartRound(phase.training, config.seed),
            *([] if network is model else [OwnTask(model, validation)]),
            *seen,
            StepBar(f"{stream}, {phase.name}", phase.rounds, len(phase.training)),
            backup,
        ],
        verbose=0,
    )
    history = seen[0]
    if not np.isfinite(history.table["loss"].iloc[-1]):
        raise ValueError(
            f"{history.path.parent}: the {stream} stream diverged: its loss is not finite. "
            "Lower its learning rate, and choose another run_name."
        )
