"""Clips that are parts of long videos: their start and end in seconds."""

import math
import warnings
from pathlib import Path

import pandas as pd

from src.sources.names import counted, few, printable
from src.sources.video_table import COLUMNS, refuse, seeded_keys


def read_spans(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The columns start and end as seconds, float; NaN is the start or the end of the file.

    Raises:
        ValueError: a value is not a number from 0, or an end is not after its start; `path` is the CSV.
    """
    written = table.reindex(columns=["start", "end"], fill_value="")
    spans = written.apply(lambda cells: pd.to_numeric(cells.replace("", "nan"), errors="coerce")).astype(float)
    spans = spans.mask(spans.isin([math.inf, -math.inf]))
    is_wrong = (written.ne("") & (spans.isna() | spans.lt(0))).any(axis=1) | spans["end"].le(spans["start"].fillna(0))
    bad = [f"line {line} ({start}, {end})" for line, start, end in written[is_wrong].itertuples()]
    refuse(bad, path, "start and end must be empty or seconds from 0 (such as 3.5), and end must be after start")
    spans["start"] = spans["start"].mask(spans["start"].eq(0) & spans["end"].isna())  # the whole file
    return spans


def name_span(start: float, end: float) -> str:
    """A span in a video id: 3.5-7.25, 0-7.25, 3.5-end; "" for a whole file."""
    if math.isnan(start) and math.isnan(end):
        return ""
    return f"{_seconds(0 if math.isnan(start) else start)}-{'end' if math.isnan(end) else _seconds(end)}"


def warn_of_overlaps(table: pd.DataFrame, source: Path) -> None:
    """Warns of clips of one file with different labels that share a part of it; `table` has a column `file`."""
    overlaps, latest, file = [], {}, -1  # latest: end of what was seen so far of this file, by label
    clips = table.assign(file=pd.factorize(table["file"])[0], start=table["start"].fillna(0))
    clips = clips.fillna({"end": math.inf}).sort_values(["file", "start"])
    for row in clips[["file", "listed", "label", "start", "end"]].itertuples():
        latest = latest if row.file == file else {}
        file = row.file
        if any(end > row.start for label, end in latest.items() if label != row.label):
            overlaps.append(f"{row.listed} at {_seconds(row.start)} s")
        latest[row.label] = max(latest.get(row.label, 0), row.end)
    if overlaps:
        warnings.warn(
            f"{counted(len(overlaps), 'clip')} in {printable(source)} overlapping with another label in the same file: "
            f"{few(overlaps)}. The same frames then have two labels.",
            stacklevel=3,
        )


def add_background_clips(
    table: pd.DataFrame, label: str = "background", seconds: float = 2.0, seed: int = 0
) -> pd.DataFrame:
    """Adds clips of the class `label` from between the annotated clips of long videos.

    Each gap of at least `seconds` before, or between, the clips of a file gives one clip, at a place drawn by seed and
    file. What lies after the last clip is not used, because no file is opened to learn its length.

    Args:
        table: the annotation table.
        label: the class of the new clips.
        seconds: their length.
        seed: draws the place within a gap.

    Returns:
        The table with the new rows, sorted, with `class_index` in alphabetical order of the labels.

    Raises:
        ValueError: `seconds` is not positive, or no gap is long enough.
    """
    if not (isinstance(seconds, int | float) and 0 < seconds < math.inf):
        raise ValueError(f"seconds must be a positive number. Received: {seconds!r}")
    new = []
    for path, rows in table.groupby("path", sort=False):
        if rows[["start", "end"]].isna().all(axis=1).any():
            continue  # all of the file is a clip
        reached = 0.0
        for row in rows.assign(start=rows["start"].fillna(0)).sort_values("start").itertuples():
            if row.start - reached >= seconds:
                new.append(_draw_clip(rows.iloc[0], path, reached, row.start, label, seconds, seed))
            reached = max(reached, math.inf if math.isnan(row.end) else row.end)
    if not new:
        raise ValueError(f"No gap of {seconds} s between the clips of a file. Give a smaller number of seconds.")
    table = pd.concat([table, pd.DataFrame(new, columns=COLUMNS)], ignore_index=True)
    index = {name: number for number, name in enumerate(sorted(table["label"].unique()))}
    table["class_index"] = table["label"].map(index)
    return table.sort_values(["label", "video_id"], ignore_index=True)


def _draw_clip(row, path: str, begin: float, end: float, label: str, seconds: float, seed: int) -> dict:
    share = int(seeded_keys([f"{path} {begin}"], seed)[0], 16) / 2**64
    start = round(begin + share * (end - begin - seconds), 3)
    span = (start, round(start + seconds, 3))
    name = row["video_id"].removesuffix(f"__{name_span(row['start'], row['end'])}")
    values = {"video_id": f"{name}__{name_span(*span)}", "label": label, "start": span[0], "end": span[1]}
    return row.to_dict() | values


def _seconds(value: float) -> str:
    return repr(float(value)).removesuffix(".0")
