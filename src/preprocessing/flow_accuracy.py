"""Measures up to which speed a flow algorithm is accurate, and how fast the motion of a subset is."""

from collections.abc import Iterator

import cv2
import numpy as np
import pandas as pd

from src.config import FLOW_ALGORITHMS, ClipConfig
from src.flow import compute_flow
from src.progress import progress
from src.sample import ACTIONS, clip_spec, moving_mask, render_clip, true_flow
from src.video import Excerpt, VideoError, read_segments, stored_size

BINS = (0, 4, 8, 16, 32, np.inf)  # px/frame at the stored size
STEPS = (1, 3, 6, 12, 24, 48)  # distances between the two frames of a pair; more give faster motion
MOVING = 0.5  # px/frame; slower pixels count as still
FOLLOWED = 1.0  # px; with a smaller median error an algorithm follows the motion


def measure_flow_error(config: ClipConfig, num_clips: int = 12) -> pd.DataFrame:
    """Measures the end-point error of every flow algorithm at the stored size, on clips of the sample with motion.

    The true flow of the sample is known. Frames further apart give faster motion. Pixels that are covered in the second
    frame, or leave it, do not count.

    Returns:
        a row per algorithm and bin of true displacement: `algorithm`, `displacement` (such as "4-8"), `values` (number
        of pixels), `median` and `mean` error, px.
    """
    tables = []
    moving = [template for template, action in ACTIONS.items() if action.motion != (0, 0)]
    for number in progress(range(num_clips), label="flow error"):
        for before, after, truth, counts in _make_pairs(clip_spec(moving[number % len(moving)], number), config):
            speed = np.hypot(truth[..., 0], truth[..., 1])[counts]
            for algorithm in FLOW_ALGORITHMS:
                error = (compute_flow(np.stack([before, after]), algorithm)[0] - truth)[counts]
                tables.append(pd.DataFrame({"algorithm": algorithm, "speed": speed, "error": np.hypot(*error.T)}))
    table = pd.concat(tables)
    table["displacement"] = pd.cut(table.speed, BINS, right=False, labels=bin_names())
    errors = table.groupby(["algorithm", "displacement"], observed=False, sort=False).error
    return errors.agg(values="size", median="median", mean="mean").reset_index()


def find_limit(errors: pd.DataFrame, algorithm: str) -> float:
    """The displacement, px/frame, up to which an algorithm follows motion: the end of the last bin before it fails."""
    median = errors[errors.algorithm == algorithm].set_index("displacement").loc[bin_names(), "median"]
    return float(BINS[int((median < FOLLOWED).cumprod().sum())])


def measure_motion(subset: pd.DataFrame, config: ClipConfig, num_clips: int = 24) -> pd.Series:
    """Measures displacements in the middle of some training clips, drawn with a fixed seed, at the stored size.

    Always by DIS, because it follows faster motion than Farneback. Videos that cannot be used are skipped.

    Returns:
        float, indexed by bin: the share of the moving pixels.
    """
    clips = subset[subset.split == "train"]
    clips = clips.sample(min(num_clips, len(clips)), random_state=0)
    counts = np.zeros(len(BINS) - 1)
    for row in progress(clips.itertuples(), len(clips), "motion"):
        try:
            segment = next(read_segments(Excerpt.of(row), 1, config.window_length, config.short_side))
        except (VideoError, cv2.error):
            continue
        flow = compute_flow(segment.gray, "dis")
        speed = np.hypot(flow[..., 0], flow[..., 1])
        counts += np.histogram(speed[speed >= MOVING], BINS)[0]
    return pd.Series(counts / max(counts.sum(), 1), index=bin_names())


def describe_limit(errors: pd.DataFrame, motion: pd.Series, config: ClipConfig) -> str:
    """Describes which motion the configuration can follow, and how much of the subset's motion is faster."""
    limit = find_limit(errors, config.flow_algorithm)
    faster = motion[[start >= limit for start in BINS[:-1]]].sum()
    bound = "" if config.flow_bound >= min(limit, 32) else f" flow_bound stores up to {config.flow_bound:g} px/frame."
    followed = f"motion up to {limit:g} px/frame" if np.isfinite(limit) else "all motion that was tried"
    return (
        f"{config.flow_algorithm} at short side {config.short_side} follows {followed}; "
        f"{faster:.1%} of this subset's moving pixels are faster.{bound}"
    )


def bin_names() -> list[str]:
    """Labels such as "4-8"; the last one is "32+"."""
    return [f"{low}-{high}" for low, high in zip(BINS[:-2], BINS[1:-1], strict=True)] + [f"{BINS[-2]}+"]


def _make_pairs(spec, config) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yields (before, after, true flow, which pixels count), at the stored size, for each of `STEPS`."""
    frames, masks = render_clip(spec), moving_mask(spec)
    height, width = size = stored_size(*frames.shape[1:3], config.short_side)
    rows = ((np.arange(height) + 0.5) * frames.shape[1] / height).astype(int)[:, None]
    columns = ((np.arange(width) + 0.5) * frames.shape[2] / width).astype(int)
    scale = np.float32([width / frames.shape[2], height / frames.shape[1]])
    gray = [
        cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), size[::-1], interpolation=cv2.INTER_AREA)
        for frame in frames
    ]
    for step in (step for step in STEPS if step < len(frames)):
        t = (len(frames) - step) // 2
        truth = true_flow(spec, step, [t])[0][rows, columns] * scale
        to = np.stack(np.mgrid[:height, :width][::-1], axis=-1) + truth
        in_view = ((to >= 0) & (to <= (width - 1, height - 1))).all(axis=-1)
        covered = ~masks[t] & masks[t + step]
        yield gray[t], gray[t + step], truth, in_view & ~covered[rows, columns]
