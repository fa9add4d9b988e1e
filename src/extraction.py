"""One video → one clip, and the same as a task of the job, which ends with a clip in the store or a reason."""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from src.clip_store import Clip, ClipStore, encode_clip
from src.config import ClipConfig
from src.digests import read_digest
from src.optical_flow import compute_flow, stack_fields
from src.video import VideoError, read_segments
from src.workers import Watch, one_thread

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
    segments = read_segments(
        path, config.num_segments, config.window_length, config.short_side, run_length=config.run_length
    )
    keep = _keep_flow if config.flow_source == "store" else _keep_frames
    return keep(_timed(segments, seconds), config, seconds)


def _timed(segments, seconds):
    """Passes them on; the time that they take is "decode"."""
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


def _keep_frames(segments, config, seconds):
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


def extract_to_store(task: Task, store: ClipStore, watch: Watch) -> Outcome:
    """Computes a clip and writes it, unless another run did. Only what is wrong with the video becomes a reason."""
    if store.holds(task.clip):
        return Outcome(task.video_id, None, Counter())
    return _attempt(task, store.config, watch, lambda clip: store.write(task.clip, clip, task.digest, watch.room))


def measure_extraction(task: Task, store: ClipStore, watch: Watch) -> Outcome:
    """What `extract_to_store` costs, in time and in bytes on disk, with nothing written."""
    compute_flow(np.zeros((2, 16, 16), np.uint8))  # a process loads compiled code once: that is not the clip's
    return _attempt(task, store.config, watch, lambda clip: _size_on_disk(encode_clip(clip, task.digest)))


def _attempt(task, config, watch, finish):
    seconds, num_bytes = Counter(), None
    with watch.over(task.clip) as reason:
        if reason is None:
            try:
                with one_thread():
                    clip = extract_clip(task.path, config, seconds)
                if read_digest(task.path) != task.digest:
                    raise VideoError(f"{task.path}: its bytes must not change while it is read, but did. Run again.")
                start = time.perf_counter()
                num_bytes = finish(clip)
                seconds["encode"] += time.perf_counter() - start
            except VideoError as error:
                reason = str(error)
            except cv2.error as error:
                reason = f"{task.path}: OpenCV cannot work with it: {error}. Convert it to MP4 or WebM."
        else:
            reason = f"{task.path}: {reason}"
    return Outcome(task.video_id, reason, seconds, num_bytes)


def _size_on_disk(files):
    sizes = [len(content) for content in files.values()]
    return FILE_BLOCK * sum(-(-size // FILE_BLOCK) for size in [*sizes, 1])  # 1: the folder
