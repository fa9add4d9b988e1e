"""Folders of images that are videos: which images a folder holds, and in which order."""

import os
import re
from pathlib import Path

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")  # in upper or lower case
_VIDEO_SUFFIXES = (
    ".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp", ".gif",
)  # fmt: skip


def list_images(folder: str | Path) -> list[Path]:
    """The visible images of a folder in natural order: img_2 before img_10."""
    names = [name for name in _visible_files(folder) if name.lower().endswith(IMAGE_SUFFIXES)]
    return [Path(folder) / name for name in sorted(names, key=_natural)]


def is_image_folder(folder: str | Path) -> bool:
    """Whether a folder is a video: at least two images, no video file, and no sub-folder that holds images."""
    if not os.path.isdir(folder) or len(list_images(folder)) < 2:
        return False
    if any(name.lower().endswith(_VIDEO_SUFFIXES) for name in _visible_files(folder)):
        return False
    with os.scandir(folder) as entries:
        places = [entry.path for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    return not any(list_images(place) for place in places)


def _visible_files(folder: str | Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.is_file() and not entry.name.startswith(".")]


def _natural(name: str) -> tuple:
    """Numbers compare by their value; the name itself decides between img_1 and img_01."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)], name
