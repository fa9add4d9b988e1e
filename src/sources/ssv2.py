"""An SSv2 download (Goyal et al. 2017, version 2) with its official splits → the annotation table."""

import json
import os
import re
import warnings
from pathlib import Path

import pandas as pd

from src.sample import VIDEO_FOLDER
from src.sources.video_table import SPLITS, check_ids, drop_absent, drop_repeats, refuse, seeded_keys, tidy

LABEL_PREFIX = "something-something-v2-"
VIDEO_SUFFIXES = (".webm", ".mp4")  # of the original download; of some re-encoded copies
MAX_HELD_OUT = 0.15  # of a class's training videos, if a download has no test answers


def is_ssv2(folder: Path) -> bool:
    """Whether a folder is an SSv2 download: it has the video folder, or files of labels, train and validation.

    labels.json alone is a common name.
    """
    files = label_files(folder)
    return all(files[name].is_file() for name in ("labels", "train", "validation")) or (folder / VIDEO_FOLDER).is_dir()


def read_ssv2(folder: str | Path, seed: int = 0, keep_absent: bool = False) -> pd.DataFrame:
    """Reads an SSv2 download with its official splits into the annotation table.

    The label files are something-something-v2-{labels,train,validation}.json or {labels,train,validation}.json, in the
    folder or in labels/. If test-answers.csv is beside them, its videos are the test split. Otherwise the official
    validation split is the test split, and a seeded part of each class's training videos is the validation split.

    Args:
        folder: the download.
        seed: draws the validation split.
        keep_absent: keep listed videos that do not exist, with the path that `src.sources.archive` extracts them to;
            False leaves them out, with a warning.

    Raises:
        FileNotFoundError: a label file is missing, or all listed videos are.
        ValueError: a file is broken, names an unknown template or an invalid id, or contradicts another.
    """
    folder = Path(folder)
    files = label_files(folder)
    missing = [str(path) for name, path in files.items() if name != "test" and not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder}: an SSv2 download has label files for labels, train and validation. Not found: "
            f"{', '.join(missing)}. Unpack the labels archive there."
        )
    class_index = _read_class_index(files["labels"])
    splits = [split for split in SPLITS if files[split].is_file()]
    parts = [_read_split(files[split], split, class_index) for split in splits]
    listed_in = f"{files['labels'].parent} ({', '.join(files[split].name for split in splits)})"
    table = drop_repeats(pd.concat(parts, ignore_index=True), listed_in)

    videos = folder / VIDEO_FOLDER
    expected = {name: str(videos / f"{name}.webm") for name in table["video_id"]} if keep_absent else {}
    table["path"] = table["video_id"].map(expected | list_videos(folder))
    if not keep_absent:
        table = drop_absent(table, table["path"].isna(), "video_id", listed_in, f"{videos} or {folder}")
    if "test" not in splits:
        table = _hold_out_validation(table, seed, files["test"])
    table["class_index"] = table["label"].map(class_index)
    return tidy(table, class_index, files["labels"])


def label_files(folder: Path) -> dict[str, Path]:
    """The paths of the label files, in the naming scheme that the folder has; they need not exist."""
    starts = [f"{place}/{prefix}" for place in (folder, folder / "labels") for prefix in (LABEL_PREFIX, "")]
    start = next((start for start in starts if Path(f"{start}labels.json").is_file()), starts[0])
    files = {name: Path(f"{start}{name}.json") for name in ("labels", "train", "validation")}
    return files | {"test": files["labels"].parent / "test-answers.csv"}


def _read_class_index(path: Path) -> dict[str, int]:
    content = _read_json(path)
    try:
        return {label: int(index) for label, index in content.items()}
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f'{path}: must be {{"template": "index", ...}}. Download it again.') from None


def _read_split(path: Path, split: str, class_index: dict[str, int]) -> pd.DataFrame:
    """Columns video_id, label, split of one label file."""
    table = pd.DataFrame(_read_entries(path), columns=["video_id", "template"], dtype=str)
    check_ids(table["video_id"], path)
    labels = {template: re.sub(r"[\[\]]", "", template) for template in table["template"].unique()}
    table["label"], table["split"] = table["template"].map(labels), split
    unknown = table.loc[~table["label"].isin(class_index), "template"].value_counts()
    examples = [f"{template!r} ({count} videos)" for template, count in unknown.items()]
    refuse(examples, path, "every template must be in labels.json of the same release")
    return table.drop(columns="template")


def _read_entries(path: Path) -> list[tuple[str, str]]:
    """(id, template) of each video in a label file."""
    if path.suffix == ".csv":
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        entries = [line.split(";") for line in lines if line.strip()]
        first, second, form = 0, 1, "id;template"
    else:
        entries = _read_json(path)
        first, second, form = "id", "template", '{"id": ..., "template": ...}'
    try:
        return [(str(entry[first]).strip(), str(entry[second]).strip()) for entry in entries]
    except (IndexError, KeyError, TypeError):
        raise ValueError(f"{path}: must be a list of {form}. Unpack or download it again.") from None


def _read_json(path: Path):
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: broken JSON: {error}. Unpack or download it again.") from None


def list_videos(folder: Path) -> dict[str, str]:
    """Returns the path of each video by id."""
    videos = {}
    # Folders are listed: looking up 220,847 files one by one is slow on network disks.
    for place in (folder / VIDEO_FOLDER, folder / VIDEO_FOLDER / VIDEO_FOLDER, folder):
        # In reverse order an original .webm comes before a re-encoded .mp4 with the same id.
        for name in sorted(os.listdir(place), reverse=True) if place.is_dir() else []:
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in VIDEO_SUFFIXES:
                videos.setdefault(stem, os.path.join(place, name))
    return videos


def _hold_out_validation(table: pd.DataFrame, seed: int, answers: Path) -> pd.DataFrame:
    """Turns the official validation split into the test split, and a seeded part of train into the validation split."""
    official = table.loc[table["split"] == "validation", "label"].value_counts()
    table["key"] = seeded_keys(table["video_id"], seed)
    train = table[table["split"] == "train"].sort_values(["key", "video_id"])
    by_label = train.groupby("label")["label"]
    size = by_label.transform("size")
    wanted = train["label"].map(official).fillna(0).clip(upper=(MAX_HELD_OUT * size).astype(int))
    held_out = by_label.cumcount() < wanted.clip(lower=(size >= 2).astype(int))
    table["split"] = table["split"].replace("validation", "test")
    table.loc[train.index[held_out], "split"] = "validation"
    warnings.warn(
        f"{answers} does not exist: {held_out.sum()} training videos, drawn by seed {seed}, are the validation "
        "split, and the official validation split is the test split.",
        stacklevel=3,
    )
    return table
