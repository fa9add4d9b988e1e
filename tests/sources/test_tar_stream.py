"""Hostile archives and labels: each is refused with one sentence, in little memory, disk and time."""

import gzip
import io
import json
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from archives import LABELS, VIDEOS, extracted, make_tgz, unfinished, write_label_zip, write_parts
from conftest import LIMIT

from src.sample import VIDEO_FOLDER
from src.sources.archive import extract_videos
from src.sources.source import read_source

NAME = f"{VIDEO_FOLDER}/4.webm"
MEMORY = 60 << 20  # bytes that reading a hostile archive may take; most take a few
LABEL_MEMORY = 400 << 20  # bytes; the text is read
DISK = 80 << 20

MEASURE = """
import signal, sys
from src.sources.archive import extract_videos
from src.sources.source import read_source
def peak():  # ru_maxrss would begin with the memory of the process that started this one
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024
signal.alarm(int(sys.argv[3]))
before = peak()
try:
    print({"extract": lambda path: extract_videos(path, "123456789"), "read": read_source}[sys.argv[1]](sys.argv[2]))
except (ValueError, OSError) as error:
    print(type(error).__name__, error)
print(peak() - before, file=sys.stderr)
"""


def measure(folder, what="extract"):
    """What one call in a process of its own prints, and the bytes that it took of memory and of the disk."""
    before = used_disk(folder)
    command = [sys.executable, "-c", MEASURE, what, folder, str(LIMIT)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1], int(done.stderr.split()[-1]), used_disk(folder) - before


