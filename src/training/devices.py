"""Mixed precision, XLA, and data parallelism over the devices of this machine.

A training step on several devices computes what one device would compute: batch norm takes its moments over the whole
batch, gradients are those of the mean loss over the whole batch, and validation counts each sample once. This needs
full training batches and a `batch_size` that is a multiple of the number of devices. The one exception is dropout under
TensorFlow, where each device draws the same mask for its share of the batch; under JAX the masks are those of one
device.
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
    """Context in which models are built, compiled and fitted. The earlier settings are restored at its end.

    Args:
        precision: dtype policy of layers: "float32", "mixed_bfloat16" or "mixed_float16". Weights stay float32. A
            model loaded from a file keeps the precision that it was saved with.
        data_parallel: split each batch over all accelerators of this machine or, if there are none, over all logical
            CPUs of the backend (one by default). With one device nothing is split.
        xla: whether models will be compiled with XLA.
        batch_size: samples in a training batch, over all devices.

    Yields:
        the number of devices that share a batch.

    Raises:
        ValueError: unknown precision; `xla` or `data_parallel` under PyTorch; or, for several devices, a batch_size
            that is not a multiple of them, or XLA under TensorFlow.

    Micikevicius et al. 2018 (mixed precision); `keras.distribution.DataParallel`, `tf.distribute.MirroredStrategy`.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {PRECISIONS}. Received: {precision!r}")
    backend = keras.backend.backend()
    for name, asked in {"data_parallel": data_parallel, "xla": xla}.items():
        if asked and backend not in ("tensorflow", "jax"):
            raise ValueError(
                f"{name} needs TensorFlow or JAX. Received: the backend {backend}. Set KERAS_BACKEND to one of them "
                f"before keras is imported, or {name} to False."
            )
    devices = _list_devices(xla, batch_size) if data_parallel else []
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        with _distribution(devices) if len(devices) > 1 else contextlib.nullcontext():
            yield max(1, len(devices))
    finally:
        keras.config.set_dtype_policy(before)


@contextlib.contextmanager
def synchronized_batch_norm(model: keras.Model, devices: int) -> Iterator[None]:
    """Context in which batch norm takes its moments over the batches of all devices, as JAX always does.

    The layers are restored at its end, because a file with synchronized layers could be loaded only under TensorFlow.
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
    """Validation batches, each padded with samples of weight 0 to a multiple of the number of devices.

    Keras divides the weighted loss by the number of all samples. The weight of the real samples makes up for that, so
    that the loss is the mean over them. With one device all weights are 1. Compile with `weighted_metrics`.

    Batches are (inputs (B, …), targets (B, …), weights float32 (B,)).

    Args:
        batches: (inputs, targets) by index; has `count`, the number of samples, and `batch_size`.
        devices: number of devices that share a batch.
    """

    def __init__(self, batches: keras.utils.PyDataset, devices: int):
        super().__init__()
        self.batches, self.devices = batches, devices
        full, last = divmod(batches.count, batches.batch_size)
        padding = full * (-batches.batch_size % devices) + -last % devices
        self.weight = 1 + padding / batches.count

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        inputs, targets = self.batches[index]
        weights = np.full(len(targets), self.weight, np.float32)
        padding = -len(targets) % self.devices
        return _repeat_last(inputs, padding), _repeat_last(targets, padding), np.pad(weights, (0, padding))


def predict(model: keras.Model, inputs: np.ndarray, devices: int) -> np.ndarray:
    """The outputs (N, …) for a batch (N, …), in inference mode.

    On several devices, `predict_on_batch` alone fails under JAX if they cannot share the batch evenly, and returns the
    outputs once per device under TensorFlow.
    """
    outputs = model.predict_on_batch(_repeat_last(inputs, -len(inputs) % devices))
    return np.asarray(outputs)[: len(inputs)]


def _repeat_last(array, times):
    return np.concatenate([array, np.repeat(array[-1:], times, axis=0)])


def _list_devices(xla, batch_size):
    """Names of the devices that will share a batch, such as "gpu:0"."""
    devices = keras.distribution.list_devices()
    if len(devices) > 1 and xla and keras.backend.backend() == "tensorflow":
        raise ValueError(
            f"TensorFlow cannot compile a model with XLA for {len(devices)} devices. Set xla or data_parallel to "
            'False, or KERAS_BACKEND to "jax".'
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


@functools.cache  # a second strategy would reuse the collective keys of the first one, and the two would collide
def _mirrored_strategy(devices):
    import tensorflow  # not at the top: other backends do not need it

    return tensorflow.distribute.MirroredStrategy(devices)
