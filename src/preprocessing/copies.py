"""Videos of the same bytes: named before the extraction, and never in two splits."""

import os

import numpy as np
import pandas as pd

from src.sources import SPLITS, few

NAMED = 3  # examples in a message


def find_copies(subset: pd.DataFrame) -> pd.DataFrame:
    """Finds rows whose video has the same bytes as that of another row and, for parts of a video, the same moments.

    Args:
        subset: with `digest`, `start` and `end`.

    Returns:
        a row per copy: `video_id`, `path`, `label`, `split`; `copy_of`, `other_label` and `other_split`, the path,
        label and split of the row that it repeats; and `left_out` (bool). A row repeats one of an earlier split (train,
        validation, test) or, in its split, of an earlier row. It is left out if the splits differ.
    """
    known = subset[subset.digest.ne("")]
    known = known[known.duplicated("digest", keep=False)]
    order = known.split.map({split: place for place, split in enumerate(SPLITS)})
    rows = []
    for _, same in known.assign(order=order).sort_values("order", kind="stable").groupby("digest", sort=False):
        rows += _find_in_video(same)
    columns = ["video_id", "path", "label", "split", "copy_of", "other_label", "other_split", "left_out"]
    return pd.DataFrame(rows, columns=columns).astype({"left_out": bool})


def _find_in_video(same):
    """The copies among rows of one video, which are in the order of their splits."""
    starts, ends = same.start.fillna(-np.inf).to_numpy(), same.end.fillna(np.inf).to_numpy()
    kept, rows = np.zeros(len(same), bool), []
    for place, row in enumerate(same.itertuples()):
        overlap = np.flatnonzero(kept & (starts < ends[place]) & (starts[place] < ends))
        kept[place] = True
        if len(overlap):
            other = same.iloc[overlap[0]]
            kept[place] = row.split == other.split
            entries = (row.video_id, row.path, row.label, row.split, other.path, other.label, other.split)
            rows.append((*entries, not kept[place]))
    return rows


def leave_out(subset: pd.DataFrame, copies: pd.DataFrame) -> pd.DataFrame:
    """The subset without the copies to leave out.

    Raises:
        ValueError: all videos of a split are copies.
    """
    left = subset[~subset.video_id.isin(copies.video_id[copies.left_out])].reset_index(drop=True)
    for split in subset.split.unique():
        if not (left.split == split).any():
            pair = copies[copies.left_out & (copies.split == split)].iloc[0]
            raise ValueError(
                f"All {(subset.split == split).sum()} videos of the split {split!r} are copies of videos of another "
                f"split, which splits must not share: {pair.path} has the same bytes as {pair.copy_of} "
                f"({pair.other_split}). Remove the copies, or give them one group."
            )
    return left


def describe_copies(copies: pd.DataFrame) -> list[str]:
    """A sentence for each kind of copies: in two splits, of two classes, and others; each names examples."""
    across, classes = copies.left_out, copies.label.ne(copies.other_label)
    kinds = (
        (across, "Left out, because a video of an earlier split has the same bytes"),
        (classes, "Same bytes in two classes; one of the two labels is wrong, so remove one of the videos"),
        (~across & ~classes, "Same bytes twice in one class and split; they count twice"),
    )
    return [f"{text} ({kind.sum()}): {_examples(copies[kind])}." for kind, text in kinds if kind.any()]


def describe_emptied(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """A sentence if copies that were left out were all videos of a class in a split."""
    pairs = [set(zip(table.label, table.split, strict=True)) for table in (before, after)]
    emptied = sorted(pairs[0] - pairs[1])
    if not emptied:
        return []
    return [f"All videos were copies, and are left out: {few(f'{label!r} in {split}' for label, split in emptied)}."]


def find_transcoded(subset: pd.DataFrame) -> list[str]:
    """A sentence if two splits hold files of one folder that differ in the suffix alone, as x.avi and x.mp4."""
    stems = pd.Series([os.path.splitext(os.path.abspath(path))[0] for path in subset.path], subset.index, dtype=str)
    splits = subset.split.groupby(stems).nunique()
    names = splits.index[splits > 1]
    paths = subset.path[stems.isin(names)].groupby(stems).unique()
    pairs = [" and ".join(map(str, found[:2])) for found in paths if len(found) > 1]
    if not pairs:
        return []
    return [
        "In two splits under names that differ in the suffix alone, probably the same video in two formats "
        f"({len(pairs)}): {'; '.join(pairs[:NAMED])}. Remove one of each, or give them one group."
    ]


def _examples(copies):
    pairs = [
        f"{row.path} ({row.split}, {row.label}) = {row.copy_of} ({row.other_split}, {row.other_label})"
        for row in copies[:NAMED].itertuples()
    ]
    return "; ".join(pairs) + ("; …" if len(copies) > NAMED else "")
