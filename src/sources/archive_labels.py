"""The labels zip of an SSv2 download → the label files in labels/."""

import os
import zipfile
from pathlib import Path

from src.files import atomic_path
from src.sources.archive_parts import BROKEN, list_files, list_zip
from src.sources.ssv2 import LABEL_PREFIX, label_files
from src.sources.video_table import few

# Written in this order, so that labels.json exists only if all others do.
LABEL_NAMES = ("test-answers.csv", "test.json", "validation.json", "train.json", "labels.json")


def find_label_zip(folder: Path) -> Path | None:
    """The zip in a folder that holds SSv2's label files, or None."""
    return next((path for path in list_files(folder) if "labels.json" in _label_members(path)), None)


def unpack_labels(folder: Path) -> None:
    """Writes the label files of the labels zip into labels/, unless the folder has label files already.

    Raises:
        FileNotFoundError: there is no labels zip.
        ValueError: the labels zip is broken.
    """
    if all(path.is_file() for name, path in label_files(folder).items() if name != "test"):
        return
    archive = find_label_zip(folder)
    if archive is None:
        raise FileNotFoundError(
            f"{folder}: no labels. Looked for a zip that holds labels.json or {LABEL_PREFIX}labels.json; found "
            f"{few(path.name for path in list_files(folder)) or 'no archive'}. Download the labels zip into it."
        )
    (folder / "labels").mkdir(exist_ok=True)
    members = _label_members(archive)
    with zipfile.ZipFile(archive) as content:
        for name in filter(members.__contains__, LABEL_NAMES):
            try:
                with atomic_path(folder / "labels" / name) as temporary:
                    temporary.write_bytes(content.read(members[name]))
            except BROKEN as error:
                raise ValueError(f"{archive}: {name} in it is broken ({error}). Download it again.") from error


def _label_members(path: Path) -> dict[str, str]:
    """Members of a zip by label file name, without the folder and the prefix."""
    names = [info.filename for info in list_zip(path)]
    return {os.path.basename(name).removeprefix(LABEL_PREFIX): name for name in names}
