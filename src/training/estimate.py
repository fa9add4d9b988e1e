"""How long a training will take, measured on its first steps before it starts."""

import time
from functools import partial

import keras
import numpy as np
import pandas as pd

from src.config import STREAMS, TrainConfig
from src.inputs import FrameFeatures
from src.store import ClipStore
from src.training.callbacks import count_rounds
from src.training.devices import on_devices, predict
from src.training.fitting import Phase, compile_phase
from src.training.runs import Run
from src.training.streams import StreamPlan, plan_stream
from src.units import format_seconds

MEASURED = 2  # steps, or clips whose features are computed, after a first one, which compiles
FORWARD = 1 / 3  # of the time of a step is a pass without gradients


def estimate_training(
    run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig
) -> str:
    """Says how many steps each stream will take, and how long, measured on a few steps with real batches.

    The networks of these steps are thrown away, so that the training is the same without them. Features of a frozen
    backbone are kept. A stream that the run has finished takes no time.

    Args:
        run: the run, which records what is chosen for it now, as in a training.
        clips, store, class_names, config: as for `train_spatial`.

    Returns:
        Such as "The spatial stream: 360 steps of 0.65 s: about 4 min." and such a line for the temporal stream.
    """
    return "\n".join(_estimate_stream(run, stream, clips, store, class_names, config) for stream in STREAMS)


def _estimate_stream(run, stream, clips, store, class_names, config):
    if (run.folder / f"{stream}.keras").exists():
        return f"The {stream} stream is finished: it is only loaded."
    with on_devices(config.precision, config.data_parallel, config.xla, config.batch_size) as devices:
        plan = plan_stream(run, stream, clips, store, class_names, config)
        texts, seconds = [], 0.0
        if plan.features:
            text, taken = _estimate_features(plan.features, clips[clips.split == "train"], devices)
            texts, seconds = [text], taken
        for number, phase in enumerate(plan.phases):
            text, taken = _estimate_phase(run, stream, plan, number, phase, devices, config)
            texts, seconds = [*texts, text], seconds + taken
    return f"The {stream} stream: {', then '.join(texts)}: about {format_seconds(seconds)}."


def _estimate_features(features: FrameFeatures, train: pd.DataFrame, devices: int) -> tuple[str, float]:
    """(text, seconds) of the features that are missing; a few of them are computed, and kept."""
    ends, missing = [], features.find_missing(train)
    for clip in missing[: MEASURED + 1]:
        features.compute_clip(clip, partial(predict, features.extractor, devices=devices))
        ends.append(time.perf_counter())
    left = len(missing) - len(ends)
    if not left:
        return "a head on features that are there", 0.0
    each = float(np.median(np.diff(ends)))
    return f"features of the frames of {left:,} clips, {each:.2f} s each, and a head", left * each


def _estimate_phase(
    run: Run, stream: str, plan: StreamPlan, number: int, phase: Phase, devices: int, config: TrainConfig
) -> tuple[str, float]:
    """(text, seconds) of the steps of a phase that are not done, and of the validation after each round."""
    network, length = compile_phase(plan.model, phase, devices, config), len(phase.training)
    step, done = _time_step(network, phase.training), count_rounds(run.folder, f"backup_{stream}_{number}")
    rounds = phase.rounds - done
    steps = f"{rounds * length:,} {'more ' if done else ''}steps of {step:.2f} s"
    return steps, rounds * (length + FORWARD * len(phase.validation)) * step


def _time_step(network: keras.Model, batches: keras.utils.PyDataset) -> float:
    """Median seconds of a step, with the reading of its batch; the first one, which compiles, is not counted."""
    ends = []
    measure = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()))
    network.optimizer.build(network.trainable_variables)  # as a training does; in the first step it takes longer
    steps = min(len(batches), MEASURED + 1)
    network.fit(
        batches,
        steps_per_epoch=steps,
        epochs=-(-(MEASURED + 1) // steps),
        shuffle=False,
        verbose=0,
        callbacks=[measure],
    )
    return float(np.median(np.diff(ends)))
