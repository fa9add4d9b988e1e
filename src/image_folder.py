"""Folders of images: the frames of a clip as files, in the order of their numbers, as many data sets come."""

import re
from pathlib import Path

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")  # in upper or lower case
VIDEO_SUFFIXES = (
    *(".webm", ".mp4", ".avi", ".mov", ".mkv", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".m2ts", ".mts"),
    *(".3gp", ".ogv", ".gif"),
)


def list_images(folder: str | Path) -> list[Path]:
    """The visible images directly in a folder, in natural order: img_2 before img_10.

    Raises:
        OSError: the folder cannot be read.
    """
    paths = [path for path in Path(folder).iterdir() if _is_visible(path, IMAGE_SUFFIXES)]
    return sorted((path for path in paths if path.is_file()), key=_natural_key)


def is_image_folder(folder: str | Path) -> bool:
    """Whether a folder is the frames of one clip: at least two images, no video, and no images one folder below."""
    try:
        entries = list(Path(folder).iterdir())
        if len(list_images(folder)) < 2 or any(_is_visible(path, VIDEO_SUFFIXES) for path in entries):
            return False
        return not any(list_images(path) for path in entries if path.is_dir())
    except OSError:  # it is a file, or it cannot be read
        return False


def _is_visible(path, suffixes):
    return path.suffix.lower() in suffixes and not path.name.startswith(".")


def _natural_key(path):
    """Numbers compare by value; the name itself decides between img_1 and img_01."""
    parts = re.split(r"([0-9]+)", path.stem)
    return [*((int(part), "") if n % 2 else (0, part) for n, part in enumerate(parts))], path.name
