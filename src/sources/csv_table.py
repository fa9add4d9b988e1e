"""A CSV that lists videos → the annotation table."""

import os
from pathlib import Path, PurePath

import pandas as pd

from src.sources.video_table import (
    SPLIT_NAMES,
    SPLITS,
    check_ids,
    drop_absent,
    drop_repeats,
    in_two_splits,
    make_ids,
    refuse,
    tidy,
)


def read_csv(path: str | Path) -> pd.DataFrame:
    """Reads a CSV with the header path,label[,split][,group][,video_id] into the annotation table.

    Paths are absolute or relative to the CSV's folder. Splits are train, validation (or val, valid) and test, in all
    rows or in none. A clip with an empty group is a group of its own. Where no video_id is given, it is the file's stem
    or, where stems clash, the path, joined by "__".

    Raises:
        ValueError: a column or a value is missing, a split is unknown, a group is in two splits, an id is not a valid
            folder name, or a video is listed twice with different values.
        FileNotFoundError: none of the videos exists.
    """
    path = Path(path)
    table = _read_rows(path)
    folder = os.path.abspath(path.parent)
    # Links are not resolved: that would access every folder of every path.
    table["file"] = [os.path.normpath(os.path.join(folder, listed)) for listed in table["listed"]]
    table["listed"] = table.groupby("file")["listed"].transform("first")  # one spelling for each file
    table = drop_repeats(table, path, "file")
    if "video_id" not in table:
        table["video_id"] = make_ids([PurePath(listed) for listed in table["listed"]])
    check_ids(table["video_id"], path)
    table = drop_repeats(table, path)
    table["group"] = table["group"].where(table["group"].ne(""), table["video_id"])
    refuse(in_two_splits(table, "group"), path, "all clips of a group must be in one split")

    table["path"] = [str(path.parent / listed) for listed in table["listed"]]
    absent = ~table["path"].map(os.path.isfile)
    present = drop_absent(table, absent, "listed", str(path), str(path.parent.resolve()))
    return tidy(present, table["label"], path)


def _read_rows(path: Path) -> pd.DataFrame:
    """The checked rows: columns listed (path as written), label, split, group[, video_id]; the index is the line."""
    try:
        options = {"encoding": "utf-8-sig", "skip_blank_lines": False, "skipinitialspace": True}
        table = pd.read_csv(path, dtype=str, keep_default_na=False, **options)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a CSV in UTF-8: {error}. Quote values that hold a comma.") from None
    table = table.rename(columns=str.strip).apply(lambda cells: cells.str.strip())
    if not {"path", "label"} <= set(table):
        raise ValueError(
            f"{path}: the first line must be path,label[,split][,group][,video_id]. Found: {','.join(table)}."
        )
    if not isinstance(table.index, pd.RangeIndex):  # pandas uses surplus values as the index
        raise ValueError(f"{path}: line 2 has more values than the header. Quote values that hold a comma.")
    table.index += 2
    table = table[table.ne("").any(axis=1)]
    if table.empty:
        raise ValueError(f"{path}: no video is listed. Add a line path,label for each.")
    table = table.reindex(columns=[*table, *({"split", "group"} - set(table))], fill_value="")
    table["split"] = table["split"].str.lower().replace(SPLIT_NAMES)
    empty, given = table[["path", "label"]].eq("").any(axis=1), table["split"].ne("")
    refuse(_lines(table[empty]), path, "path and label must not be empty")
    unknown = table[given & ~table["split"].isin(SPLITS)]
    refuse(_lines(unknown), path, f"split must be one of {', '.join(SPLIT_NAMES)}")
    refuse(_lines(table[~given & given.any()]), path, "either all rows have a split or none has")
    return table.filter(["path", "label", "split", "group", "video_id"]).rename(columns={"path": "listed"})


def _lines(rows: pd.DataFrame) -> list[str]:
    return [f"line {line} ({', '.join(values)})" for line, *values in rows.itertuples()]
