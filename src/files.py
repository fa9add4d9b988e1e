"""Paths as users write them, and atomic writing: a reader sees the old file or the new one, never a part of it."""

import json
import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial-"  # prefix of the names of unfinished files


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
