"""Baselines without a network: statistics of flow and of frames, classified by extremely randomized trees in seconds.

What they score, a network of the same input should exceed.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier

from src.flow import dequantize_flow, unstack_flow
from src.store import ClipStore

FLOW_STATISTICS, FRAME_STATISTICS = "flow statistics", "frame statistics"
BASELINE_OF = {"spatial": (FRAME_STATISTICS,), "temporal": (FLOW_STATISTICS,)}  # of the same input
BASELINE_OF["fused"] = (FRAME_STATISTICS, FLOW_STATISTICS)
TREES, TREES_AT_ONCE = 500, 20  # all trees of 10,000 clips of 174 classes would take 12 GB
MOST_CLIPS = 10_000  # to train on; of larger data sets as many are drawn
CELLS = 4  # of the grid, in each direction
STEP = 2  # pixels: statistics take every second one in each direction, for four times the speed
SPEED_BINS = np.array([0, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, np.inf])  # px/frame
COLOUR_BINS = [np.linspace(0, 256, 5)] * 3
MAJORITY = "the majority class"
REASONS = {
    MAJORITY: "the most frequent training class, whatever the clip shows, is right more often.",
    "spatial": "a single frame's colours and edges tell more than the network has learned from it.",
    "temporal": "simple measures of motion tell more than the network has learned from the same flow.",
    "fused": "do not rely on these networks before this has changed.",
}


def baseline_scores(
    clips: pd.DataFrame, store: ClipStore, class_names: list[str], splits: Iterable[str], seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """Scores of two baselines that need no network, trained on the training clips, at most 10,000 random ones.

    They are classified by 500 extremely randomized trees (Geurts et al. 2006) with balanced class weights: the
    `flow_statistics` of all segments in order, and the mean of their `frame_statistics`, as the spatial stream averages
    frames. Frames in order would tell motion, too.

    Args:
        clips, store, class_names: from `src.inputs.read_clips`.
        splits: which splits to score, such as ("validation", "test").
        seed: seed of the trees, and of the draw.

    Returns:
        split → {"flow statistics", "frame statistics"}: float32 (N, C), a row per clip of the split in the order of
        `clips`; rows sum to 1. A class without training clips scores 0.
    """
    train = clips[clips.split == "train"]
    train = train.sample(MOST_CLIPS, random_state=seed) if len(train) > MOST_CLIPS else train
    scores = {split: {} for split in splits}
    for name, describe in ((FLOW_STATISTICS, _describe_flow), (FRAME_STATISTICS, _describe_frames)):
        known = _read_statistics(train, store, describe)
        asked = {split: _read_statistics(clips[clips.split == split], store, describe) for split in splits}
        sums = _sum_trees(known, train.class_index, asked, len(class_names), seed)
        for split, values in sums.items():
            scores[split][name] = (values / TREES).astype(np.float32)
    return scores


def flow_statistics(flow: np.ndarray) -> np.ndarray:
    """Statistics of the flow of a segment.

    Args:
        flow: float32 (L, H, W, 2), px/frame.

    Returns:
        float32 (97 + 3L,): on a grid of 4 × 4 cells the means of u, v and speed over time and the standard deviation
        of speed over time; means of u, v and speed of each field; the quantiles 0.5, 0.75, 0.9 and 0.99 of speed;
        spatial standard deviations of u and v; a histogram of speed in 9 logarithmic bins; how fast speed changes, on
        the grid; mean divergence, which tells zooms apart, and mean curl.
    """
    speed = np.hypot(flow[..., 0], flow[..., 1])
    mean = flow.mean(axis=0)
    maps = np.stack([mean[..., 0], mean[..., 1], speed.mean(axis=0), speed.std(axis=0)], axis=-1)
    cells = _grid(mean, CELLS * 4)
    (v_down, u_down), (v_right, u_right) = (np.moveaxis(np.gradient(cells, axis=axis), -1, 0)[::-1] for axis in (0, 1))
    change = np.abs(np.diff(speed, axis=0)).sum(axis=0) / max(len(speed) - 1, 1)
    parts = [
        _grid(maps, CELLS),
        flow.mean(axis=(1, 2)),
        speed.mean(axis=(1, 2)),
        np.quantile(speed, (0.5, 0.75, 0.9, 0.99)),
        flow.std(axis=(1, 2)).mean(axis=0),
        np.histogram(speed, SPEED_BINS)[0] / speed.size,
        _grid(change, CELLS),
        [(u_right + v_down).mean(), (v_right - u_down).mean()],
    ]
    return np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)


def frame_statistics(frame: np.ndarray) -> np.ndarray:
    """Statistics of a frame, uint8 (H, W, 3), RGB.

    Returns:
        float32 (144,): on a grid of 4 × 4 cells the mean colour and the mean absolute gradients of brightness along x
        and y, 0 … 1; and a histogram of colour of 4 × 4 × 4 bins.
    """
    pixels = frame.astype(np.float32) / 255
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    gradients = np.stack([np.abs(cv2.Sobel(grey, -1, *order)) for order in ((1, 0), (0, 1))], axis=-1)
    sample = frame[::STEP, ::STEP].reshape(-1, 3)
    colours = np.histogramdd(sample, COLOUR_BINS)[0] / len(sample)
    parts = (_grid(pixels, CELLS), _grid(gradients, CELLS), colours)
    return np.concatenate([part.ravel() for part in parts]).astype(np.float32)


def describe_baselines(entry: dict) -> str:
    """Names in a sentence each stream whose accuracy is below that of its baseline.

    The spatial stream is compared with frame statistics, the temporal stream with flow statistics, the fusion with
    both, and each of them with the majority class.

    Args:
        entry: a split of metrics.json with "baselines", from `src.metrics.evaluate_split`.

    Returns:
        Such as "The temporal stream (0.41) is below flow statistics (0.66): …"; a sentence for each stream below, or
        one that says that there is none.
    """
    sentences = []
    for stream, names in BASELINE_OF.items():
        bars = {name: entry["baselines"][name]["top1"] for name in names} | {MAJORITY: entry["majority_class"]}
        best = max(bars, key=bars.get)
        if entry[stream]["top1"] < bars[best]:
            subject = "The fusion" if stream == "fused" else f"The {stream} stream"
            sentences.append(
                f"{subject} ({entry[stream]['top1']:.2f}) is below {best} ({bars[best]:.2f}): "
                f"{REASONS.get(best, REASONS[stream])}"
            )
    return " ".join(sentences) or "Both streams and their fusion are at least as accurate as their baselines."


def _describe_flow(store, name):
    stacks = (store.read_stack(name, segment)[::STEP, ::STEP] for segment in range(store.config.num_segments))
    flows = (dequantize_flow(unstack_flow(stack), store.config.flow_bound) for stack in stacks)
    return np.concatenate([flow_statistics(flow) for flow in flows])


def _describe_frames(store, name):
    frames = (store.read_frame(name, segment) for segment in range(store.config.num_segments))
    return np.mean([frame_statistics(frame) for frame in frames], axis=0)


def _read_statistics(clips: pd.DataFrame, store: ClipStore, describe: Callable) -> np.ndarray:
    """float32 (N, statistics), a row per clip."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return np.stack(list(threads.map(lambda name: describe(store, name), clips.clip_name)))


def _sum_trees(known, labels, asked, num_classes, seed):
    """Sums of the scores of all trees for each of `asked`; a few trees are in memory at a time."""
    sums = {name: np.zeros((len(values), num_classes)) for name, values in asked.items()}
    state = np.random.RandomState(seed)  # shared, so that the trees are those of a single forest
    for _ in range(TREES // TREES_AT_ONCE):
        forest = ExtraTreesClassifier(TREES_AT_ONCE, class_weight="balanced", n_jobs=-1, random_state=state)
        forest.fit(known, labels)
        for name, values in asked.items():
            sums[name][:, forest.classes_] += TREES_AT_ONCE * forest.predict_proba(values)
    return sums


def _grid(values, cells):
    """Means over a grid of cells × cells: float32 (H, W) or (H, W, up to 4) → the same with cells × cells."""
    return cv2.resize(values, (cells, cells), interpolation=cv2.INTER_AREA)
