"""Clips whose flow is computed in batches on the device that Keras uses, while all cores decode; the same store."""

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
from src.preprocessing.extraction import Outcome, Task, decode_to_memory, describe_failure, finish_clip
from src.preprocessing.workers import Watchdog, count_workers, run_tasks
from src.store import Clip, ClipStore

BATCH = 6  # clips whose windows go to the device at a time
IN_MEMORY = 64  # clips that are decoded and not yet written, at most
SIZES = 8  # compiled networks that are kept, one for each size of frames
WRITERS = 4  # threads that encode and write


def extract_on_device(
    tasks: Sequence[Task], store: ClipStore, watch: Watchdog, workers: int | None, client=None, write: bool = True
) -> Iterator[Outcome]:
    """Computes clips as `extraction.extract_on_cores`, with flow by `models.farneback.FarnebackFlow`.

    Codes differ from those of the other way by a step, where rounding decides. Each size of frames is compiled for,
    which takes seconds; so a data set of many sizes is faster on cores. Killed at any time, it leaves whole clips.

    Args:
        tasks, store, watch, workers, write: as for `extract_on_cores`; workers decode.
        client: there is none: frames would have to travel.

    Yields:
        an `Outcome` for each task. Its seconds of "flow" are the device's for each worker, so that the sum over stages
        divided by the workers is what a clip takes.

    Raises:
        ValueError: a cluster; flow other than Farneback's; or a store that keeps frames, which needs no flow.
    """
    if client is not None:
        raise ValueError(
            "Flow on the device of this machine needs no cluster. Received: both. Set one of them to None."
        )
    if store.config.flow_algorithm != "farneback" or store.config.flow_source != "store":
        raise ValueError(
            'Flow on the device is for flow_algorithm="farneback" and flow_source="store". '
            f"Received: {store.config.flow_algorithm!r}, {store.config.flow_source!r}. Extract on cores."
        )
    return _extract(tasks, store, watch, workers, write)  # so that what is wrong is known at once


def _extract(tasks, store, watch, workers, write):
    decode = functools.partial(decode_to_memory, store=store, watch=watch)
    finish = functools.partial(_finish, store=store, watch=watch, write=write, workers=count_workers(workers))
    for first in range(0, len(tasks), IN_MEMORY):  # decoding goes on while the device works, and must not run away
        part = tasks[first : first + IN_MEMORY]
        waiting: dict[tuple[int, int], list[tuple[Task, Outcome, Clip]]] = {}
        for task, outcome, clip in run_tasks(decode, part, [watch.note(task.clip) for task in part], workers):
            if clip is None:
                yield outcome
                continue
            size = clip.frames.shape[1:3]
            waiting.setdefault(size, []).append((task, outcome, clip))
            if len(waiting[size]) == BATCH:
                yield from finish(waiting.pop(size))
        for clips in waiting.values():
            yield from finish(clips)


def _finish(decoded, store, watch, write, workers):
    """The outcomes of clips of one size, whose flow is computed and which are written."""
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
            num_bytes = finish_clip(task, Clip(clip.frames, stacks, clip.indices), store, watch, write)
        except cv2.error as error:
            reason = describe_failure(task.path, error)
        spent = Counter(flow=workers * seconds / len(decoded), encode=time.perf_counter() - start)
        return Outcome(task.video_id, reason, outcome.seconds + spent, num_bytes)

    with ThreadPoolExecutor(WRITERS) as writers:
        yield from writers.map(encode, decoded, flow)


def compute_batch(windows: np.ndarray, size: int) -> tuple[np.ndarray, float]:
    """Flow of windows, on the device.

    Args:
        windows: uint8 (N, L + 1, H, W), grey.
        size: N or more; always the same for windows of one shape, so that it is compiled once.

    Returns:
        (flow, seconds): float32 (N, L, H, W, 2), px/frame; what it took, compilation left out.
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
