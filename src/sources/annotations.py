"""An SSv2 download, a folder per class, or a CSV -> one tidy table of videos (columns: see `src.sources.video_table`)."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path, PurePath

import pandas as pd

from src.sample import write_sample
from src.sources.archive import has_label_archive, is_archive_folder, unpack_labels
from src.sources.ssv2 import is_ssv2, read_ssv2
from src.sources.video_table import (
    SPLITS,
    check_ids,
    drop_absent,
    drop_repeats,
    few,
    in_two_splits,
    refuse,
    seeded_keys,
    tidy,
)

SPLIT_NAMES = {name: name for name in SPLITS} | {"val": "validation", "valid": "validation"}
VIDEO_SUFFIXES = (  # in any case
    ".mp4",
    ".avi",
    ".mov",
    ".mkv",
    ".webm",
    ".m4v",
    ".mpg",
    ".mpeg",
    ".wmv",
    ".flv",
    ".ts",
    ".3gp",
    ".gif",
)
SAMPLE_FOLDER = Path("datasets/sample")


def read_source(source: str | Path, seed: int = 0) -> pd.DataFrame:
    """Read any source of videos into the annotation table.

    Args:
        source: "sample" (written first where it is not there yet), an SSv2 download, its archives as they
            were downloaded (the paths are then those of videos yet to be extracted, see `src.sources.archive`), a folder
            with one folder per class, or a .csv file. The kind is recognised by what is there.
        seed: draws the validation part where an SSv2 download has no test answers.

    Raises:
        ValueError: nothing readable is there, or what is there breaks a rule of its reader.
        FileNotFoundError: a label file, or every listed video, is missing.
    """
    path = Path(write_sample(SAMPLE_FOLDER) if source == "sample" else source).expanduser()
    if path.is_file() and path.suffix.lower() == ".csv":
        return read_csv(path)
    in_archives = is_archive_folder(path)
    if in_archives or has_label_archive(path):
        unpack_labels(path)
    if in_archives or is_ssv2(path):
        return read_ssv2(path, seed, keep_absent=in_archives)
    visible = sorted(entry for entry in path.glob("*") if not entry.name.startswith("."))
    if any(entry.is_dir() for entry in visible):
        return read_class_folders(path)
    other = "an empty folder" if path.is_dir() else "another file" if path.exists() else "no such path"
    raise ValueError(
        f"{path}: no source of videos. Looked for a .csv file, an SSv2 download ([something-something-v2-]"
        "labels.json, here or in labels/) or a folder per class. Found: "
        f"{few(entry.name for entry in visible) or other}. Give the path of one of these."
    )


def read_class_folders(folder: str | Path) -> pd.DataFrame:
    """Read a folder with one folder of videos per class, at any depth, into the annotation table.

    Where the videos lie in train/<class>/, validation/<class>/ (or val, valid) and test/<class>/, these are
    the splits; else split is "". Hidden files and folders are passed over. The video_id is the file's stem,
    and where that is not unique the path below `folder`, joined by "__".

    Raises:
        ValueError: no class folder holds a video.
    """
    folder = Path(folder)
    files, folders = _walk(folder)
    videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES and len(path.parts) > 1]
    tops = {path.parts[0].lower() for path in videos}
    has_splits = tops <= SPLIT_NAMES.keys() and any(len(path.parts) > 2 for path in videos)
    depth = 1 if has_splits else 0  # where the class name stands in a path
    videos = [path for path in videos if len(path.parts) > depth + 1]
    if not videos:
        raise ValueError(
            f"{folder}: no class folder holds a video. Looked for <class>/<video> ending in "
            f"{' '.join(VIDEO_SUFFIXES)}; found the folders {few(folders) or '(none)'} and {len(files)} "
            "files. Give a folder with one folder of videos per class."
        )
    others = sorted(set(files) - set(videos))
    if others:
        message = f"{len(others)} files in {folder} are not videos of a class: {few(others)}."
        warnings.warn(f"{message} They are ignored.", stacklevel=2)
    table = pd.DataFrame(
        {
            "video_id": _make_ids(videos),
            "path": [str(folder / path) for path in videos],
            "label": [path.parts[depth] for path in videos],
            "split": [SPLIT_NAMES[path.parts[0].lower()] if has_splits else "" for path in videos],
        }
    )
    classes = {path.name for path in folders if len(path.parts) == depth + 1}
    return tidy(table, classes, folder)


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read a CSV with the header path,label[,split][,group][,video_id] into the annotation table.

    Paths are absolute or relative to the CSV's folder. Splits are train, validation (or val, valid) and
    test, in all rows or in none. A clip with an empty group is a group of its own. The video_id, where it
    is not given, is the file's stem, and where that is not unique the path, joined by "__".

    Raises:
        ValueError: a column or a value is missing, a split is unknown, a group is in two splits, an id is
            bad, or one video is listed with different values.
        FileNotFoundError: none of the videos is there.
    """
    path = Path(path)
    table = _read_rows(path)
    folder = os.path.abspath(path.parent)
    # To resolve links too would ask the disk about every folder of every path.
    table["file"] = [os.path.normpath(os.path.join(folder, listed)) for listed in table["listed"]]
    table["listed"] = table.groupby("file")["listed"].transform("first")  # one spelling for each file
    table = drop_repeats(table, path, "file")
    if "video_id" not in table:
        table["video_id"] = _make_ids([PurePath(listed) for listed in table["listed"]])
    check_ids(table["video_id"], path)
    table = drop_repeats(table, path)
    table["group"] = table["group"].where(table["group"].ne(""), table["video_id"])
    refuse(in_two_splits(table, "group"), path, "all clips of a group must be in one split")

    table["path"] = [str(path.parent / listed) for listed in table["listed"]]
    absent = ~table["path"].map(os.path.isfile)
    present = drop_absent(table, absent, "listed", str(path), str(path.parent.resolve()))
    return tidy(present, table["label"], path)


