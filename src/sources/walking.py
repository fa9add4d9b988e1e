"""All visible files below a folder, each real file once, whatever links lead to it."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from src.image_folder import IMAGE_SUFFIXES, is_image_folder, list_images
from src.ownership import STAMP, read_stamp


@dataclass
class FolderTree:
    """What lies below a folder; all paths are relative to it, and sorted.

    Attributes:
        files: visible files, without those in `image_folders`.
        image_folders: folders of images that are videos; what else is in them is not listed.
        folders: visible folders.
        repeats: (path, why) of what is not read again, or cannot be read: links to what is reached another way, second
            names of one file, links to nothing, unreadable folders, folders that this project wrote.
    """

    files: list[PurePath] = field(default_factory=list)
    image_folders: list[PurePath] = field(default_factory=list)
    folders: list[PurePath] = field(default_factory=list)
    repeats: list[tuple[PurePath, str]] = field(default_factory=list)


def walk(folder: str | Path) -> FolderTree:
    """Lists all that is visible below a folder, to any depth.

    A file or folder that is reached several times is listed once: by the path that holds no link if there is one,
    otherwise by the first in sorted order. A link to a folder that holds `folder` is not followed.
    """
    walker = _Walker(Path(folder))
    walker.visit(PurePath(), walker.root)
    while walker.links:  # after all that lies here itself; links may lead to folders with more links
        links, walker.links = sorted(walker.links), []
        for path in links:
            walker.follow(path)
    tree = walker.tree
    for paths in (tree.files, tree.image_folders, tree.folders):
        paths.sort()
    return tree


class _Walker:
    def __init__(self, folder: Path):
        self.folder, self.root, self.tree = folder, os.path.realpath(folder), FolderTree()
        self.links: list[PurePath] = []
        self.seen: dict[object, PurePath] = {}  # by real path; also by inode, of files with several names

    def visit(self, start: PurePath, start_real: str) -> None:
        """Lists a folder, and the folders in it; keeps links for later."""
        places = [(start, start_real)]
        while places:
            place, real = places.pop()
            self.seen[real] = place
            try:
                with os.scandir(self.folder / place) as entries:
                    found = sorted((entry for entry in entries if not entry.name.startswith(".")), key=_name)
            except OSError as error:
                self.tree.repeats.append((place, f"cannot be read: {error.strerror}"))
                continue
            names = [entry.name for entry in found]
            stamp = read_stamp(self.folder / place) if place.parts and STAMP in names else None
            if stamp:  # such as prepared data inside its source, whose images are no videos
                self.tree.folders.remove(place)
                self.tree.repeats.append((place, f"written by this project: {stamp['kind']}"))
                continue
            if self._is_video(place, names):
                self.tree.image_folders.append(place)
                continue
            deeper = []
            for entry in found:
                path = place / entry.name
                if entry.is_symlink():
                    self.links.append(path)
                elif entry.is_dir():
                    self.tree.folders.append(path)
                    deeper.append((path, os.path.join(real, entry.name)))
                else:
                    self._add(path, os.path.join(real, entry.name))
            places += reversed(deeper)  # in sorted order

    def _is_video(self, place: PurePath, names: list[str]) -> bool:
        """Whether a folder is one of images; not if the folder around it holds images, too."""
        has_images = sum(name.lower().endswith(IMAGE_SUFFIXES) for name in names) > 1
        if has_images and place.parts and is_image_folder(self.folder / place):
            return len(place.parts) == 1 or len(list_images(self.folder / place.parent)) < 2
        return False

    def follow(self, path: PurePath) -> None:
        real = os.path.realpath(self.folder / path)
        if os.path.isdir(real):
            is_loop = Path(self.root).is_relative_to(real)
            if is_loop or real in self.seen:
                self.tree.repeats.append((path, f"a link to {'.' if is_loop else self.seen[real]}"))
            else:
                self.tree.folders.append(path)
                self.visit(path, real)
        elif real in self.seen:
            self.tree.repeats.append((path, f"a link to {self.seen[real]}"))
        else:
            self._add(path, real)

    def _add(self, path: PurePath, real: str) -> None:
        try:
            status = os.stat(self.folder / path)
        except OSError:
            self.tree.repeats.append((path, "a link to nothing"))
            return
        if not stat.S_ISREG(status.st_mode):
            self.tree.repeats.append((path, "not a regular file"))
            return
        inode = (status.st_dev, status.st_ino) if status.st_nlink > 1 and status.st_ino else real
        if real in self.seen or inode in self.seen:
            self.tree.repeats.append((path, f"the same file as {self.seen.get(real) or self.seen[inode]}"))
            return
        self.seen[real] = self.seen[inode] = path
        self.tree.files.append(path)


def _name(entry: os.DirEntry) -> str:
    return entry.name
