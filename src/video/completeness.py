"""Whether a file was cut off: compares the sizes that a container declares for its parts with the bytes that are there.

Durations are no evidence: sound may be longer than the picture, the last frame may be shown for long, and headers can
be wrong. A container that declares no sizes (MPEG-TS, Ogg, a live recording) cannot be checked.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

COMPLETE_SHARE = 0.85  # of the declared bytes; the rest may be an index, or a few frames at the end
BOXES = {b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"styp", b"sidx", b"uuid", b"mfra", b"meta"}
FLV_FILE = b"\x00\x08filesize\x00"  # name of a number
EBML, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
TAIL = 64  # bytes
UNKNOWN = -1  # size of an EBML element that ends where its parent does
ASF_HEADER, ASF_FILE = (
    bytes.fromhex(text) for text in ("3026b2758e66cf11a6d900aa0062ce6c", "a1dcab8c47a9cf118ee400c00c205365")
)


def missing_bytes(path: str | Path) -> tuple[int, int] | None:
    """(bytes that are there, bytes that are declared) of a file that was cut off, or None."""
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        start = file.read(16)
        for matches, walk in WALKS:
            if matches(start):
                file.seek(0)
                held, declared = walk(file, size)
                return (held, declared) if held < COMPLETE_SHARE * declared else None
    return None


def _walk_riff(file, size):
    """AVI: the list "movi" holds the frames; a large file has one in each of several parts. Its size is 0 if the writer
    was stopped, and then nothing is known.
    """
    end = position = part_end = 0
    while position + 12 <= size:
        file.seek(position)
        name, length, kind = (head := file.read(12))[:4], int.from_bytes(head[4:8], "little"), head[8:]
        if name == b"RIFF":
            position, part_end = position + 12, position + 8 + length
            continue
        if position >= part_end:  # what follows the last part is padding, of any content
            break
        position += 8 + length + length % 2
        if name == b"LIST" and kind == b"movi" and 0 < length < 0xFFFFFFFF:
            end = position
    return size, end


def _walk_boxes(file, size):
    """MP4, MOV: the boxes of the file's top level, of which "mdat" holds the frames."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if not kind.isascii() or length < 8:  # 0 extends to the end of the file
            break
        if position + length > size:
            return size, position + length if kind in BOXES else size
        position += length
    return size, size


def _walk_ebml(file, size):
    """MKV, WebM: the elements of the segment. Bytes that are no element, before its declared end, are missing ones."""
    position, end = 0, 0
    while position < size:
        name, length, body = _read_element(file, position)
        if name == SEGMENT:
            end = 0 if length == UNKNOWN else body + length
            break
        if name != EBML or length == UNKNOWN:
            break
        position = body + length
    if end == 0 or end > size:
        return size, end
    file.seek(end - TAIL)
    if any(file.read(TAIL)):
        return size, end
    position = body  # a file that was set up in full length, and ends in zeros: up to where is it filled?
    while position < end:
        name, length, body = _read_element(file, position)
        if name is None:
            return position, end
        position = body if name == CLUSTER or length == UNKNOWN else body + length
    return size, end


def _read_element(file: BinaryIO, position: int) -> tuple[int | None, int, int]:
    """(name, size, position of the content) of an EBML element; the name is None where there is none."""
    file.seek(position)
    head = file.read(12).ljust(12, b"\0")
    name_length = 9 - head[0].bit_length()
    if name_length > 4:
        return None, 0, position
    size_length = 9 - head[name_length].bit_length()
    if size_length > 8:
        return None, 0, position
    body = name_length + size_length
    length = int.from_bytes(head[name_length:body], "big") & ((1 << 7 * size_length) - 1)
    length = UNKNOWN if length == (1 << 7 * size_length) - 1 else length
    return int.from_bytes(head[:name_length], "big"), length, position + body


def _walk_asf(file, size):
    """WMV, ASF: the size in the header's file properties, which a live recording leaves 0."""
    header = file.read(1 << 16)
    at = header.find(ASF_FILE)
    declared = int.from_bytes(header[at + 40 : at + 48], "little") if at >= 0 else 0
    return min(size, declared), declared


def _walk_flv(file, size):
    """FLV: the size among the facts that most writers store first."""
    header = file.read(1 << 16)
    at = header.find(FLV_FILE)
    (declared,) = struct.unpack(">d", header[at + len(FLV_FILE) :][:8]) if 0 <= at < len(header) - 32 else (0,)
    return size, int(declared) if 0 < declared < 2**60 else 0


Walk = Callable[[BinaryIO, int], tuple[int, int]]
WALKS: list[tuple[Callable[[bytes], bool], Walk]] = [
    (lambda start: start[:4] in (b"RIFF", b"RF64") and start[8:12] == b"AVI ", _walk_riff),
    (lambda start: start[4:8] in BOXES, _walk_boxes),
    (lambda start: start[:4] == EBML.to_bytes(4, "big"), _walk_ebml),
    (lambda start: start[:16] == ASF_HEADER, _walk_asf),
    (lambda start: start[:4] == b"FLV\x01", _walk_flv),
]
