"""Measures up to which speed a flow algorithm is accurate, on clips of known motion."""

from collections.abc import Iterator

import cv2
import numpy as np
import pandas as pd

from src.config import FLOW_ALGORITHMS
from src.fingerprint.motion import BINS
from src.flow import compute_flow
from src.progress import progress
from src.sample import ACTIONS, clip_spec, moving_mask, render_clip, true_flow
from src.video import stored_size

STEPS = (1, 2, 3, 6, 9, 12, 18, 24, 36, 48)  # distances between the two frames of a pair; more give faster motion
FOLLOWED = 1.0  # px; with a smaller median error an algorithm follows the motion


def measure_flow_error(short_side: int, num_clips: int = 4) -> pd.DataFrame:
    """Measures the end-point error of every flow algorithm at the stored size, on clips of the sample with motion.

    The true flow of the sample is known. Frames further apart give faster motion. Pixels that are covered in the second
    frame, or leave it, do not count, nor do those that move by less than 0.5 px.

    Args:
        short_side: of the stored frames, pixels.
        num_clips: number of clips that are drawn; each gives ten pairs of frames.

    Returns:
        a row per algorithm and bin of true displacement, the bins of `Motion`: `algorithm`, `low`, `high` (px/frame),
        `values` (number of pixels), `median` and `mean` error, px, NaN where no pixel is so fast.
    """
    tables = []
    moving = [template for template, action in ACTIONS.items() if action.motion != (0, 0)]
    for number in progress(range(num_clips), label="flow error"):
        for before, after, truth, counts in _make_pairs(clip_spec(moving[number % len(moving)], number), short_side):
            speed = np.hypot(truth[..., 0], truth[..., 1])[counts]
            place = np.searchsorted(BINS, speed, side="right") - 1
            for algorithm in FLOW_ALGORITHMS:
                error = (compute_flow(np.stack([before, after]), algorithm)[0] - truth)[counts]
                tables.append(pd.DataFrame({"algorithm": algorithm, "place": place, "error": np.hypot(*error.T)}))
    errors = pd.concat(tables).groupby(["algorithm", "place"]).error.agg(values="size", median="median", mean="mean")
    rows = pd.MultiIndex.from_product([FLOW_ALGORITHMS, range(len(BINS) - 1)], names=["algorithm", "place"])
    errors = errors.reindex(rows).fillna({"values": 0}).astype({"values": int}).reset_index()
    bins = {"low": BINS[errors.place], "high": BINS[errors.place + 1]}
    return errors.assign(**bins)[["algorithm", "low", "high", "values", "median", "mean"]]


def find_limit(errors: pd.DataFrame, algorithm: str) -> float:
    """The displacement, px/frame, up to which an algorithm follows motion: the end of the last bin before it fails."""
    rows = errors[(errors.algorithm == algorithm) & (errors["median"].notna())]
    followed = (rows["median"] < FOLLOWED).cumprod().sum()
    return float(rows.high.iloc[followed - 1] if followed else rows.low.iloc[0])


def _make_pairs(spec, short_side) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yields (before, after, true flow, which pixels count), at the stored size, for each of `STEPS`."""
    frames, masks = render_clip(spec), moving_mask(spec)
    height, width = size = stored_size(*frames.shape[1:3], short_side)
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
