"""Overfitting a few clips before a long training, to see whether labels, flow and network fit together."""

import dataclasses
import time
from dataclasses import dataclass

import keras
import numpy as np
import pandas as pd

from models import takes_frames
from src.config import TrainConfig
from src.inputs import TrainingBatches
from src.progress import progress
from src.store import ClipStore
from src.training.devices import jit_compile, on_devices
from src.training.networks import build_temporal
from src.training.runs import Run

CLIPS, SECONDS = 32, 60.0
MAX_CROP_SIZE, MAX_BATCH_SIZE = 64, 16  # small inputs are enough for this question
EVALUATE_EVERY = 4  # epochs
MIN_EPOCHS = 20  # fewer epochs in the given time do not show that the network cannot learn


@dataclass(frozen=True)
class LearningCheck:
    """Result of `check_learning`.

    Attributes:
        accuracy: on the clips that were trained on, in inference mode, 0 … 1.
        clips: number of these clips.
        epochs, seconds: length of the training.
    """

    accuracy: float
    clips: int
    epochs: int
    seconds: float

    @property
    def passed(self) -> bool:
        return self.accuracy == 1

    def __str__(self):
        spent = f"after {self.epochs} epochs, {self.seconds:.0f} s"
        if self.passed:
            return f"It can learn: {self.clips} training clips to 100 % {spent}."
        reached = f"{self.accuracy:.0%} of {self.clips} training clips {spent}"
        if self.epochs < MIN_EPOCHS:
            return f"Too few epochs to tell: {reached}."
        return (
            f"IT DOES NOT LEARN: {reached}. A long training would be lost time. Look at the batch above (labels, "
            "motion), then try another temporal_learning_rate, flow_bound or subtract_mean."
        )


def check_learning(
    run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig,
    seconds: float = SECONDS,
) -> LearningCheck:  # fmt: skip
    """Trains the temporal network of a run on 32 training clips, one small crop each, until all are correct.

    There is no dropout and no augmentation, because both prevent overfitting.

    Args:
        run, clips, store, class_names, config: as for `train_temporal`. The trained network is not kept.
        seconds: training ends after this time.
    """
    few = _sample_classes(clips[clips.split == "train"], CLIPS)
    size, batch = min(MAX_CROP_SIZE, config.crop_size_of("temporal")), min(MAX_BATCH_SIZE, config.batch_size)
    config = dataclasses.replace(config, augment=False, data_parallel=False, temporal_crop_size=size, batch_size=batch)
    with on_devices(config.precision, data_parallel=False):
        model, rate = build_temporal(run, clips, store, class_names, config)
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        loss, optimizer = keras.losses.CategoricalCrossentropy(), keras.optimizers.Adam(rate)
        model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=jit_compile(config.xla or takes_frames(model)))
        batches = TrainingBatches(few, store, "temporal", class_names, config)
        start, accuracy, epochs = time.perf_counter(), 0.0, 0
        bar = progress(label=f"overfitting {len(few)} clips", unit="epoch")
        while accuracy < 1 and time.perf_counter() - start < seconds:
            batches.epoch = epochs
            fit = [model.train_on_batch(*batches[index])[1] for index in range(len(batches))]
            epochs += 1
            bar.update()
            if np.mean(fit) == 1 or epochs % EVALUATE_EVERY == 0:
                accuracy = _accuracy(model, batches)
        bar.close()
        accuracy = _accuracy(model, batches) if accuracy < 1 else accuracy
    return LearningCheck(accuracy, len(few), epochs, time.perf_counter() - start)


def _sample_classes(clips, count):
    """`count` clips, taking the first clip of each class, then the second ones, and so on."""
    turn = clips.groupby("class_index").cumcount()
    return clips.assign(turn=turn).sort_values(["turn", "class_index"], kind="stable").head(count)


def _accuracy(model, batches):
    right = [
        np.asarray(model.predict_on_batch(inputs)).argmax(axis=1) == classes.argmax(axis=1)
        for inputs, classes in (batches[index] for index in range(len(batches)))
    ]
    return float(np.concatenate(right).mean())
