"""Which clips belong together (one scene, person or source video), where no column says so."""

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

import pandas as pd

from src.sources.names import few, nfc, printable
from src.sources.video_table import in_two_splits

# Names without suffix that well-known data sets have; the group is what the parentheses match.
RULES = {
    "UCF101 (scene g##)": r"(v_.+_g\d+)_c\d+",
    "HMDB51 (film)": r"(.+)_[fhul]_(?:cm|nm)_np\d+_(?:fr|le|ri|ba)_(?:goo|med|bad)_\d+",
    "NTU RGB+D (person P###)": r"S\d{3}C\d{3}(P\d{3})R\d{3}A\d{3}.*",
    "MSR Action, UTD-MHAD (subject s#)": r"a\d+_(s\d+)_[et]\d+.*",
    "Toyota Smarthome (person p##)": r".+_(p\d+)_r\d+_v\d+(?:_c\d+)?",
    "RAVDESS (actor)": r"(?:\d\d-){6}(\d\d)",
    "Weizmann (person)": r"(daria|denis|eli|ido|ira|lena|lyova|moshe|shahar)_[a-z]+\d?",
    "KTH and others (person)": r"(?:.*_)?((?:person|subject|actor|participant|user)[-_]?\d+)(?:_.*)?",
    "Breakfast, EPIC-KITCHENS (person P##)": r"(P\d\d)_.+",
    "UCF11 (scene)": r"(v_.+_\d+)_\d+",
    "Kinetics (YouTube video)": r"([\w-]{11})_\d+(?:\.\d+)?_\d+(?:\.\d+)?",
}
LEAST_SHARE = 0.75  # of the videos, that have the names of a data set
RISK = (
    "Clips cut from one recording may then be in train and in test, and the accuracy is higher than on new recordings: "
    "tie such clips together with group_pattern, or with the column group of a CSV."
)


class Grouping(NamedTuple):
    """The group of each video, "" where it has none, and how they were found, in words."""

    groups: list[str]
    how: str


def find_groups(
    paths: Sequence[PurePath], labels: Sequence[str], within: Sequence[tuple[str, ...]] | None = None, pattern=None
) -> Grouping:
    """Finds groups by the user's pattern, by the file names of well-known data sets, or by a level of folders.

    A rule that would put all videos of most classes into one group each is not used.

    Args:
        paths: of the videos, below the source.
        labels: their classes.
        within: the folders between the class and the video.
        pattern: a regular expression, searched in each path; its first group, or else the match, is the group.

    Raises:
        ValueError: `pattern` is no regular expression, or matches no path.
    """
    if pattern is not None:
        return _by_pattern(paths, pattern)
    rejected = ""
    for name, groups in _candidates(paths, labels, within):
        if not _ties_whole_classes(groups, labels):
            return Grouping(groups, _describe(groups, f"by the names of {name}"))
        rejected = f" (Not by {name}: that would put all videos of a class into one group.)"
    return Grouping(
        [""] * len(paths), f"none found: each of the {len(paths)} videos is its own group.{rejected} {RISK}"
    )


def separate_splits(table: pd.DataFrame) -> str:
    """Makes recognised groups that are in two of the source's own splits a group of each; returns a sentence, or ""."""
    shared = in_two_splits(table, "group")
    crossing = table["group"].isin(shared)
    table.loc[crossing, "group"] += " (" + table.loc[crossing, "split"] + ")"
    if not shared:
        return ""
    return (
        f"{len(shared)} groups are in two splits of the source, such as {few(shared)}: clips in test resemble clips in "
        "train, and the accuracy is higher than on new recordings. The splits are kept as they are."
    )


def _by_pattern(paths: Sequence[PurePath], pattern: str) -> Grouping:
    try:
        expression = re.compile(pattern)
    except (re.error, TypeError, RecursionError, OverflowError) as error:
        raise ValueError(f"group_pattern must be a regular expression. Received: {pattern!r} ({error}).") from None
    matches = [expression.search(path.as_posix()) for path in paths]
    groups = [(match[1] if expression.groups else match[0]) or "" if match else "" for match in matches]
    if not any(groups):
        raise ValueError(
            f"group_pattern must match paths below the source, such as {few(map(repr, map(str, paths)))}. "
            f"Received: {pattern!r}, which matches none of {len(paths)}."
        )
    return Grouping(groups, _describe(groups, f"by group_pattern {printable(pattern)}"))


def _candidates(paths: Sequence[PurePath], labels: Sequence[str], within: Sequence[tuple[str, ...]] | None):
    """(name, groups) of each rule that fits."""
    stems = [path.stem if path.suffix else path.name for path in paths]
    for name, rule in RULES.items():
        expression = re.compile(rule, re.DOTALL)
        matches = [expression.fullmatch(stem) for stem in stems]
        if sum(map(bool, matches)) >= LEAST_SHARE * len(paths):
            groups = [match[1] if match else "" for match in matches]
            if name.startswith("HMDB51"):  # <film>_<class>: clips of one film are in several classes
                groups = [_without_class(group, label) for group, label in zip(groups, labels, strict=True)]
            yield name, groups
    folders = [names[0] if names else "" for names in (within if within is not None else ())]
    if any(folders):
        table = pd.DataFrame({"folder": folders, "label": labels})
        table = table[table["folder"].ne("")]
        has_several = table.groupby("label")["folder"].nunique().max() >= 2
        if has_several and table.value_counts(["label", "folder"]).max() >= 2:
            yield "the folders between class and video", folders


def _without_class(group: str, label: str) -> str:
    ending = "_" + re.sub(r"\W+", "_", label)
    return group[: -len(ending)] if group.casefold().endswith(ending.casefold()) and len(group) > len(ending) else group


def _ties_whole_classes(groups: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether most classes of several videos would be a single group each."""
    table = pd.DataFrame({"group": groups, "label": labels})
    several = table.groupby("label").filter(lambda rows: len(rows) > 1)
    alone = [(rows.nunique() == 1) and rows.iloc[0] != "" for _, rows in several.groupby("label")["group"]]
    return 2 * sum(alone) > len(alone)


def _describe(groups: Sequence[str], how: str) -> str:
    names = sorted(set(map(nfc, groups)) - {""})
    alone = sum(not group for group in groups)
    rest = f"; {alone} videos without such a name are groups of their own" if alone else ""
    return f"{len(names)}, {how}, such as {few(names[:1])}{rest}"
