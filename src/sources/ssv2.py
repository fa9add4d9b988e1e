"""An SSv2 download (Goyal et al. 2017, version 2) with its official splits → the annotation table."""

import json
import os
import re
import reprlib
import warnings
from pathlib import Path

import pandas as pd

from src.files import check_path, expand
from src.sample import VIDEO_FOLDER
from src.sources.names import counted
from src.sources.video_table import OBJECTS, SPLITS, check_ids, drop_absent, drop_repeats, refuse, seeded_keys, tidy

LABEL_PREFIX = "something-something-v2-"
VIDEO_SUFFIXES = (".webm", ".mp4")  # of the original download; of some re-encoded copies
LABEL_BYTES, LABEL_VALUES = 256 << 20, 20_000_000  # of one label file, at most; a million entries have 10 million
HEAD = 1 << 16  # bytes of a label file that show what it is
ID_BYTES = 200  # a video id and what is added to it are a file name
MAX_CLASSES = 1_000_000
MAX_HELD_OUT = 0.15  # of a class's training videos, if a download has no test answers


def is_ssv2(folder: Path) -> bool:
    """Whether a folder is an SSv2 download: it has the video folder, or files of labels, train and validation.

    Those may be short names, which others use, too: then train.json must have entries with a template.
    """
    if (folder / VIDEO_FOLDER).is_dir():
        return True
    train = label_files(folder)["train"]
    if not has_labels(folder) or train.name.startswith(LABEL_PREFIX):
        return has_labels(folder)
    with train.open("rb") as file:
        return b'"template"' in file.read(HEAD)


def read_ssv2(
    folder: str | Path, seed: int = 0, keep_absent: bool = False, unpack_to: str | Path | None = None
) -> pd.DataFrame:
    """Reads an SSv2 download with its official splits into the annotation table.

    The label files are something-something-v2-{labels,train,validation}.json or {labels,train,validation}.json, in the
    folder or in labels/. If test-answers.csv is beside them, its videos are the test split. Otherwise the official
    validation split is the test split, and a seeded part of each class's training videos is the validation split. The
    placeholders of train and validation are the objects; the test answers have none.

    Args:
        folder: the download.
        seed: draws the validation split.
        keep_absent: keep listed videos that do not exist, with the path that `src.sources.archive` extracts them to;
            False leaves them out, with a warning.
        unpack_to: the folder that labels and videos were unpacked to, or will be; None is `folder`.

    Raises:
        FileNotFoundError: a label file is missing, or all listed videos are.
        ValueError: a file is broken, names an unknown template or an invalid id, or contradicts another.
    """
    folder = expand(folder)
    target = folder if unpack_to is None else check_path(unpack_to, "unpack_to")
    files = label_files(target if has_labels(target) and not has_labels(folder) else folder)
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
    listed = pd.concat(parts, ignore_index=True)
    table = drop_repeats(listed.drop(columns=OBJECTS), listed_in).join(listed[OBJECTS])
    if table.empty:
        raise ValueError(f"{listed_in}: no video is listed. Unpack or download the labels again.")

    videos = target / VIDEO_FOLDER
    expected = {name: str(videos / f"{name}.webm") for name in table["video_id"]} if keep_absent else {}
    table["path"] = table["video_id"].map(expected | list_videos(target) | list_videos(folder))
    if not keep_absent:
        table = drop_absent(table, table["path"].isna(), "video_id", listed_in, f"{videos} or {folder}")
    if "test" not in splits:
        table = _hold_out_validation(table, seed, files["test"])
    table["class_index"] = table["label"].map(class_index)
    return tidy(table, class_index, files["labels"])


def label_files(folder: Path) -> dict[str, Path]:
    """The paths of the label files, in the naming scheme that the folder has; they need not exist."""
    starts = [f"{place}/{prefix}" for place in (folder, folder / "labels") for prefix in (LABEL_PREFIX, "")]
    schemes = [{name: Path(f"{start}{name}.json") for name in ("labels", "train", "validation")} for start in starts]
    whole = (files for files in schemes if all(path.is_file() for path in files.values()))
    begun = (files for files in schemes if files["labels"].is_file())
    files = next(whole, None) or next(begun, schemes[0])
    return files | {"test": files["labels"].parent / "test-answers.csv"}


def has_labels(folder: Path) -> bool:
    """Whether a folder has all label files that are needed."""
    return all(path.is_file() for name, path in label_files(folder).items() if name != "test")


