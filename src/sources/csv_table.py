"""A CSV that lists videos → the annotation table."""

import os
import warnings
from collections.abc import Iterable
from pathlib import Path, PurePath

import pandas as pd

from src.files import expand
from src.sources.class_folders import describe_copies, fill_groups, tell, without_suffix
from src.sources.csv_text import read_cells
from src.sources.groups import find_groups, separate_splits
from src.sources.locating import Locator, identity
from src.sources.names import counted, few, make_id, name_splits, nfc, printable
from src.sources.spans import name_span, read_spans, warn_of_overlaps
from src.sources.video_table import (
    OBJECTS,
    SPLITS,
    Reading,
    check_ids,
    compose_labels,
    drop_repeats,
    in_two_splits,
    refuse,
    tidy,
)

HEADER = "path,label[,split][,group][,video_id][,start,end][,objects]"
COLUMNS_READ = ("listed", "label", "split", "group", "start", "end", "video_id", OBJECTS)


def read_csv(path: str | Path, group_pattern: str | None = None, frame_rate: float = 25.0) -> Reading:
    """Reads a CSV, header path,label[,split][,group][,video_id][,start,end][,objects], into the annotation table.

    Paths of video files or of folders of images are absolute or relative to the CSV's folder. Splits are train,
    validation and test (or names such as val, see `name_splits`), in all rows or in none. `start` and `end` are
    seconds. `objects` are the things in the clip, with ; between them.
    Where no video_id is given, it is made of the listed path and the span (see `make_id`). If no row has a group,
    groups are found in the file names; otherwise a clip with an empty group is a group of its own.

    Args:
        path: the CSV.
        group_pattern: see `src.sources.groups.find_groups`.
        frame_rate: of folders of images, frames/s.

    Raises:
        ValueError: a column or a value is missing or invalid, a split is unknown, a group is in two splits, an id
            is not a valid folder name, or a video is listed twice with different values.
        FileNotFoundError: none of the videos exists.
    """
    path = expand(path)
    table = _read_rows(path)
    unused = [name for name in table if name not in COLUMNS_READ]
    left_aside = [f"{counted(len(unused), 'column')} not read: {few(unused)}"] if unused else []
    objects = table.get(OBJECTS, pd.Series("", table.index, name=OBJECTS))
    table = _locate(table.drop(columns=[*unused, OBJECTS], errors="ignore"), path)
    table = drop_repeats(table, path, "clip").drop(columns="clip")
    paths = table["listed"].map(PurePath)
    if "video_id" not in table:
        spans = table[["start", "end"]].itertuples(index=False)
        table["video_id"] = [make_id(listed, name_span(*span)) for listed, span in zip(paths, spans, strict=True)]
    check_ids(table["video_id"], path)
    table, classes = drop_repeats(table, path), table["label"]
    table = table[table["path"].ne("")].copy()
    paths = paths[table.index]
    how = _find_groups(table, paths, path, group_pattern)
    warn_of_overlaps(table, path)
    table["rate"] = pd.Series(float(frame_rate), index=table.index).where(table["path"].map(os.path.isdir))
    return Reading(tidy(table.join(objects), classes, path), "a CSV", how, left_aside)


def _read_rows(path: Path) -> pd.DataFrame:
    """The checked rows: listed (the path), label, split, group, start, end[, video_id]; the index is the line."""
    table = read_cells(path)
    if not {"path", "label"} <= set(table):
        raise ValueError(f"{printable(path)}: the first line must be {HEADER}. Found: {printable(','.join(table))}.")
    written = table["path"]
    table = table.apply(lambda cells: cells.str.strip())
    table = table[table.ne("").any(axis=1)]
    if table.empty:
        raise ValueError(f"{printable(path)}: no video is listed. Add a line path,label for each.")
    table = table.reindex(columns=[*table, *({"split", "group"} - set(table))], fill_value="")
    empty, given = table[["path", "label"]].eq("").any(axis=1), table["split"].ne("")
    refuse(_lines(table[empty]), path, "path and label must not be empty")
    splits = table["split"].map(name_splits(table["split"].unique(), exact=True))
    refuse(
        _lines(table[given & splits.isna()]), path, f"split must be one of {', '.join(SPLITS)}, or val, dev, testing …"
    )
    refuse(_lines(table[~given & given.any()]), path, "either all rows have a split or none has")
    table["split"] = splits.where(given, "")
    table["label"], table["group"] = compose_labels(table["label"], path), table["group"].map(nfc)
    table[["start", "end"]] = read_spans(table, path)
    table["path"] = written  # names may begin or end with a space
    return table.rename(columns={"path": "listed"})


