"""Recognises which kind of source a path is, and reads it into the annotation table."""

from pathlib import Path

import pandas as pd

from src.sample import write_sample
from src.sources.archive import is_archive_folder
from src.sources.archive_labels import find_label_zip, unpack_labels
from src.sources.class_folders import read_class_folders
from src.sources.csv_table import read_csv
from src.sources.ssv2 import is_ssv2, read_ssv2
from src.sources.video_table import few


def read_source(source: str | Path, seed: int = 0, unpack_to: str | Path | None = None) -> pd.DataFrame:
    """Reads any source of videos into the annotation table (columns: see `src.sources.video_table`).

    Args:
        source: "sample" (first written to datasets/sample if it is missing), an SSv2 download, the archives of an
            SSv2 download (the paths are then those of videos to be extracted, see `src.sources.archive`), a folder with
            one folder of videos per class, or a .csv file. The content of the path decides which kind it is.
        seed: seed of the validation split of an SSv2 download without test answers.
        unpack_to: the folder that the archives of an SSv2 download are unpacked to; None is their own folder.

    Raises:
        ValueError: the path is no source, or its content breaks a rule of its reader.
        FileNotFoundError: a label file is missing, or all listed videos are.
    """
    path = Path(write_sample() if source == "sample" else source).expanduser()
    if path.is_file() and path.suffix.lower() == ".csv":
        return read_csv(path)
    in_archives = is_archive_folder(path)
    if in_archives or find_label_zip(path):
        unpack_labels(path, unpack_to)
    if in_archives or is_ssv2(path):
        return read_ssv2(path, seed, keep_absent=in_archives, unpack_to=unpack_to)
    visible = sorted(entry for entry in path.glob("*") if not entry.name.startswith("."))
    if any(entry.is_dir() for entry in visible):
        return read_class_folders(path)
    other = "an empty folder" if path.is_dir() else "another file" if path.exists() else "no such path"
    raise ValueError(
        f"{path}: not a source of videos. Looked for a .csv file, an SSv2 download ([something-something-v2-]"
        "labels.json, here or in labels/) or a folder per class. Found: "
        f"{few(entry.name for entry in visible) or other}. Give the path of one of these."
    )
