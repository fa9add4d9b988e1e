"""One video → one clip, and the same as a task of the job, which ends with a clip in the store or a reason."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from src.config import ClipConfig
from src.flow import compute_flow, stack_fields
from src.preprocessing.workers import Watchdog, one_thread, run_tasks
from src.store import Clip, ClipStore, encode_clip, read_digest
from src.video import VideoError, read_segments

FILE_BLOCK = 4096  # bytes that a file on disk is rounded up to


def extract_clip(path: str | Path, config: ClipConfig, seconds: Counter | None = None) -> Clip:
    """What the store keeps of a video, from one decode, so that frames and flow are registered.

    Of each segment one RGB frame, and a flow stack or, with `flow_source="layer"`, the grey frames that it and its
    neighbours are computed from.

    Args:
        path: a video file.
        config: sizes, segments, flow.
        seconds: time spent in "decode" and "flow" is added to it.

    Returns:
        a `Clip`. A frame is the middle one of its stack.

    Raises:
        VideoError: the video cannot be used.
    """
    seconds = Counter() if seconds is None else seconds
    segments = _read_timed(path, config, config.segment_length, seconds)
    return _keep_flow(segments, config, seconds) if config.flow_source == "store" else _keep_frames(segments, config)


def extract_windows(path: str | Path, config: ClipConfig, seconds: Counter | None = None) -> Clip:
    """The same without flow, and with the grey frames of the windows alone."""
    seconds = Counter() if seconds is None else seconds
    return _keep_frames(_read_timed(path, config, config.window_length, seconds), config)


def _read_timed(path, config, run_length, seconds):
    """The segments; the time that they take is "decode"."""
    segments = read_segments(path, config.num_segments, config.window_length, config.short_side, run_length)
    start = time.perf_counter()
    for segment in segments:
        seconds["decode"] += time.perf_counter() - start
        yield segment
        start = time.perf_counter()


def _keep_flow(segments, config, seconds):
    frames, stacks, windows = [], [], []
    known, flow = (), None  # the window before, and its flow: windows of a short clip overlap
    for indices, gray, frame, _ in segments:
        start = time.perf_counter()
        shared = sum(index in known for index in indices)
        flow = _continue_flow(flow, gray, shared, config.flow_algorithm)
        stacks.append(stack_fields(flow, config.flow_length, config.flow_bound))
        frames.append(frame)
        windows.append(indices)
        known = indices
        seconds["flow"] += time.perf_counter() - start
    return Clip(np.stack(frames), np.stack(stacks), windows)


def _keep_frames(segments, config):
    frames, windows, runs, gray = [], [], [], {}
    for segment in segments:
        frames.append(segment.frame)
        windows.append(segment.indices[segment.start :][: config.window_length])
        runs.append(segment.indices)
        gray |= zip(segment.indices, segment.gray, strict=True)
    return Clip(np.stack(frames), None, windows, runs, gray)


def _continue_flow(flow, gray, shared, algorithm):
    """Flow of a window of frames, of which the first `shared` are the last of the window that `flow` is of."""
    if shared < 2:
        return compute_flow(gray, algorithm)
    overlap = flow[len(flow) - (shared - 1) :]
    if shared == len(gray):
        return overlap
    return np.concatenate([overlap, compute_flow(gray[shared - 1 :], algorithm)])


@dataclass(frozen=True)
class Task:
    """A clip to be computed: its video, the digest of the video's bytes, and its name in the store."""

    video_id: str
    path: str
    digest: str
    clip: str


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        video_id: of which video.
        reason: why there is no clip; None where there is one.
        seconds: time spent, by stage ("decode", "flow", "encode").
        num_bytes: what its files take on disk, where that was measured.
    """

    video_id: str
    reason: str | None
    seconds: Counter
    num_bytes: int | None = None


def extract_on_cores(
    tasks: Sequence[Task], store: ClipStore, watch: Watchdog, workers: int | None, client=None, write: bool = True
) -> Iterator[Outcome]:
    """Computes clips, each as a whole by one process, as `workers.run_tasks` runs them.

    Args:
        tasks: what to compute.
        store: where it goes.
        watch: over the tasks.
        workers, client: as for `workers.run_tasks`.
        write: without it nothing is written, and the outcomes tell what it would have cost.

    Yields:
        an `Outcome` for each task, in the order in which they end.
    """
    function = partial(extract_to_store if write else measure_extraction, store=store, watch=watch)
    return run_tasks(function, tasks, [watch.note(task.clip) for task in tasks], workers, client)


def extract_to_store(task: Task, store: ClipStore, watch: Watchdog) -> Outcome:
    """Computes a clip and writes it, unless another run did. Only what is wrong with the video becomes a reason."""
    if store.holds(task.clip):
        return Outcome(task.video_id, None, Counter())
    return _attempt(task, store.config, watch, extract_clip, partial(finish_clip, task, store=store, watch=watch))


def measure_extraction(task: Task, store: ClipStore, watch: Watchdog) -> Outcome:
    """What `extract_to_store` costs, in time and in bytes on disk, with nothing written."""
    compute_flow(np.zeros((2, 16, 16), np.uint8))  # a process loads compiled code once: that is not the clip's
    finish = partial(finish_clip, task, store=store, watch=watch, write=False)
    return _attempt(task, store.config, watch, extract_clip, finish)


def decode_to_memory(task: Task, store: ClipStore, watch: Watchdog) -> tuple[Task, Outcome, Clip | None]:
    """The frames of a clip's windows, for flow that is computed elsewhere; None where there is no clip to compute."""
    if store.holds(task.clip):
        return task, Outcome(task.video_id, None, Counter()), None
    kept: list[Clip] = []
    outcome = _attempt(task, store.config, watch, extract_windows, kept.append)
    return task, outcome, kept[0] if kept else None


def finish_clip(task: Task, clip: Clip, store: ClipStore, watch: Watchdog, write: bool = True) -> int | None:
    """Writes a clip; or, without `write`, gives the bytes that its files would take on disk."""
    if write:
        return store.write(task.clip, clip, task.digest, watch.room)
    sizes = [len(content) for content in encode_clip(clip, task.digest).values()]
    return FILE_BLOCK * sum(-(-size // FILE_BLOCK) for size in [*sizes, 1])  # 1: the folder


def describe_failure(path: str, error: cv2.error) -> str:
    """The reason of a video that OpenCV fails on."""
    return f"{path}: OpenCV cannot work with it: {error}. Convert it to MP4 or WebM."


def _attempt(task, config, watch, extract, finish):
    seconds, num_bytes = Counter(), None
    with watch.over(task.clip) as reason:
        if reason is None:
            try:
                with one_thread():
                    clip = extract(task.path, config, seconds)
                if read_digest(task.path) != task.digest:
                    raise VideoError(f"{task.path}: its bytes must not change while it is read, but did. Run again.")
                start = time.perf_counter()
                num_bytes = finish(clip)
                seconds["encode"] += time.perf_counter() - start
            except VideoError as error:
                reason = str(error)
            except cv2.error as error:
                reason = describe_failure(task.path, error)
        else:
            reason = f"{task.path}: {reason}"
    return Outcome(task.video_id, reason, seconds, num_bytes)
