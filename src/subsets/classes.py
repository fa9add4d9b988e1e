"""Which classes a subset has: all, some drawn by seed, a list, or a named set of Something-Something V2's templates.

The named sets:

- mini-ssv2: the 87 classes of IBM's benchmark (Chen et al. 2021).
- camera: the six templates in which the camera moves.
- left-right: the six templates that a horizontal flip exchanges.
- opposites: 20BN's 17 pairs in which one class is the other one played backwards.
- pretending: 20BN's 18 pairs of an action and the same action pretended.
"""

import difflib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from numbers import Integral
from pathlib import Path

import numpy as np
import pandas as pd

from src.sources import seeded_keys
from src.subsets.class_maps import SSV2_TIME_REVERSAL

SSV2_CLASS_SETS = Path(__file__).with_name("ssv2_class_sets.json")  # all but "opposites", which the time pairs are
MOST_NAMED = 5  # missing classes in an error


def choose_labels(table: pd.DataFrame, classes: int | str | Sequence[str | int] | None, seed: int) -> list[str]:
    """The labels that `classes` of `choose_subset` stands for, sorted.

    A str that is a label of the table is this label, also where a named set has the same name.

    Raises:
        ValueError: a class, or a class of a named set, is not in the table, or a number is out of range.
    """
    known = sorted(table["label"].unique())
    if classes is None:
        return known
    if is_integer(classes):
        if not 1 <= classes <= len(known):
            raise ValueError(f"classes must be 1 to {len(known)}, the classes of the source. Received: {classes}")
        drawn = pd.Series(known, index=seeded_keys(known, seed)).sort_index()
        return sorted(drawn[:classes])
    if not isinstance(classes, Iterable):
        raise ValueError(
            "classes must be None for all, an integer (the number of classes to draw), the name of a set, or a list of "
            f"labels or class indices. Received: {classes!r}"
        )
    if isinstance(classes, str):
        if classes in class_sets() and classes not in known:
            return _take_set(classes, known)
        classes = [classes]
    return _find_labels(list(classes), table, known)


@cache
def class_sets() -> dict[str, tuple[str, ...]]:
    """The labels of each named set, sorted."""
    sets = json.loads(SSV2_CLASS_SETS.read_text(encoding="utf-8"))
    pairs = json.loads(SSV2_TIME_REVERSAL.read_text(encoding="utf-8"))["pairs"]
    del sets["source"]
    return {name: tuple(sorted(labels)) for name, labels in sets.items()} | {
        "opposites": tuple(sorted(label for pair in pairs for label in pair))
    }


def name_class_set(labels: Iterable[str]) -> str | None:
    """The name of the set that has exactly these labels; None if no set has."""
    labels = tuple(sorted(set(labels)))
    return next((name for name, members in class_sets().items() if members == labels), None)


def is_integer(value: object) -> bool:
    """Whether a value is a whole number, and no truth value."""
    return isinstance(value, Integral) and not isinstance(value, bool | np.bool_)


def _take_set(name: str, known: list[str]) -> list[str]:
    labels = class_sets()[name]
    missing = [label for label in labels if label not in known]
    if missing:
        shown = [f"{label!r}{_say_closest(label, known)}" for label in missing[:MOST_NAMED]]
        rest = f", and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        raise ValueError(
            f"classes={name!r} is a set of {len(labels)} classes of Something-Something V2, and the source must have "
            f"videos of all. Missing: {len(missing)}: {', '.join(shown)}{rest}. Take the whole data set as source, "
            "correct the spelling there, or give a list of the classes that the source has."
        )
    return list(labels)


def _say_closest(label: str, known: list[str]) -> str:
    closest = difflib.get_close_matches(label, known, n=1, cutoff=0.8)
    return f" (the source has {closest[0]!r})" if closest else ""


def _find_labels(classes: list, table: pd.DataFrame, known: list[str]) -> list[str]:
    names = dict(zip(table["class_index"], table["label"], strict=True)) | {label: label for label in known}
    # Only a str is a label and only an integer an index: True and 1.0 are equal to 1, but not meant as a class.
    unknown = [name for name in classes if not (isinstance(name, str) or is_integer(name)) or name not in names]
    if unknown or not classes:
        places = [*known, *class_sets()]
        close = [match for name in unknown for match in difflib.get_close_matches(str(name), places)]
        sets = [name for name in unknown if isinstance(name, str) and name in class_sets()]
        raise ValueError(
            f"classes must be labels or class indices of the source. Unknown: {unknown or 'the list is empty'}. "
            + (f"Close: {close}." if close else f"The source has {len(known)} classes, such as {known[:3]}.")
            + (" Numbers are written without quotes." if any(str(name).isdigit() for name in unknown) else "")
            + (f" The name of a set is given alone: classes={sets[0]!r}." if sets else "")
        )
    return sorted({names[name] for name in classes})
