"""Folds for cross-validation by group: every clip is tested exactly once, and no group is ever split."""

import warnings

import numpy as np
import pandas as pd

from src.sources import SPLITS, few
from src.subsets.classes import is_integer
from src.subsets.subset import count_clips


def make_folds(clips: pd.DataFrame, folds: int | str, seed: int, validation: bool = True) -> list[pd.DataFrame]:
    """Splits a table once per fold, for cross-validation by group.

    With few groups, the result on a single split depends on which groups are in the test, because the clips of a group
    (a scene, a person) tend to be right or wrong together. Over all folds, every group is in the test once.

    The groups are divided into `folds` parts, stratified by label (scikit-learn's `StratifiedGroupKFold`). In fold k,
    part k is the test split, part k + 1 (modulo `folds`) the validation split, and the rest is train. The parts depend
    on the clips and the seed, not on the order of the rows.

    Args:
        clips: the annotation table (columns: see `src.sources.video_table`); its split column is ignored.
        folds: number of folds, 3 or more; or "groups", one fold for each group (leave one group out).
        seed: seed of the division.
        validation: False makes no validation split: part k + 1 is training, too, and two folds are enough.

    Returns:
        A table for each fold: `clips` with another split column, in the same order and with the same index. A warning
        for each of validation and test names the classes that have no clips there in a fold.

    Raises:
        ValueError: there are too few folds, more folds than groups or than clips of the largest class, or no training
            clips of a class in a fold.
    """
    held_out = ["test", "validation"] if validation else ["test"]
    count = _count_folds(clips, folds, len(held_out) + 1)
    part = _divide(clips, count, seed)
    split_of = np.array(held_out + ["train"] * (count - len(held_out)))
    tables = [clips.assign(split=split_of[(part - fold) % count]) for fold in range(count)]
    _check_classes(tables, held_out)
    return tables


def _count_folds(clips, folds, least):
    groups, largest = clips["group"].nunique(), clips["label"].value_counts().max()
    count = groups if folds == "groups" else folds
    if not is_integer(count) or not least <= count <= min(groups, largest):
        parts = "test and validation" if least == 3 else "test"
        received = f"'groups', which is {groups} folds" if folds == "groups" else repr(folds)
        raise ValueError(
            f'folds must be a whole number or "groups", {least} or more (one part each for {parts}, the rest for '
            f"training), and at most the number of groups ({groups}) and of clips in the largest class ({largest}). "
            f"Received: {received}"
        )
    return count


def _divide(clips, folds, seed):
    """int (N,): the part of each clip. scikit-learn counts labels per group, so the order of the rows has no effect."""
    # Imported here, because models import src.subsets, and preprocessing and serving must not load scikit-learn.
    from sklearn.model_selection import StratifiedGroupKFold

    part = np.empty(len(clips), int)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with few clips: `_check_classes` reports it
        for number, (_, places) in enumerate(splitter.split(clips, clips["label"], clips["group"])):
            part[places] = number
    return part


def _check_classes(tables, held_out):
    lacking = {split: [] for split in SPLITS}
    for fold, table in enumerate(tables, start=1):
        found = count_clips(table)
        for split in ("train", *held_out):
            lacking[split] += [f"{label!r} in fold {fold}" for label in found.index[found[split] == 0]]
    if lacking["train"]:
        raise ValueError(
            f"Every class must have training clips in every fold. None: {few(lacking['train'])}; all groups of the "
            f"class are in the {' and '.join(held_out)} splits. Leave the class out, add videos of other groups, or "
            "try another seed or more folds."
        )
    for split in ("validation", "test"):
        if lacking[split]:
            message = f"Classes without {split} clips: {few(lacking[split])}. The {split} results there ignore them."
            warnings.warn(message, stacklevel=3)
