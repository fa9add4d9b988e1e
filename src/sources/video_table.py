"""The annotation table, and the rules that every table of videos obeys, whatever it was read from.

One row per video, sorted by label and video_id, and these columns:
    video_id     str, unique, usable as a folder name.
    path         str, usable from the working directory.
    label        str, the class name. In SSv2: the template without its brackets.
    class_index  int, from labels.json in SSv2, else the alphabetical position of the label.
    split        str, "train", "validation" or "test"; "" in every row where the source has no splits.
    group        str, clips of one group must never be split. The video_id unless the source says otherwise.
"""

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

COLUMNS = ["video_id", "path", "label", "class_index", "split", "group"]
SPLITS = ("train", "validation", "test")


def check_ids(ids: pd.Series, path: Path) -> None:
    """Refuse ids that are no folder names; `path` is the file that lists them."""
    bad = ids[ids.str.contains(r"^\.?$|[/\\]|\.\.")]
    rule = "a video id becomes a folder name, so it must not be empty or hold / \\ .."
    refuse([repr(name) for name in bad], path, rule)


def drop_repeats(table: pd.DataFrame, source: str | Path, key: str = "video_id") -> pd.DataFrame:
    """Keep one of identical rows; refuse rows of the same `key` that differ."""
    repeated = table.duplicated()
    if repeated.any():
        examples = few(table.loc[repeated, key].unique())
        message = f"{repeated.sum()} rows of {source} repeat another row: {examples}. They count once."
        warnings.warn(message, stacklevel=3)
    table = table[~repeated].copy()
    for name in table.loc[table.duplicated(key), key].head(1):
        rows = table[table[key] == name]
        values = {column: rows[column].unique().tolist() for column in table if rows[column].nunique() > 1}
        raise ValueError(f"{source}: {name!r} is listed with different {values}. Keep one row of it.")
    return table


def drop_absent(table: pd.DataFrame, absent: pd.Series, name: str, listed_in: str, looked_in: str) -> pd.DataFrame:
    """Leave out the rows whose file is `absent`; `name` is the column that names them."""
    examples = few(table.loc[absent, name])
    message = f"{absent.sum()} of {len(table)} videos listed in {listed_in} are not in {looked_in}: {examples}."
    if absent.all():
        raise FileNotFoundError(f"{message} Unpack or move the videos there.")
    if absent.any():
        warnings.warn(f"{message} They are left out.", stacklevel=3)
    return table[~absent].copy()


def tidy(table: pd.DataFrame, classes: Iterable[str], source: Path) -> pd.DataFrame:
    """Warn about classes without a video, fill in the default columns, and bring all in order."""
    labels = sorted(table["label"].unique())
    empty = sorted(set(classes) - set(labels))
    if empty:
        message = f"{len(empty)} classes of {source} have no video: {few(empty)}. They are left out."
        warnings.warn(message, stacklevel=3)
    if "class_index" not in table:
        table["class_index"] = table["label"].map({label: index for index, label in enumerate(labels)})
    if "group" not in table:
        table["group"] = table["video_id"]
    return table.sort_values(["label", "video_id"], ignore_index=True)[COLUMNS]


def in_two_splits(table: pd.DataFrame, column: str) -> list[str]:
    """The values of `column` (video_id or group) that occur in more than one split, sorted."""
    pairs = table[[column, "split"]].drop_duplicates()
    return sorted(pairs.loc[pairs.duplicated(column), column].unique())


def check_disjoint(subset: pd.DataFrame) -> None:
    """Make sure that no video and no group is in two splits.

    Raises:
        ValueError: names the videos or groups that are.
    """
    for column in ("video_id", "group"):
        shared = in_two_splits(subset, column)
        if shared:
            raise ValueError(
                f"A {column} must be in one split only, or the test measures memory. {len(shared)} are in "
                f"several: {', '.join(shared[:3])}. Put all their videos in one split."
            )


def seeded_keys(names: Iterable, seed: int) -> list[str]:
    """One pseudo-random key per name; to sort by it is a shuffle that belongs to the seed.

    A key depends on the seed and the name alone. So a draw ("the first n by key") does not depend on the
    order of the rows or on what else is there, and drawing more keeps what was drawn before.
    """
    keys = (f"{seed} {name}".encode(errors="surrogateescape") for name in names)  # names of files may be no UTF-8
    return [hashlib.blake2b(key, digest_size=8).hexdigest() for key in keys]


def refuse(bad: Sequence[str], path: Path, rule: str) -> None:
    """Raise ValueError where anything in `path` breaks the rule; `bad` names each case."""
    if bad:
        raise ValueError(f"{path}: {rule}. {len(bad)} break this rule: {few(bad)}. Correct them.")


def few(items: Iterable) -> str:
    """At most three examples, as text."""
    items = [str(item) for item in items]
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")
