"""Extracts the frames and the flow of one video."""

import time
from collections import Counter
from pathlib import Path

import numpy as np

from src.config import ClipConfig
from src.flow import compute_flow, stack_fields
from src.store import Clip
from src.video import Excerpt, read_segments


def extract_clip(path: str | Path | Excerpt, config: ClipConfig, seconds: Counter | None = None) -> Clip:
    """Extracts from a video what the store keeps. One decode gives frames and flow, so that they are registered.

    Per segment one RGB frame, and a flow stack or, with `flow_source="layer"`, grey frames to compute stacks from.

    Args:
        path: a video file, a folder of images, or an `Excerpt` of them.
        config: sizes, segments, flow.
        seconds: the time spent in "decode" and "flow" is added to it.

    Returns:
        a `Clip`. Each frame is the middle one of its window.

    Raises:
        VideoError: the video cannot be used.
    """
    seconds = Counter() if seconds is None else seconds
    segments = _read_timed(path, config, config.segment_length, seconds)
    return _keep_flow(segments, config, seconds) if config.flow_source == "store" else _keep_frames(segments, config)


def extract_windows(path: str | Path | Excerpt, config: ClipConfig, seconds: Counter | None = None) -> Clip:
    """As `extract_clip`, without flow: the grey frames are those of the windows alone."""
    seconds = Counter() if seconds is None else seconds
    return _keep_frames(_read_timed(path, config, config.window_length, seconds), config)


def _read_timed(path, config, segment_length, seconds):
    """Yields the segments; the time they take is "decode"."""
    segments = read_segments(path, config.num_segments, config.window_length, config.short_side, segment_length)
    start = time.perf_counter()
    for segment in segments:
        seconds["decode"] += time.perf_counter() - start
        yield segment
        start = time.perf_counter()


def _keep_flow(segments, config, seconds):
    frames, stacks, windows = [], [], []
    previous, flow = (), None  # the previous window and its flow: windows of a short clip overlap
    for indices, gray, frame, _ in segments:
        start = time.perf_counter()
        shared = sum(index in previous for index in indices)
        flow = _continue_flow(flow, gray, shared, config.flow_algorithm)
        stacks.append(stack_fields(flow, config.flow_length, config.flow_bound))
        frames.append(frame)
        windows.append(indices)
        previous = indices
        seconds["flow"] += time.perf_counter() - start
    return Clip(np.stack(frames), np.stack(stacks), windows)


def _keep_frames(segments, config):
    frames, windows, kept, gray = [], [], [], {}
    for segment in segments:
        frames.append(segment.frame)
        windows.append(segment.indices[segment.start :][: config.window_length])
        kept.append(segment.indices)
        gray |= zip(segment.indices, segment.gray, strict=True)
    return Clip(np.stack(frames), None, windows, kept, gray)


def _continue_flow(flow, gray, shared, algorithm):
    """Flow of a window whose first `shared` frames are the last ones of the window that `flow` was computed from."""
    if shared < 2:
        return compute_flow(gray, algorithm)
    overlap = flow[len(flow) - (shared - 1) :]
    if shared == len(gray):
        return overlap
    return np.concatenate([overlap, compute_flow(gray[shared - 1 :], algorithm)])
