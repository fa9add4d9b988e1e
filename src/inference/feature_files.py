"""A folder of exported features: NumPy files that can be read without this project, and a table of their rows.

```
<folder>/two-stream.json       stamp: this project writes here (see `src.ownership`)
<folder>/features.json         the run, the digest of its weights, and how clips were extracted and cropped
<folder>/part_00000.npz …      the features of at most `PART_CLIPS` clips:
    spatial, temporal              float32 (N, S, F), S segments of each clip in order of time; F may differ
    frame                          int64 (N, S), middle frame of each segment's window, counted from the clip's start
    video_id, label, split, path   text (N,); "" where there is none
    start, end                     float64 (N,), seconds: the part of the file that is the clip; NaN is all of it
    weights                        text, the digest
<folder>/table.csv             a row per clip: the same texts and times, part, row (of its arrays), frames
<folder>/failures.csv          videos that could not be used: video_id, path, reason
```
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from src.config import STREAMS
from src.files import atomic_path, expand, open_arrays, write_text

PART_CLIPS = 64  # whose features are in memory; an export that is killed computes at most so many again
TEXTS = ("video_id", "label", "split", "path")
ROW = (*TEXTS, "start", "end")  # columns that say which clip it is


def write_part(folder: Path, clips: Sequence[tuple[object, dict[str, np.ndarray]]], weights: str) -> None:
    """Writes the next part, from (row of the annotation table, {"spatial", "temporal", "frame"}) of each clip."""
    rows, features = zip(*clips, strict=True)
    parts = _list_parts(folder)
    number = int(parts[-1].stem.removeprefix("part_")) + 1 if parts else 0
    arrays = {name: np.stack([clip[name] for clip in features]) for name in (*STREAMS, "frame")}
    arrays |= {name: np.array([getattr(row, name) for row in rows], str) for name in TEXTS}
    arrays |= {name: np.array([getattr(row, name) for row in rows], float) for name in ("start", "end")}
    with atomic_path(folder / f"part_{number:05}.npz") as temporary:
        np.savez(temporary, **arrays, weights=np.array(weights))


def read_table(folder: Path) -> pd.DataFrame:
    """The rows of all parts, without their features: the columns of table.csv."""
    tables = []
    for path in _list_parts(folder):
        with _open(path) as part:
            table = pd.DataFrame({name: part[name] for name in ROW})
            frames = [" ".join(map(str, places)) for places in part["frame"]]
        tables.append(table.assign(part=path.name, row=range(len(table)), frames=frames))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*ROW, "part", "row", "frames"])


def write_table(folder: Path, failures: Sequence[tuple[str, str, str]]) -> None:
    """Writes table.csv, from the parts, and failures.csv."""
    write_text(folder / "table.csv", read_table(folder).to_csv(index=False))
    failed = pd.DataFrame(failures, columns=["video_id", "path", "reason"])
    write_text(folder / "failures.csv", failed.to_csv(index=False))


def read_features(folder: str | Path) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Reads what `export_features` wrote, all of it into memory.

    Returns:
        (table, features): a row per clip, with the columns of table.csv; {"spatial", "temporal"}: float32 (N, S, F), a
        row per clip in the order of the table, the segments in order of time.

    Raises:
        FileNotFoundError: the folder holds no features.
        ValueError: a part is damaged.
    """
    folder = expand(folder)
    if not _list_parts(folder):
        raise FileNotFoundError(f"{folder}: must be a folder of exported features, but has no part_*.npz.")
    features = {stream: [] for stream in STREAMS}
    for path in _list_parts(folder):
        with _open(path) as part:
            for stream in STREAMS:
                features[stream].append(part[stream])
    return read_table(folder), {stream: np.concatenate(parts) for stream, parts in features.items()}


def _list_parts(folder):
    return sorted(folder.glob("part_*.npz"))


def _open(path):
    return open_arrays(path, "exported features", "Remove it, and export the features again.")