def _walk(folder: Path) -> tuple[list[Path], list[Path]]:
    """All visible files and all visible folders below `folder`, relative to it."""
    files, folders = [], []
    for place, folder_names, file_names in os.walk(folder, followlinks=True):
        folder_names[:] = sorted(name for name in folder_names if not name.startswith("."))
        here = Path(place).relative_to(folder)
        folders += [here / name for name in folder_names]
        files += [here / name for name in sorted(file_names) if not name.startswith(".")]
    return files, folders


def _make_ids(paths: Sequence[PurePath]) -> list[str]:
    """Unique ids: the stem; where shared, the joined path; then with its ending; at last with a hash."""

    def joined(path: PurePath) -> str:
        names = [*path.relative_to(path.anchor).parent.parts, path.stem]
        return "__".join(name for name in names if name != "..")

    def with_ending(path: PurePath) -> str:
        return f"{joined(path)}__{path.suffix[1:]}"

    def with_hash(path: PurePath) -> str:
        return f"{with_ending(path)}__{seeded_keys([path], 0)[0]}"

    ids = pd.Series("", index=range(len(paths)), dtype=str)
    for make_id in (lambda path: path.stem, joined, with_ending, with_hash):
        # Some file systems do not tell A from a, and refuse these characters, and dots or spaces at the end.
        clash = ids.str.casefold().duplicated(keep=False) | ids.eq("")
        names = pd.Series([make_id(paths[place]) for place in ids.index[clash]], ids.index[clash], dtype=str)
        usable = names.str.replace(r'[<>:"|?*/\\\x00-\x1f]|\.\.+', "_", regex=True)
        ids[clash] = usable.str.strip(". ")
    return ids.tolist()


def _read_rows(path: Path) -> pd.DataFrame:
    """Columns listed (path as written), label, split, group[, video_id], checked; the index is the line."""
    try:
        table = pd.read_csv(
            path,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            skip_blank_lines=False,
            skipinitialspace=True,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a CSV in UTF-8: {error}. Quote values that hold a comma.") from None
    table = table.rename(columns=str.strip).apply(lambda cells: cells.str.strip())
    if not {"path", "label"} <= set(table):
        raise ValueError(
            f"{path}: the first line must be path,label[,split][,group][,video_id]. Found: {','.join(table)}."
        )
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes surplus values in front for an index
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
