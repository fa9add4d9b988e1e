"""The job: a subset of videos → a clip store, in parallel, doing only what is missing, with a ledger of failures."""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import joblib
import numpy as np
import pandas as pd

from src.clip_store import Clip, ClipStore, write_text
from src.config import ClipConfig
from src.optical_flow import STEPS, ZERO, compute_flow, quantize_flow, stack_flow
from src.progress import progress
from src.subset import write_manifest
from src.video import VideoError, read_segments

EXAMPLE_CLASSES = 8


@dataclass
class Report:
    """What one run of the job did.

    Attributes:
        wanted, found, computed: clips of the subset; those there before; those made by this run.
        failures: DataFrame video_id, path, reason.
        seconds: wall time of the extraction.
        stage_seconds: time in decode, flow and encode, summed over the workers.
    """

    wanted: int
    found: int
    computed: int
    failures: pd.DataFrame
    seconds: float
    stage_seconds: dict[str, float] = field(default_factory=dict)

    def __str__(self):
        lines = [
            f"{self.wanted} clips wanted: {self.found} were there, {self.computed} computed in {self.seconds:.0f} s, "
            f"{len(self.failures)} failed."
        ]
        if len(self.failures):
            lines.append("The failures are listed with their reasons in failures.csv; the rest is complete.")
        return "\n".join(lines)


def extract_clip(path: str | Path, config: ClipConfig, seconds: Counter | None = None) -> Clip:
    """One RGB frame and one flow stack from each segment of a video, from one decode, so they are registered.

    Args:
        path: a video file.
        config: sizes, segments, flow.
        seconds: time spent in "decode" and "flow" is added to it.

    Returns:
        a `Clip`: frames uint8 (S, H, W, 3); stacks uint8 (S, H, W, 2L). The frame is the middle one of the stack.

    Raises:
        VideoError: the video cannot be used.
    """
    seconds = Counter() if seconds is None else seconds
    frames, stacks, windows = [], [], []
    known, flow = (), None  # the window before, and its flow: windows of a short clip overlap
    start = time.perf_counter()
    for indices, gray, frame in read_segments(path, config.num_segments, config.window_length, config.short_side):
        decoded = time.perf_counter()
        shared = sum(index in known for index in indices)
        flow = _continue_flow(flow, gray, shared, config.flow_algorithm)
        padding = config.flow_length - len(flow)  # a clip too short for a window: no motion where there is none
        codes = quantize_flow(np.pad(flow, ((0, padding), (0, 0), (0, 0), (0, 0))), config.flow_bound)
        stacks.append(stack_flow(codes))
        frames.append(frame)
        windows.append(indices)
        known = indices
        seconds["decode"] += decoded - start
        start = time.perf_counter()
        seconds["flow"] += start - decoded
    return Clip(np.stack(frames), np.stack(stacks), windows)


def _continue_flow(flow, gray, shared, algorithm):
    """Flow of a window of frames, of which the first `shared` are the last of the window that `flow` is of."""
    if shared < 2:
        return compute_flow(gray, algorithm)
    overlap = flow[len(flow) - (shared - 1) :]
    if shared == len(gray):
        return overlap
    return np.concatenate([overlap, compute_flow(gray[shared - 1 :], algorithm)])


@dataclass(frozen=True)
class Example:
    """One clip of a subset, for looking at: its manifest entries and its extracted `Clip`."""

    video_id: str
    path: str
    label: str
    clip: Clip


def find_example(subset: pd.DataFrame, config: ClipConfig) -> Example:
    """A training clip worth looking at: of the first one that can be used of each class, the one that moves most.

    Of more than `EXAMPLE_CLASSES` classes the first ones are looked at.

    Raises:
        VideoError: no training clip can be used; the message is that of the last one tried.
    """
    examples, error = {}, VideoError("A subset needs a training clip to show an example of. Received: none")
    for row in subset[subset.split == "train"].itertuples():
        if row.label in examples or len(examples) == EXAMPLE_CLASSES:
            continue
        try:
            examples[row.label] = Example(row.video_id, row.path, row.label, extract_clip(row.path, config))
        except (VideoError, cv2.error) as reason:
            error = reason
    if not examples:
        raise error
    return max(examples.values(), key=lambda example: np.abs(example.clip.stacks.astype(np.int16) - ZERO).mean())


