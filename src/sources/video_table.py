"""The annotation table, and the rules for every table of videos, whatever source it was read from.

One row per video, sorted by label and video_id, with the columns
    video_id     str, unique, a valid folder name.
    path         str, absolute or relative to the working directory.
    label        str, the class name. In SSv2: the template without its brackets.
    class_index  int, from labels.json in SSv2, otherwise the alphabetical position of the label.
    split        str, "train", "validation" or "test"; "" in every row if the source has no splits.
    group        str, clips of one group are never put into different splits. By default the video_id.
"""

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

import pandas as pd

COLUMNS = ["video_id", "path", "label", "class_index", "split", "group"]
SPLITS = ("train", "validation", "test")
SPLIT_NAMES = {name: name for name in SPLITS} | {"val": "validation", "valid": "validation"}  # as sources write them


def make_ids(paths: Sequence[PurePath]) -> list[str]:
    """Unique ids: the stem; where stems clash, the joined path; where these clash, with the suffix, then a hash."""

    def joined(path: PurePath) -> str:
        names = [*path.relative_to(path.anchor).parent.parts, path.stem]
        return "__".join(name for name in names if name != "..")

    def with_suffix(path: PurePath) -> str:
        return f"{joined(path)}__{path.suffix[1:]}"

    def with_hash(path: PurePath) -> str:
        return f"{with_suffix(path)}__{seeded_keys([path], 0)[0]}"

    ids = pd.Series("", index=range(len(paths)), dtype=str)
    for make_id in (lambda path: path.stem, joined, with_suffix, with_hash):
        # Some file systems ignore case, and refuse these characters, and dots or spaces at the end.
        clash = ids.str.casefold().duplicated(keep=False) | ids.eq("")
        names = pd.Series([make_id(paths[place]) for place in ids.index[clash]], ids.index[clash], dtype=str)
        usable = names.str.replace(r'[<>:"|?*/\\\x00-\x1f]|\.\.+', "_", regex=True)
        ids[clash] = usable.str.strip(". ")
    return ids.tolist()


def check_ids(ids: pd.Series, path: Path) -> None:
    """Raises ValueError for ids that are not valid folder names; `path` is the file that lists them."""
    bad = ids[ids.str.contains(r"^\.?$|[/\\]|\.\.")]
    rule = "a video id becomes a folder name, so it must not be empty or hold / \\ .."
    refuse([repr(name) for name in bad], path, rule)


def drop_repeats(table: pd.DataFrame, source: str | Path, key: str = "video_id") -> pd.DataFrame:
    """Keeps one of several identical rows, with a warning; raises ValueError for different rows with the same `key`."""
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
    """Leaves out the rows whose file is `absent` (bool), with a warning that names them by the column `name`."""
    examples = few(table.loc[absent, name])
    message = f"{absent.sum()} of {len(table)} videos listed in {listed_in} are not in {looked_in}: {examples}."
    if absent.all():
        raise FileNotFoundError(f"{message} Unpack or move the videos there.")
    if absent.any():
        warnings.warn(f"{message} They are left out.", stacklevel=3)
    return table[~absent].copy()


def tidy(table: pd.DataFrame, classes: Iterable[str], source: Path) -> pd.DataFrame:
    """Adds the default columns and sorts rows and columns; warns about classes without a video."""
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
    """Raises ValueError if a video or a group is in more than one split, and names examples."""
    for column in ("video_id", "group"):
        shared = in_two_splits(subset, column)
        if shared:
            raise ValueError(
                f"A {column} must be in one split only, or test videos resemble training videos. {len(shared)} are in "
                f"several: {', '.join(shared[:3])}. Put all their videos in one split."
            )


def seeded_keys(names: Iterable, seed: int) -> list[str]:
    """A pseudo-random key for each name; sorting by it shuffles the names by seed.

    A key depends on the seed and the name alone. Taking the first n names by key is therefore a draw that does not
    depend on the order of the rows or on other rows, and a larger n keeps the names of a smaller one.
    """
    keys = (f"{seed} {name}".encode(errors="surrogateescape") for name in names)  # file names need not be UTF-8
    return [hashlib.blake2b(key, digest_size=8).hexdigest() for key in keys]


def refuse(bad: Sequence[str], path: Path, rule: str) -> None:
    """Raises ValueError if `bad`, the descriptions of what breaks `rule` in the file `path`, is not empty."""
    if bad:
        raise ValueError(f"{path}: {rule}. {len(bad)} break this rule: {few(bad)}. Correct them.")


def few(items: Iterable) -> str:
    """At most three examples, as text."""
    items = [str(item) for item in items]
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")
