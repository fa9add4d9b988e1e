"""Where and how precisely networks are fitted: mixed precision, XLA, and all devices of this machine at once.

On several devices a step computes what one device would: batch norm takes its moments over the whole batch, gradients
are those of the mean loss over the whole batch, and validation counts every sample once. For that, training batches
must be full and `batch_size` a multiple of the devices. Dropout alone differs under TensorFlow, where each device draws
the same mask for its share of the batch; under JAX it is that of one device.
"""

import contextlib
import functools
from collections.abc import Iterator

import keras
import numpy as np

from models import leaf_layers
from src.config import PRECISIONS


@contextlib.contextmanager
def on_devices(
    precision: str = "float32", data_parallel: bool = False, xla: bool = False, batch_size: int | None = None
) -> Iterator[int]:
    """A context in which models are built, compiled and fitted; what was set before is set again at its end.

    Args:
        precision: "float32", "mixed_bfloat16" or "mixed_float16": what layers compute in. Weights stay float32. A
            model loaded from a file keeps the precision that it was saved with.
        data_parallel: share each batch between all accelerators of this machine or, where there is none, all logical
            CPUs of the backend (one, unless it was told otherwise). One device is not shared.
        xla: whether models will be compiled with XLA.
        batch_size: rows of a training batch, over all devices.

    Yields:
        the number of devices that share a batch.

    Raises:
        ValueError: unknown precision; several devices and a batch_size that is no multiple of them, or XLA under
            TensorFlow, or a backend that Keras cannot distribute.

    Micikevicius et al. 2018 (mixed precision); `keras.distribution.DataParallel`, `tf.distribute.MirroredStrategy`.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {PRECISIONS}. Received: {precision!r}")
    devices = _shared_by(xla, batch_size) if data_parallel else []
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        with _distribution(devices) if len(devices) > 1 else contextlib.nullcontext():
            yield max(1, len(devices))
    finally:
        keras.config.set_dtype_policy(before)


def jit_compile(xla: bool) -> bool:
    """What `model.compile` needs for `xla`: JAX always goes through XLA, and step by step would take minutes."""
    return xla or keras.backend.backend() == "jax"


@contextlib.contextmanager
def synchronized_batch_norm(model: keras.Model, devices: int) -> Iterator[None]:
    """A context in which batch norm takes its moments over the batches of all devices, as JAX does by itself.

    Afterwards the layers are as before: saved as synchronized, they could be loaded under TensorFlow only.
    """
    norms = [layer for layer in leaf_layers(model) if isinstance(layer, keras.layers.BatchNormalization)]
    before = [layer.synchronized for layer in norms]
    for layer in norms:
        layer.synchronized = devices > 1 and keras.backend.backend() == "tensorflow"
    try:
        yield
    finally:
        for layer, synchronized in zip(norms, before, strict=True):
            layer.synchronized = synchronized


class EvenBatches(keras.utils.PyDataset):
    """Batches to validate on, each a multiple of the devices: where one is not, rows of no weight are added.

    The weight of all other rows is such that Keras' mean loss, which it divides by all rows, is that of the samples.
    Compile with `weighted_metrics`; with one device all weights are 1.

    Batches are (inputs (B, …), targets (B, …), weights float32 (B,)).

    Args:
        batches: gives (inputs, targets) by index; has `count`, rows in all, and `batch_size`.
        devices: how many share a batch.
    """

    def __init__(self, batches: keras.utils.PyDataset, devices: int):
        super().__init__()
        self.batches, self.devices = batches, devices
        full, last = divmod(batches.count, batches.batch_size)
        added = full * (-batches.batch_size % devices) + -last % devices
        self.weight = 1 + added / batches.count

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        inputs, targets = self.batches[index]
        weights = np.full(len(targets), self.weight, np.float32)
        added = -len(targets) % self.devices
        return _repeat_last(inputs, added), _repeat_last(targets, added), np.pad(weights, (0, added))


def predict(model: keras.Model, inputs: np.ndarray, devices: int) -> np.ndarray:
    """The outputs (N, …) of a batch (N, …), in inference mode.

    On several devices `predict_on_batch` alone will not do: JAX refuses a batch that they cannot share evenly, and
    TensorFlow gives the outputs once per device.
    """
    outputs = model.predict_on_batch(_repeat_last(inputs, -len(inputs) % devices))
    return np.asarray(outputs)[: len(inputs)]


def _repeat_last(array, times):
    return np.concatenate([array, np.repeat(array[-1:], times, axis=0)])


def _shared_by(xla, batch_size):
    """Names of the devices that are to share a batch, such as "gpu:0"."""
    backend = keras.backend.backend()
    if backend not in ("tensorflow", "jax"):
        raise ValueError(
            f"data_parallel needs TensorFlow or JAX. Received: the backend {backend}. Set KERAS_BACKEND to one of them "
            "before keras is imported, or data_parallel to False."
        )
    devices = keras.distribution.list_devices()
    if len(devices) > 1 and xla and backend == "tensorflow":
        raise ValueError(
            f"TensorFlow cannot compile a model with XLA that {len(devices)} devices share. Set xla or data_parallel "
            'to False, or KERAS_BACKEND to "jax".'
        )
    if batch_size is not None and batch_size % len(devices):
        raise ValueError(
            f"batch_size must be a multiple of the {len(devices)} devices that share a batch ({', '.join(devices)}). "
            f"Received: {batch_size}"
        )
    return devices


def _distribution(devices):
    if keras.backend.backend() == "jax":
        return keras.distribution.DataParallel(devices=devices).scope()
    return _mirrored_strategy(tuple(devices)).scope()


@functools.cache  # the exchanges of a second strategy would carry the numbers of the first one's, and meet them
def _mirrored_strategy(devices):
    import tensorflow  # here, and not above: other backends do without it

    return tensorflow.distribute.MirroredStrategy(devices)
