"""The labels zip of an SSv2 download → the label files in labels/."""

import os
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path

from src.files import expand
from src.sources.archive_parts import NO_ZIP, list_files, list_zip, zip_fault
from src.sources.names import few
from src.sources.ssv2 import LABEL_BYTES, LABEL_PREFIX, has_labels
from src.sources.unpacking import check_disk, explain_read_only, place, staging_directory, unpack_target

# Written in this order, so that labels.json exists only if all others do.
LABEL_NAMES = ("test-answers.csv", "test.json", "validation.json", "train.json", "labels.json")
NEEDED = {"labels.json", "train.json", "validation.json"}


def find_label_zip(folder: Path) -> Path | None:
    """The zip in a folder that holds SSv2's label files, or None."""
    return next((path for path in list_files(folder) if _label_members(path).keys() >= NEEDED), None)


def unpack_labels(folder: str | Path, unpack_to: str | Path | None = None) -> None:
    """Writes the label files of the labels zip into labels/, unless one of the folders has label files already.

    Files that exist stay as they are. If those in `unpack_to` differ from the zip's, a warning names them.

    Args:
        folder: holds the labels zip.
        unpack_to: the folder that labels/ is made in; None is `folder`.

    Raises:
        FileNotFoundError: there is no labels zip.
        ValueError: the labels zip is broken, or a label file in it is larger than `LABEL_BYTES`.
        PermissionError: the folder cannot be written to.
        OSError: the disk has no room.
    """
    folder, target = expand(folder), unpack_target(folder, unpack_to)
    if has_labels(folder):
        return
    archive = find_label_zip(folder)
    if has_labels(target):
        _warn_of_others(archive, target / "labels")
        return
    if archive is None:
        raise FileNotFoundError(
            f"{folder}: no labels. Looked for a zip that holds [{LABEL_PREFIX}]labels.json, train.json and "
            f"validation.json; found {few(path.name for path in list_files(folder)) or 'no archive'}. "
            "Download the labels zip into it."
        )
    members, labels = _label_members(archive), target / "labels"
    _check_members(members.values(), archive)
    with explain_read_only(target):
        labels.mkdir(parents=True, exist_ok=True)
    with staging_directory(labels) as staging, zipfile.ZipFile(archive) as content:
        check_disk(labels, sum(info.file_size for info in members.values()))
        for name in filter(members.__contains__, LABEL_NAMES):
            try:
                with content.open(members[name]) as source, open(staging / name, "xb") as file:
                    shutil.copyfileobj(source, file)
            except NO_ZIP as error:
                raise ValueError(f"{archive}: {name} in it is broken ({error}). Download it again.") from error
            place(staging / name, labels / name)


def _check_members(members: Collection[zipfile.ZipInfo], archive: Path) -> None:
    large = [info for info in members if info.file_size > LABEL_BYTES]
    fault = f"{large[0].filename[:100]!r}, {large[0].file_size:,} bytes" if large else zip_fault(members, archive)
    if fault:
        raise ValueError(
            f"{archive}: a label file must have at most {LABEL_BYTES:,} bytes and no password. Found: {fault}. "
            "Download the labels of SSv2 again."
        )


def _label_members(path: Path) -> dict[str, zipfile.ZipInfo]:
    """Members of a zip by label file name, without the folder and the prefix; others are left out."""
    members = {os.path.basename(info.filename).removeprefix(LABEL_PREFIX): info for info in list_zip(path)}
    return {name: info for name, info in members.items() if name in LABEL_NAMES}


def _warn_of_others(archive: Path | None, labels: Path) -> None:
    members = _label_members(archive) if archive else {}
    others = [name for name, info in members.items() if _differs(labels / name, info)]
    if others:
        warnings.warn(
            f"{len(others)} label files in {labels} are not those in {archive}, and are used as they are: "
            f"{few(others)}. If they are of another download, set unpack_to to another folder.",
            stacklevel=3,
        )


def _differs(path: Path, info: zipfile.ZipInfo) -> bool:
    if not path.is_file():
        return False
    return path.stat().st_size != info.file_size or zlib.crc32(path.read_bytes()) != info.CRC
