"""Splits of a source that lacks some: by a hash of each group, so that videos that are added move no others."""

import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from src.sources import SPLITS, seeded_keys
from src.subsets.repair import repair_splits

SHARES = (0.70, 0.15, 0.15)  # of the groups in train, validation and test, unless numbers are given
HELD_OUT = 0.15  # of the training groups, where a source has no validation split, unless numbers are given


def complete_splits(table: pd.DataFrame, counts: Sequence[int | None], seed: int) -> pd.DataFrame:
    """Gives an annotation table the splits that are asked for and that its source lacks.

    - No splits, or train alone: the groups are divided (see `divide_groups`), 70/15/15 or by `counts`.
    - No validation: it is held out of train, by group.
    - No test: the source's validation becomes the test, and validation is held out of train.

    A warning says what was done, unless the source has no splits at all.

    Args:
        table: the annotation table.
        counts: numbers of train, validation and test clips per class. None: all; 0: the split is not asked for. If no
            number is None, the groups are divided in this proportion.
        seed: seed of the division.

    Returns:
        `table` with another split column.

    Raises:
        ValueError: the source has splits, but no training videos.
    """
    found = [split for split in SPLITS if table["split"].eq(split).any()]
    lacking = [split for split, count in zip(SPLITS, counts, strict=True) if count != 0 and split not in found]
    if not found:
        return table.assign(split=divide_groups(table, split_shares(counts), seed))
    if "train" in lacking:
        raise ValueError(
            f"A source with splits must have training videos. Received: {' and '.join(found)} only. Put videos into "
            "train, or give no splits: then they are made."
        )
    if not lacking:
        return table
    if found == ["train"]:
        warnings.warn(
            f"All videos of the source are in train. By seed {seed}, they are divided into splits, by group.",
            stacklevel=3,
        )
        return table.assign(split=divide_groups(table, split_shares(counts), seed))
    note = ""
    if "test" in lacking:
        table = table.assign(split=table["split"].replace("validation", "test"))
        note = "The source has no test split: its validation split is the test split. "
    if counts[1] != 0:
        is_train = (table["split"] == "train").to_numpy()
        parts = divide_groups(table[is_train], split_shares(counts, held_out=True), seed)
        splits = table["split"].to_numpy(object, copy=True)
        splits[is_train] = parts
        table = table.assign(split=splits)
        note = (note or "The source has no validation split. ") + (
            f"By seed {seed}, {(parts == 'validation').sum()} of its {len(parts)} training videos are held out as the "
            "validation split, by group."
        )
    warnings.warn(note.strip(), stacklevel=3)
    return table


def divide_groups(table: pd.DataFrame, shares: Sequence[float], seed: int) -> pd.Series:
    """Divides the groups of a table into splits.

    A hash of the seed and the group is its place in 0 … 1: the first part of this range, as long as train's share, is
    train, the next one validation, the last one test. So a group's split does not depend on other groups, and the
    shares are reached on average only: of 20 groups, 14 ± 2 are in train. Groups near a border change their split where
    a class would otherwise have no clips in a split that it has enough groups for, or very few: less than 0.7 of
    train's share, or a quarter of the others' (see `src.subsets.repair`).

    Args:
        table: columns label and group.
        shares: of train, validation and test; 0 for a split without clips.
        seed: seed of the hash.

    Returns:
        str (N,): the split of each row, with the index of `table`.
    """
    group_of, groups = pd.factorize(table["group"], sort=True)
    places, borders = hash_places(groups, seed), share_borders(shares)
    clips = pd.DataFrame({"label": pd.factorize(table["label"], sort=True)[0], "group": group_of})
    clips = clips.value_counts(sort=False).reset_index(name="clips")
    split_of = repair_splits(clips, places, borders)
    return pd.Series(np.array(SPLITS)[split_of[group_of]], table.index)


def hash_places(names: Iterable[str], seed: int) -> np.ndarray:
    """float (N,): the place of each name in 0 … 1, from a hash of the seed and the name."""
    return np.array([int(key, 16) >> 11 for key in seeded_keys(names, seed)]) / 2**53  # 53 bits: below 1


def share_borders(shares: Sequence[float]) -> np.ndarray:
    """float (4,), from 0 to 1: split s has the places from borders[s] to borders[s + 1]."""
    return np.cumsum([0, *shares]) / np.sum(shares)


def split_shares(counts: Sequence[int | None], held_out: bool = False) -> Sequence[float]:
    """Shares of the splits, which depend on the requested numbers alone: the division must not follow the videos."""
    default = (1 - HELD_OUT, HELD_OUT, 0) if held_out else SHARES
    counts = (*counts[:2], 0) if held_out else counts
    if None not in counts:
        return counts
    return [0 if count == 0 else share for share, count in zip(default, counts, strict=True)]
