"""Batches that other processes make. Threads of one process would wait, because only one at a time runs Python."""

import os
import pickle
import queue
import sys
import threading
import time
import weakref

import cv2
import joblib
import numpy as np
from joblib.externals.loky import ProcessPoolExecutor

READERS = 4  # threads of a process that make a batch; more are slower, on 16 cores as well
MAKERS = joblib.cpu_count() // READERS if sys.platform == "linux" else 1  # processes; less than two: this one
NO_DEVICE = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}  # the device is the network's


class Makers:
    """`count` processes, each with a copy of a pipeline, and with a part of its cache.

    A batch comes back through memory that has a file descriptor, without pickling. The memory is freed, and the
    processes end, with this object, or when this process ends, also if it is killed.

    Args:
        batches: a `Batches` that can be pickled; `batches.inputs` is a `StreamInputs`.
        count: number of processes.
    """

    def __init__(self, batches, count: int):
        copy = pickle.dumps(batches)  # not the object, which would keep the pool, and so itself, from being freed
        self._pool = ProcessPoolExecutor(count, initializer=_take, initargs=(copy, count, os.getpid()), env=NO_DEVICE)
        self._buffers = queue.SimpleQueue()
        for number in range(count):
            buffer = os.memfd_create(f"batch {number}")
            weakref.finalize(self, os.close, buffer)  # a file object would warn where this is freed by the collector
            self._buffers.put(buffer)

    def make(self, epoch: int, positions: range) -> tuple[np.ndarray, np.ndarray]:
        """What `batches.make` returns; called by as many threads as there are processes."""
        buffer = self._buffers.get()
        try:
            path = f"/proc/{os.getpid()}/fd/{buffer}"
            shape, classes = self._pool.submit(_make, epoch, positions, path).result()
            inputs = np.empty(shape, np.uint8)
            with open(buffer, "rb", closefd=False) as file:
                file.seek(0)
                file.readinto(inputs)
            return inputs, classes
        finally:
            self._buffers.put(buffer)


_batches = None  # of a process of `Makers`


def _take(batches, count, parent):
    global _batches
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    cv2.setNumThreads(1)
    _batches = pickle.loads(batches)
    _batches.inputs.limit_cache(count)


def _end_with(parent):
    """Ends this process when its parent has been killed: it would wait for the next batch, and keep its cache."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _make(epoch, positions, path):
    """Writes the inputs of a batch to a file; returns their shape, and the classes."""
    inputs, classes = _batches.make(epoch, positions)
    with open(path, "r+b") as file:
        file.write(inputs)
    return inputs.shape, classes
