"""The same fit under each backend of Keras that is installed: seconds a step, memory, and what the steps reach.

    python benchmarks/backends.py datasets/sample-mini

Each fit runs in a process of its own, one after the other, from the same initial weights, on the same batches, without
dropout, compiled as the runs of its backend are. The inputs are in memory, cropped and augmented as in a run. "first
step" includes the compilation, "s a step" is the median of the later ones, and "an epoch" that of all training clips.
"loss" and "accuracy" are means over the steps. "peak MB" is the most memory that the process had.
"""

import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import command
import fits
import keras
import numpy as np
import pandas as pd
from tables import write_table

from src.config import TrainConfig
from src.inputs import TrainingBatches, read_clips
from src.training import compile_model

BACKENDS = ("tensorflow", "jax", "torch")
STREAMS = ("spatial", "temporal")
CONFIG = TrainConfig(spatial_weights="compact", dropout=0.0)
RATE, SCHEDULE = 1e-3, 100  # peak learning rate; steps of the schedule


def main():
    """Prints and writes one table: a row for each stream and backend."""
    parser = command.make_parser(__doc__)
    parser.add_argument("data", help="a prepared data folder")
    parser.add_argument("--steps", type=int, default=12, help="of each fit")
    parser.add_argument("--fit", nargs=2, metavar=("STREAM", "WEIGHTS"), help="one fit in this process, from a file")
    arguments = parser.parse_args()
    if arguments.fit:
        print(json.dumps(measure_fit(arguments.data, arguments.steps, arguments.fit[0], Path(arguments.fit[1]))))
        return
    installed = [backend for backend in BACKENDS if importlib.util.find_spec(backend)]
    with tempfile.TemporaryDirectory() as folder:
        rows = [run_fit(arguments, stream, backend, folder) for stream in STREAMS for backend in installed]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    write_table(arguments.table, table, keys=["stream", "backend"])


def run_fit(arguments, stream, backend, folder):
    """The row of a fit, from a process of its own."""
    words = [arguments.data, "--steps", str(arguments.steps), "--fit", stream, f"{folder}/{stream}.weights.h5"]
    environment = os.environ | {"KERAS_BACKEND": backend}
    done = subprocess.run([sys.executable, __file__, *words], env=environment, stdout=subprocess.PIPE, check=True)
    row = {"stream": stream, "backend": backend, "version": version(backend)}
    row |= json.loads(done.stdout.splitlines()[-1])
    print(row, file=sys.stderr, flush=True)
    return row


def measure_fit(data: str, steps: int, stream: str, weights: Path) -> dict[str, float | str]:
    """Fits a stream from the initial weights in a file, which the first backend writes."""
    clips, store, class_names = read_clips(data)
    clips = clips[clips.split == "train"]
    batches = TrainingBatches(clips, store, stream, class_names, CONFIG, steps)
    for clip in batches.clips:
        for segment in range(store.config.num_segments):
            batches.inputs.read(clip, segment)
    model = fits.build_scratch(stream, batches, class_names, CONFIG)
    if weights.exists():
        model.load_weights(weights)
    else:
        model.save_weights(weights)
    compile_model(model, RATE, SCHEDULE, CONFIG)
    clock = Clock()
    history = model.fit(batches, shuffle=False, verbose=0, callbacks=[clock]).history
    first, *later = np.diff(clock.times)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "first step, s": first,
        "s a step": np.median(later),
        "an epoch, s": np.median(later) * len(clips) / CONFIG.batch_size,
        "loss": f"{history['loss'][-1]:.5f}",
        "accuracy": f"{history['accuracy'][-1]:.4f}",
        "peak MB": memory,
    }


class Clock(keras.callbacks.Callback):
    """The time at the start of a fit and after each step, when its loss is known."""

    def on_train_begin(self, logs=None):
        self.times = [time.perf_counter()]

    def on_train_batch_end(self, batch, logs=None):
        float(logs["loss"])  # waits for the step, where the backend has only begun it
        self.times.append(time.perf_counter())


if __name__ == "__main__":
    main()
