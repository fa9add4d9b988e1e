"""A sliding window over a long video, a camera or a stream: scores over time, and the frames per second it holds.

    python -m src.inference.sliding_window runs/NAME 0                            the first camera
    python -m src.inference.sliding_window runs/NAME rtsp://HOST/PATH --step 10   a stream; a video file, too

prints a line for each scored window, from the current folder of the run's notebook: seconds, the best class, its fused
score, frames/s. Ctrl-C ends it.
"""

import argparse
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import keras
import numpy as np
import pandas as pd

from src.config import ClipConfig, TrainConfig
from src.flow import compute_flow, stack_fields
from src.inference.prediction import load_run, score_segments
from src.progress import progress
from src.video import Frame, FrameStream, VideoError, hold_last

KEPT_FRAMES = 64  # of a timeline, to look at
RECENT = 20  # windows over which the command measures its rate

Item = TypeVar("Item")


@dataclass(frozen=True)
class Moment:
    """What the streams see in one window.

    Attributes:
        index: of its middle frame, among all that the source gave.
        seconds: of its middle frame since the first of the source; see `video.Frame`.
        frame: uint8 (H, W, 3), RGB, the middle frame, at the stored size.
        scores: {"spatial", "temporal", "fused"}, each float32 (C,), averaged over views.
        scored_at: when this was known, seconds on a clock of this machine, for differences.
    """

    index: int
    seconds: float
    frame: np.ndarray
    scores: dict[str, np.ndarray]
    scored_at: float


@dataclass(frozen=True)
class Timeline:
    """What the streams see over time.

    Attributes:
        scores: a row per window, indexed by the seconds of its middle frame; columns (stream, class name), so that
            `scores["fused"]` has a column per class.
        frames: seconds → uint8 (H, W, 3), RGB: at most 64 of the middle frames, evenly spread.
        fps: frames per second that were held; see `frames_per_second`.
    """

    scores: pd.DataFrame
    frames: dict[float, np.ndarray]
    fps: float


def predict_stream(
    source: str | Path | int, two_stream: keras.Model, class_names: list[str], clip_config: ClipConfig,
    config: TrainConfig, step: int,
) -> Iterator[Moment]:  # fmt: skip
    """Scores a window of L + 1 consecutive frames every `step` frames, as they come; it holds no more than the window.

    Frames and flow are made as for training: at the stored size, without repeats, flow once for each pair of
    consecutive frames of a window. A source of fewer frames gives one window of those it has.

    A file waits until it is read. A camera or a stream does not: it is read in a thread, and windows that wait when a
    newer one is due are skipped. Whole windows, and never frames within one: a displacement between frames further
    apart would be larger than those that the temporal network was trained on. So a slow machine scores less often,
    which `Moment.index` shows, but neither late nor something else. A source that ends or drops out ends the scores;
    its last window is scored.

    Args:
        source: a video file, the number of a camera, or the URL of a stream, as OpenCV opens it.
        two_stream, class_names, clip_config, config: as for `inference.predict_video`. Of `config`, `test_crops` views
            of each window are scored; `test_segments` plays no part.
        step: frames from one window to the next, 1 or more; beyond L + 1 some are in no window, and cost no flow.

    Raises:
        VideoError: the source cannot be opened, or gives fewer than two frames; a file is truncated or damaged.
        ValueError: `step` is below 1.
    """
    if step < 1:
        raise ValueError(f"step must be a whole number of frames, 1 or more. Received: {step!r}")
    frames = FrameStream(source, clip_config.short_side)
    windows = slide(frames, clip_config.window_length, step)
    with closing(keep_latest(windows) if frames.live else windows) as windows:
        see = _see_flow if clip_config.flow_source == "store" else _see_frames
        for middle, motion in see(windows, clip_config):
            scores = score_segments(middle.rgb[None], motion[None], two_stream, class_names, clip_config, config)
            scores = {stream: by_segment[0] for stream, by_segment in scores.items()}
            yield Moment(middle.index, middle.seconds, middle.rgb, scores, time.perf_counter())


def predict_long_video(
    path: str | Path, two_stream: keras.Model, class_names: list[str], clip_config: ClipConfig, config: TrainConfig,
    step: int,
) -> Timeline:  # fmt: skip
    """The timeline of a video of any length; arguments and errors as for `predict_stream`."""
    moments = predict_stream(path, two_stream, class_names, clip_config, config, step)
    return collect_timeline(progress(moments, label="sliding window", unit="window"), class_names, step)


