"""Shared by the sections of accelerator.py: sizes, a CSV file that is written row by row, and timing."""

import csv
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import command
import keras
import numpy as np

COLUMNS = ("row", "parameters", "value", "unit", "seconds", "backend", "device", "date")
FAILED = "failed"  # unit of a row that could not be measured; its value is the error
MOST_CALLS = 200  # of a function whose time is measured


@dataclass(frozen=True)
class Sizes:
    """How large everything is that is measured.

    Attributes:
        frames: height × width of the frames of flow, pixels.
        clips: clips of `flow_layer.FRAMES` frames at a time.
        copied: float32 values of the copy from which bandwidth is measured; `product`: side of a matrix product.
        network: of `build_finetuned_resnet` and `build_cross_modality`.
        crop: side of the networks' inputs, pixels; `batches`: images at a time, largest first.
        motion: network of `build_temporal_cnn`; `clip_batch`: clips at a time, `segments` of a clip.
        steps: of a measured training.
        short_side, latency: of the one-file model: stored size, windows of a clip, and clips at a time.
        heads: (clips, features, classes) of a head.
        videos: for each class, of the sample; `workers`: of the extraction, and `few_workers` on some of the cores.
        clips_of_worker: clips to extract, for each worker; `repeats`: how often.
        seconds: for which a function is repeated, at least.
    """

    frames: tuple[tuple[int, int], ...] = ((224, 224), (112, 112), (256, 340))
    clips: tuple[int, ...] = (64, 8, 1)
    copied: int = 1 << 29
    product: int = 8192
    network: str = "resnet50"
    crop: int = 224
    batches: tuple[int, ...] = (256, 64)
    motion: str = "cnn_m"
    clip_batch: int = 32
    segments: int = 3
    steps: int = 20
    short_side: int = 128
    latency: tuple[int, ...] = (1, 32)
    heads: tuple[tuple[int, int, int], ...] = ((1_000, 2048, 12), (10_000, 2048, 12), (10_000, 2048, 174))
    videos: int = 64
    workers: tuple[int, ...] = (16, 8)
    few_workers: tuple[int, ...] = (4, 1, 2)
    clips_of_worker: int = 48
    repeats: int = 2
    seconds: float = 0.6


FULL = Sizes()
TINY = Sizes(
    frames=((32, 40),), clips=(1,), copied=1 << 16, product=64, network="compact", crop=32, batches=(4,),
    motion="small", clip_batch=2, segments=2, steps=2, short_side=32, latency=(1,), heads=((40, 8, 3),), videos=1,
    workers=(2,), few_workers=(1,), clips_of_worker=3, repeats=1, seconds=0.0,
)  # fmt: skip


class Rows:
    """Appends to a CSV file with the columns `COLUMNS`; what it holds is not measured again, unless it failed.

    The file may begin with comment lines, which start with "# ".

    Args:
        path: of the file; several processes may append to it.
        until: `time.time()` after which nothing is started.
    """

    def __init__(self, path: Path, until: float):
        self.path, self.until, self.backend = path, until, keras.backend.backend()
        self.device = command.describe_accelerator() or command.describe_processor()
        self.done = {_key(row) for row in read_rows(path) if row["unit"] != FAILED}

    def measure(self, name: str, parameters: dict, function: Callable[[], dict[str, float]], cores: bool = False):
        """Writes a row for each unit → value of `function`, or for its error.

        Args:
            name: of the row.
            parameters: what is measured; with name, backend and device they tell rows apart.
            function: measures.
            cores: whether the processor does the work alone, so that the row has no backend.
        """
        row = {
            "row": name,
            "parameters": ", ".join(f"{key} {value}" for key, value in parameters.items()),
            "backend": "" if cores else self.backend,
            "device": command.describe_processor() if cores else self.device,
            "date": date.today().isoformat(),
        }
        if _key(row) in self.done:
            return
        if time.time() > self.until:
            print(f"{row['row']}, {row['parameters']} ({row['backend']}): no time left", flush=True)
            return
        start = time.perf_counter()
        try:
            found = function()
        except Exception as error:  # of any kind: the other rows are worth their time
            traceback.print_exc()
            found = {FAILED: f"{type(error).__name__}: {str(error)[:300]}"}
        seconds = f"{time.perf_counter() - start:.1f}"
        for unit, value in found.items():
            text = " ".join(value.split()) if isinstance(value, str) else f"{value:.4g}"
            self._write(row | {"value": text, "unit": unit, "seconds": seconds})

    def _write(self, row):
        new = not _table_lines(self.path)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if new:
                writer.writeheader()
            writer.writerow(row)
        print(" | ".join(row[column] for column in COLUMNS[:6]), flush=True)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a file, none if there is no file."""
    return list(csv.DictReader(_table_lines(path)))


def _table_lines(path):
    """The lines of a file below its comments."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line for line in lines if not line.startswith("# ")]


def _key(row):
    return tuple(row[name] for name in ("row", "parameters", "backend", "device"))


def compiled(function: Callable) -> Callable:
    """A function of tensors, compiled by XLA, or by `torch.compile` under PyTorch."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.jit(function)
    if backend == "tensorflow":
        import tensorflow

        return tensorflow.function(function, jit_compile=True)
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    graphs = []

    def run(*inputs):
        if not graphs:  # traced first: what NumPy computes would break the graph into dozens
            graphs.append(torch.compile(make_fx(lambda *inputs: function(*inputs))(*inputs)))
        return graphs[0](*inputs)

    return run


def seconds_of(call: Callable[[], object], sizes: Sizes) -> float:
    """Median of the seconds of a call until its result is there, after a first one that compiles."""
    _wait(call())
    found, start = [], time.perf_counter()
    while len(found) < 3 or (time.perf_counter() - start < sizes.seconds and len(found) < MOST_CALLS):
        begin = time.perf_counter()
        _wait(call())
        found.append(time.perf_counter() - begin)
    return float(np.median(found))


def _wait(result):
    """A device works through its queue in order, so that all is done when one value of the last result is read."""
    last = keras.tree.flatten(result)[-1]
    if hasattr(last, "block_until_ready"):
        last.block_until_ready()
    elif not isinstance(last, np.ndarray):
        float(keras.ops.cast(last[(0,) * len(last.shape)], "float32"))


class EpochSeconds(keras.callbacks.Callback):
    """`last`: the seconds of the last epoch of a fit."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.last = time.perf_counter() - self.start


class Held(keras.utils.PyDataset):
    """One batch, which stays on the device, in each of some steps."""

    def __init__(self, batch, steps: int):
        super().__init__()
        self.batch, self.steps = [keras.ops.convert_to_tensor(part) for part in batch], steps

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        return tuple(self.batch)


def seconds_of_step(model: keras.Model, batches: keras.utils.PyDataset) -> float:
    """Seconds of a training step in the second epoch of a fit; the first one compiles."""
    epochs = EpochSeconds()
    model.fit(batches, epochs=2, shuffle=False, verbose=0, callbacks=[epochs])
    return epochs.last / len(batches)
