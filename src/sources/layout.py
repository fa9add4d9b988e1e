"""At which level of a folder the classes and the splits are."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

from src.sources.names import few, name_splits

# Folders of parts or kinds of a data set, if their sub-folders have the same names: person01/run, person02/run.
SETS = r"(.*[-_ ])?(fold|split|part|set|batch|session|disk)[-_ ]?\d+"  # with no classes in them, too
PARTS = re.compile(
    r"((person|subject|actor|user|scene|cam|camera|view|group)[-_ ]?\d+"
    rf"|{SETS}|videos?|clips?|frames?|images?|rgb|(optical[-_ ]?)?flow([-_ ]?[xyuv])?|depth|data)",
    re.IGNORECASE,
)


class Place(NamedTuple):
    """Where a video stands: its path, its split ("" if there are none), its class folder, the folders below that."""

    path: PurePath
    split: str
    label: str
    within: tuple[str, ...]


class Layout(NamedTuple):
    """The places of all videos of classes; where the class folders are, in words; the other videos."""

    places: list[Place]
    where: str
    others: list[PurePath]


class _Item(NamedTuple):
    path: PurePath
    rest: tuple[str, ...]  # the parts of the path below the level that is looked at
    split: str = ""


def find_layout(paths: Sequence[PurePath]) -> Layout:
    """Finds the class of each video from its path below the source.

    Folders that hold nothing but one folder of folders are descended through. Then folders with the names of splits
    (see `name_splits`), if there are two or more, are splits, above or below the classes; all others are classes.

    Raises:
        ValueError: the folders at the level of classes are splits or other parts of a data set, or some videos of a
            source with splits are in none.
    """
    items, wrapper = _descend([_Item(path, path.parts) for path in paths])
    where = "/".join([*wrapper, "<class>"])
    tops, seconds = _splits_at(items, 0), _splits_at(items, 1)
    if len(set(tops.values())) > 1:
        items, deeper = _below_splits(items, tops)
        where = "/".join([*wrapper, "<split>", *deeper, "<class>"])
    elif len(set(seconds.values())) > 1:
        items = _within_classes(items, seconds)
        where += "/<split>"
    _refuse_parts(items)
    places = [Place(item.path, item.split, item.rest[0], item.rest[1:-1]) for item in items if len(item.rest) > 1]
    used = {place.path for place in places}
    return Layout(places, where, [path for path in paths if path not in used])


def _descend(items: list[_Item]) -> tuple[list[_Item], list[str]]:
    """Passes folders that hold all other folders with videos, as an unpacked zip does; returns their names, too."""
    wrapper = []
    while True:
        deeper = [item for item in items if len(item.rest) > 1]
        inner = [item._replace(rest=item.rest[1:]) for item in deeper]
        inner_names = [item.rest[0] for item in inner if len(item.rest) > 1]
        direct = len(inner) - len(inner_names)
        is_class = len(set(inner_names)) == 1 and direct or direct > len(inner_names)
        if len({item.rest[0] for item in deeper}) != 1 or not inner_names or is_class:
            return items, wrapper
        wrapper.append(deeper[0].rest[0])
        items = inner


def _splits_at(items: Sequence[_Item], level: int) -> dict[str, str]:
    """The split of each folder at a level that has the name of one."""
    return name_splits({item.rest[level] for item in items if len(item.rest) > level + 1})


def _refuse_parts(items: Sequence[_Item]) -> None:
    """Raises ValueError if the folders of classes look like parts of a data set, or like one split and another one."""
    pairs = {item.rest[:2] for item in items if len(item.rest) > 2}
    tops = sorted({item.rest[0] for item in items if len(item.rest) > 1})
    shared = sorted(name for name, count in Counter(name for _, name in pairs).items() if count > 1)
    advice = "Give a folder with one folder of videos per class, or a CSV with the columns path, label, split and group"
    if len(tops) < 2:
        return
    if all(re.fullmatch(SETS, top, re.IGNORECASE) for top in tops) or (shared and all(map(PARTS.fullmatch, tops))):
        several = f": several of them hold {few(shared)}" if shared else ""
        raise ValueError(f"the folders {few(tops)} look like parts of a data set, not like classes{several}. {advice}")
    if len(tops) == 2 and len(shared) > 1 and name_splits(tops, exact=True):
        raise ValueError(
            f"the folders {few(tops)} look like splits, not like classes: both hold {few(shared)}. If they are splits, "
            "call them train, validation or test; if they are classes, give a CSV"
        )


def _below_splits(items: list[_Item], splits: dict[str, str]) -> tuple[list[_Item], list[str]]:
    inside = [item for item in items if item.rest[0] in splits and len(item.rest) > 1]
    below = [item._replace(rest=item.rest[1:], split=splits[item.rest[0]]) for item in inside]
    if not any(len(item.rest) > 1 for item in below):
        raise ValueError(
            f"the folders {few(sorted(splits))} look like splits, not like classes, and hold videos without a folder "
            "per class. Make a folder per class in each of them, or give a CSV"
        )
    below, deeper = _descend_together(below)
    below = [item for item in below if len(item.rest) > 1]
    if len({item.split for item in below}) == 1:  # the videos of the other splits have no classes
        below = [item._replace(split="") for item in below]
    return below, deeper


def _descend_together(items: list[_Item]) -> tuple[list[_Item], list[str]]:
    """`_descend`; each split may have a wrapper folder of its own, such as train/train/<class>, test/test/<class>."""
    items, names = _descend(items)
    by_split = {split: [item for item in items if item.split == split] for split in {item.split for item in items}}
    tops = [{item.rest[0] for item in part if len(item.rest) > 1} for part in by_split.values()]
    if len(tops) > 1 and all(len(names) == 1 for names in tops) and len(set.union(*tops)) > 1:
        parts = {split: _descend(part) for split, part in by_split.items()}
        if all(wrapper for _, wrapper in parts.values()):
            return [item for part, _ in parts.values() for item in part], [*names, "…"]
    return items, names


def _within_classes(items: list[_Item], splits: dict[str, str]) -> list[_Item]:
    deeper = [item for item in items if len(item.rest) > 1]
    outside = [item.path for item in deeper if len(item.rest) < 3 or item.rest[1] not in splits]
    if outside:
        raise ValueError(
            f"class folders hold the splits {few(sorted(splits))}, but {len(outside)} of {len(deeper)} videos are in "
            f"none of them: {few(outside)}. Move them into a split, or give a CSV"
        )
    return [item._replace(rest=(item.rest[0], *item.rest[2:]), split=splits[item.rest[1]]) for item in deeper]
