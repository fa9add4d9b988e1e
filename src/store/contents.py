"""What in a prepared folder is this project's, by content: nothing else is written over or removed."""

import os
import re
from pathlib import Path

from src import ownership
from src.config import ClipConfig, clip_config_from_dict
from src.files import PARTIAL, read_json
from src.sources import COLUMNS
from src.store.wholeness import CLIP_NAMES, is_clip

PREPARED = "prepared data"  # kind of the root folder
FEATURES = "features of frames"  # kind of a folder in features/
SPANS = ["start", "end", "rate"]  # columns of a manifest that older ones lack
OLD_COLUMNS = [*(column for column in COLUMNS if column not in SPANS), "digest"]
MANIFEST_COLUMNS = [*OLD_COLUMNS[:-1], *SPANS, "digest"]
FAILURE_COLUMNS = ["video_id", "path", "reason"]
CONFIG_BYTES = 1_000_000  # at most
EXECUTED = "preprocess_data.ipynb"  # older versions kept the executed notebook in the folder
DIGESTS = re.compile("[0-9a-f]{16}")
FEATURE_FOLDERS = re.compile(r".+-v\d+-crop\d+-.+")
OUR_NAMES = {
    *(ownership.STAMP, "config.json", "digests.json", "manifest.csv", "failures.csv", EXECUTED),
    *("subsets", "clips", "features", "incomplete"),
}


def claim_root(root: Path) -> None:
    """Makes the root folder of prepared data, and stamps it.

    Raises:
        ValueError: the folder, or a record in it, is not this project's. Nothing was written then.
        OSError: the folder cannot be made or written to.
    """
    try:
        if ownership.is_claimed(root, PREPARED, is_prepared):
            check_records(root)
        ownership.claim(root, PREPARED, is_prepared)
    except OSError as error:
        message = f"cannot be made, or written to ({error.strerror}). Choose another output"
        raise OSError(error.errno, message, str(root)) from error


def is_prepared(root: Path) -> bool:
    """Whether a folder without a stamp was prepared by an older version."""
    names = {path.name for path in root.iterdir()} - ownership.IGNORED
    if names <= {EXECUTED, "digests.json"}:  # only planned, or the notebook failed
        return "digests.json" not in names or is_memory(read_json(root / "digests.json", 1 << 28))
    try:
        return read_config_file(root / "config.json") is not None and not _find_foreign_records(root)
    except ValueError:
        return False


def check_records(root: Path) -> None:
    """Raises ValueError if a file that would be written over was put there by the user."""
    for path, rule in _find_foreign_records(root).items():
        raise ValueError(
            f"{path}: {rule}, but is something else, so it was not written over. Move it, or choose another output."
        )


def is_memory(content: object) -> bool:
    """Whether the content of digests.json is ours."""
    return isinstance(content, dict) and all(is_memory_entry(entry) for entry in content.values())


def is_memory_entry(entry: object) -> bool:
    """Whether a value in it is a list of four numbers or texts, a video's state, and a digest."""
    if not isinstance(entry, list) or len(entry) != 5:
        return False
    *state, digest = entry
    is_state = all(isinstance(value, int | str) for value in state)
    return is_state and isinstance(digest, str) and DIGESTS.fullmatch(digest) is not None


def read_config_file(path: Path) -> ClipConfig | None:
    """The `ClipConfig` in a config.json; None if there is no such file, or if a power cut left it empty.

    Raises:
        ValueError: it holds something else.
    """
    if not path.exists() or not path.stat().st_size:
        return None
    values = read_json(path, CONFIG_BYTES)
    if not isinstance(values, dict):
        raise ValueError(f"{path}: must hold the parameters of clips, as this project writes them. Move it away.")
    try:
        return clip_config_from_dict(values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: must hold the parameters of clips. {error}") from None


def is_key_folder(folder: Path) -> bool:
    """Whether a folder in clips/ holds clips of ours."""
    try:
        return folder.is_dir() and read_config_file(folder / "config.json") is not None
    except ValueError:
        return False


def is_feature_folder(folder: Path) -> bool:
    """Whether a folder in features/ is ours: by its stamp or, as of older versions, by its name and its files."""
    stamp = ownership.read_stamp(folder)
    if stamp or not folder.is_dir():
        return bool(stamp) and stamp["kind"] == FEATURES
    return bool(FEATURE_FOLDERS.fullmatch(folder.name)) and all(is_feature_file(path) for path in folder.iterdir())


def is_feature_file(path: Path) -> bool:
    """Whether a file in such a folder has the name that features of a clip have."""
    return path.suffix == ".npy" and (CLIP_NAMES.fullmatch(path.stem) is not None or path.name.startswith(PARTIAL))


def find_foreign(root: Path) -> list[Path]:
    """What in a prepared folder is not ours, without hidden files."""
    found = [path for path in root.iterdir() if path.name not in OUR_NAMES]
    keys = _list(root / "clips")
    found += [path for path in keys if not is_key_folder(path)]
    for key in filter(is_key_folder, keys):
        found += [path for path in _list(key) if path.name != "config.json" and not is_clip(path)]
    found += [path for path in _list(root / "incomplete") if not ownership.is_staging(path)]
    found += [path for path in _list(root / "features") if not is_feature_folder(path)]
    return sorted(path for path in found if not path.name.startswith("."))


def _find_foreign_records(root):
    """Rule by path of the records in `root` that are not ours. Empty files, as after a power cut, harm nobody."""
    headers = {"manifest.csv": (MANIFEST_COLUMNS, OLD_COLUMNS), "failures.csv": (FAILURE_COLUMNS,)}
    found = {}
    for name in (*headers, "config.json"):
        if os.path.lexists(root / name) and not (root / name).is_file():
            found[root / name] = "must be a file"
    for name, columns in headers.items():
        if (root / name).is_file() and _first_line(root / name) not in ("", *(",".join(names) for names in columns)):
            found[root / name] = f"must have the first line {','.join(columns[0])}"
    try:
        read_config_file(root / "config.json")
    except ValueError:
        found[root / "config.json"] = "must hold the parameters of clips"
    return found


def _first_line(path):
    with open(path, "rb") as file:
        return file.readline(1000).decode(errors="replace").rstrip("\r\n")


def _list(folder):
    return list(folder.iterdir()) if folder.is_dir() else []
