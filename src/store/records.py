"""The subsets that a folder was prepared with. Each is recorded by a name, and its clips count as used.

A subset is <root>/subsets/<config key>/<name>.csv; the one that was prepared last is also <root>/manifest.csv. Beside
the table, <name>.json holds the parameters of its clips and the reasons for them, if they are known.
"""

import json
import os
import re
import shlex
from datetime import datetime
from pathlib import Path

import pandas as pd

from src.config import clip_config_from_dict
from src.files import check_path, plain_name, read_json, write_json
from src.fingerprint import REASON_COLUMNS, Choice
from src.sample import is_sample
from src.sources import SPLITS
from src.store.clip_store import ClipStore
from src.store.contents import CONFIG_BYTES, check_records, read_config_file
from src.store.manifest import (
    format_manifest,
    hash_rows,
    manifest_digest,
    name_clips,
    read_manifest,
    with_spans,
    write_manifest,
)
from src.subsets import is_by_objects, name_class_set

MANIFEST = "manifest.csv"
FOLDER_LETTERS = 30  # of a folder's name in the name of a subset


def record_subset(subset: pd.DataFrame, store: ClipStore, name: str | None = None, choice: Choice | None = None) -> str:
    """Makes a subset (with `digest`) the current one, and records that it uses its clips in `store`.

    Args:
        subset: the table.
        store: whose folder it is recorded in.
        name: None makes one that says what is in it, such as "fights-2-classes-100-clips-3f9a1c" or
            "20bn-something-something-v2-mini-ssv2-by-objects-87-classes-900-clips-3f9a1c".
        choice: of the parameters of `store`, recorded with their reasons; those of the first time stay.

    Returns:
        the name, by which `read_prepared`, `read_subset` and `forget_subset` find it.

    Raises:
        ValueError: the name is no plain file name, or is that of another subset.
    """
    check_records(store.root)
    name = make_name(subset, store) if name is None else name
    _check_name(name)
    path, text = _folder(store.root) / store.config.key / f"{name}.csv", format_manifest(subset)
    for other in _find_records(store.root, name):
        if other != path or other.read_bytes() != text.encode("utf-8", "surrogateescape"):
            raise ValueError(
                f"{other}: the name {name!r} is that of another subset. Give another name, or forget that subset: "
                f"{shlex.join(['python', '-m', 'src.store.unused', str(store.root), f'--forget={name}'])}"
            )
    write_manifest(subset, path)
    if choice is not None and not path.with_name(f"{name}.json").exists():
        reasons = json.loads(choice.reasons.to_json(orient="records"))
        write_json(path.with_name(f"{name}.json"), {"config": choice.config.to_dict(), "reasons": reasons})
    write_manifest(subset, store.root / MANIFEST)
    return name


def make_name(subset: pd.DataFrame, store: ClipStore) -> str:
    """A readable name that is unique in the store's root: the videos' folder, what was chosen, numbers, and a hash.

    What was chosen is read from the rows, so that a recorded subset keeps its name when it is prepared again.
    """
    folder = Path(os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in subset.path]))
    source = "sample" if is_sample(folder.parent) else plain_name(folder.name, FOLDER_LETTERS)
    rows = with_spans(subset)[["video_id", "class_index", "start", "end", "rate"]].astype(str)
    digest = hash_rows(rows.assign(path=subset.path, subset=manifest_digest(subset), clips=store.config.key))
    words = [source, name_class_set(subset.label), "by-objects" if is_by_objects(subset) else None]
    start = "-".join(filter(None, words))
    return f"{start}-{subset.label.nunique()}-classes-{len(subset)}-clips-{digest[:6]}"


def read_prepared(root: str | Path, subset: str | None = None) -> tuple[pd.DataFrame, ClipStore]:
    """Reads a subset of a prepared folder.

    Args:
        root: the folder.
        subset: its name, from `preprocess` or `list_subsets`; None is the subset that was prepared last.

    Returns:
        (table, store): the manifest with two more columns: `clip_name`, the name in the store, and `stored`, whether
        the clip is there and whole; it is not if its video could not be used. `table.attrs["subset"]` is the name.

    Raises:
        FileNotFoundError: `root` was never prepared, or not with this subset.
    """
    root = check_path(root, "the prepared folder")
    if subset is None:
        store, path = ClipStore(root), root / MANIFEST
        if not path.exists():
            raise FileNotFoundError(f"{path}: no subset is the current one. {_say_names(root)}")
    else:
        path = _find_record(root, subset)
        store = _open_store(root, path.parent.name)
    table = name_clips(read_manifest(path))
    table["stored"] = table.clip_name.map(store.holds)
    table.attrs["subset"] = subset or find_current(root)
    return table, store