def collect_timeline(moments: Iterable[Moment], class_names: list[str], step: int) -> Timeline:
    """Collects moments until they end; of a live source take some, for example with `itertools.islice`."""
    seconds, clocks, rows, frames, every = [], [], [], {}, 1
    for number, moment in enumerate(moments):
        seconds.append(moment.seconds)
        clocks.append(moment.scored_at)
        rows.append(np.concatenate(list(moment.scores.values())))
        if number % every == 0:
            frames[moment.seconds] = moment.frame
        if len(frames) > KEPT_FRAMES:
            frames, every = dict(list(frames.items())[::2]), 2 * every
    columns = pd.MultiIndex.from_product([moment.scores, class_names], names=["stream", "class"])
    scores = pd.DataFrame(np.stack(rows), pd.Index(seconds, name="seconds"), columns)
    return Timeline(scores, frames, frames_per_second(clocks, step))


def frames_per_second(clocks: Sequence[float], step: int) -> float:
    """The rate held from the first window to the last: `step` frames for each, skipped ones not counted.

    What precedes the end of the first is left out: loading, compiling, and a whole window's flow. Of a live source
    it is at most the source's own rate; below it, this machine is slower than the source at this `step`.

    Args:
        clocks: when each window was scored, seconds.
        step: frames from one window to the next.

    Returns:
        frames/s; NaN for fewer than two windows.
    """
    return (len(clocks) - 1) * step / (clocks[-1] - clocks[0]) if len(clocks) > 1 else float("nan")


def slide(frames: Iterable[Frame], length: int, step: int) -> Iterator[tuple[int, tuple[Frame, ...]]]:
    """Every `step` frames, (how many there were, the last `length` of them); if there are fewer, once all of them."""
    window, count = deque(maxlen=length), 0
    for count, frame in enumerate(frames, start=1):
        window.append(frame)
        if count >= length and (count - length) % step == 0:
            yield count, tuple(window)
    if 0 < count < length:
        yield count, tuple(window)


def keep_latest(items: Iterator[Item]) -> Iterator[Item]:
    """Reads in a thread, without a pause, and gives the newest; those that wait when a newer one comes are skipped.

    The last is not skipped. What `items` raises is raised here, after it. Closed, it waits until the thread has ended.
    """
    newest, changed, errors = deque(maxlen=1), threading.Condition(), []
    unwanted, ended = threading.Event(), threading.Event()

    def read():
        try:
            with closing(items):
                for item in items:
                    with changed:
                        newest.append(item)
                        changed.notify()
                    if unwanted.is_set():
                        break
        except Exception as error:  # whatever it is, who takes the items is to see it
            errors.append(error)
        with changed:
            ended.set()
            changed.notify()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: newest or ended.is_set())
                if not newest:
                    break
                item = newest.popleft()
            yield item
    finally:
        unwanted.set()
        thread.join()
    if errors:
        raise errors[0]


def _see_frames(windows, config):
    """Yields (middle frame, the grey frames uint8 (L + 1, H, W)) of each window, for a network that computes flow."""
    for _, window in windows:
        yield _middle(window, config), hold_last([frame.gray for frame in window], config.window_length)


def _see_flow(windows, config):
    """Yields (middle frame, its stack uint8 (H, W, 2L)) of each window; fields that windows share are computed once."""
    fields, before = deque(maxlen=config.flow_length), 0
    for count, window in windows:
        new = min(count - before, len(window) - 1)
        before = count
        if new:
            gray = np.stack([frame.gray for frame in window[-new - 1 :]])
            fields.extend(compute_flow(gray, config.flow_algorithm))
        flow = np.stack(fields) if fields else np.zeros((0, *window[0].gray.shape, 2), np.float32)
        yield _middle(window, config), stack_fields(flow, config.flow_length, config.flow_bound)


def _middle(window, config):
    return window[min(config.flow_length // 2, len(window) - 1)]


def main():
    """Prints a line for each scored window."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="folder of a finished run")
    parser.add_argument("source", help="number of a camera, URL of a stream, or a video file")
    parser.add_argument("--step", type=int, default=5, help="frames from one window to the next (5)")
    arguments = parser.parse_args()
    source = int(arguments.source) if arguments.source.isdecimal() else arguments.source
    two_stream, class_names, clip_config, config = load_run(arguments.run)
    clocks = deque(maxlen=RECENT)
    try:
        for moment in predict_stream(source, two_stream, class_names, clip_config, config, arguments.step):
            clocks.append(moment.scored_at)
            fused, fps = moment.scores["fused"], frames_per_second(clocks, arguments.step)
            best = fused.argmax()
            print(f"{moment.seconds:8.1f} s  {fps:6.1f} frames/s  {fused[best]:.2f}  {class_names[best]}", flush=True)
        print("The source has ended.")
    except VideoError as error:
        parser.exit(1, f"{error}\n")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
