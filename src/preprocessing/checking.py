"""Looks at clips: one example before the extraction, and all stored clips after it."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from src.config import ClipConfig
from src.flow import STEPS, ZERO
from src.preprocessing.extraction import extract_clip
from src.progress import progress
from src.store import Clip, read_prepared
from src.video import Excerpt, VideoError

EXAMPLE_CLASSES = 8


@dataclass(frozen=True)
class Example:
    """One clip of a subset, for display: its entries in the table and its extracted `Clip`."""

    video_id: str
    video: Excerpt
    label: str
    clip: Clip


def find_example(subset: pd.DataFrame, config: ClipConfig) -> Example:
    """Extracts the first usable training clip of each class, and returns the one with the fastest mean motion.

    Only the first `EXAMPLE_CLASSES` classes are considered.

    Raises:
        VideoError: no training clip can be used; the message is that of the last one tried.
    """
    config = replace(config, flow_source="store")  # flow is displayed, even if it is not stored
    examples, error = {}, VideoError("A subset needs a training clip to show an example of. Received: none")
    for row in subset[subset.split == "train"].itertuples():
        if row.label in examples or len(examples) == EXAMPLE_CLASSES:
            continue
        try:
            video = Excerpt.of(row)
            examples[row.label] = Example(row.video_id, video, row.label, extract_clip(video, config))
        except (VideoError, cv2.error) as reason:
            error = reason
    if not examples:
        raise error
    return max(examples.values(), key=lambda example: _count_steps(example.clip.stacks).mean())


def check_store(root: str | Path, subset: str | None = None) -> pd.DataFrame:
    """Reads back every clip of a subset, as training will.

    Args:
        root: the folder of the prepared data set.
        subset: its name; None is the one that was prepared last.

    Returns:
        a row per stored clip: video_id, split, label, height, width, num_bytes, `moving` (share of displacement values
        other than zero) and `at_bound` (share clipped at `flow_bound`).

    Raises:
        ValueError: no clip is stored; or clips are broken, and the message lists all of them, each with the reason, and
            says how to mend them.
    """
    table, store = read_prepared(root, subset)
    there = [(store.folder / name).exists() for name in table.clip_name]
    clips, rows, broken = table[there], [], []
    if clips.empty:
        raise ValueError(
            f"{root}: none of the {len(table)} clips is stored. failures.csv there has the reasons of the videos that "
            "failed. Correct them, and run preprocess_data.ipynb again."
        )
    for row in progress(clips.itertuples(), len(clips), "reading back"):
        entries = {"video_id": row.video_id, "split": row.split, "label": row.label}
        defect = store.find_defect(row.clip_name)
        try:
            rows += [] if defect else [entries | _measure(store, row.clip_name)]
        except (ValueError, KeyError, IndexError, TypeError, OSError) as error:
            defect = str(error)
        if defect:
            folder = str(store.folder / row.clip_name)
            broken.append(f"{folder}: {defect.removeprefix(folder + os.sep)}")
    if broken:
        lines = "\n".join(broken)
        raise ValueError(
            f"{root}: {len(broken)} of {len(clips)} clips are broken. Remove their folders, and run "
            f"preprocess_data.ipynb again, which computes them anew:\n{lines}"
        )
    return pd.DataFrame(rows)


def _measure(store, clip):
    segments = range(store.config.num_segments)
    frames = [store.read_frame(clip, segment) for segment in segments]
    steps = _count_steps(np.stack([store.read_stack(clip, segment) for segment in segments]))
    height, width = frames[0].shape[:2]
    return {
        "height": height,
        "width": width,
        "num_bytes": store.num_bytes(clip),
        "moving": float((steps > 0).mean()),
        "at_bound": float((steps >= STEPS - 1).mean()),  # JPEG can change a value by one step
    }


def _count_steps(codes):
    """Absolute displacements in quantization steps."""
    return np.abs(codes.astype(np.int16) - ZERO)
