"""An SSv2 download, a folder per class, or a CSV -> one tidy table of videos.

The annotation table has one row per video, sorted by label and video_id, and these columns:
    video_id     str, unique, usable as a folder name.
    path         str, usable from the working directory.
    label        str, the class name. In SSv2: the template without its brackets.
    class_index  int, from labels.json in SSv2, else the alphabetical position of the label.
    split        str, "train", "validation" or "test"; "" in every row where the source has no splits.
    group        str, clips of one group must never be split. The video_id unless the source says otherwise.
"""

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

import pandas as pd

from src import sample_dataset

COLUMNS = ["video_id", "path", "label", "class_index", "split", "group"]
SPLITS = ("train", "validation", "test")
SPLIT_NAMES = {name: name for name in SPLITS} | {"val": "validation", "valid": "validation"}
VIDEO_SUFFIXES = (  # in any case
    ".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp", ".gif",
)
SAMPLE_FOLDER = Path("datasets/sample")
SSV2_PREFIX = "something-something-v2-"
SSV2_VIDEO_FOLDER = "20bn-something-something-v2"
MAX_HELD_OUT = 0.15  # of a class's training videos, where an SSv2 download has no test answers


def read_source(source: str | Path, seed: int = 0) -> pd.DataFrame:
    """Read any source of videos into the annotation table (columns: see the module).

    Args:
        source: "sample" (written first where it is not there yet), an SSv2 download, a folder with one
            folder per class, or a .csv file. The kind is recognised by what is there.
        seed: draws the validation part where an SSv2 download has no test answers.

    Raises:
        ValueError: nothing readable is there, or what is there breaks a rule of its reader.
        FileNotFoundError: a label file, or every listed video, is missing.
    """
    path = Path(sample_dataset.write_sample(SAMPLE_FOLDER) if source == "sample" else source).expanduser()
    if path.is_file() and path.suffix.lower() == ".csv":
        return read_csv(path)
    if _ssv2_files(path)["labels"].is_file() or (path / SSV2_VIDEO_FOLDER).is_dir():
        return read_ssv2(path, seed)
    visible = sorted(entry for entry in path.glob("*") if not entry.name.startswith("."))
    if any(entry.is_dir() for entry in visible):
        return read_class_folders(path)
    other = "an empty folder" if path.is_dir() else "another file" if path.exists() else "no such path"
    raise ValueError(
        f"{path}: no source of videos. Looked for a .csv file, an SSv2 download ([something-something-v2-]"
        "labels.json, here or in labels/) or a folder per class. Found: "
        f"{_few(entry.name for entry in visible) or other}. Give the path of one of these."
    )


def read_ssv2(folder: str | Path, seed: int = 0) -> pd.DataFrame:
    """Read an SSv2 download with its official splits into the annotation table.

    The label files are something-something-v2-{labels,train,validation}.json or
    {labels,train,validation}.json, in the folder or in labels/. With test-answers.csv beside them, the
    answered videos are the test split. Without it, a seeded part of each class's training videos becomes
    the validation split, and the official validation is the test split.

    Raises:
        FileNotFoundError: a label file, or every listed video, is missing.
        ValueError: a file is broken, names an unknown template or a bad id, or contradicts another.
    """
    folder = Path(folder)
    files = _ssv2_files(folder)
    missing = [str(path) for name, path in files.items() if name != "test" and not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder}: an SSv2 download has label files for labels, train and validation. Not found: "
            f"{', '.join(missing)}. Unpack the labels archive there."
        )
    class_index = _read_class_index(files["labels"])
    splits = [split for split in SPLITS if files[split].is_file()]
    parts = [_read_ssv2_split(files[split], split, class_index) for split in splits]
    listed_in = f"{files['labels'].parent} ({', '.join(files[split].name for split in splits)})"
    table = _drop_repeats(pd.concat(parts, ignore_index=True), listed_in)

    videos = folder / SSV2_VIDEO_FOLDER
    table["path"] = table["video_id"].map(_list_ssv2_videos(videos, videos / SSV2_VIDEO_FOLDER, folder))
    table = _drop_absent(table, table["path"].isna(), "video_id", listed_in, f"{videos} or {folder}")
    if "test" not in splits:
        table = _hold_out_validation(table, seed, files["test"])
    table["class_index"] = table["label"].map(class_index)
    return _tidy(table, class_index, files["labels"])


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
            f"{' '.join(VIDEO_SUFFIXES)}; found the folders {_few(folders) or '(none)'} and {len(files)} "
            "files. Give a folder with one folder of videos per class."
        )
    others = sorted(set(files) - set(videos))
    if others:
        message = f"{len(others)} files in {folder} are not videos of a class: {_few(others)}."
        warnings.warn(f"{message} They are ignored.", stacklevel=2)
    table = pd.DataFrame({
        "video_id": _make_ids(videos),
        "path": [str(folder / path) for path in videos],
        "label": [path.parts[depth] for path in videos],
        "split": [SPLIT_NAMES[path.parts[0].lower()] if has_splits else "" for path in videos],
    })
    classes = {path.name for path in folders if len(path.parts) == depth + 1}
    return _tidy(table, classes, folder)


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
    table["file"] = [os.path.realpath(path.parent / listed) for listed in table["listed"]]
    table["listed"] = table.groupby("file")["listed"].transform("first")  # one spelling for each file
    table = _drop_repeats(table, path, "file")
    if "video_id" not in table:
        table["video_id"] = _make_ids([PurePath(listed) for listed in table["listed"]])
    _check_ids(table["video_id"], path)
    table = _drop_repeats(table, path)
    table["group"] = table["group"].where(table["group"].ne(""), table["video_id"])
    _refuse(in_two_splits(table, "group"), path, "all clips of a group must be in one split")

    absent = ~pd.Series([os.path.isfile(file) for file in table["file"]], index=table.index)
    present = _drop_absent(table, absent, "listed", str(path), str(path.parent.resolve()))
    present["path"] = [str(path.parent / listed) for listed in present["listed"]]
    return _tidy(present, table["label"], path)


