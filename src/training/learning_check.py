"""Can it learn? A few clips, learned by heart within a minute, before a long fit."""

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
from src.training.runs import Run
from src.training.streams import build_temporal

CLIPS, SECONDS = 32, 60.0
SIZE, BATCH = 64, 16  # at most: it asks whether labels, flow and network fit together, and for that small pictures do
LOOK_EVERY = 4  # epochs
FEW = 20  # epochs: with fewer in the time there was, not to know all says nothing


@dataclass(frozen=True)
class LearningCheck:
    """What came of it.

    Attributes:
        accuracy: on the clips that were learned, in inference mode, 0 … 1.
        clips: how many they were.
        epochs, seconds: what it took.
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
            return f"It can learn: {self.clips} clips to 100 % {spent}."
        if self.epochs < FEW:
            return f"Not time enough to tell: of {self.clips} training clips it knows {self.accuracy:.0%} {spent}."
        return (
            f"IT DOES NOT LEARN: of {self.clips} training clips it knows {self.accuracy:.0%} {spent}. A long fit "
            "would be lost time. Look at the batch above (labels, motion), then try another temporal_learning_rate, "
            "flow_bound or subtract_mean."
        )


def check_learning(
    run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig,
    seconds: float = SECONDS,
) -> LearningCheck:  # fmt: skip
    """Fits the temporal network of a run to 32 training clips, one small view each, until it knows them all.

    Without dropout and augmentation, which are there to prevent just that.

    Args:
        run, clips, store, class_names, config: as for `training.train_temporal`. Nothing is kept.
        seconds: when to give up.
    """
    few = _spread(clips[clips.split == "train"], CLIPS)
    size, batch = min(SIZE, config.crop_size_of("temporal")), min(BATCH, config.batch_size)
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
        bar = progress(label=f"{len(few)} clips by heart", unit="epoch")
        while accuracy < 1 and time.perf_counter() - start < seconds:
            batches.epoch = epochs
            fit = [model.train_on_batch(*batches[index])[1] for index in range(len(batches))]
            epochs += 1
            bar.update()
            if np.mean(fit) == 1 or epochs % LOOK_EVERY == 0:
                accuracy = _accuracy(model, batches)
        bar.close()
        accuracy = _accuracy(model, batches) if accuracy < 1 else accuracy
    return LearningCheck(accuracy, len(few), epochs, time.perf_counter() - start)


def _spread(clips, count):
    """The first clips of each class in turn."""
    turn = clips.groupby("class_index").cumcount()
    return clips.assign(turn=turn).sort_values(["turn", "class_index"], kind="stable").head(count)


def _accuracy(model, batches):
    right = [
        np.asarray(model.predict_on_batch(pictures)).argmax(axis=1) == classes.argmax(axis=1)
        for pictures, classes in (batches[index] for index in range(len(batches)))
    ]
    return float(np.concatenate(right).mean())
