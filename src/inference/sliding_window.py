"""A video file, a camera or a stream → scores of a sliding window over its frames, as they come."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from src.config import ClipConfig, TrainConfig
from src.flow import compute_flow, stack_fields
from src.inference.latest import keep_latest
from src.inference.recent_windows import RecentWindows
from src.video import Excerpt, FrameStream, pad_window


@dataclass(frozen=True)
class Moment:
    """The scores of one window, or of the clip that ends with it.

    Attributes:
        index: of the window's middle frame, among all frames of the source. Of a clip, this is the newest window.
        seconds: of its middle frame since the first frame of the source; see `src.video.FrameStream`.
        frame: uint8 (H, W, 3), RGB, its middle frame, at the stored size.
        scores: {"spatial", "temporal", "fused"}, each float32 (C,), averaged over crops.
        scored_at: when the scores were known, seconds of `time.perf_counter`.
    """

    index: int
    seconds: float
    frame: np.ndarray
    scores: dict[str, np.ndarray]
    scored_at: float


def predict_stream(
    source: str | Path | Excerpt | int, two_stream: keras.Model, class_names: list[str], clip_config: ClipConfig,
    config: TrainConfig, step: int, spacing: int | None = None,
) -> Iterator[Moment]:  # fmt: skip
    """Scores a window of L + 1 consecutive frames every `step` frames, however long the video.

    Networks that know the order of segments score a clip: the window is its last segment, and the others are windows
    before it, see `src.inference.recent_windows`. So their scores follow what happened in the last
    `(num_segments - 1) * spacing` frames. All other networks score the window alone.

    Frames and flow are made as for training: at the stored size, without repeats, flow once for each pair of
    consecutive frames of a window. A source of fewer than L + 1 frames gives one window of all its frames. Memory holds
    the frames of one window, and of earlier windows of the clip their features alone (with a temporal shift, their
    crops).

    A file is read as fast as it is scored. A camera or a live stream is read in a thread; a window that still
    waits when the next one comes is skipped. A window always has consecutive frames, because the motion between frames
    further apart is larger than in training. So a slow machine scores fewer windows, as `Moment.index` shows, but its
    delay does not grow. When a source ends or drops out, its last window is scored.

    Args:
        source: a video file, a folder of images, an `Excerpt` of them, the number of a camera, or the URL of a stream,
            as OpenCV opens it.
        two_stream, class_names, clip_config, config: as for `predict_video`; `test_segments` is not used.
        step: frames from one window to the next, 1 or more. Beyond L + 1 some frames are in no window, and no flow is
            computed for them.
        spacing: frames between the segments of a clip, as in training, see `measure_spacing` and `read_spacing`; None
            is L + 1, windows that follow one another.

    Raises:
        VideoError: the source cannot be opened, or gives fewer than two frames; a file is truncated or damaged.
        ValueError: `step` or `spacing` is below 1.
    """
    spacing = clip_config.window_length if spacing is None else spacing
    for name, value in (("step", step), ("spacing", spacing)):
        if value < 1:
            raise ValueError(f"{name} must be a whole number of frames, 1 or more. Received: {value!r}")
    frames = FrameStream(source, clip_config.short_side)
    windows = slide(frames, clip_config.window_length, step)
    recent = RecentWindows(two_stream, class_names, clip_config, config, spacing)
    with closing(keep_latest(windows) if frames.live else windows) as windows:
        make_inputs = _make_stacks if clip_config.flow_source == "store" else _make_windows
        for middle, motion in make_inputs(windows, clip_config):
            scores = recent.score(middle.index, middle.rgb, motion)
            yield Moment(middle.index, middle.seconds, middle.rgb, scores, time.perf_counter())


def slide(frames: Iterable, length: int, step: int) -> Iterator[tuple[int, tuple]]:
    """Yields (frames read so far, the last `length` of them) every `step` frames; if there are fewer, all of them."""
    window, count = deque(maxlen=length), 0
    for count, frame in enumerate(frames, start=1):
        window.append(frame)
        if count >= length and (count - length) % step == 0:
            yield count, tuple(window)
    if 0 < count < length:
        yield count, tuple(window)


def _make_windows(windows, config):
    """Yields (middle frame, uint8 (L + 1, H, W), grey) of each window, for a network that computes flow itself."""
    for _, window in windows:
        yield _middle(window), pad_window([frame.gray for frame in window], config.window_length)


def _make_stacks(windows, config):
    """Yields (middle frame, stack uint8 (H, W, 2L)) of each window; flow that windows share is computed once."""
    fields, before = deque(maxlen=config.flow_length), 0
    for count, window in windows:
        new = min(count - before, len(window) - 1)
        before = count
        if new:
            gray = np.stack([frame.gray for frame in window[-new - 1 :]])
            fields.extend(compute_flow(gray, config.flow_algorithm))
        flow = np.stack(fields) if fields else np.zeros((0, *window[0].gray.shape, 2), np.float32)
        yield _middle(window), stack_fields(flow, config.flow_length, config.flow_bound)


def _middle(window):
    return window[(len(window) - 1) // 2]
