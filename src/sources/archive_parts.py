"""The parts of an SSv2 archive: which files are parts, in which order, and the bytes of all of them as one stream.

The videos of SSv2 are one tgz, split into parts. Three generations of the download are in use: raw parts, a zip around
each part, and raw parts that some browsers save as .zip. The first bytes of a file tell whether it is a zip; its name
tells which part it is.
"""

import gzip
import io
import re
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from src.sample import VIDEO_FOLDER
from src.sources.names import few
from src.sources.tar_stream import FREE_BYTES

ZIP, GZIP = b"PK\x03\x04", b"\x1f\x8b"  # first bytes
COPY = r"(?: ?\(\d+\))?"  # added by browsers to the name of a second download
PART_NAME = re.compile(rf"(?:20bn-)?something-something-v2-(\d+){COPY}(?:\.(?:zip|tgz|tar|gz|tar\.gz))?{COPY}", re.I)
NO_ARCHIVE = (".webm", ".mp4", ".json", ".csv")  # not opened: there may be 220,847 of them
HEAD = 1 << 16  # bytes of two files that are compared
ZIP_DIRECTORY = 4 << 20  # bytes of the list of members at the end of a zip: about 50,000 members
ENCRYPTED = 1  # flag of a member
MAX_ZIP_RATIO = 100  # unpacked bytes per byte of a zip, after `FREE_BYTES`; labels need 20
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may need gigabytes of memory
BROKEN = (zlib.error, EOFError, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile, struct.error)
NO_ZIP = (*BROKEN, NotImplementedError, ValueError, OverflowError)  # what zipfile raises for a broken directory


@dataclass(frozen=True)
class Part:
    """One part of the archive: a file, or the member of a zip."""

    number: int
    path: Path
    member: str | None
    size: int

    def open(self) -> BinaryIO:
        if self.member is None:
            return self.path.open("rb")
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.open(self.member)  # stays open when `archive` is closed
        except NO_ZIP as error:
            raise ValueError(f"{self.path}: a broken zip ({error}). Download it again.") from error


class PartStream(io.RawIOBase):
    """The bytes of all parts in order, as one read-only stream.

    Attributes:
        part: the part that is being read.
        position: bytes read, over all parts.
        size: bytes of all parts.
    """

    def __init__(self, parts: list[Part]):
        self._parts, self.size, self.position = parts, sum(part.size for part in parts), 0
        self._index, self._file = 0, parts[0].open()

    @property
    def part(self) -> Part:
        return self._parts[self._index]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = self._file.readinto(buffer)
        while not count and self._index + 1 < len(self._parts):
            self._file.close()
            self._index += 1
            self._file = self.part.open()
            count = self._file.readinto(buffer)
        self.position += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()

    def broken(self, error: Exception) -> ValueError:
        """Returns an error that names the part in which reading failed, and what to download again."""
        again = self.part.path.name
        if isinstance(error, gzip.BadGzipFile):  # the checksum over all parts
            again = "the parts whose size or checksum is not that of the source"
        elif isinstance(error, EOFError):
            again += ", if it is cut short, and any part after it"
        elif self._index:
            again += f", and {self._parts[self._index - 1].path.name}, which may be cut short"
        offset = self.position - sum(part.size for part in self._parts[: self._index])
        return ValueError(
            f"{self.part.path}: the archive must be whole, but breaks in this part, at about byte {offset:,} of "
            f"{self.part.size:,} ({error}). Download again: {again}. Extracted videos are kept."
        )


def find_parts(folder: Path) -> list[Part]:
    """The parts of the archive in order; an archive that is not split is one part.

    Raises:
        FileNotFoundError: there is no archive, or a part before the last one is missing.
        ValueError: a part is a broken zip or a wrong file, or two files with the same part number differ.
    """
    files = list_files(folder)
    parts = [part for part in map(_read_part, files) if part]
    parts = parts or [Part(0, path, None, path.stat().st_size) for path in files if is_gzip(path)]
    if not parts:
        raise FileNotFoundError(
            f"{folder}: no video archive. Looked for {VIDEO_FOLDER}-00, -01, ... or one whole .tgz; found "
            f"{few(path.name for path in files) or 'no archive'}. Download the parts into this folder."
        )
    parts = _drop_repeats(parts)
    first = parts[0]
    missing = set(range(first.number, parts[-1].number)) - {part.number for part in parts}
    if not is_gzip(first):
        if first.number == 0:
            raise ValueError(
                f"{first.path}: the first part must begin with the bytes of gzip, 1f 8b. Found "
                f"{_read_head(first)[:4].hex(' ') or 'an empty file'}: a wrong or broken file. Download it again."
            )
        missing |= set(range(first.number))
    if missing:
        names = ", ".join(f"{VIDEO_FOLDER}-{number:02d}" for number in sorted(missing))
        raise FileNotFoundError(f"{folder}: parts of the archive are missing. Download {names}.")
    return parts


