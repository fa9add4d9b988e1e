"""A folder with one folder of videos per class → the annotation table."""

import os
import warnings
from pathlib import Path

import pandas as pd

from src.sources.video_table import SPLIT_NAMES, few, make_ids, tidy

VIDEO_SUFFIXES = (  # in upper or lower case
    ".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp", ".gif",
)  # fmt: skip


def read_class_folders(folder: str | Path) -> pd.DataFrame:
    """Reads a folder with one folder of videos per class, nested to any depth, into the annotation table.

    If all videos are in train/<class>/, validation/<class>/ (or val, valid) and test/<class>/, these are the splits;
    otherwise split is "". Hidden files and folders are ignored. The video_id is the file's stem or, where stems clash,
    the path below `folder`, joined by "__".

    Raises:
        ValueError: no class folder holds a video.
    """
    folder = Path(folder)
    files, folders = _walk(folder)
    videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES and len(path.parts) > 1]
    tops = {path.parts[0].lower() for path in videos}
    has_splits = tops <= SPLIT_NAMES.keys() and any(len(path.parts) > 2 for path in videos)
    depth = 1 if has_splits else 0  # index of the class name in the parts of a path
    videos = [path for path in videos if len(path.parts) > depth + 1]
    if not videos:
        raise ValueError(
            f"{folder}: no class folder holds a video. Looked for <class>/<video> ending in "
            f"{' '.join(VIDEO_SUFFIXES)}; found the folders {few(folders) or '(none)'} and {len(files)} "
            "files. Give a folder with one folder of videos per class."
        )
    others = sorted(set(files) - set(videos))
    if others:
        message = f"{len(others)} files in {folder} are not videos of a class: {few(others)}."
        warnings.warn(f"{message} They are ignored.", stacklevel=2)
    table = pd.DataFrame(
        {
            "video_id": make_ids(videos),
            "path": [str(folder / path) for path in videos],
            "label": [path.parts[depth] for path in videos],
            "split": [SPLIT_NAMES[path.parts[0].lower()] if has_splits else "" for path in videos],
        }
    )
    classes = {path.name for path in folders if len(path.parts) == depth + 1}
    return tidy(table, classes, folder)


def _walk(folder: Path) -> tuple[list[Path], list[Path]]:
    """All visible files and all visible folders below `folder`, relative to it."""
    files, folders = [], []
    for place, folder_names, file_names in os.walk(folder, followlinks=True):
        folder_names[:] = sorted(name for name in folder_names if not name.startswith("."))
        here = Path(place).relative_to(folder)
        folders += [here / name for name in folder_names]
        files += [here / name for name in sorted(file_names) if not name.startswith(".")]
    return files, folders
