"""Looks at all stored clips after the extraction: what was measured on each, and which are the worst."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from src.flow import STEPS, ZERO
from src.progress import progress
from src.store import read_prepared


def _write_share(share):
    """A share in percent, so that a small one does not read as none."""
    if 0 < share < 0.0005:
        return "< 0.1%"
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"


CHECKS = {  # column of `check_store`: which end is worst, how it is written, the limit, what to do beyond it
    "at_bound": ("largest", _write_share, 0.01, "raise flow_bound"),
    "moving": ("smallest", _write_share, 0.05, "hardly moves: is it the right part of the video?"),
    "repeated": ("largest", _write_share, 0.25, "repeats frames, which are skipped: was its frame rate raised?"),
    "overlap": ("largest", _write_share, 0.5, "short for its windows: lower num_segments or flow_length"),
    "brightness": ("smallest", "{:.0f} of 255".format, 30, "dark: can one see what happens?"),
}


def check_store(root: str | Path, subset: str | None = None) -> pd.DataFrame:
    """Reads back every clip of a subset, as training will.

    Args:
        root: the folder of the prepared data set.
        subset: its name; None is the one that was prepared last.

    Returns:
        a row per stored clip: video_id, split, label, height, width, num_bytes, and of its segments: `moving` (share of
        displacement values other than zero), `at_bound` (share clipped at `flow_bound`), `repeated` (share of frames
        that repeat the one before them, and were skipped), `overlap` (share of a window's frames that the windows
        before it have, too, or that the clip lacks) and `brightness` (mean of the frames, 0 to 255).

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
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = threads.map(partial(_read_back, store), clips.clip_name)
        for row, facts in zip(clips.itertuples(), progress(found, len(clips), "reading back"), strict=True):
            if isinstance(facts, dict):
                rows.append({"video_id": row.video_id, "split": row.split, "label": row.label} | facts)
            else:
                folder = str(store.folder / row.clip_name)
                broken.append(f"{folder}: {facts.removeprefix(folder + os.sep)}")
    if broken:
        lines = "\n".join(broken)
        raise ValueError(
            f"{root}: {len(broken)} of {len(clips)} clips are broken. Remove their folders, and run "
            f"preprocess_data.ipynb again, which computes them anew:\n{lines}"
        )
    return pd.DataFrame(rows)


def find_worst(check: pd.DataFrame, count: int = 2) -> pd.DataFrame:
    """The clips that are worst by each check, whether good or bad.

    Args:
        check: from `check_store`.
        count: clips of each check.

    Returns:
        a row per check and clip, the worst first: `check`, `video_id`, `label`, `split`, `value` and `verdict`, which
        is "fine" or says what to do; value and verdict are texts.
    """
    tables = []
    for name, (end, write, limit, advice) in CHECKS.items():
        sign = 1 if end == "largest" else -1
        worst = check.loc[(-sign * check[name]).sort_values(kind="stable").index[:count]]
        verdicts = [advice if sign * value > sign * limit else "fine" for value in worst[name]]
        table = worst[["video_id", "label", "split"]].assign(value=worst[name].map(write), verdict=verdicts)
        table.insert(0, "check", f"{end} {name}")
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _read_back(store, clip) -> dict | str:
    """What was measured on a clip, or why it is broken."""
    try:
        return store.find_defect(clip) or _measure(store, clip)
    except (ValueError, KeyError, IndexError, TypeError, OSError) as error:
        return str(error)


def _measure(store, clip):
    segments = range(store.config.num_segments)
    frames = [store.read_frame(clip, segment) for segment in segments]
    steps, counts = _count_codes(store.read_stack(clip, segment) for segment in segments)
    height, width = frames[0].shape[:2]
    windows, length = store.read_info(clip)["indices"], store.config.window_length
    spanned = sum(window[-1] - window[0] + 1 for window in windows)
    return {
        "height": height,
        "width": width,
        "num_bytes": store.num_bytes(clip),
        "moving": float(counts[steps > 0].sum() / counts.sum()),
        "at_bound": float(counts[steps >= STEPS - 1].sum() / counts.sum()),  # JPEG can change a value by one step
        "repeated": 1 - sum(map(len, windows)) / spanned,
        "overlap": 1 - len({index for window in windows for index in window}) / (length * len(windows)),
        "brightness": float(np.mean(frames)),
    }


def _count_codes(stacks):
    """(absolute displacement of each code in quantization steps, how often the code occurs in the stacks): (256,)."""
    counts = [cv2.calcHist([stack.reshape(-1, 1)], [0], None, [256], [0, 256]).ravel() for stack in stacks]
    return np.abs(np.arange(256) - ZERO), np.sum(counts, axis=0, dtype=int)