def seeded_keys(names: Iterable, seed: int) -> list[str]:
    """One pseudo-random key per name; to sort by it is a shuffle that belongs to the seed.

    A key depends on the seed and the name alone. So a draw ("the first n by key") does not depend on the
    order of the rows or on what else is there, and drawing more keeps what was drawn before.
    """
    return [hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).hexdigest() for name in names]


def in_two_splits(table: pd.DataFrame, column: str) -> list[str]:
    """The values of `column` (video_id or group) that occur in more than one split, sorted."""
    pairs = table[[column, "split"]].drop_duplicates()
    return sorted(pairs.loc[pairs.duplicated(column), column].unique())


def _ssv2_files(folder: Path) -> dict[str, Path]:
    """Where the label files of either naming scheme are, or should be."""
    starts = [f"{place}/{prefix}" for place in (folder, folder / "labels") for prefix in (SSV2_PREFIX, "")]
    start = next((start for start in starts if Path(f"{start}labels.json").is_file()), starts[0])
    files = {name: Path(f"{start}{name}.json") for name in ("labels", "train", "validation")}
    return files | {"test": files["labels"].parent / "test-answers.csv"}


def _read_class_index(path: Path) -> dict[str, int]:
    content = _read_json(path)
    try:
        return {label: int(index) for label, index in content.items()}
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f'{path}: must be {{"template": "index", ...}}. Download it again.') from None


def _read_ssv2_split(path: Path, split: str, class_index: dict[str, int]) -> pd.DataFrame:
    """Columns video_id, label, split of one label file."""
    table = pd.DataFrame(_read_entries(path), columns=["video_id", "template"], dtype=str)
    _check_ids(table["video_id"], path)
    labels = {template: re.sub(r"[\[\]]", "", template) for template in table["template"].unique()}
    table["label"], table["split"] = table["template"].map(labels), split
    unknown = table.loc[~table["label"].isin(class_index), "template"].value_counts()
    examples = [f"{template!r} ({count} videos)" for template, count in unknown.items()]
    _refuse(examples, path, "every template must be in labels.json of the same release")
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


def _list_ssv2_videos(*places: Path) -> dict[str, str]:
    """Paths by id. A folder is listed once: asking for 220,847 files one by one is slow on network disks."""
    videos = {}
    for place in places:
        # In reverse order the original .webm comes before a mirror's .mp4 of the same id.
        for name in sorted(os.listdir(place), reverse=True) if place.is_dir() else []:
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in (".webm", ".mp4"):
                videos.setdefault(stem, os.path.join(place, name))
    return videos