def preprocess(subset: pd.DataFrame, root: str | Path, config: ClipConfig, workers: int | None = None) -> Report:
    """Extracts what is missing of a subset into `root`, and records manifest and failures there.

    Run it again after an interruption, or with a larger subset: only missing clips are computed. A video that changed
    is done again. Other parameters go to a folder of their own.

    Args:
        subset: from `src.subset.choose_subset`.
        root: the prepared data set, for example datasets/ssv2-mini.
        config: what to extract.
        workers: processes, each with one OpenCV thread; None takes all cores.

    Returns:
        a `Report`. Videos that cannot be used are in its `failures` and in `failures.csv`; they do not stop the job.
    """
    store = ClipStore(root, config)
    store.prepare()
    write_manifest(subset, store.root / "manifest.csv")
    videos = list(zip(subset.video_id, subset.path, strict=True))
    missing = [video for video in videos if not store.holds(*video)]
    parallel = joblib.Parallel(n_jobs=workers or joblib.cpu_count(), return_as="generator_unordered")
    start = time.perf_counter()
    jobs = parallel(joblib.delayed(_extract_to_store)(store, *video) for video in missing)
    reasons, stage_seconds = {}, Counter()
    for video_id, reason, seconds in progress(jobs, len(missing), "extracting"):
        stage_seconds.update(seconds)
        if reason:
            reasons[video_id] = reason
    wall = time.perf_counter() - start
    failures = [(video_id, path, reasons[video_id]) for video_id, path in missing if video_id in reasons]
    failures = pd.DataFrame(failures, columns=["video_id", "path", "reason"], dtype=str)
    write_text(store.root / "failures.csv", failures.to_csv(index=False))
    computed = len(missing) - len(failures)
    return Report(len(videos), len(videos) - len(missing), computed, failures, wall, dict(stage_seconds))


def check_store(subset: pd.DataFrame, root: str | Path) -> pd.DataFrame:
    """Reads every clip of a subset back, as training will.

    Returns:
        a row per clip that is there: video_id, split, label, height, width, megabytes, `moving` (share of displacement
        values other than zero) and `at_bound` (share clipped at `flow_bound`).

    Raises:
        ValueError: a file of a clip cannot be decoded.
    """
    store = ClipStore(root)
    rows = []
    for row in progress(subset.itertuples(), len(subset), "reading back"):
        if store.holds(row.video_id, row.path):
            who = {"video_id": row.video_id, "split": row.split, "label": row.label}
            rows.append(who | _measure(store, row.video_id))
    return pd.DataFrame(rows)


def _extract_to_store(store, video_id, path):
    """(video_id, reason or None, seconds by stage); only what is wrong with the video itself becomes a reason."""
    cv2.setNumThreads(1)  # the processes already fill the cores
    seconds = Counter()
    try:
        clip = extract_clip(path, store.config, seconds)
    except (VideoError, cv2.error) as error:
        return video_id, str(error), seconds
    start = time.perf_counter()
    store.write(video_id, clip, path)
    seconds["encode"] += time.perf_counter() - start
    return video_id, None, seconds


def _measure(store, video_id):
    stacks = np.stack([store.read_stack(video_id, segment) for segment in range(store.config.num_segments)])
    frames = [store.read_frame(video_id, segment) for segment in range(store.config.num_segments)]
    height, width = frames[0].shape[:2]
    steps = np.abs(stacks.astype(np.int16) - ZERO)
    return {
        "height": height,
        "width": width,
        "megabytes": store.num_bytes(video_id) / 1e6,
        "moving": float((steps > 0).mean()),
        "at_bound": float((steps >= STEPS - 1).mean()),  # JPEG can take one off
    }
