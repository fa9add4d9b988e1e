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

DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")  # how absolute paths of Windows begin
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

    def find(self, listed: str) -> Located:
        """The file or folder of images that a CSV lists, also if it is written with backslashes, with spaces around it,
        or in another Unicode form than its name."""
        slashed = listed.replace("\\", "/")
        for name, change in ((listed, ""), (listed.strip(), ""), (slashed.strip(), "backslashes were read as /")):
            path = self._join(name)
            if _is_usable(path):
                return Located(path, change)
        for name, change in ((listed.strip(), ""), (slashed.strip(), "backslashes were read as /")):
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
        expanded = str(expand(listed))
        if "\0" in expanded:
            return ""
        place = "/" if os.path.isabs(expanded) else str(self.folder)
        parts = [part for part in PurePath(os.path.normpath(expanded)).parts if part != "/"]
        for number, part in enumerate(parts):
            exact = os.path.join(place, part)
            is_last = number == len(parts) - 1
            if part == ".." or (os.path.isdir(exact) and not is_last):
                place = exact
                continue
            rule = key if is_last or key is not _stem else nfc
            found = self._list(place, rule).get(rule(part), [])
            if len(found) != 1:
                return ""
            place = os.path.join(place, found[0])
        return place if _is_usable(place) else ""

    def _list(self, place: str, key: Callable[[str], str]) -> dict[str, list[str]]:
        """The names in a folder by their key."""
        if (place, key) not in self._names:
            names = self._names[place, key] = {}
            with suppress(OSError):
                for name in sorted(os.listdir(place)):
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
