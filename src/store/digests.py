"""Digests of videos: each file's bytes are hashed once, and remembered while the file is unchanged."""

import hashlib
import json
import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from src.files import write_text
from src.progress import progress

READERS = 8  # threads; both hashing and reading release Python's lock
DIGEST_BYTES = 8


def read_digests(paths: Sequence[str], memory: str | Path) -> list[str]:
    """The digest of each file's bytes; "" for a file that is empty, unreadable or not regular.

    Args:
        paths: files.
        memory: a JSON file of digests by path, read and written here. An entry is valid while the file's size,
            modification and change times, and inode are the same; 5,000 unchanged files take well under a second.
    """
    memory = Path(memory)
    known, states = _read_memory(memory), {path: _state(path) for path in paths}
    changed = [path for path, state in states.items() if state and known.get(path, [None])[:-1] != state]
    if changed:
        new = {}
        try:
            with ThreadPoolExecutor(READERS) as readers:
                digests = progress(readers.map(read_digest, changed), len(changed), "reading videos", "video")
                for path, digest in zip(changed, digests, strict=True):
                    new |= {path: [*states[path], digest]} if digest else {}
        finally:  # an interrupted job keeps what it has read
            known = _read_memory(memory) | new  # another job may have added entries
            with suppress(OSError):  # a full disk is reported by the job
                memory.parent.mkdir(parents=True, exist_ok=True)
                write_text(memory, json.dumps(known))
    return [known[path][-1] if known.get(path, [None])[:-1] == states[path] else "" for path in paths]


def read_digest(path: str | Path) -> str:
    """The digest of a file's bytes (BLAKE2b, 16 hex characters); "" if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).hexdigest()
    except OSError:
        return ""


def _state(path):
    """[bytes, modification and change time in ns, inode] of a regular file that is not empty, else None.

    The file is not opened: opening a named pipe would wait forever.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _read_memory(path):
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):  # missing or broken: the files are hashed again
        return {}
