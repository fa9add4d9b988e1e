"""A seeded choice of classes and videos; train, validation and test never share a group."""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from src.sources import COLUMNS, SPLITS, check_disjoint, seeded_keys
from src.subsets.classes import choose_labels, is_integer
from src.subsets.objects import divide_by_objects
from src.subsets.splits import complete_splits, split_shares

SPLIT_BY = ("groups", "objects")


def choose_subset(
    table: pd.DataFrame,
    classes: int | str | Sequence[str | int] | None = None,
    train_per_class: int | None = None,
    validation_per_class: int | None = None,
    test_per_class: int | None = None,
    seed: int = 0,
    split_by: str = "groups",
) -> pd.DataFrame:
    """Chooses classes and videos of an annotation table; equal arguments give equal subsets.

    The videos drawn of a class depend on the seed, not on the other classes or the order of the rows, and a larger
    number of videos includes those of a smaller number. Splits that the source lacks are made first, of the whole table
    and by group (see `src.subsets.splits.complete_splits`): by default 70/15/15, in the proportion of the requested
    numbers if all three are given (so other proportions give other splits). Videos that are added to the source move no
    others to another split, except where a class would otherwise lack a split.

    Args:
        table: the annotation table (columns: see `src.sources.video_table`).
        classes: None for all, the number of classes to draw, or a list of labels or class indices; a str is one label,
            or else the name of a set: "mini-ssv2", "camera", "left-right", "opposites" or "pretending" (see
            `src.subsets.classes`).
        train_per_class: training videos to draw per class, at most; None for all.
        validation_per_class: the same for validation; 0 for no validation split.
        test_per_class: the same for test; 0 for no test split. At least one of both splits is needed.
        seed: seed of all draws.
        split_by: "groups" as above. "objects" ignores the splits of the source, and makes splits of which no two share
            an object; clips with objects of two splits are left out (see `src.subsets.objects`).

    Returns:
        The same columns, sorted by split (train, validation, test), class_index and video_id. class_index is renumbered
        0..C-1 in alphabetical order of the labels.

    Raises:
        ValueError: a number, a class or split_by is not valid, a class has no video for a requested split, or the
            source does not name the objects that are asked for.
    """
    counts = (train_per_class, validation_per_class, test_per_class)
    _check_numbers(counts)
    if split_by not in SPLIT_BY:
        raise ValueError(f"split_by must be one of {', '.join(map(repr, SPLIT_BY))}. Received: {split_by!r}")
    labels = choose_labels(table, classes, seed)
    if split_by == "objects":
        source = divide_by_objects(table[table["label"].isin(labels)], split_shares(counts), seed)
    else:
        source = complete_splits(table, counts, seed)
        source = source[source["label"].isin(labels)]
    subset = _draw(source, counts, seed)
    _check_counts(subset, source, labels, counts, split_by)
    check_disjoint(subset)
    subset["class_index"] = subset["label"].map({label: index for index, label in enumerate(labels)})
    subset["order"] = subset["split"].map(SPLITS.index)
    return subset.sort_values(["order", "class_index", "video_id"], ignore_index=True)[COLUMNS]


def count_clips(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers of videos: a row per label, an int column per split ("videos" if the table has no splits)."""
    if table["split"].eq("").all():
        return table.groupby("label").size().to_frame("videos")
    return pd.crosstab(table["label"], table["split"]).reindex(columns=list(SPLITS), fill_value=0)


def _check_numbers(counts: Sequence[int | None]) -> None:
    for split, count in zip(SPLITS, counts, strict=True):
        least = 1 if split == "train" else 0
        if count is not None and not (is_integer(count) and count >= least):
            raise ValueError(
                f"{split}_per_class is a number of clips of each class: an integer, {least} or more, or None for all. "
                f"Received: {count!r}. Shares such as 0.7 are not supported: without numbers, the splits get "
                "70, 15 and 15 %; numbers for all three splits give their proportion."
            )
    if counts[1] == counts[2] == 0:
        raise ValueError(
            "validation_per_class and test_per_class must not both be 0, because training clips alone cannot show how "
            "good a network is. Give one of them another number, or None for all clips."
        )


def _draw(table: pd.DataFrame, counts: Sequence[int | None], seed: int) -> pd.DataFrame:
    """The requested number of videos of each class and split, in seeded order."""
    table = table.assign(key=seeded_keys(table["video_id"], seed)).sort_values(["key", "video_id"])
    limits = [np.inf if count is None else count for count in counts]
    rank = table.groupby(["label", "split"]).cumcount()
    return table[rank < table["split"].map(dict(zip(SPLITS, limits, strict=True)))].drop(columns="key")


def _check_counts(
    subset: pd.DataFrame, source: pd.DataFrame, labels: Sequence[str], counts: Sequence[int | None], split_by: str
) -> None:
    """Raises ValueError if a class has no video for a split; warns once if it has fewer than requested."""
    found = count_clips(subset).reindex(labels, fill_value=0)
    wanted = [(label, split, count) for split, count in zip(SPLITS, counts, strict=True) for label in labels]
    lacking = [(label, split) for label, split, count in wanted if count != 0 and not found.loc[label, split]]
    if lacking:
        label, split = lacking[0]
        videos = source[source["label"] == label]
        found, advice = f"{len(videos)} videos in {videos['group'].nunique()} groups, and a group cannot be split", ""
        if split_by == "objects":
            found, advice = f"{len(videos)} videos whose objects are all in one split", ", or try another seed"
        raise ValueError(
            f"Class {label!r} has no {split} video; it has {found}. ({len(lacking)} such cases.) Leave the class out, "
            f"or give it videos of other {split_by}{advice}"
            + (f", or set {split}_per_class=0." if split != "train" else ".")
        )
    short = [
        f"{label!r} has {found.loc[label, split]} of {count} {split}"
        for label, split, count in wanted
        if count and found.loc[label, split] < count
    ]
    if short:
        warnings.warn(
            f"{len(short)} of the {len(wanted)} numbers requested per class and split are not reached: "
            f"{', '.join(short[:5])}{', ...' if len(short) > 5 else '.'}",
            stacklevel=3,
        )
