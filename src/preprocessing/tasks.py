"""One clip as a task of the job: it ends with the clip in the store, or with the reason why there is none."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np

from src.flow import compute_flow, stack_codes
from src.preprocessing.extraction import extract_clip, extract_windows
from src.preprocessing.flow_server import Address, request_flow
from src.preprocessing.watchdog import Watchdog
from src.preprocessing.workers import one_thread, run_tasks
from src.store import Clip, ClipStore, encoding, read_digest
from src.video import Excerpt, VideoError

FILE_BLOCK = 4096  # bytes; a file takes a multiple of this on disk


@dataclass(frozen=True)
class Task:
    """A clip to compute: its video, the digest of the video's bytes, its name in the store, and its part of the video.

    `start` and `end` are seconds, and `rate` is that of a folder of images, frames/s; NaN as in the annotation table.
    """

    video_id: str
    path: str
    digest: str
    clip: str
    start: float = math.nan
    end: float = math.nan
    rate: float = math.nan


@dataclass(frozen=True)
class Outcome:
    """The result of a task.

    Attributes:
        video_id: of the video.
        reason: why there is no clip; None if there is one.
        seconds: time spent per stage ("decode", "flow", "encode").
        num_bytes: size of the clip on disk; None if it was not measured.
    """

    video_id: str
    reason: str | None
    seconds: Counter
    num_bytes: int | None = None

    def shared(self, processes: int) -> "Outcome":
        """The outcome of one of several processes that share a worker: each second is divided by their number."""
        return replace(self, seconds=Counter({stage: spent / processes for stage, spent in self.seconds.items()}))


def extract_on_cores(
    tasks: Sequence[Task], store: ClipStore, watchdog: Watchdog, workers: int, client=None, write: bool = True
) -> Iterator[Outcome]:
    """Computes clips in parallel, each in one process. `workers` and `client` are those of `workers.run_tasks`.

    Yields:
        an `Outcome` for each task, in the order of completion. Without `write` nothing is written; the outcomes then
        hold the size of each clip.
    """
    function = partial(extract_task, store=store, watchdog=watchdog, write=write)
    return run_tasks(function, tasks, [watchdog.attempt_file(task.clip) for task in tasks], workers, client)


def extract_task(task: Task, store: ClipStore, watchdog: Watchdog, write: bool) -> Outcome:
    """Computes a clip and writes it, unless another job has. Only defects of the video become a reason."""
    if not write:
        compute_flow(np.zeros((2, 16, 16), np.uint8))  # loads compiled code, which is not part of a clip's cost
    elif store.holds(task.clip):
        return Outcome(task.video_id, None, Counter())
    finish = partial(finish_clip, task, store=store, watchdog=watchdog, write=write)
    return _attempt(task, store.config, watchdog, extract_clip, finish)


def extract_with_server(task: Task, store: ClipStore, watchdog: Watchdog, write: bool, address: Address) -> Outcome:
    """As `extract_task`, with flow from a `FlowServer`. The watchdog's limit is for decoding alone."""
    if write and store.holds(task.clip):
        return Outcome(task.video_id, None, Counter())
    decoded: list[Clip] = []
    outcome = _attempt(task, store.config, watchdog, extract_windows, decoded.append)
    if not decoded:
        return outcome
    clip, seconds, reason, num_bytes = decoded[0], outcome.seconds, None, None
    frames, pairs = _consecutive(clip)
    if not write:
        request_flow(address, frames, pairs)  # compiles, which is not part of a clip's cost
    start = time.perf_counter()
    codes = request_flow(address, frames, pairs)
    computed = time.perf_counter()
    try:
        finished = Clip(clip.frames, _stack_windows(codes, pairs, clip, store.config), clip.indices)
        num_bytes = finish_clip(task, finished, store, watchdog, write)
    except cv2.error as error:
        reason = describe_failure(task.path, error)
    seconds.update(flow=computed - start, encode=time.perf_counter() - computed)
    return Outcome(task.video_id, reason, seconds, num_bytes)


def _consecutive(clip):
    """The grey frames of a clip, and the positions in them of all pairs of consecutive frames, each pair once."""
    places = {index: place for place, index in enumerate(clip.gray)}
    pairs = {pair for window in clip.indices for pair in zip(window, window[1:], strict=False)}
    return np.stack(list(clip.gray.values())), np.array([[places[index] for index in pair] for pair in sorted(pairs)])


def _stack_windows(codes, pairs, clip, config):
    """The stacks (S, H, W, 2L) of a clip, given the codes of the pairs of `_consecutive`."""
    indices = list(clip.gray)
    of = {(indices[first], indices[second]): field for (first, second), field in zip(pairs, codes, strict=True)}
    windows = [[of[pair] for pair in zip(window, window[1:], strict=False)] for window in clip.indices]
    return np.stack([stack_codes(np.stack(fields), config.flow_length) for fields in windows])


def finish_clip(task: Task, clip: Clip, store: ClipStore, watchdog: Watchdog, write: bool) -> int | None:
    """Writes a clip or, without `write`, returns the bytes that it would take on disk."""
    if write:
        return store.write(task.clip, clip, task.digest, watchdog.staging)
    sizes = [len(content) for content in encoding.encode_clip(clip, task.digest).values()]
    return FILE_BLOCK * sum(-(-size // FILE_BLOCK) for size in [*sizes, 1])  # 1: the folder


def describe_failure(path: str, error: cv2.error) -> str:
    """The reason for a video on which OpenCV fails."""
    return f"{path}: OpenCV cannot process it: {error}. Convert it to MP4 or WebM."


def _attempt(task, config, watchdog, extract, finish):
    seconds, num_bytes = Counter(), None
    with watchdog.guard(task.clip) as reason:
        if reason:
            return Outcome(task.video_id, f"{task.path}: {reason}", seconds)
        try:
            clip = _read(task, config, extract, seconds)
            if read_digest(task.path) != task.digest:
                raise VideoError(f"{task.path}: its bytes changed while it was read. Run the extraction again.")
            start = time.perf_counter()
            num_bytes = finish(clip)
            seconds["encode"] += time.perf_counter() - start
        except VideoError as error:
            reason = str(error)
        except cv2.error as error:
            reason = describe_failure(task.path, error)
    return Outcome(task.video_id, reason, seconds, num_bytes)


def _read(task, config, extract, seconds):
    """What `extract` gives; an error of the disk or of memory at this video is a reason, and does not end the job."""
    try:
        with one_thread():
            return extract(Excerpt.of(task), config, seconds)
    except (OSError, MemoryError) as error:
        raise VideoError(
            f"{task.path}: could not be read: {str(error) or type(error).__name__}. Run the extraction again."
        ) from error
