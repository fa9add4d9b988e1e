"""Digests of videos: each file's bytes are hashed once, and remembered while the file is unchanged.

A video is a file, or a folder of images, whose digest is that of the images' names and bytes.
"""

import hashlib
import json
import os
import stat
import uuid
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from src.files import read_json, write_text
from src.image_folder import list_images
from src.progress import progress
from src.store.contents import is_memory, is_memory_entry

READERS = 8  # threads; both hashing and reading release Python's lock
DIGEST_BYTES = 8
MEMORY_BYTES = 1 << 28  # at most: over a million videos


def read_digests(paths: Sequence[str], memory: str | Path) -> list[str]:
    """The digest of each video's bytes; "" for one that is empty, unreadable, or neither a regular file nor images.

    Args:
        paths: files, and folders of images.
        memory: a JSON file of digests by path, read and written here. An entry is valid while the file's size,
            modification and change times, and inode are the same, for a folder those of all images; 5,000 unchanged
            files take well under a second. Entries that are not of this form are ignored.
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
                _keep_foreign(memory)
                write_text(memory, json.dumps(known))
    return [known[path][-1] if known.get(path, [None])[:-1] == states[path] else "" for path in paths]


def read_digest(path: str | Path) -> str:
    """The digest of a video's bytes (BLAKE2b, 16 hex characters); "" if it cannot be read."""
    try:
        if os.path.isdir(path):
            return _digest_images(path)
        with open(path, "rb") as file:
            return hashlib.file_digest(file, _blake).hexdigest()
    except OSError:
        return ""


def _blake():
    return hashlib.blake2b(digest_size=DIGEST_BYTES)


def _digest_images(folder):
    """Digest of the images' names, in order, and the digests of their bytes; "" if there are none."""
    digest, images = _blake(), list_images(folder)
    for image in images:
        digest.update(os.fsencode(image.name) + b"\0")
        with open(image, "rb") as file:
            digest.update(hashlib.file_digest(file, _blake).digest())
    return digest.hexdigest() if images else ""


def _state(path):
    """What changes whenever the bytes do: a list of a few integers and text; None for what is no video.

    For a file: [bytes, modification and change time in ns, inode]. Files are not opened: opening a named pipe would
    wait forever.
    """
    try:
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            return _state_of_images(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        return None
    return _state_of_file(found)


def _state_of_file(found):
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _state_of_images(folder):
    """[number of images, their bytes, digest of their names and states, inode of the folder]."""
    images = {image.name: _state_of_file(image.stat()) for image in list_images(folder)}
    states = json.dumps(list(images.items())).encode()
    size = sum(state[0] for state in images.values())
    if not size:
        return None
    return [len(images), size, hashlib.blake2b(states, digest_size=16).hexdigest(), os.stat(folder).st_ino]


def _read_memory(path):
    """The entries of digests.json that are of our form; without the others, the files are hashed again."""
    content = read_json(path, MEMORY_BYTES)
    entries = content.items() if isinstance(content, dict) else ()
    return {path: entry for path, entry in entries if is_memory_entry(entry)}


def _keep_foreign(memory):
    """Moves a file that is no memory of ours, but happens to have its name, beside it."""
    if memory.is_file() and memory.stat().st_size and not is_memory(read_json(memory, MEMORY_BYTES)):
        kept = memory.with_name(f"{memory.stem}-{uuid.uuid4().hex[:8]}{memory.suffix}")
        os.replace(memory, kept)
        warnings.warn(f"{memory} is not what this project writes. It was kept as {kept.name}.", stacklevel=4)
