"""Finds the files that a CSV lists, and says why one is not found."""

import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePath
from typing import NamedTuple

from src.files import expand
from src.image_folder import is_image_folder
from src.sources.names import nfc, printable

DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\|\w+://")  # how absolute paths of Windows, and URLs, begin
MAX_WALKED = 100_000  # files below the CSV's folder among which a name is searched


class Located(NamedTuple):
    """A listed path: where it is ("" if it is not found), what was changed to find it, or why it is not found."""

    path: str
    change: str = ""
    reason: str = ""
    detail: str = ""


class Locator:
    """Finds listed paths, absolute or relative to `folder`. Folders are listed once each."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._names: dict[tuple, dict[str, list[str]]] = {}
        self._folders: dict[tuple, str] = {}

    def find(self, listed: str) -> Located:
        """The file or folder of images that a CSV lists, also if it is written with backslashes, with spaces around it,
        or in another Unicode form than its name."""
        slashed = listed.replace("\\", "/")
        names = {slashed.strip(): "backslashes were read as /"} | {listed.strip(): "", listed: ""}
        names = dict(reversed(names.items()))
        for name, change in names.items():
            path = self._join(name)
            if _is_usable(path):
                return Located(path, change)
        for name, change in names.items():
            path = self._alike(name, nfc)
            if path:
                return Located(path, change or "the name on disk is in another Unicode form")
        return Located("", "", *self._explain(listed.strip()))

    def _explain(self, listed: str) -> tuple[str, str]:
        """(reason, the fix for this path) of a path that is not found."""
        path = self._join(listed)
        if os.path.isdir(path):
            return "is a folder, but not one of at least two .jpg or .png files", ""
        if os.path.lexists(path):
            return ("is a link to nothing" if os.path.islink(path) else "is not a regular file"), ""
        listed = listed.replace("\\", "/")
        for reason, key in REASONS.items():
            found = self._alike(listed, key)
            if found:
                return reason, f"the file is {printable(repr(os.path.basename(found)))}"
        name = PurePath(listed).name
        places = self._elsewhere.get(_without_case(name), [])
        is_foreign = PurePath(listed).is_absolute() or DRIVE.match(listed)
        if places:
            kind = "is a path of another machine" if is_foreign else "is in another folder"
            return f"{kind}, but the name exists below the CSV's folder", f"write {printable(repr(str(places[0])))}"
        if is_foreign:
            return "is an absolute path that does not exist here", ""
        return "does not exist", ""

    def _join(self, listed: str) -> str:
        return os.path.normpath(os.path.join(self.folder, expand(listed)))

    def _alike(self, listed: str, key: Callable[[str], str]) -> str:
        """The path whose every part equals that of `listed` under `key`; "" if there is none or several."""
        if "\0" in listed:
            return ""
        folder, name = os.path.split(self._join(listed))
        folder = self._find_folder(folder, nfc if key is _stem else key)
        found = self._list(folder, key).get(key(name), [])
        path = os.path.join(folder, found[0]) if len(found) == 1 else ""
        return path if _is_usable(path) else ""

    def _find_folder(self, folder: str, key: Callable[[str], str]) -> str:
        if (folder, key) not in self._folders:
            found = folder
            if folder and not os.path.isdir(folder):
                above, name = os.path.split(folder)
                above = self._find_folder(above, key)
                alike = self._list(above, key).get(key(name), [])
                found = os.path.join(above, alike[0]) if len(alike) == 1 else os.path.join(above, name)
            self._folders[folder, key] = found
        return self._folders[folder, key]

    def _list(self, place: str, key: Callable[[str], str]) -> dict[str, list[str]]:
        """The names in a folder by their key."""
        if (place, key) not in self._names:
            names = self._names[place, key] = {}
            with suppress(OSError):
                for name in sorted(os.listdir(place or ".")):
                    names.setdefault(key(name), []).append(name)
        return self._names[place, key]

    @cached_property
    def _elsewhere(self) -> dict[str, list[PurePath]]:
        """Places of each name below the folder, without case."""
        places: dict[str, list[PurePath]] = {}
        walked = ((place, name) for place, _, names in os.walk(self.folder) for name in sorted(names))
        for place, name in islice(walked, MAX_WALKED):
            places.setdefault(_without_case(name), []).append(PurePath(os.path.relpath(place, self.folder), name))
        return places


def _stem(name: str) -> str:
    return os.path.splitext(_without_case(name))[0]


def _without_case(name: str) -> str:
    return nfc(name).casefold()


def _without_spaces(name: str) -> str:
    return re.sub(r"\s", "", nfc(name))


REASONS = {
    "is written in other letter case": _without_case,
    "has other spaces": _without_spaces,
    "lacks the suffix of the file, or has another": _stem,
}


def _is_usable(path: str) -> bool:
    """Whether a path is a regular file or a folder of images."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return False
    return stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and is_image_folder(path))


def identity(path: str) -> object:
    """Equal for two paths of one file or folder, also by links."""
    status = os.stat(path)  # the links of a path are not resolved: that would access every folder of every path
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns) if status.st_ino else path
