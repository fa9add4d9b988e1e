"""Paths as users write them, files that may be broken, and atomic writing, of which no reader sees a part."""

import json
import os
import re
import stat
import uuid
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

PARTIAL = ".partial-"  # prefix of the names of unfinished files
BROKEN = (EOFError, KeyError, TypeError, RuntimeError, BadZipFile, zlib.error)  # what NumPy raises for a damaged file


def expand(path: str | Path) -> Path:
    """A path as users write it, with a leading ~ or ~name replaced by the home folder, if there is one."""
    return Path(os.path.expanduser(path))


def check_path(path: str | Path, name: str) -> Path:
    """The expanded path that the parameter `name` gives.

    Raises:
        ValueError: it is no path, is empty, or is None in quotes.
    """
    if not isinstance(path, str | os.PathLike) or os.fspath(path) in ("", "None"):
        hint = " Write it without quotes: None" if path == "None" else ""
        raise ValueError(f"{name} must be a path. Received: {path!r}.{hint}")
    return expand(path)


def plain_name(name: str, most: int) -> str:
    """A name of letters, digits, dots, underscores and dashes, at most so many: a folder's name on any system."""
    return re.sub(r"[^\w.]+", "-", name.encode(errors="ignore").decode()).strip("-.")[:most] or "videos"


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; it is renamed to `path` at the end of the block, or removed on an error.

    Its content is on the disk before it is renamed, so that a power cut cannot leave an empty file.

    The temporary name ends like `path`, because some writers choose the format by the suffix.
    """
    path = Path(path)
    temporary = path.with_name(f"{PARTIAL}{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def open_arrays(path: Path, rule: str, remedy: str) -> Iterator[Mapping[str, np.ndarray]]:
    """Opens an .npz file, whose arrays are read when they are asked for.

    Args:
        path: of the file.
        rule: what the file must hold, for the error.
        remedy: what to do where it is broken, for the error.

    Raises:
        ValueError: the file, or an array that the block asks for, is missing or cannot be read.
    """
    try:
        with path.open("rb") as file, np.load(file) as arrays:  # given a path, np.load leaves a broken file open
            yield arrays
    except (*BROKEN, OSError, ValueError) as error:
        raise ValueError(f"{path}: must hold {rule}, but cannot be read ({error}). {remedy}") from error


def write_text(path: str | Path, text: str) -> None:
    """Writes text as UTF-8, atomically; bytes of file names that are not UTF-8 (surrogates) are written unchanged."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def write_json(path: str | Path, content: object) -> None:
    """Writes indented JSON, atomically."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: str | Path, max_bytes: int) -> object:
    """The content of a JSON file; None if there is no such regular file, it is no JSON, or larger than `max_bytes`."""
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_size > max_bytes:  # opening a named pipe would wait forever
            return None
        return json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError):  # RecursionError: nested too deeply
        return None
