"""Flow in batches on the device that Keras uses, while all cores decode and encode. The store is the same."""

import functools
import threading
from collections.abc import Iterator, Sequence

import keras
import numpy as np
from keras import ops

from models import FarnebackFlow
from src.devices import jit_compile
from src.flow import STEPS, ZERO
from src.preprocessing.flow_server import FlowServer
from src.preprocessing.tasks import Outcome, Task, extract_with_server
from src.preprocessing.watchdog import Watchdog
from src.preprocessing.workers import run_tasks
from src.store import ClipStore

PAIRS = 96  # in a batch, two clips of 48 frames: with 128 × 171 pixels, near the full speed of a large GPU
SIZES = 8  # compiled networks to keep, one per frame size
PROCESSES = 2  # for each worker, because one waits for its flow while another decodes or encodes

_compiling = threading.Lock()


def extract_on_device(
    tasks: Sequence[Task], store: ClipStore, watchdog: Watchdog, workers: int, client=None, write: bool = True
) -> Iterator[Outcome]:
    """Computes clips as `tasks.extract_on_cores` does, with flow by `models.FarnebackFlow` in this process.

    A few 8-bit codes differ by one step, because of rounding. Each frame size is compiled once, which takes seconds, so
    a data set of many sizes is faster on cores. If the job is killed, the store holds complete clips only.

    There are `PROCESSES` processes for each worker; one worker is this process, as on cores.

    Yields:
        an `Outcome` for each task. Its seconds of "flow" are those that the process waited. All seconds are divided by
        the number of processes for each worker, so that the sum over stages divided by the workers is the time per
        clip.

    Raises:
        ValueError: there is a client, the flow is not Farneback's, or the store keeps frames.
    """
    if client is not None:
        raise ValueError(
            "accelerator=True computes flow on this machine, not on a cluster. Received: a cluster as well. "
            "Set accelerator=False or cluster=None."
        )
    if store.config.flow_algorithm != "farneback" or store.config.flow_source != "store":
        raise ValueError(
            'accelerator=True is for flow_algorithm="farneback" and flow_source="store". '
            f"Received: {store.config.flow_algorithm!r}, {store.config.flow_source!r}. Set accelerator=False."
        )
    return _extract(tasks, store, watchdog, workers, write)  # a generator of its own: the checks run at once


def _extract(tasks, store, watchdog, workers, write):
    share = 1 if workers == 1 else PROCESSES
    compute = functools.partial(compute_codes, bound=store.config.flow_bound)
    with FlowServer(compute, PAIRS) as address:
        function = functools.partial(extract_with_server, store=store, watchdog=watchdog, write=write, address=address)
        attempt_files = [watchdog.attempt_file(task.clip) for task in tasks]
        for outcome in run_tasks(function, tasks, attempt_files, workers * share):
            yield outcome.shared(share)


def compute_codes(pairs: np.ndarray, bound: float) -> np.ndarray:
    """The flow of pairs of grey frames, quantized on the device as by `src.flow.stack_fields`.

    The network is compiled once for each shape. Several threads may call it.

    Args:
        pairs: uint8 (N, 2, H, W).
        bound: displacement of the largest code, px/frame.

    Returns:
        uint8 (N, H, W, 2), codes of u and v.
    """
    with _compiling:
        network = _compile(pairs.shape, bound)
    return network.predict_on_batch(pairs)[:, 0]


@functools.lru_cache(SIZES)
def _compile(shape, bound):
    frames = keras.Input(shape[1:], dtype="uint8")
    steps = ops.round(FarnebackFlow()(frames) * float(np.float32(STEPS / bound)))
    network = keras.Model(frames, ops.cast(ops.clip(steps, -STEPS, STEPS) + ZERO, "uint8"))
    network.compile(jit_compile=jit_compile(True))
    network.predict_on_batch(np.zeros(shape, np.uint8))
    return network