def _read_class_index(path: Path) -> dict[str, int]:
    content = _read_json(path)
    labels = {label: _to_index(index) for label, index in content.items()} if isinstance(content, dict) else {"": None}
    if None in labels.values() or len(set(labels.values())) < len(labels) or not all(map(_is_text, labels)):
        raise ValueError(
            f'{path}: must be {{"template": "index", ...}}, with an index of its own for each. Download it again.'
        )
    return labels


def _to_index(value: object) -> int | None:
    """The class index in a string or an integer; None for anything else."""
    if isinstance(value, str) and value.isdecimal() and len(value) <= len(str(MAX_CLASSES)):
        value = int(value)
    return value if type(value) is int and 0 <= value < MAX_CLASSES else None


def _is_text(value: object) -> bool:
    """Whether a value is a string that can be stored; JSON may hold halves of characters."""
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def _read_split(path: Path, split: str, class_index: dict[str, int]) -> pd.DataFrame:
    """Columns video_id, label, split, objects of one label file."""
    table = pd.DataFrame(_read_entries(path), columns=["video_id", "template", OBJECTS], dtype=str)
    check_ids(table["video_id"], path, ID_BYTES)
    labels = {template: re.sub(r"[\[\]]", "", template) for template in table["template"].unique()}
    table["label"], table["split"] = table["template"].map(labels), split
    unknown = table.loc[~table["label"].isin(class_index), "template"].value_counts()
    examples = [f"{template[:200]!r} ({counted(count, 'video')})" for template, count in unknown.items()]
    refuse(examples, path, "every template must be in labels.json of the same release")
    return table.drop(columns="template")


def _read_entries(path: Path) -> list[tuple[str, str, str]]:
    """(id, template, objects) of each video in a label file."""
    if path.suffix == ".csv":
        entries = [line.split(";") for line in _read_text(path).splitlines() if line.strip()]
        first, second, form = 0, 1, "id;template"
    else:
        entries = _read_json(path)
        first, second, form = "id", "template", '{"id": ..., "template": ...}'
    try:
        pairs = [(entry[first], entry[second]) for entry in entries]
    except (IndexError, KeyError, TypeError):
        pairs = [(None, None)]
    if not all(_is_text(template) and (_is_text(name) or type(name) is int) for name, template in pairs):
        raise ValueError(f"{path}: must be a list of {form}. Unpack or download it again.")
    objects = map(_join_placeholders, entries)
    return [(str(name).strip(), text.strip(), things) for (name, text), things in zip(pairs, objects, strict=True)]


def _join_placeholders(entry: object) -> str:
    """The placeholders of an entry, "; " between them; "" where it has none, as in some copies of the labels."""
    placeholders = entry.get("placeholders") if isinstance(entry, dict) else None
    return "; ".join(filter(_is_text, placeholders)) if isinstance(placeholders, list) else ""


def _read_json(path: Path) -> object:
    text = _read_text(path)
    if sum(map(text.count, "[{,")) > LABEL_VALUES:  # each may take 70 bytes of memory
        raise ValueError(f"{path}: a label file must have at most {LABEL_VALUES:,} values. Download it again.")
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:  # RecursionError: nested too deeply
        raise ValueError(f"{path}: broken JSON: {error}. Unpack or download it again.") from None


def _unique(pairs: list[tuple[str, object]]) -> dict:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for place, name in enumerate(names) if name in names[:place])
        raise ValueError(f"{reprlib.repr(repeated)} is twice in one object")
    return content


def _read_text(path: Path) -> str:
    size = path.stat().st_size
    if size > LABEL_BYTES:
        raise ValueError(
            f"{path}: a label file must have at most {LABEL_BYTES:,} bytes. Found {size:,}. Download it again."
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: must be text in UTF-8: {error}. Unpack or download it again.") from None


def list_videos(folder: Path) -> dict[str, str]:
    """Returns the path of each video by id."""
    videos = {}
    # Folders are listed: looking up 220,847 files one by one is slow on network disks.
    for place in (folder / VIDEO_FOLDER, folder / VIDEO_FOLDER / VIDEO_FOLDER, folder):
        # In reverse order an original .webm comes before a re-encoded .mp4 with the same id.
        entries = sorted(os.scandir(place), key=lambda entry: entry.name, reverse=True) if place.is_dir() else []
        for entry in entries:
            stem, suffix = os.path.splitext(entry.name)
            if suffix.lower() in VIDEO_SUFFIXES and entry.is_file():
                videos.setdefault(stem, entry.path)
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
