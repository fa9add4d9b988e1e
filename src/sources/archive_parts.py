"""The parts of an SSv2 download: which files are parts, in which order, and all of them as one stream of tar bytes."""

import os
import re
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from src.sources.ssv2 import VIDEO_FOLDER
from src.sources.video_table import few

ZIP, GZIP, TAR = b"PK\x03\x04", b"\x1f\x8b", b"ustar"  # TAR at byte 257
WEB_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
COPY = r"(?: ?\(\d+\))?"  # what a browser adds to a second download
PART_NAME = re.compile(rf"(?:20bn-)?something-something-v2-(\d+){COPY}(?:\.(?:zip|tgz|tar|gz|tar\.gz))?{COPY}", re.I)
NO_ARCHIVE = (".webm", ".mp4", ".json", ".csv")  # 220,847 of them may lie there: too many to open
CHUNK = 1 << 16  # bytes; zlib and tarfile copy the rest of a chunk again and again, so larger ones are slower
NEAR_START = 1 << 20  # bytes; a break this early in a part may come of the part before it, cut short
BROKEN = (zlib.error, EOFError, tarfile.TarError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Part:
    """One part of the archive: a file, or a member of a zip."""

    number: int
    path: Path
    member: str | None
    size: int

    def open(self, mode: str = "rb") -> BinaryIO:
        if self.member is None:
            return self.path.open(mode)
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.open(self.member)  # it stays open
        except (RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:  # password, rare compression, damage
            message = f"{self.path}: {error}. Download it again, or unpack this zip by hand and remove it."
            raise ValueError(message) from error


class ArchiveStream:
    """The parts as one stream of tar bytes, unzipped and gunzipped, that knows which part it is reading."""

    def __init__(self, parts: list[Part]):
        self.parts, self.part = parts, parts[0]
        self.size = sum(part.size for part in parts)
        self.position = self.offset = 0  # bytes read: of all parts, of this part
        chunks, head = self._read_parts(), b""
        while len(head) < tarfile.BLOCKSIZE and (chunk := next(chunks, b"")):
            head += chunk
        if not is_tar(head):
            raise self._no_beginning(head)
        self._chunks = chain([head], chunks)
        self._gunzip = zlib.decompressobj(wbits=31) if head.startswith(GZIP) else None  # 31: gzip, with its checksum

    def read(self, size: int) -> bytes:
        """The next bytes of the tar; b"" at its end."""
        if self._gunzip is None:
            return next(self._chunks, b"")
        while not self._gunzip.eof:
            chunk = self._gunzip.unconsumed_tail or next(self._chunks, b"")
            if not chunk:
                raise EOFError("the gzip stream ends too early")
            if data := self._gunzip.decompress(chunk, size):
                return data
        return b""

    def _read_parts(self) -> Iterator[bytes]:
        for part in self.parts:
            self.part, self.offset = part, 0
            with part.open() as file:
                while chunk := file.read(CHUNK):
                    self.position += len(chunk)
                    self.offset += len(chunk)
                    yield chunk

    def broken(self, error: Exception) -> ValueError:
        """What to tell a person when the stream breaks where it stands."""
        again, before = self.part.path.name, self.parts[: self.parts.index(self.part)]
        if "data check" in str(error):  # gzip's checksum of all parts
            again = "the parts whose size or checksum is not that of the source"
        elif isinstance(error, EOFError):
            again += ", if it is cut short, and any part after it"
        elif before and self.offset <= NEAR_START:
            again += f", and {before[-1].path.name}, which may be cut short"
        return ValueError(
            f"{self.part.path}: the archive must be whole, but breaks in this part, at about byte {self.offset:,} of "
            f"{self.part.size:,} ({error}). Download again: {again}. What was extracted stays."
        )

    def _no_beginning(self, head: bytes) -> Exception:
        first = self.parts[0]
        rule = f"{first.path}: the first part must begin with the bytes of gzip, 1f 8b. Found {head[:4].hex(' ')}"
        for part in self.parts[1:]:
            if is_tar(read_head(part)):
                return ValueError(f"{rule}, but {part.path.name} begins so: the numbers are wrong. Rename the parts.")
        if first.number:
            missing = _part_names(range(first.number))
            return FileNotFoundError(f"{rule}: the parts before it are missing. Download {missing}.")
        return ValueError(f"{rule}: a wrong or broken file. Download it again.")


def find_parts(folder: Path) -> list[Part]:
    """The parts in order, one of each, none missing between them; a whole archive is its only part."""
    files = list_files(folder)
    parts = [part for part in map(_read_part, files) if part]
    parts = parts or [Part(0, path, None, path.stat().st_size) for path in files if is_tar(read_head(path))]
    if not parts:
        raise FileNotFoundError(
            f"{folder}: no video archive. Looked for {VIDEO_FOLDER}-00, -01, ... or one whole .tgz; found "
            f"{few(path.name for path in files) or 'no archive'}. Download the parts into this folder."
        )
    for part in parts:
        try:
            head = read_head(part)
        except BROKEN as error:
            raise ValueError(f"{part.path}: a broken zip ({error}). Download it again.") from error
        if not head or WEB_PAGE.match(head):
            found = "a web page" if head else "an empty file"
            raise ValueError(f"{part.path}: must be a part of the archive. Found {found}. Download it again.")
    parts = _drop_repeats(parts)
    missing = sorted(set(range(parts[0].number, parts[-1].number)) - {part.number for part in parts})
    if missing:
        raise FileNotFoundError(f"{folder}: parts between those there are missing. Download {_part_names(missing)}.")
    return parts


def _read_part(path: Path) -> Part | None:
    """The part that a file is, or, if it is a zip, holds."""
    name = PART_NAME.fullmatch(path.name)
    if not read_head(path).startswith(ZIP):
        return Part(int(name[1]), path, None, path.stat().st_size) if name else None
    infos = list_zip(path)
    named = {info: match for info in infos if (match := PART_NAME.fullmatch(os.path.basename(info.filename)))}
    held = named or (dict.fromkeys(infos, name) if name else {})
    if len(held) == 1:
        [(info, name)] = held.items()
        return Part(int(name[1]), path, info.filename, info.file_size)
    if name or held:
        found = few(info.filename for info in infos) or "nothing: it may be cut short"
        raise ValueError(f"{path}: a zip must hold one part of the archive. Found {found}. Download it again.")
    return None


def _drop_repeats(parts: list[Part]) -> list[Part]:
    """One part of each number, in order: a raw one rather than a zip."""
    kept, repeats = {}, []
    for part in sorted(parts, key=lambda part: (part.number, part.member is not None, part.path.name)):
        first = kept.setdefault(part.number, part)
        if first is part:
            continue
        if (first.size, read_head(first)) != (part.size, read_head(part)):
            raise ValueError(
                f"{first.path} ({first.size:,} bytes) and {part.path.name} ({part.size:,} bytes) are the same part of "
                "the archive by their names, but differ. Remove the wrong one, or both, and download it again."
            )
        repeats.append(part.path.name)
    if repeats:
        message = f"{len(repeats)} files in {parts[0].path.parent} repeat a part of the archive: {few(repeats)}."
        warnings.warn(f"{message} They are not used.", stacklevel=5)
    return list(kept.values())


def _part_names(numbers: Iterable[int]) -> str:
    return ", ".join(f"{VIDEO_FOLDER}-{number:02d}" for number in numbers)


def list_files(folder: Path) -> list[Path]:
    """The visible files that may be archives."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    paths = [path for path in paths if path.suffix.lower() not in NO_ARCHIVE and not path.name.startswith(".")]
    return [path for path in paths if path.is_file()]


def list_zip(path: Path) -> list[zipfile.ZipInfo]:
    """The files in a zip; none if it is none, or cut short."""
    if not read_head(path).startswith(ZIP):
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except zipfile.BadZipFile:
        return []
    return [info for info in infos if not info.is_dir() and not info.filename.startswith("__MACOSX")]


def read_head(source: Path | Part) -> bytes:
    with source.open("rb") as file:
        return file.read(CHUNK)


def is_tar(head: bytes) -> bool:
    """Whether a file begins as a gzip or a plain tar does."""
    return head.startswith(GZIP) or head[257:262] == TAR