def used_disk(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def header(name, size, kind, **fields):
    """One header block; fields by position and content replace bytes of it."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT)[:512])
    for start, content in fields.get("patch", {}).items():
        block[start : start + len(content)] = content
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content):
    return content + bytes(-len(content) % 512)


def pax(fields):
    records = b""
    for key, value in fields.items():
        body = f" {key}={value}\n".encode(errors="surrogateescape")
        size = next(n for n in range(len(body), len(body) + 20) if n == len(body) + len(str(n)))
        records += str(size).encode() + body
    return header("PaxHeader", len(records), tarfile.XHDTYPE) + padded(records)


def after_three(raw, level=1):
    """A tgz of three videos, then `raw`."""
    videos = {name: VIDEOS[name] for name in "123"}
    return gzip.compress(
        gzip.decompress(make_tgz(videos))[: 512 * (1 + sum(1 + -(-len(v) // 512) for v in videos.values()))] + raw,
        level,
    )


def write_tgz(folder, content):
    (folder / "20bn-something-something-v2-00").write_bytes(content)
    return folder


OCTAL = b"%011o\0"
SPARSE = header(NAME, 98, tarfile.GNUTYPE_SPARSE, patch={386: OCTAL % 0 + OCTAL % 98, 483: OCTAL % (300 << 20)})
BLOCK = padded(b"x" * 98)
PLAIN = header(NAME, 98, tarfile.REGTYPE) + BLOCK
MAP = padded(b"1\n0\n98\n")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (SPARSE + BLOCK, "sparse"),
        (pax({"GNU.sparse.size": 300 << 20, "GNU.sparse.numblocks": 1}) + PLAIN, "sparse"),
        (pax({"GNU.sparse.map": "0,98", "GNU.sparse.size": 300 << 20}) + PLAIN, "sparse"),
        (
            pax({"GNU.sparse.major": 1, "GNU.sparse.minor": 0, "GNU.sparse.realsize": 300 << 20})
            + header("x", len(MAP) + 98, tarfile.REGTYPE) + MAP + BLOCK,
            "sparse",
        ),
        (header("x", 2600 << 20, tarfile.GNUTYPE_LONGNAME) + bytes(1 << 20), "2726297600 bytes, more than 1,048,576"),
        (header("x", 2600 << 20, tarfile.GNUTYPE_LONGLINK) + bytes(1 << 20), "extended header has"),
        (header("x", 2600 << 20, tarfile.XHDTYPE) + bytes(1 << 20), "extended header has"),
        (header("x", 2600 << 20, tarfile.XGLTYPE) + bytes(1 << 20), "extended header has"),
        (header("x", 1, tarfile.XHDTYPE, patch={124: b"\xff" * 12}) + bytes(512), "extended header has -1 bytes"),
        (header("x", 30, tarfile.XHDTYPE) + padded(b"0 path=" + b"a" * 23) + PLAIN, "extended header is broken"),
        (header("x", 30, tarfile.XHDTYPE) + padded(b"18 size=1e300000\n") + PLAIN, "extended header is broken"),
        (header(NAME, 1, tarfile.REGTYPE, patch={124: b"\x80" + b"\x10" * 11}) + BLOCK, "bytes by its header"),
        (header(NAME, 1, tarfile.REGTYPE, patch={124: b"\xff" * 12}) + BLOCK, "has -1 bytes by its header"),
        (header(NAME, 9_000_000, tarfile.REGTYPE) + BLOCK, "unexpected end of data"),
        (pax({"mtime": "nan"}) + PLAIN, "modified at nan"),
        (pax({"mtime": "inf"}) + PLAIN, "modified at inf"),
        (pax({"mtime": "-1e300"}) + PLAIN, "modified at -1e"),
        (pax({"mtime": "soon"}) + PLAIN, "extended header is broken"),
        (header(NAME, 98, tarfile.REGTYPE, patch={136: b"\x80" + b"\x10" * 11}) + BLOCK, "modified at"),
        (pax({"path": f"{VIDEO_FOLDER}/{'a' * 256}.webm"}) + PLAIN, "names of at most 255 bytes"),
        (pax({"path": f"{'a/' * 9000}4.webm\0"}) + PLAIN, "plain file inside"),
        (pax({"path": "../4.webm"}) + PLAIN, "plain file inside"),
        (header(NAME, 0, tarfile.CHRTYPE), "plain file inside"),
        (b"x" * 512, "breaks"),
    ],
)  # fmt: skip
def test_a_hostile_member_is_refused_and_earlier_videos_are_kept(tmp_path, raw, message):
    write_tgz(tmp_path, after_three(raw + bytes(1024)))
    with pytest.raises(ValueError, match=message) as error:
        extract_videos(tmp_path, VIDEOS)
    assert "20bn-something-something-v2-00: " in str(error.value) and len(str(error.value)) < 1000
    assert extracted(tmp_path) == {name: VIDEOS[name] for name in "123"} and unfinished(tmp_path) == []


def test_harmless_extended_headers_are_read(tmp_path):
    long = f"{'folder/' * 30}4.webm"
    comment = header("x", 600, tarfile.XGLTYPE) + padded(b"600 comment=" + b"a" * 587 + b"\n")
    link = header("x", 5, tarfile.GNUTYPE_LONGLINK) + padded(b"none\0")
    name = header("x", len(long) + 1, tarfile.GNUTYPE_LONGNAME) + padded(long.encode() + b"\0")
    second = (
        pax({"path": f"{VIDEO_FOLDER}/5.webm", "size": 98, "mtime": -1.5}) + header("y", 0, tarfile.REGTYPE) + BLOCK
    )
    write_tgz(tmp_path, after_three(comment + link + name + PLAIN + second + bytes(1024)))
    extract_videos(tmp_path, "12345")
    assert extracted(tmp_path)["4"] == extracted(tmp_path)["5"] == b"x" * 98
    assert (tmp_path / VIDEO_FOLDER / "5.webm").stat().st_mtime == -1.5


def test_the_first_of_two_members_with_one_name_is_taken(tmp_path):
    write_tgz(tmp_path, after_three(PLAIN + header(NAME, 5, tarfile.REGTYPE) + padded(b"other") + bytes(1024)))
    with pytest.warns(UserWarning, match="1 of 5 wanted"):
        extract_videos(tmp_path, "12345")
    assert extracted(tmp_path)["4"] == b"x" * 98


BOMBS = {
    "zeros after the videos": lambda: gzip.compress(gzip.decompress(make_tgz()) + bytes(400 << 20), 9),
    "one large member": lambda: after_three(header(NAME, 400 << 20, tarfile.REGTYPE) + bytes(400 << 20), 9),
    "many members": lambda: after_three(header("a.txt", 0, tarfile.REGTYPE) * 400_000, 9),
    "many extended headers": lambda: after_three((header("x", 1 << 20, tarfile.XGLTYPE) + bytes(1 << 20)) * 400, 9),
    "a long name": lambda: after_three(header("x", 400 << 20, tarfile.GNUTYPE_LONGNAME) + b"a" * (400 << 20), 9),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS)
def test_an_archive_that_grows_is_refused_in_little_memory_and_disk(tmp_path, bomb):
    """0.4 MB that become 400 MB."""
    text, memory, disk = measure(write_tgz(tmp_path, BOMBS[bomb]()))
    assert text.startswith("ValueError") and "20bn-something-something-v2-00" in text
    assert memory < MEMORY and disk < DISK


def label_zip(folder, members, **changes):
    """A labels zip, and part 00 of an archive beside it."""
    write_parts(folder)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            with archive.open(name, "w", force_zip64=True) as file:
                for chunk in [content] if isinstance(content, str | bytes) else content:
                    file.write(chunk.encode() if isinstance(chunk, str) else chunk)
    (folder / "labels.zip").write_bytes(data.getvalue())
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("size_mb", [100, 1024])
def test_a_labels_zip_that_grows_is_refused(tmp_path, size_mb):
    text, memory, disk = measure(label_zip(tmp_path, LABELS | {"train.json": [b" " * (1 << 20)] * size_mb}), "read")
    assert text.startswith("ValueError") and "labels.zip: a label file must have at most" in text
    assert memory < MEMORY and disk == 0


@pytest.mark.slow
@pytest.mark.parametrize("content", ["[" * 10_000_000, "[" + "9" * 50_000_000 + "]", "[" + "[]," * 15_000_000 + "0]"])
def test_json_that_no_one_can_read_is_refused(tmp_path, content):
    text, memory, _ = measure(label_zip(tmp_path, LABELS | {"train.json": content}), "read")
    assert text.startswith("ValueError") and "train.json: " in text and len(text) < 1000
    assert memory < LABEL_MEMORY


@pytest.mark.slow
def test_a_million_entries_are_read(tmp_path):
    entries = [{"id": str(number), "template": "Holding [something]"} for number in range(10, 1_000_010)]
    label_zip(tmp_path, LABELS | {"train.json": json.dumps(entries)})
    assert len(read_source(tmp_path)) == 1_000_004


def test_members_of_a_labels_zip_are_written_to_labels_alone(tmp_path):
    write_parts(tmp_path / "in")
    label_zip(
        tmp_path / "in", {f"../../{name}": text for name, text in LABELS.items()} | {"/tmp/evil.json": "x", "../x": "y"}
    )
    read_source(tmp_path / "in")
    assert {path.name for path in (tmp_path / "in/labels").iterdir()} == LABELS.keys()
    assert [path.name for path in tmp_path.iterdir()] == ["in"] and not Path("/tmp/evil.json").exists()


def patched(folder, signature, start, content):
    """Changes bytes of each header with this signature in the labels zip."""
    path = next(folder.glob("*.zip"))
    data = bytearray(path.read_bytes())
    place = data.find(signature)
    while place >= 0:
        data[place + start : place + start + len(content)] = content
        place = data.find(signature, place + 4)
    path.write_bytes(data)


ENTRY, END = b"PK\x01\x02", b"PK\x05\x06"


@pytest.mark.parametrize(
    ("signature", "start", "content"),
    [
        (ENTRY, 8, b"\x01\x00"),  # encrypted
        (ENTRY, 8, b"\x20\x00"),  # patched data
        (ENTRY, 10, b"\x0e\x00"),  # LZMA
        (ENTRY, 16, b"oops"),  # checksum
        (ENTRY, 20, struct.pack("<2L", 2**31, 2**31)),  # sizes
        (ENTRY, 20, struct.pack("<2L", 10, 10)),
        (ENTRY, 24, b"\xff\xff\xff\xff"),  # zip64 without its field
        (ENTRY, 28, b"\xff\xff"),  # name
        (ENTRY, 42, struct.pack("<L", 2**31)),  # place
        (ENTRY, 42, struct.pack("<L", 0)),  # all are the first member
        (ENTRY, 6, b"\xff\xff"),  # version
        (END, 12, struct.pack("<L", 2**31)),  # list of members
        (END, 16, struct.pack("<L", 2**31)),
        (END, 0, b"oops"),
    ],
)
def test_a_labels_zip_that_lies_is_refused(tmp_path, signature, start, content):
    patched(write_label_zip(write_parts(tmp_path)), signature, start, content)
    with pytest.raises((ValueError, FileNotFoundError), match=r"labels\.zip: |no labels") as error:
        read_source(tmp_path)
    assert str(tmp_path) in str(error.value) and not list(tmp_path.rglob("labels/*"))


def test_a_zip_of_many_members_is_not_read_into_memory(tmp_path):
    write_label_zip(write_parts(tmp_path))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(40_000):
            archive.writestr(f"{number}{'a' * 100}", b"")
    assert len(read_source(tmp_path)) == len(VIDEOS)