def list_subsets(root: str | Path) -> pd.DataFrame:
    """The subsets that a folder was prepared with, the latest last.

    Returns:
        a row per subset: `name`, `prepared` (time), `classes`, the number of clips in `train`, `validation` and `test`,
        `parameters` (of its clips) and `current` (bool, whether it was prepared last).
    """
    root, rows = check_path(root, "the prepared folder"), []
    current = find_current(root)
    for path in sorted(_find_records(root), key=lambda path: (path.stat().st_mtime_ns, path.name)):
        table = read_manifest(path)
        counts = table.split.value_counts().reindex(SPLITS, fill_value=0)
        prepared = datetime.fromtimestamp(path.stat().st_mtime).replace(microsecond=0)
        rows.append([path.stem, prepared, table.label.nunique(), *counts, path.parent.name, path.stem == current])
    return pd.DataFrame(rows, columns=["name", "prepared", "classes", *SPLITS, "parameters", "current"])


def read_subset(root: str | Path, name: str) -> pd.DataFrame:
    """The table of a recorded subset, to plan with again; `digest` is that of the bytes of then.

    Raises:
        FileNotFoundError: there is none of this name; the message lists the names.
    """
    return read_manifest(_find_record(check_path(root, "the prepared folder"), name))


def read_choice(root: str | Path, name: str) -> Choice | None:
    """The parameters that a recorded subset was prepared with, and their reasons, to prepare it again with the same.

    Returns:
        the choice, without reasons if the subset was recorded without; None if the parameters are not known, because
        it was recorded by an older version, and its clips were removed since.

    Raises:
        FileNotFoundError: there is none of this name; the message lists the names.
        ValueError: the file of the parameters holds something else.
    """
    root = check_path(root, "the prepared folder")
    path = _find_record(root, name)
    beside = path.with_name(f"{name}.json")
    if beside.is_file() and beside.stat().st_size:
        return _parse_choice(beside)
    config = read_config_file(root / "clips" / path.parent.name / "config.json")
    return config and Choice(config, pd.DataFrame(columns=REASON_COLUMNS))


def _parse_choice(path):
    values = read_json(path, CONFIG_BYTES)
    try:
        return Choice(clip_config_from_dict(values["config"]), pd.DataFrame(values["reasons"], columns=REASON_COLUMNS))
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path}: must hold the parameters of the subset, as this project writes them. {error}. Move it away."
        ) from None


def forget_subset(root: str | Path, name: str) -> None:
    """Removes a subset from the record. Its clips stay, until `python -m src.store.unused ROOT --remove`.

    If it was prepared last, no subset is the current one afterwards.

    Raises:
        FileNotFoundError: there is none of this name; the message lists the names.
    """
    root = check_path(root, "the prepared folder")
    path = _find_record(root, name)
    if find_current(root) == name:
        (root / MANIFEST).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    path.with_name(f"{name}.json").unlink(missing_ok=True)


def find_current(root: Path) -> str | None:
    """The name of the subset that was prepared last; None if there is none, or it was recorded by an older version."""
    if not (root / MANIFEST).is_file():
        return None
    try:
        current, config = (root / MANIFEST).read_bytes(), read_config_file(root / "config.json")
    except (OSError, ValueError):
        return None
    records = sorted(_find_records(root), key=lambda path: (config is None or path.parent.name != config.key, path))
    same = (path for path in records if path.stat().st_size == len(current) and path.read_bytes() == current)
    return next((path.stem for path in same), None)


def _folder(root):
    return root / "subsets"


def _find_records(root, name=None):
    """The files of all subsets, or of those called `name`."""
    return [path for path in sorted(_folder(root).glob("*/*.csv")) if name in (None, path.stem) and path.is_file()]


def _find_record(root, name):
    found = _find_records(root, name)
    if not found:
        raise FileNotFoundError(f"{_folder(root)}: there is no subset {name!r}. {_say_names(root)}")
    return found[0]


def _say_names(root):
    names = ", ".join(repr(path.stem) for path in _find_records(root))
    return f"Prepared there: {names or 'none'}. Prepare one with preprocess_data.ipynb, or give the name of one."


def _open_store(root, key):
    """The store of the clips whose folder is `key`."""
    config = read_config_file(root / "clips" / key / "config.json")
    if config is None or config.key != key:
        raise FileNotFoundError(
            f"{root / 'clips' / key}: the clips of this subset are not there, or were made by an older version. "
            "Prepare it again: read_subset gives its table."
        )
    return ClipStore(root, config)


def _check_name(name):
    if not isinstance(name, str) or not re.fullmatch(r"[^\s./\\\0-][^/\\\0\n\r]{0,99}", name):
        raise ValueError(
            "the name of a subset must be a plain file name of at most 100 characters that does not begin with a dot, "
            f"a dash or a blank. Received: {name!r}."
        )
