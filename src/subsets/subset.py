"""A seeded choice of classes and videos; train, validation and test never share a group."""

import difflib
import warnings
from collections.abc import Sequence
from numbers import Integral

import numpy as np
import pandas as pd

from src.sources import COLUMNS, SPLITS, check_disjoint, seeded_keys

SHARES = (0.70, 0.15, 0.15)  # of a class's videos in train, validation and test, unless numbers are given
MAX_SWEEPS = 10  # over all groups when they are assigned to splits; a few are enough


def choose_subset(
    table: pd.DataFrame,
    classes: int | Sequence[str | int] | None = None,
    train_per_class: int | None = None,
    validation_per_class: int | None = None,
    test_per_class: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Chooses classes and videos of an annotation table; equal arguments give equal subsets.

    The videos drawn of a class depend on the seed, not on the other classes or the order of the rows. If the source has
    splits, a larger number of videos includes those of a smaller number. If it has none, the whole table is split
    first: stratified by label, without splitting a group, in proportion to the requested numbers, by default 70/15/15
    (so other proportions give other splits).

    Args:
        table: the annotation table (columns: see `src.sources.video_table`).
        classes: None for all, the number of classes to draw, or a list of labels or class indices.
        train_per_class: training videos to draw per class, at most; None for all.
        validation_per_class: the same for validation; 0 for no validation split.
        test_per_class: the same for test; 0 for no test split.
        seed: seed of all draws.

    Returns:
        The same columns, sorted by split (train, validation, test), class_index and video_id. class_index is renumbered
        0..C-1 in alphabetical order of the labels.

    Raises:
        ValueError: a class is unknown, or has no video for a requested split.
    """
    counts = (train_per_class, validation_per_class, test_per_class)
    if train_per_class == 0 or any(count is not None and count < 0 for count in counts):
        raise ValueError(
            "train_per_class must be at least 1, validation_per_class and test_per_class at least 0; or None for all. "
            f"Received: {counts}"
        )
    labels = _choose_labels(table, classes, seed)
    if table["split"].eq("").all():
        table = _make_splits(table, counts, seed)
    source = table[table["label"].isin(labels)]
    subset = _draw(source, counts, seed)
    _check_counts(subset, source, labels, counts)
    check_disjoint(subset)
    subset["class_index"] = subset["label"].map({label: index for index, label in enumerate(labels)})
    subset["order"] = subset["split"].map(SPLITS.index)
    return subset.sort_values(["order", "class_index", "video_id"], ignore_index=True)[COLUMNS]


def count_clips(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers of videos: a row per label, an int column per split ("videos" if the table has no splits)."""
    if table["split"].eq("").all():
        return table.groupby("label").size().to_frame("videos")
    return pd.crosstab(table["label"], table["split"]).reindex(columns=list(SPLITS), fill_value=0)


def _choose_labels(table: pd.DataFrame, classes: int | Sequence | None, seed: int) -> list[str]:
    known = sorted(table["label"].unique())
    if classes is None:
        return known
    if isinstance(classes, Integral):
        if not 1 <= classes <= len(known):
            raise ValueError(f"classes must be 1 to {len(known)}, the classes of the source. Received: {classes}")
        drawn = pd.Series(known, index=seeded_keys(known, seed)).sort_index()
        return sorted(drawn[:classes])
    names = dict(zip(table["class_index"], table["label"], strict=True)) | {label: label for label in known}
    classes = [classes] if isinstance(classes, str) else list(classes)
    unknown = [name for name in classes if name not in names]
    if unknown or not classes:
        close = [match for name in unknown for match in difflib.get_close_matches(str(name), known)]
        raise ValueError(
            f"classes must be labels or class indices of the source. Unknown: {unknown or 'the list is empty'}. "
            + (f"Close: {close}." if close else f"The source has {len(known)} classes, such as {known[:3]}.")
        )
    return sorted({names[name] for name in classes})


def _draw(table: pd.DataFrame, counts: Sequence[int | None], seed: int) -> pd.DataFrame:
    """The requested number of videos of each class and split, in seeded order."""
    table = table.assign(key=seeded_keys(table["video_id"], seed)).sort_values(["key", "video_id"])
    limits = [np.inf if count is None else count for count in counts]
    rank = table.groupby(["label", "split"]).cumcount()
    return table[rank < table["split"].map(dict(zip(SPLITS, limits, strict=True)))].drop(columns="key")


def _check_counts(
    subset: pd.DataFrame, source: pd.DataFrame, labels: Sequence[str], counts: Sequence[int | None]
) -> None:
    """Raises ValueError if a class has no video for a split; warns once if it has fewer than requested."""
    found = count_clips(subset).reindex(labels, fill_value=0)
    wanted = [(label, split, count) for split, count in zip(SPLITS, counts, strict=True) for label in labels]
    lacking = [(label, split) for label, split, count in wanted if count != 0 and not found.loc[label, split]]
    if lacking:
        label, split = lacking[0]
        videos = source[source["label"] == label]
        raise ValueError(
            f"Class {label!r} has no {split} video; it has {len(videos)} videos in {videos['group'].nunique()} "
            f"groups, and a group cannot be split. ({len(lacking)} such cases.) Leave the class out, or give "
            "it videos of other groups" + (f", or set {split}_per_class=0." if split != "train" else ".")
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


def _make_splits(table: pd.DataFrame, counts: Sequence[int | None], seed: int) -> pd.DataFrame:
    """Fills the split column by seed, stratified by label, without splitting a group."""
    label_of, _ = pd.factorize(table["label"], sort=True)
    group_of, groups = pd.factorize(table["group"], sort=True)
    wanted = np.array([_wanted(size, counts) for size in np.bincount(label_of)])
    sizes = pd.DataFrame({"group": group_of, "label": label_of}).value_counts(sort=False).sort_index()
    starts = np.flatnonzero(np.diff(sizes.index.get_level_values("group"))) + 1
    labels = np.split(sizes.index.get_level_values("label").to_numpy(), starts)
    clips = np.split(sizes.to_numpy(), starts)
    keys = seeded_keys(groups, seed)
    order = sorted(range(len(groups)), key=lambda group: (-clips[group].sum(), keys[group]))
    split_of = _assign_groups(labels, clips, order, wanted)
    return table.assign(split=np.array(SPLITS)[split_of[group_of]])


def _wanted(videos: int, counts: Sequence[int | None]) -> list[float]:
    """Number of a class's videos that each split should get; the sum is about `videos`.

    Numbers for all splits are proportions. If some splits have no number, they share the rest, but get at least half of
    their default share.
    """
    free = sum(share for share, count in zip(SHARES, counts, strict=True) if count is None)
    asked = sum(count or 0 for count in counts)
    given = min(asked / videos, 1 - free / 2) if free else 1.0
    shares = [
        share / free * (1 - given) if count is None else given * count / max(asked, 1)
        for share, count in zip(SHARES, counts, strict=True)
    ]
    # At least one, or small classes would have no test; almost 0 for a split that was not requested.
    return [max(share * videos, 1) if share else 1e-9 for share in shares]


def _assign_groups(
    labels: Sequence[np.ndarray], clips: Sequence[np.ndarray], order: Sequence[int], wanted: np.ndarray
) -> np.ndarray:
    """Assigns each group to a split (0, 1, 2) so that the numbers of videos per class approach the wanted ones.

    Greedy minimisation of the sum of (number - wanted)^2 / wanted, large groups first. Then groups are reassigned,
    small ones first, with priority for splits that lack a class, until no group moves.

    Args:
        labels: the classes in each group.
        clips: the group's number of videos in each of these classes.
        order: indices of the groups, large ones first.
        wanted: float (C, 3), videos per class and split.

    Returns:
        int (number of groups,): the split of each group.
    """
    have = np.zeros_like(wanted)
    split_of = np.full(len(order), -1)
    for sweep in range(MAX_SWEEPS):
        before = split_of.copy()
        for group in order if sweep == 0 else reversed(order):
            rows, number = labels[group], clips[group][:, None]
            if sweep:
                have[rows, split_of[group]] -= clips[group]
            cost = (number * (number + 2 * (have[rows] - wanted[rows])) / wanted[rows]).sum(axis=0)
            if sweep:
                fills = ((have[rows] == 0) & (wanted[rows] >= 1)).sum(axis=0)
                cost = np.where(fills == fills.max(), cost, np.inf)
            split_of[group] = cost.argmin()
            have[rows, split_of[group]] += clips[group]
        if (split_of == before).all():
            break
    return split_of