def _read_part(path: Path) -> Part | None:
    """The part in a file that is named as one, or in the zip around it; None for other files."""
    name = PART_NAME.fullmatch(path.name)
    if name is None:
        return None
    if not _read_head(path).startswith(ZIP):
        return Part(int(name[1]), path, None, path.stat().st_size)
    members = list_zip(path)
    found = few(member.filename[:100] for member in members) or "nothing: it may be cut short"
    if len(members) == 1 and (fault := zip_fault(members, path)):
        members, found = [], f"{found}, {fault}"
    if len(members) != 1:
        raise ValueError(f"{path}: a zip must hold one part of the archive. Found {found}. Download it again.")
    return Part(int(name[1]), path, members[0].filename, members[0].file_size)


def _drop_repeats(parts: list[Part]) -> list[Part]:
    """One part of each number, in order; a raw file is preferred to a zip."""
    kept, repeats = {}, []
    for part in sorted(parts, key=lambda part: (part.number, part.member is not None, part.path.name)):
        first = kept.setdefault(part.number, part)
        if first is part:
            continue
        if (first.size, _read_head(first)) != (part.size, _read_head(part)):
            raise ValueError(
                f"{first.path} ({first.size:,} bytes) and {part.path.name} ({part.size:,} bytes) are the same part of "
                "the archive by their names, but differ. Remove the wrong one, or both, and download it again."
            )
        repeats.append(part.path.name)
    if repeats:
        message = f"{len(repeats)} files in {parts[0].path.parent} repeat a part of the archive: {few(repeats)}."
        warnings.warn(f"{message} They are not used.", stacklevel=5)
    return list(kept.values())


def list_files(folder: Path) -> list[Path]:
    """The visible files that may be archives."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    paths = [path for path in paths if path.suffix.lower() not in NO_ARCHIVE and not path.name.startswith(".")]
    return [path for path in paths if path.is_file()]


def list_zip(path: Path) -> list[zipfile.ZipInfo]:
    """The files in a zip; empty if `path` is not a zip, or is cut short."""
    try:
        if _read_head(path, len(ZIP)) != ZIP:
            return []
        with _BoundedFile(path) as file, zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except (*NO_ZIP, PermissionError):
        return []
    infos = [i for i in infos if i.filename and i.compress_type in ZIP_METHODS and i.header_offset >= 0]
    return [info for info in infos if not info.is_dir() and not info.filename.startswith("__MACOSX")]


def zip_fault(members: Iterable[zipfile.ZipInfo], path: Path) -> str:
    """Why members of a zip are not unpacked: a password, or a size that the zip cannot hold; "" if they can be."""
    members = list(members)
    size = sum(member.file_size for member in members)
    if any(member.flag_bits & ENCRYPTED for member in members):
        return "with a password"
    if size > FREE_BYTES + MAX_ZIP_RATIO * path.stat().st_size:
        return f"{size:,} bytes when unpacked, more than {MAX_ZIP_RATIO} times the size of the zip"
    return ""


class _BoundedFile(io.FileIO):
    """A file for `zipfile`, which reads the list of members at once, in whatever size the zip declares."""

    def read(self, size: int = -1) -> bytes:
        if size > ZIP_DIRECTORY:
            raise zipfile.BadZipFile(f"its list of members has {size:,} bytes")
        return super().read(size if size >= 0 else ZIP_DIRECTORY)


def is_gzip(source: Path | Part) -> bool:
    try:
        return _read_head(source, len(GZIP)) == GZIP
    except PermissionError:
        return False


def _read_head(source: Path | Part, size: int = HEAD) -> bytes:
    if isinstance(source, Path):
        with source.open("rb") as file:
            return file.read(size)
    try:
        with source.open() as file:
            return file.read(size)
    except BROKEN as error:
        raise ValueError(f"{source.path}: a broken zip ({error}). Download it again.") from error
