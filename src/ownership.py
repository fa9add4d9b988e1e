"""Which folders are ours: each has a stamp, and what has none is never written to or removed.

```
<folder>/two-stream.json                        {"written_by": "two-stream", "kind": …}
<parent>/<host>_<process>_<random>/             staging directory: what a process is writing; moved to its place when
    two-stream.json                             complete. The stamp names the process, so that others see its end
```
"""

import errno
import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from src.files import PARTIAL, expand, read_json, write_json

STAMP = "two-stream.json"  # not hidden, so that `cp folder/*` copies it
WRITER = "two-stream"
STAGING = "staging"  # kind of staging directories
STAMP_BYTES = 100_000  # at most
IGNORED = {".DS_Store", "Thumbs.db", "desktop.ini", ".directory", "lost+found"}  # systems put them into empty folders
ABANDONED_AFTER = 3600  # seconds without a change after which a staging directory of another machine is abandoned
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
SAME_START = 10  # seconds: start times of one process may differ by so much, because the clock is adjusted


def claim(folder: str | Path, kind: str, recognises: Callable[[Path], bool] | None = None) -> None:
    """Makes a folder that this project may write to, and stamps it.

    Args:
        folder: is made, with its parents, if it does not exist.
        kind: what the folder holds, such as "prepared data".
        recognises: whether a folder without a stamp, made by an older version, is ours by its content.

    Raises:
        ValueError: the folder holds something else. Nothing was written then.
    """
    folder = expand(folder)
    if is_claimed(folder, kind, recognises) and read_stamp(folder) is not None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / STAMP, {"written_by": WRITER, "kind": kind})


def is_claimed(folder: str | Path, kind: str, recognises: Callable[[Path], bool] | None = None) -> bool:
    """Whether a folder holds our data of this kind; False if it is new or empty. Writes nothing.

    Raises:
        ValueError: the folder holds something else, as for `claim`.
    """
    folder = expand(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: must be a folder for {kind}, but is a file. Choose another folder.")
    found = _list_content(folder)  # before the stamp is read: another job may be making the folder at this moment
    stamp = read_stamp(folder)
    if stamp and stamp["kind"] != kind:
        raise ValueError(f"{folder}: must be a folder for {kind}, but holds: {stamp['kind']}. Choose another folder.")
    if stamp or not found:
        return bool(stamp)
    if recognises is not None and recognises(folder):
        return True
    names = ", ".join(repr(name) for name in found[:3]) + (", …" if len(found) > 3 else "")
    raise ValueError(
        f"{folder}: must be a new or an empty folder, or one that this project made for {kind}, so that no file of "
        f"yours is overwritten. Found: {names}. Nothing was written there. Choose another folder."
    )


def read_stamp(folder: str | Path) -> dict | None:
    """The stamp of a folder, with "kind" and what else was written; None if it has none."""
    stamp = read_json(Path(folder) / STAMP, STAMP_BYTES)
    is_stamp = isinstance(stamp, dict) and stamp.get("written_by") == WRITER and isinstance(stamp.get("kind"), str)
    return stamp if is_stamp else None


def make_staging(parent: str | Path) -> Path:
    """Makes a staging directory of this process under `parent`; the process discards it when it ends."""
    process, staging = psutil.Process(), _name_staging(parent)
    staging.mkdir(parents=True)
    owner = {"host": socket.gethostname(), "pid": process.pid, "started": process.create_time()}
    try:
        write_json(staging / STAMP, {"written_by": WRITER, "kind": STAGING} | owner)
    except OSError:  # the disk is full
        _delete(staging)
        raise
    return staging


def list_staging(parent: str | Path) -> list[Path]:
    """The staging directories under `parent`, of processes that are running or were killed."""
    return [path for path in _list(parent) if is_staging(path)]


def is_staging(path: str | Path) -> bool:
    """Whether a folder bears the stamp of a staging directory."""
    return (read_stamp(path) or {}).get("kind") == STAGING and not Path(path).is_symlink()


def is_abandoned(staging: str | Path) -> bool:
    """Whether the process that made a staging directory has ended; False for what is not stamped as one.

    On this machine: whether it is running. On another one: whether nothing changed for `ABANDONED_AFTER` seconds. So,
    too, if another process has its number now, because a clock that was set looks like this.
    """
    stamp = read_stamp(staging)
    if stamp is None or stamp["kind"] != STAGING:
        return False
    if stamp.get("host") == socket.gethostname():
        started = _start_of(stamp.get("pid"))
        if started is None:
            return True
        if isinstance(stamp.get("started"), int | float) and abs(started - stamp["started"]) < SAME_START:
            return False
    try:
        return time.time() - os.stat(staging).st_mtime > ABANDONED_AFTER
    except FileNotFoundError:  # its process has just discarded it
        return False


def remove(path: str | Path, parent: str | Path) -> None:
    """Removes a file or a folder of ours; what is gone already is no error.

    It is moved into a new staging directory under `parent` first, so that no process finds half of it or continues to
    write there, and that the rest is known as ours if this process is killed. A staging directory is renamed.
    """
    try:
        away = _name_staging(parent) if is_staging(path) else make_staging(parent)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        _delete(Path(path))  # where it is: no space is left to move it to
        return
    with suppress(FileNotFoundError):
        os.rename(path, away / "removed" if away.exists() else away)
    discard(away)


def discard(staging: str | Path) -> None:
    """Removes a staging directory, its stamp last."""
    for path in _list(staging):
        if path.name != STAMP:
            _delete(path)
    _delete(Path(staging))


def _name_staging(parent):
    return Path(parent) / f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"


def _delete(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError):
            path.unlink()


def _list(folder):
    with suppress(FileNotFoundError, NotADirectoryError):
        return sorted(Path(folder).iterdir())
    return []


def _list_content(folder):
    """Names in a folder, without unfinished stamps and what a system puts there by itself."""
    names = [path.name for path in _list(folder)]
    unfinished = (name for name in names if name.startswith(PARTIAL) and name.endswith(STAMP))
    return sorted(set(names) - IGNORED - set(unfinished))


def _start_of(pid):
    """Start of the running process of this number, seconds; None if there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.AccessDenied:
        return float("nan")
    except (psutil.Error, TypeError, ValueError, OverflowError):
        return None
