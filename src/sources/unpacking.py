"""Where archives are unpacked to, and how: nothing that exists is overwritten, and the disk is never filled up."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from src.files import check_path, expand
from src.ownership import claim, discard, is_abandoned, make_staging

DISK_RESERVE = 100 << 20  # bytes that stay free
NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)


def unpack_target(folder: str | Path, unpack_to: str | Path | None) -> Path:
    """The folder that archives are unpacked to: that of the archives unless another one is given."""
    return expand(folder) if unpack_to is None else check_path(unpack_to, "unpack_to")


@contextmanager
def explain_read_only(folder: Path) -> Iterator[None]:
    """Turns the error of a folder that cannot be written to into one that says what to do.

    Raises:
        PermissionError: the folder, or its file system, is read-only for this user.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        raise PermissionError(
            error.errno,
            f"cannot be written to ({error.strerror}), and archives are unpacked into it. Set unpack_to to a folder of "
            "yours; the archives stay where they are",
            str(folder),
        ) from None


def claim_target(folder: Path, kind: str) -> bool:
    """Makes a folder for unpacked files. True if it is ours; False if it has files of the user's, which stay."""
    with explain_read_only(folder.parent):
        try:
            claim(folder, kind)
        except ValueError:
            if not folder.is_dir():
                raise
            return False
    return True


@contextmanager
def staging_directory(folder: Path) -> Iterator[Path]:
    """Yields a staging directory in `folder`, removed at the end; removes those whose process has ended."""
    with explain_read_only(folder):
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False) and is_abandoned(entry.path):
                discard(entry.path)
        staging = make_staging(folder)
    try:
        yield staging
    finally:
        discard(staging)


def place(temporary: Path, path: Path) -> bool:
    """Moves a whole file to its place on the same file system; False, and nothing is changed, if the place is taken."""
    try:
        os.link(temporary, path)
        temporary.unlink()
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            return False
        os.rename(temporary, path)
    return True


def check_disk(folder: Path, needed: int) -> None:
    """Raises OSError if `needed` bytes do not fit on the disk of `folder`, with a reserve."""
    free = shutil.disk_usage(folder).free
    if free < needed + DISK_RESERVE:
        raise OSError(
            errno.ENOSPC,
            f"the disk must keep {DISK_RESERVE / 1e6:,.0f} MB free. {needed / 1e6:,.1f} MB are to be unpacked, and "
            f"{free / 1e6:,.1f} MB are free. Make room, or set unpack_to to a folder on another disk. What was "
            "unpacked is kept",
            str(folder),
        )
