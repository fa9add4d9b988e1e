"""Reading a prepared data set: its clips, its store, its classes."""

import warnings
from pathlib import Path

import pandas as pd

from src.sources import SPLITS, few
from src.store import ClipStore, read_prepared

FAILURES = "failures.csv"  # of the last job: video_id, path, reason


def read_clips(data: str | Path, subset: str | None = None) -> tuple[pd.DataFrame, ClipStore, list[str]]:
    """Reads a prepared data set.

    A data set that was prepared with validation_per_class=0 or test_per_class=0 has no clips of that split; a warning
    says what this means for its accuracies. Classes without a stored clip in validation or test are named in a warning.

    Args:
        data: the prepared folder.
        subset: the name of a subset that was prepared there; None for the one prepared last.

    Returns:
        (clips, store, class names): the rows of the manifest whose clip is in the store, where column `clip_name` is
        the clip's name; class names are ordered by `class_index`.

    Raises:
        FileNotFoundError: `data` was never prepared.
        ValueError: no clip of a split is stored though it has videos; a class has no stored training clip; or the
            subset has no training videos, or only these.
    """
    table, store = read_prepared(data, subset)
    class_names = table.drop_duplicates("class_index").sort_values("class_index").label.tolist()
    _check_splits(table, data)
    _check_stored(table, store)
    return table[table.stored].reset_index(drop=True), store, class_names


def _check_splits(table, data):
    """Whether the subset has the splits that training and evaluation need."""
    found = [split for split in SPLITS if (table.split == split).any()]
    if "train" not in found or len(found) < 2:
        raise ValueError(
            f"{data}: training needs clips in train, and in validation or test to show how good it is. Received: "
            f"{' and '.join(found) or 'no clips'}. Choose the subset with other values of train_per_class, "
            "validation_per_class and test_per_class in preprocess_data.ipynb."
        )
    if "test" not in found:
        warnings.warn(
            f"{data} has no test clips (test_per_class=0): the accuracies are those of validation, and too high if "
            "parameters are chosen by them. The fusion is the average.",
            stacklevel=3,
        )
    if "validation" not in found:
        warnings.warn(
            f"{data} has no validation clips (validation_per_class=0): training shows no validation accuracy, the "
            "streams are not probed, and the fusion is the average.",
            stacklevel=3,
        )


def _check_stored(table, store):
    """Whether the videos of each split, and of each class, became clips."""
    for split, videos in table.groupby("split"):
        if not videos.stored.any():
            raise ValueError(_describe_lost(videos, f"{split} videos", store))
    stored = table.groupby(["split", "label"]).stored.any()
    lost = stored.index[~stored]
    for split, label in lost:
        if split == "train":
            videos = table[(table.split == split) & (table.label == label)]
            raise ValueError(_describe_lost(videos, f"training videos of class {label!r}", store))
    reasons = _read_failures(store)
    missing = table.video_id[~table.stored & ~table.video_id.isin(reasons)]
    if len(missing):
        warnings.warn(
            f"{store.root}: {len(missing)} of {len(table)} videos have no whole clip, and no reason in {FAILURES}: "
            f"{few(missing)}. They are left out. If the extraction was interrupted, or clips were damaged since, run "
            "preprocess_data.ipynb again.",
            stacklevel=3,
        )
    if len(lost):
        message = f"None of the videos is stored: {few(f'{label!r} in {split}' for split, label in lost)}"
        warnings.warn(f"{message}. The results there leave these classes out; see {FAILURES}.", stacklevel=3)


def _describe_lost(videos, subject, store):
    """Says why none of these videos is stored: they failed, or the job ended before their turn."""
    path, reasons = store.root / FAILURES, _read_failures(store)
    failed = [video for video in videos.video_id if video in reasons]
    if not failed:
        return (
            f"{store.root}: none of the {len(videos)} {subject} is stored, and {FAILURES} does not list them. Run "
            "preprocess_data.ipynb again: it extracts what is missing."
        )
    return (
        f"{store.root}: {'all' if len(failed) == len(videos) else f'{len(failed)} of'} {len(videos)} {subject} failed "
        f"to be read, and none is stored. {path} has the reasons, first {failed[0]}: {reasons[failed[0]]} Repair or "
        "replace them, or leave them out of the subset, and run preprocess_data.ipynb again."
    )


def _read_failures(store):
    """Reason by video of the last job's failures; none if the file is not there, or is none of ours."""
    try:
        path = store.root / FAILURES
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding_errors="surrogateescape")
        return dict(zip(table.video_id, table.reason, strict=True))
    except (OSError, ValueError, AttributeError):  # ValueError: no CSV; AttributeError: other columns
        return {}
