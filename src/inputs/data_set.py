"""Reading a prepared data set: its clips, its store, its classes."""

from pathlib import Path

import pandas as pd

from src.sources import SPLITS
from src.store import ClipStore, read_prepared


def read_clips(root: str | Path) -> tuple[pd.DataFrame, ClipStore, list[str]]:
    """Reads a prepared data set.

    Returns:
        (clips, store, class names): the rows of the manifest whose clip is in the store, where column `clip_name` is
        the clip's name; class names are ordered by `class_index`.

    Raises:
        FileNotFoundError: `root` was never prepared.
        ValueError: a split has no clips.
    """
    table, store = read_prepared(root)
    class_names = table.drop_duplicates("class_index").sort_values("class_index").label.tolist()
    clips = table[table.stored].reset_index(drop=True)
    for split in SPLITS:
        if not (clips.split == split).any():
            raise ValueError(f"{root}: each split needs clips; {split!r} has none. Prepare it with all three splits.")
    return clips, store, class_names
