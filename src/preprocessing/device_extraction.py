"""Computes flow in batches on the device that Keras uses, while all cores decode. The store is the same."""

import functools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import keras
import numpy as np

from models import FarnebackFlow
from src.flow import stack_fields
from src.preprocessing.tasks import Outcome, Task, decode_task, describe_failure, finish_clip
from src.preprocessing.watchdog import Watchdog
from src.preprocessing.workers import run_tasks
from src.store import Clip, ClipStore

BATCH = 6  # clips whose flow is computed at a time
IN_MEMORY = 64  # maximum of clips that are decoded and not yet written
SIZES = 8  # compiled networks to keep, one per frame size
WRITERS = 4  # threads that encode and write


def extract_on_device(
    tasks: Sequence[Task], store: ClipStore, watchdog: Watchdog, workers: int, client=None, write: bool = True
) -> Iterator[Outcome]:
    """Computes clips as `tasks.extract_on_cores` does, with flow by `models.FarnebackFlow`; the workers decode.

    A few 8-bit codes differ by one step, because of rounding. Each frame size is compiled once, which takes seconds, so
    a data set of many sizes is faster on cores. If the job is killed, the store holds complete clips only.

    Yields:
        an `Outcome` for each task. Its seconds of "flow" are the device's, times the number of workers, so that the sum
        over stages divided by the workers is the time per clip.

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
    decode = functools.partial(decode_task, store=store, watchdog=watchdog)
    finish = functools.partial(_finish, store=store, watchdog=watchdog, write=write, workers=workers)
    for first in range(0, len(tasks), IN_MEMORY):  # in parts: decoding must not get too far ahead of the device
        part = tasks[first : first + IN_MEMORY]
        waiting: dict[tuple[int, int], list[tuple[Task, Outcome, Clip]]] = {}
        attempt_files = [watchdog.attempt_file(task.clip) for task in part]
        for task, outcome, clip in run_tasks(decode, part, attempt_files, workers):
            if clip is None:
                yield outcome
                continue
            size = clip.frames.shape[1:3]
            waiting.setdefault(size, []).append((task, outcome, clip))
            if len(waiting[size]) == BATCH:
                yield from finish(waiting.pop(size))
        for clips in waiting.values():
            yield from finish(clips)


def _finish(decoded, store, watchdog, write, workers):
    """Computes the flow of clips of one size, writes them, and yields their outcomes."""
    config = store.config
    segments = range(config.num_segments)
    windows = np.stack([clip.window(segment, config.window_length) for _, _, clip in decoded for segment in segments])
    flow, seconds = compute_batch(windows, BATCH * config.num_segments)
    flow = flow.reshape(len(decoded), config.num_segments, *flow.shape[1:])

    def encode(entry, fields):
        start = time.perf_counter()
        task, outcome, clip = entry
        stacks = np.stack([stack_fields(field, config.flow_length, config.flow_bound) for field in fields])
        reason = num_bytes = None
        try:
            num_bytes = finish_clip(task, Clip(clip.frames, stacks, clip.indices), store, watchdog, write)
        except cv2.error as error:
            reason = describe_failure(task.path, error)
        spent = Counter(flow=workers * seconds / len(decoded), encode=time.perf_counter() - start)
        return Outcome(task.video_id, reason, outcome.seconds + spent, num_bytes)

    with ThreadPoolExecutor(WRITERS) as writers:
        yield from writers.map(encode, decoded, flow)


def compute_batch(windows: np.ndarray, size: int) -> tuple[np.ndarray, float]:
    """Computes the flow of windows on the device.

    Args:
        windows: uint8 (N, L + 1, H, W), grey.
        size: batch size, N or more. The same for all windows of one shape, so that they are compiled for once.

    Returns:
        (flow, seconds): float32 (N, L, H, W, 2), px/frame; the time without compilation.
    """
    network = _compile(size, *windows.shape[1:])
    start = time.perf_counter()
    full = np.concatenate([windows, np.repeat(windows[-1:], size - len(windows), axis=0)])
    return network.predict_on_batch(full)[: len(windows)], time.perf_counter() - start


@functools.lru_cache(SIZES)
def _compile(*shape):
    frames = keras.Input(shape[1:], dtype="uint8")
    network = keras.Model(frames, FarnebackFlow()(frames))
    network.compile(jit_compile=True)
    network.predict_on_batch(np.zeros(shape, np.uint8))
    return network
