"""Which bytes a video has: a digest of each file, computed once and remembered while the file is as it was."""

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

READERS = 8  # threads; hashing and waiting for a disk both leave Python's lock
DIGEST_BYTES = 8


def read_digests(paths: Sequence[str], memory: str | Path) -> list[str]:
    """The digest of each file's bytes; "" for what is no regular file that can be read, and for empty files.

    Args:
        paths: files.
        memory: a JSON file, written here, of digests by path. One counts while the file has the same size, times of
            change (of content and of inode) and inode as when it was read; 5,000 files take well under a second then.
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
        finally:  # also what an interrupted run has read
            known = _read_memory(memory) | new  # another run may have added to it
            with suppress(OSError):  # a full disk is the job's to report
                memory.parent.mkdir(parents=True, exist_ok=True)
                write_text(memory, json.dumps(known))
    return [known[path][-1] if known.get(path, [None])[:-1] == states[path] else "" for path in paths]


def _state(path):
    """[bytes, times of change in ns, inode] of a regular file that is not empty, else None; nothing is opened."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def read_digest(path: str | Path) -> str:
    """A digest of a file's bytes (BLAKE2b, 16 hex characters); "" where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).hexdigest()
    except OSError:
        return ""


def _read_memory(path):
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):  # not there, or broken: it is only a memory
        return {}