def _locate(table: pd.DataFrame, source: Path) -> pd.DataFrame:
    """Adds `path` ("" if absent), `file` and `clip`, equal for one file and one clip.

    `listed` becomes the normal path below the CSV's folder; of several names of one file it is the first in order.
    """
    locator = Locator(source.parent)
    found = {listed: locator.find(listed) for listed in table["listed"].unique()}
    absent = table[[not found[listed].path for listed in table["listed"]]]
    _warn_of_absent(table, absent, found, source)
    changed = {listed: place.change for listed, place in found.items() if place.change}
    for change in sorted(set(changed.values())):
        names = [listed for listed in changed if changed[listed] == change]
        message = f"{counted(len(names), 'path')} not written as on disk, but found: {change}, such as {few(names[:1])}"
        warnings.warn(f"{printable(source)}: {message}.", stacklevel=4)
    places = {listed: place.path for listed, place in found.items()}
    table["path"] = table["listed"].map(places)
    files = {place: identity(place) if place else "" for place in set(places.values())}
    table["file"] = [files[places[listed]] or listed for listed in table["listed"]]
    table["listed"] = [_normal(listed, places[listed], source.parent) for listed in table["listed"]]
    first = table.sort_values("listed").groupby("file", sort=False)
    table["path"], table["listed"] = first["path"].transform("first"), first["listed"].transform("first")
    spans = zip(table["start"], table["end"], strict=True)
    table["clip"] = [
        " ".join([name, name_span(*span)]).strip() for name, span in zip(table["listed"], spans, strict=True)
    ]
    return table


def _normal(listed: str, place: str, folder: Path) -> str:
    """A path as ids name it: relative to the CSV's folder, but absolute if it is listed so and lies elsewhere."""
    absolute = os.path.abspath(place or folder / listed)
    relative = os.path.relpath(absolute, os.path.abspath(folder))
    return absolute if relative.startswith("..") and os.path.isabs(expand(listed)) else relative


def _warn_of_absent(table: pd.DataFrame, absent: pd.DataFrame, found: dict, source: Path) -> None:
    """Says how many videos are not found, and for each reason an example and what to do."""
    if absent.empty:
        return
    reasons: dict[str, list[str]] = {}
    for listed in absent["listed"]:
        place = found[listed]
        reasons.setdefault(place.reason, []).append(repr(listed) + (f" ({place.detail})" if place.detail else ""))
    parts = []
    for reason, names in reasons.items():
        number = f" ({len(names)} videos)" if len(names) > 1 else ""
        parts.append(f"{reason}, such as {few(names[:1])}{number}")
    folder = printable(source.parent.resolve())
    message = (
        f"{len(absent)} of {len(table)} videos listed in {printable(source)} are not in {folder}: {'; '.join(parts)}"
    )
    if len(absent) == len(table):
        raise FileNotFoundError(f"{message}. Correct the paths, or move the videos there.")
    warnings.warn(f"{message}. They are left out.", stacklevel=5)


def _find_groups(table: pd.DataFrame, paths: pd.Series, source: Path, pattern: str | None) -> str:
    """Fills the column `group`; returns how, in words."""
    if table["group"].ne("").any():
        how = f"{table['group'].replace('', pd.NA).nunique()}, in the column group"
        how += "; group_pattern is not used" if pattern is not None else ""
        is_recognised = False
    else:
        grouping = find_groups(paths, table["label"], pattern=pattern)
        table["group"], how, is_recognised = grouping.groups, grouping.how, pattern is None
    tell(describe_copies(paths))
    table["group"] = fill_groups(table["group"].tolist(), paths)
    names = table.assign(name=[str(without_suffix(path)) for path in paths])
    pairs = names[["name", "group"]].drop_duplicates()
    several = pairs.loc[pairs["name"].duplicated(), "name"]
    refuse(_quote(several), source, "all clips of a file, and of its transcoded copy, must be in one group")
    copies = in_two_splits(names, "name")
    refuse(_quote(copies), source, "all clips of a file, and of its transcoded copy, must be in one split")
    if is_recognised:
        tell(separate_splits(table))
    refuse(in_two_splits(table, "group"), source, "all clips of a group must be in one split")
    return how


def _quote(names: Iterable[str]) -> list[str]:
    return [repr(name) for name in names]


def _lines(rows: pd.DataFrame) -> list[str]:
    return [f"line {line} ({', '.join(values)})" for line, *values in rows.itertuples()]
