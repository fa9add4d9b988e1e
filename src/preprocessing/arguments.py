"""Checks of what a job is given, before anything is written."""

import math
from numbers import Integral, Real

import pandas as pd

from src.sources import SPLITS, check_disjoint
from src.store import name_clips

NEEDED = ["video_id", "path", "label", "class_index", "split", "group"]


def check_subset(subset: pd.DataFrame) -> None:
    """Checks a table that may not come from this project's own sources.

    Raises:
        ValueError: a column is missing, no row is there, an id is repeated or no folder name, a split is unknown, two
            splits share a group, or a text cannot be written to a file.
    """
    missing = [column for column in NEEDED if column not in subset]
    if missing:
        raise ValueError(f"subset: must have the columns {', '.join(NEEDED)}. Missing: {', '.join(missing)}.")
    if subset.empty:
        raise ValueError("subset: must hold videos. Received: no row. Choose other classes, or more clips.")
    repeated = subset.video_id[subset.video_id.duplicated()]
    if len(repeated):
        raise ValueError(f"subset: each video_id must be unique. {len(repeated)} repeat, first {repeated.iloc[0]!r}.")
    unknown = subset.split[~subset.split.isin(SPLITS)]
    if len(unknown):
        raise ValueError(f"subset: split must be one of {', '.join(SPLITS)}. Received: {unknown.iloc[0]!r}.")
    for column in ("video_id", "path", "label", "group"):
        for text in subset[column]:
            if not isinstance(text, str) or not _is_text(text):
                raise ValueError(f"subset: {column} must be text that a file can hold. Received: {text!r}.")
    name_clips(subset.assign(digest=""))
    check_disjoint(subset)


def check_workers(workers: int | None) -> int | None:
    """The number of workers, None for all cores.

    Raises:
        ValueError: it is neither None, nor -1, nor a whole number of 1 or more.
    """
    is_number = isinstance(workers, Integral) and not isinstance(workers, bool) and (workers == -1 or workers >= 1)
    if workers is not None and not is_number:
        raise ValueError(
            "workers must be a whole number, 1 or more; None or -1 takes all cores. "
            f"Received: {workers!r} ({type(workers).__name__})."
        )
    return None if workers in (None, -1) else int(workers)


def check_seconds(seconds: float) -> None:
    """Raises ValueError if the limit per clip is not a positive number."""
    if not isinstance(seconds, Real) or isinstance(seconds, bool) or not 0 < seconds < math.inf:
        raise ValueError(f"seconds_per_clip must be a positive number of seconds. Received: {seconds!r}.")


def _is_text(text):
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
