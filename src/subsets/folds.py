"""Folds by group: every clip is tested exactly once, and no group is ever split."""

import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from src.sources import SPLITS, few


def make_folds(clips: pd.DataFrame, folds: int, seed: int) -> list[pd.DataFrame]:
    """Splits a table anew, once per fold, for cross-validation by group.

    With few sources of video one split says little: the clips of a scene are right or wrong together, so a number
    hangs on which few scenes happen to be in the test. Over all folds every scene is in it once.

    The groups are dealt into `folds` parts, stratified by label (scikit-learn's `StratifiedGroupKFold`). In fold k part
    k is the test, part k + 1 (after the last, the first) the validation, and the rest train. Which clips are in a part
    depends on the clips and the seed, not on the order of the rows.

    Args:
        clips: the annotation table (columns: see `src.sources.video_table`); what its split column says does not matter.
        folds: how many, 3 or more.
        seed: of the dealing.

    Returns:
        `folds` tables: `clips`, its rows, order and index, with another split column. A class that a fold has no
        validation or no test clip of is named in a warning.

    Raises:
        ValueError: fewer than 3 folds, more than there are groups or clips of the largest class, or a fold without
            training clips of a class.
    """
    groups, largest = clips["group"].nunique(), clips["label"].value_counts().max()
    if not 3 <= folds <= min(groups, largest):
        raise ValueError(
            "folds must be 3 or more (one part is the test, one the validation), and at most the number of groups "
            f"({groups}) and of clips in the largest class ({largest}). Received: {folds}"
        )
    part = _deal(clips, folds, seed)
    tables = [clips.assign(split=_roles((part - fold) % folds)) for fold in range(folds)]
    _check_classes(tables)
    return tables


def _deal(clips, folds, seed):
    """int (N,): the part of each clip; scikit-learn deals counts per group and label, whatever the order of rows."""
    part = np.empty(len(clips), int)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a class with few clips: `_check_classes` says what it means
        for number, (_, places) in enumerate(splitter.split(clips, clips["label"], clips["group"])):
            part[places] = number
    return part


def _roles(distance):
    return np.select([distance == 0, distance == 1], ["test", "validation"], "train")


def _check_classes(tables):
    lacking = {split: [] for split in SPLITS}
    for fold, table in enumerate(tables):
        found = pd.crosstab(table["label"], table["split"]).reindex(columns=list(SPLITS), fill_value=0)
        for split in SPLITS:
            lacking[split] += [f"{label!r} in fold {fold}" for label in found.index[found[split] == 0]]
    if lacking["train"]:
        raise ValueError(
            f"Every class must have training clips in every fold. It has none: {few(lacking['train'])}; all its groups "
            "are in the test and the validation. Leave the class out, give it videos of other groups, or try another "
            "seed or more folds."
        )
    for split in ("validation", "test"):
        if lacking[split]:
            message = f"Classes without {split} clips: {few(lacking[split])}. The fold's {split} says nothing of them."
            warnings.warn(message, stacklevel=3)
