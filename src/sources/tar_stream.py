"""The members of a tar.gz, one after another, within bounds on memory and on the decompressed bytes.

`tarfile` reads extended headers of any declared size at once, keeps them, and expands sparse members. Here every record
has a bound, and what videos never need is refused. `tarfile` parses the headers themselves.
"""

import gzip
import io
import math
import re
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

CHUNK = 1 << 16  # bytes
RECORD_BYTES = 1 << 20  # of one extended header; names and times need less than 10,000
NAME_BYTES = 255  # of a file name, on nearly all file systems
FREE_BYTES, MAX_RATIO = 64 << 20, 20  # decompressed bytes: any up to the first, then per compressed byte; videos need 1
LATEST = 2**33  # seconds since 1970: the year 2242
EXTENDED = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
SKIPPED = (tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK)  # of all members, such as a comment; the target of a link
PAX_FIELD = re.compile(rb"(\d{1,7}) ([^=\n]+)=")


class TarStream:
    """The members of a tar.gz that is read once, from its begin to its end.

    Args:
        source: the compressed bytes; has `position`, the bytes read so far, and `size`, all bytes.
    """

    def __init__(self, source: io.RawIOBase):
        self._source, self._read_bytes = source, 0
        self._content = gzip.GzipFile(fileobj=io.BufferedReader(source, CHUNK))
        self._left, self._padding = 0, 0  # bytes of the current member

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        """Yields each member with its whole name, size and modification time.

        Raises:
            tarfile.TarError: a header is broken or breaks a bound, a member is sparse, or the content decompresses to
                more than `FREE_BYTES` and `MAX_RATIO` times the bytes that were read.
        """
        name, fields = None, {}
        while (block := self._read(tarfile.BLOCKSIZE)).strip(b"\0"):
            member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            if member.type in (*EXTENDED, *SKIPPED, tarfile.GNUTYPE_LONGNAME):
                record = self._read_record(member)
                if member.type in EXTENDED:
                    fields = _parse_pax(record)
                elif member.type == tarfile.GNUTYPE_LONGNAME:
                    name = _decode(record.split(b"\0")[0])
                continue
            member.name = name or member.name
            _apply(fields, member)
            self._check(member)
            self._begin(member.size if member.isreg() else 0)
            yield member
            self._skip()
            name, fields = None, {}

    def copy_to(self, file: BinaryIO) -> None:
        """Writes the content of the current member, if nothing of it was read."""
        while self._left:
            chunk = self._read_exactly(min(CHUNK, self._left))
            self._left -= len(chunk)
            file.write(chunk)

    def check_end(self) -> None:
        """Reads what follows the last member, so that gzip compares its checksum, and it must be zeros."""
        while rest := self._read(CHUNK):
            if rest.strip(b"\0"):
                raise tarfile.ReadError("the header of a member is broken")

    def _check(self, member: tarfile.TarInfo) -> None:
        largest = FREE_BYTES + MAX_RATIO * self._source.size
        if member.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError(f"{member.name[:100]!r} is a sparse file, which no video is")
        if not 0 <= member.size <= largest:
            raise tarfile.ReadError(f"{member.name[:100]!r} has {member.size} bytes by its header, which cannot be")
        if not (math.isfinite(member.mtime) and abs(member.mtime) < LATEST):
            raise tarfile.ReadError(f"{member.name[:100]!r} was modified at {member.mtime} s by its header")

    def _read_record(self, header: tarfile.TarInfo) -> bytes:
        if not 0 <= header.size <= RECORD_BYTES:
            raise tarfile.ReadError(f"an extended header has {header.size} bytes, more than {RECORD_BYTES:,}")
        self._begin(header.size)
        record = self._read_exactly(header.size)
        self._left = 0
        self._skip()
        return record

    def _begin(self, size: int) -> None:
        self._left, self._padding = size, -size % tarfile.BLOCKSIZE

    def _skip(self) -> None:
        rest = self._left + self._padding
        while rest:
            rest -= len(self._read_exactly(min(CHUNK, rest)))
        self._left = self._padding = 0

    def _read_exactly(self, size: int) -> bytes:
        data = self._read(size)
        if len(data) < size:
            raise tarfile.ReadError("unexpected end of data")
        return data

    def _read(self, size: int) -> bytes:
        data = self._content.read(size)
        self._read_bytes += len(data)
        if self._read_bytes > FREE_BYTES + MAX_RATIO * self._source.position:
            raise tarfile.ReadError(f"it decompresses to more than {MAX_RATIO} times its size, which videos never do")
        return data


def _parse_pax(record: bytes) -> dict[bytes, bytes]:
    """The fields of an extended header of POSIX.1-2001: records of "length key=value\\n"."""
    fields, start = {}, 0
    while match := PAX_FIELD.match(record, start):
        end = start + int(match[1])
        if end <= match.end():
            raise tarfile.ReadError("an extended header is broken")
        fields[match[2]] = record[match.end() : end - 1]
        start = end
    return fields


def _apply(fields: dict[bytes, bytes], member: tarfile.TarInfo) -> None:
    if any(key.startswith(b"GNU.sparse.") for key in fields):
        member.type = tarfile.GNUTYPE_SPARSE
    try:
        member.name = _decode(fields.get(b"path", b"")) or member.name
        member.size = int(fields.get(b"size", member.size))
        member.mtime = float(fields.get(b"mtime", member.mtime))
    except (ValueError, OverflowError) as error:
        raise tarfile.ReadError(f"an extended header is broken: {error}") from None


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