def _hold_out_validation(table: pd.DataFrame, seed: int, answers: Path) -> pd.DataFrame:
    """Per class, a seeded part of train as large as the official validation, which becomes the test split."""
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
        f"{answers} is not there: {held_out.sum()} training videos, drawn by seed {seed}, are the validation "
        "split, and the official validation is the test split.",
        stacklevel=3,
    )
    return table


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
    parts = [[*path.relative_to(path.anchor).parent.parts, path.stem] for path in paths]
    joined = ["__".join(part for part in names if part != "..") for names in parts]
    ending = [f"{name}__{path.suffix[1:]}" for name, path in zip(joined, paths, strict=True)]
    hashed = [f"{name}__{key}" for name, key in zip(ending, seeded_keys(paths, 0), strict=True)]
    ids = pd.Series("", index=range(len(paths)), dtype=str)
    for names in ([path.stem for path in paths], joined, ending, hashed):
        # Some file systems do not tell A from a, and refuse these characters, and dots or spaces at the end.
        usable = pd.Series(names, dtype=str).str.replace(r'[<>:"|?*/\\\x00-\x1f]|\.\.+', "_", regex=True)
        clash = ids.str.casefold().duplicated(keep=False) | ids.eq("")
        ids = ids.where(~clash, usable.str.strip(". "))
    return ids.tolist()


def _read_rows(path: Path) -> pd.DataFrame:
    """Columns listed (path as written), label, split, group[, video_id], checked; the index is the line."""
    try:
        table = pd.read_csv(
            path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skip_blank_lines=False,
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
    _refuse(_lines(table[empty]), path, "path and label must not be empty")
    unknown = table[given & ~table["split"].isin(SPLITS)]
    _refuse(_lines(unknown), path, f"split must be one of {', '.join(SPLIT_NAMES)}")
    _refuse(_lines(table[~given & given.any()]), path, "either all rows have a split or none has")
    return table.filter(["path", "label", "split", "group", "video_id"]).rename(columns={"path": "listed"})


def _lines(rows: pd.DataFrame) -> list[str]:
    return [f"line {line} ({', '.join(values)})" for line, *values in rows.itertuples()]


def _refuse(bad: Sequence[str], path: Path, rule: str) -> None:
    if bad:
        raise ValueError(f"{path}: {rule}. {len(bad)} break this rule: {_few(bad)}. Correct them.")


def _check_ids(ids: pd.Series, path: Path) -> None:
    bad = ids[ids.str.contains(r"^\.?$|[/\\]|\.\.")]
    rule = "a video id becomes a folder name, so it must not be empty or hold / \\ .."
    _refuse([repr(name) for name in bad], path, rule)


def _drop_repeats(table: pd.DataFrame, source: str | Path, key: str = "video_id") -> pd.DataFrame:
    """Keep one of identical rows; refuse rows of the same `key` that differ."""
    repeated = table.duplicated()
    if repeated.any():
        examples = _few(table.loc[repeated, key].unique())
        message = f"{repeated.sum()} rows of {source} repeat another row: {examples}. They count once."
        warnings.warn(message, stacklevel=3)
    table = table[~repeated].copy()
    for name in table.loc[table.duplicated(key), key].head(1):
        rows = table[table[key] == name]
        values = {column: rows[column].unique().tolist() for column in table if rows[column].nunique() > 1}
        raise ValueError(f"{source}: {name!r} is listed with different {values}. Keep one row of it.")
    return table


def _drop_absent(table: pd.DataFrame, absent: pd.Series, name: str, listed_in: str, looked_in: str) -> pd.DataFrame:
    """Leave out the rows whose file is `absent`; `name` is the column that names them."""
    examples = _few(table.loc[absent, name])
    message = f"{absent.sum()} of {len(table)} videos listed in {listed_in} are not in {looked_in}: {examples}."
    if absent.all():
        raise FileNotFoundError(f"{message} Unpack or move the videos there.")
    if absent.any():
        warnings.warn(f"{message} They are left out.", stacklevel=3)
    return table[~absent].copy()


def _tidy(table: pd.DataFrame, classes: Iterable[str], source: Path) -> pd.DataFrame:
    """Warn about classes without a video, fill in the default columns, and bring all in order."""
    labels = sorted(table["label"].unique())
    empty = sorted(set(classes) - set(labels))
    if empty:
        message = f"{len(empty)} classes of {source} have no video: {_few(empty)}. They are left out."
        warnings.warn(message, stacklevel=3)
    if "class_index" not in table:
        table["class_index"] = table["label"].map({label: index for index, label in enumerate(labels)})
    if "group" not in table:
        table["group"] = table["video_id"]
    return table.sort_values(["label", "video_id"], ignore_index=True)[COLUMNS]


def _read_json(path: Path):
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: broken JSON: {error}. Unpack or download it again.") from None


def _few(items: Iterable) -> str:
    """At most three examples, as text."""
    items = [str(item) for item in items]
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")
