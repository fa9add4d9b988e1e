"""The annotation table, and the rules for every table of videos, whatever source it was read from.

One row per clip, sorted by label and video_id, with the columns
    video_id     str, unique, a valid folder name.
    path         str, absolute or relative to the working directory. Of a video that is a folder of images: the folder.
    label        str, the class name, in Unicode's composed form (NFC). In SSv2: the template without its brackets.
    class_index  int, from labels.json in SSv2, otherwise the alphabetical position of the label.
    split        str, "train", "validation" or "test"; "" in every row if the source has no splits.
    group        str, clips of one group are never put into different splits.
    start, end   float, seconds: the part of the file that is the clip; NaN is the file's start or end.
    rate         float, frames/s of a folder of images; NaN for video files.
and, if the source names them,
    objects      str, the things in the clip, as the source writes them, "; " between them; "" where it names none.
"""

import hashlib
import re
import reprlib
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from src.sources.names import counted, few, nfc, printable

# File names need not be UTF-8, and the strings of pyarrow, which pandas takes where it is installed, must be.
pd.set_option("mode.string_storage", "python")

COLUMNS = ["video_id", "path", "label", "class_index", "split", "group", "start", "end", "rate"]
OBJECTS = "objects"  # a column more, of sources that name the things in a clip
SPLITS = ("train", "validation", "test")
MAX_GIVEN_ID = 255  # bytes: the longest file name of most systems
NO_ID = re.compile(r"^\.?$|[/\\\x00-\x1f\x7f\ud800-\udfff]|\.\.")  # found in what is no video id


class Reading(NamedTuple):
    """A source as it was understood.

    Attributes:
        table: the annotation table.
        kind: of source, in words.
        groups: how groups were found, in words.
        left_aside: files and folders that are not used, and why.
    """

    table: pd.DataFrame
    kind: str
    groups: str = ""
    left_aside: Sequence[str] = ()


def check_ids(ids: Iterable[str], path: str | Path, max_bytes: int = MAX_GIVEN_ID) -> None:
    """Raises ValueError for ids that are not valid folder names; `path` is the file or folder that lists them."""
    bad = [name for name in map(str, ids) if NO_ID.search(name) or len(name.encode(errors="surrogatepass")) > max_bytes]
    rule = (
        f"a video id becomes a folder name, so it must be 1 to {max_bytes} bytes of text, without / \\ .. and control "
        "characters"
    )
    refuse([reprlib.repr(name) for name in bad], path, rule)


def compose_labels(labels: pd.Series, source: str | Path) -> pd.Series:
    """The labels in Unicode's composed form (NFC); a warning names those that are there in several forms."""
    composed = labels.map(nfc)
    forms = pd.DataFrame({"written": labels, "label": composed}).drop_duplicates()
    merged = sorted(forms.loc[forms["label"].duplicated(), "label"].unique())
    if merged:
        message = f"{counted(len(merged), 'class name')} in {printable(source)} in two Unicode forms: {few(merged)}."
        warnings.warn(f"{message} The two look alike, and are one class.", stacklevel=3)
    names = forms["label"].drop_duplicates().sort_values()
    keys = names.map(lambda name: re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", name).casefold()))
    alike = names[keys.ne("") & keys.duplicated(keep=False)]
    if len(alike):
        message = f"{len(alike)} class names in {printable(source)} differ only in case, spaces, _ or -: {few(alike)}."
        warnings.warn(f"{message} They stay classes of their own; rename those that are one.", stacklevel=3)
    return composed


def drop_repeats(table: pd.DataFrame, source: str | Path, key: str = "video_id") -> pd.DataFrame:
    """Keeps one of several identical rows, with a warning; raises ValueError for different rows with the same `key`."""
    repeated = table.duplicated()
    if repeated.any():
        examples = few(table.loc[repeated, key].unique())
        message = f"{counted(repeated.sum(), 'repeated row')} in {printable(source)}: {examples}. Each counts once."
        warnings.warn(message, stacklevel=3)
    table = table[~repeated].copy()
    for name in table.loc[table.duplicated(key), key].head(1):
        rows = table[table[key] == name]
        differ = [column for column in ("listed", "label", "split", "group") if column in rows]
        differ = [f"{column} {few(rows[column].unique())}" for column in differ if rows[column].nunique() > 1]
        found = "; ".join(differ).replace("listed", "path", 1)
        raise ValueError(f"{printable(source)}: {key} {name!r} is listed with different values: {found}. Keep one row.")
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


def tidy(table: pd.DataFrame, classes: Iterable[str], source: str | Path) -> pd.DataFrame:
    """Adds the default columns and sorts rows and columns; warns about classes without a video."""
    labels = sorted(table["label"].unique())
    empty = sorted(set(classes) - set(labels))
    if empty:
        message = f"{counted(len(empty), 'class')} of {printable(source)} without a video: {few(empty)}. Left out."
        warnings.warn(message, stacklevel=3)
    if "class_index" not in table:
        table["class_index"] = table["label"].map({label: index for index, label in enumerate(labels)})
    if "group" not in table:
        table["group"] = table["video_id"]
    for column in ("start", "end", "rate"):
        table[column] = table[column].astype(float) if column in table else float("nan")
    columns = [*COLUMNS, OBJECTS] if table.get(OBJECTS, pd.Series()).ne("").any() else COLUMNS
    return table.sort_values(["label", "video_id"], ignore_index=True)[columns]


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
                f"several: {few(shared)}. Put all their videos in one split."
            )


def seeded_keys(names: Iterable, seed: int) -> list[str]:
    """A pseudo-random key for each name; sorting by it shuffles the names by seed.

    A key depends on the seed and the name alone. Taking the first n names by key is therefore a draw that does not
    depend on the order of the rows or on other rows, and a larger n keeps the names of a smaller one.

    Raises:
        ValueError: the seed is not a whole number, 0 or more.
    """
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        hint = f" Write it without quotes: {seed}" if isinstance(seed, str) else ""
        raise ValueError(f"seed must be a whole number, 0 or more. Received: {seed!r}.{hint}")
    keys = (f"{seed} {name}".encode(errors="surrogateescape") for name in names)  # file names need not be UTF-8
    return [hashlib.blake2b(key, digest_size=8).hexdigest() for key in keys]


def refuse(bad: Sequence[str], path: Path, rule: str) -> None:
    """Raises ValueError if `bad`, the descriptions of what breaks `rule` in the file `path`, is not empty."""
    if bad:
        raise ValueError(
            f"{printable(path)}: {rule}. {len(bad)} break{'s' * (len(bad) == 1)} this rule: {few(bad)}. Correct them."
        )
