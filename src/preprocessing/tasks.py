"""One clip as a task of the job: it ends with the clip in the store, or with the reason why there is none."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from src.flow import compute_flow
from src.preprocessing.extraction import extract_clip, extract_windows
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


def decode_task(task: Task, store: ClipStore, watchdog: Watchdog) -> tuple[Task, Outcome, Clip | None]:
    """Reads the frames of a clip's windows, for flow computed elsewhere; None if no clip is to be computed."""
    if store.holds(task.clip):
        return task, Outcome(task.video_id, None, Counter()), None
    decoded: list[Clip] = []
    outcome = _attempt(task, store.config, watchdog, extract_windows, decoded.append)
    return task, outcome, decoded[0] if decoded else None


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
