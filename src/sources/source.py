"""Recognises which kind of source a path is, and reads it into the annotation table."""

import os
import textwrap
from numbers import Real
from pathlib import Path

import pandas as pd

from src.files import check_path, expand, plain_name
from src.ownership import read_stamp
from src.printing import COLUMNS
from src.sample import is_sample, write_sample
from src.sources.archive import is_archive_folder
from src.sources.archive_labels import find_label_zip, unpack_labels
from src.sources.class_folders import read_class_folders
from src.sources.csv_table import read_csv
from src.sources.names import counted, few, printable
from src.sources.ssv2 import is_ssv2, read_ssv2
from src.sources.video_table import SPLITS, Reading

MAX_CLASSES = 6  # that are named
NAME_LETTERS = 60  # of a source in the name of its prepared folder
WRAPPING = {"break_long_words": False, "break_on_hyphens": False, "replace_whitespace": False}


def read_source(
    source: str | Path,
    seed: int = 0,
    unpack_to: str | Path | None = None,
    group_pattern: str | None = None,
    frame_rate: float = 25.0,
) -> pd.DataFrame:
    """Reads any source of videos into the annotation table (columns: see `src.sources.video_table`).

    What was understood (classes, splits, groups, what is left aside) is printed.

    Args:
        source: "sample" (first written to datasets/sample if it is missing), an SSv2 download, the archives of an
            SSv2 download (the paths are then those of videos to be extracted, see `src.sources.archive`), a folder with
            one folder of videos per class, or a .csv file. The content of the path decides which kind it is.
        seed: seed of the validation split of an SSv2 download without test answers.
        unpack_to: the folder that the archives of an SSv2 download are unpacked to; None is their own folder.
        group_pattern: regular expression, searched in each path below the source; its first group, or else the match,
            names the group of the clip. None looks for the names of well-known data sets, and for a level of folders.
        frame_rate: of videos that are folders of images, frames/s.

    Raises:
        ValueError: the path is no source, or its content breaks a rule of its reader.
        FileNotFoundError: a label file is missing, or all listed videos are.
    """
    _check_source(source)
    if not (isinstance(frame_rate, Real) and 0 < frame_rate < float("inf")):
        raise ValueError(f"frame_rate must be a positive number of frames/s. Received: {frame_rate!r}")
    if unpack_to is not None:
        check_path(unpack_to, "unpack_to")
    path = expand(write_sample() if source == "sample" else source)
    reading = _read(path, seed, unpack_to, group_pattern, float(frame_rate))
    print(_describe(path, reading))
    return reading.table


def default_output(source: str | Path) -> str:
    """The folder that a source is prepared in, if none is given.

    "datasets/sample-mini" for the sample, "datasets/ssv2-mini" for an SSv2 download, "datasets/NAME-mini" for a folder
    or a CSV called NAME. The source need not exist.
    """
    _check_source(source)
    path = Path(os.path.abspath(expand(source)))
    if source == "sample" or is_sample(path):
        name = "sample"
    elif is_archive_folder(path) or find_label_zip(path) or is_ssv2(path):
        name = "ssv2"
    else:
        name = plain_name(path.stem if path.suffix.lower() == ".csv" else path.name, NAME_LETTERS)
    return f"datasets/{name}-mini"


def _check_source(source: object) -> None:
    if not isinstance(source, str | Path) or not str(source).strip():
        raise ValueError(f'source must be "sample" or the path of a folder or a .csv file. Received: {source!r}')


def _read(path: Path, seed: int, unpack_to: str | Path | None, group_pattern: str | None, frame_rate: float) -> Reading:
    if path.is_file() and path.suffix.lower() == ".csv":
        reading = read_csv(path, group_pattern, frame_rate)
        classes = reading.table["label"].unique()
        if len(classes) < 2:
            raise ValueError(f"{printable(path)}: only one class has videos, {few(classes)}; at least two are needed.")
        return reading
    in_archives = is_archive_folder(path)
    if in_archives or find_label_zip(path):
        unpack_labels(path, unpack_to)
    if in_archives or is_ssv2(path):
        if group_pattern is not None:
            raise ValueError(f"{path}: an SSv2 download has its own splits, so group_pattern must be None.")
        return Reading(read_ssv2(path, seed, in_archives, unpack_to), "an SSv2 download")
    visible = sorted(entry for entry in path.glob("*") if not entry.name.startswith("."))
    folders = [entry for entry in visible if entry.is_dir()]
    if len(folders) == 1 and (is_archive_folder(folders[0]) or is_ssv2(folders[0])):
        raise ValueError(
            f"{printable(path)}: holds an SSv2 download in a folder of its own. Give {printable(folders[0])}."
        )
    stamp = read_stamp(path)
    if stamp:
        raise ValueError(
            f"{printable(path)}: this project wrote this folder ({printable(stamp['kind'])}), so it is no source. Give "
            "the folder of the videos."
        )
    if folders:
        return read_class_folders(path, group_pattern, frame_rate)
    other = "an empty folder" if path.is_dir() else "another file" if path.exists() else "no such path"
    raise ValueError(
        f"{printable(path)}: not a source of videos. Looked for a .csv file, an SSv2 download ("
        "[something-something-v2-]labels.json, here or in labels/) or a folder per class. Found: "
        f"{few(entry.name for entry in visible) or other}. Give the path of one of these."
    )


def _describe(source: str | Path, reading: Reading) -> str:
    """The source's kind, classes, splits and groups, and what is left aside, a line each."""
    table = reading.table
    counts = table["label"].value_counts().sort_index()
    classes = few((f"{label} ({count})" for label, count in counts.items()), MAX_CLASSES)
    lines = [f"{counted(len(table), 'video')} in {counted(len(counts), 'class')}: {classes}"]
    by_split = table["split"].value_counts()
    splits = ", ".join(f"{split} ({by_split[split]})" for split in SPLITS if split in by_split)
    lines.append(f"splits: {splits or 'none; they are drawn by seed and group'}")
    if reading.groups:
        lines.append(f"groups: {reading.groups}")
    spans, frames = table[["start", "end"]].notna().any(axis=1).sum(), table["rate"].notna().sum()
    if spans:
        lines.append(f"parts of longer videos, by start and end: {spans}")
    if frames:
        lines.append(f"folders of images: {frames}, at {table['rate'].max():g} frames/s (frame_rate)")
    lines += [f"left aside: {sentence}" for sentence in reading.left_aside]
    tree = []
    for number, line in enumerate(lines, 1):
        sign, rest = ("├─", "│ ") if number < len(lines) else ("└─", "  ")
        tree += textwrap.wrap(
            line, COLUMNS, initial_indent=f"  {sign} ", subsequent_indent=f"  {rest}     ", **WRAPPING
        )
    return "\n".join([f"{printable(source)}: {printable(reading.kind)}", *tree])
