"""What a class becomes in a mirror, or backwards in time; and scores of mirrored views, put back."""

import difflib
import json
import re
from pathlib import Path

import numpy as np

SSV2_TIME_REVERSAL = Path(__file__).with_name("ssv2_time_reversal.json")  # 20BN's own, for their templates

_EXCHANGED = {"left": "right", "right": "left"}
# What holds "right" and is no direction comes first: it is matched as a whole, and stays.
_DIRECTIONS = re.compile("upright|bright|right out|left|right")


def flipped_classes(class_names: list[str], given: dict[str, str] | None = None) -> np.ndarray:
    """What each class becomes in a mirror.

    By default by the names. One without "left" or "right" stays itself. One with them, also as a part of a word
    (turn_left, TurnLeft, leftward), becomes the class whose name has the two exchanged ("Pushing something from left to
    right" ↔ "… right to left"); where that class is not among the names, the class must not be mirrored. In
    Something-Something V2 this finds exactly 20BN's three pairs. No other words are understood: "clockwise" counts as
    its own mirror image.

    Args:
        class_names: C names.
        given: instead of the rule by names, what becomes what; each pair may be given in one direction or in both.
            Classes that it does not name stay themselves. What a class becomes need not be in the data set.

    Returns:
        int64 (C,): the index of the mirrored class, or -1 where it is not among the names.

    Raises:
        ValueError: `given` has a key that is not a class, or a class's mirror image becomes a third.
    """
    if given is not None:
        becomes = _both_ways(given, class_names, "flip_map")
        for name, other in becomes.items():
            if becomes[other] != name:
                raise ValueError(
                    "A mirror image in a mirror is what it was: each class of flip_map must be in one pair. "
                    f"Received: {name!r} → {other!r} → {becomes[other]!r}"
                )
        return _find([becomes.get(name, name) for name in class_names], class_names)
    names = [name.lower() for name in class_names]
    exchanged = [_DIRECTIONS.sub(lambda word: _EXCHANGED.get(word[0], word[0]), name) for name in names]
    own = np.arange(len(names))
    return np.where([name == other for name, other in zip(names, exchanged, strict=True)], own, _find(exchanged, names))


def reversed_classes(class_names: list[str], given: dict[str, str] | None = None) -> np.ndarray:
    """What each class becomes when its clips are played backwards.

    By default by 20BN's own map for the templates of Something-Something V2: 17 pairs ("Opening something" ↔ "Closing
    something"), one template that becomes another without the way back ("Lifting something up completely without
    letting it drop down" → "Putting something on a surface"), and 37 that stay themselves. All other classes, those of
    other data sets too, must not be reversed.

    Args:
        class_names: C names.
        given: instead of 20BN's map, what becomes what; a class that stays itself is given as its own. Each pair may be
            given in one direction or in both, and the way back may be another, as in 20BN's one case. Classes that it
            does not name must not be reversed. What a class becomes need not be in the data set.

    Returns:
        int64 (C,): the index of the reversed class, or -1 where there is none, or none among the names.

    Raises:
        ValueError: `given` has a key that is not a class, or two that become a class of which it does not say more.
    """
    if given is None:
        becomes = _ssv2_time_reversal()
    else:
        becomes = _both_ways(given, class_names, "reversal_map")
        for name, other in given.items():
            if other in class_names and other not in given and becomes[other] != name:
                raise ValueError(
                    f"reversal_map must say what {other!r} becomes, where more than one class becomes it. Received: "
                    f"{becomes[other]!r} and {name!r}"
                )
    return _find([becomes.get(name) for name in class_names], class_names)


def exchange_columns(scores: np.ndarray, becomes: np.ndarray) -> np.ndarray:
    """Scores of mirrored views → scores of what was mirrored: a push to the left is seen where it went to the right.

    Args:
        scores: float (…, C), of mirrored views.
        becomes: int (C,), of `flipped_classes`.

    Returns:
        float (…, C): column c is column `becomes[c]` of `scores`.

    Raises:
        ValueError: a class has no mirror image, or `becomes` is not its own inverse, or another number of classes.
    """
    if len(becomes) != scores.shape[-1]:
        raise ValueError(f"becomes must have an entry per column of scores. Received: {len(becomes)}, {scores.shape}")
    if (becomes < 0).any():
        raise ValueError(
            "Mirrored views can be scored only where every class has its mirror image among the classes. Received: "
            f"none for the classes {np.flatnonzero(becomes < 0).tolist()}. Score views that are not mirrored: "
            "test_crops of 1, 3 or 5."
        )
    if (becomes[becomes] != np.arange(len(becomes))).any():
        raise ValueError(f"Classes must be exchanged in pairs to be put back. Received: {becomes.tolist()}")
    return scores[..., becomes]


def _find(names, class_names):
    """The index of each name, or -1."""
    index = {name: place for place, name in enumerate(class_names)}
    return np.array([index.get(name, -1) for name in names], np.int64)


def _both_ways(given, class_names, owner):
    """A user's map, with the directions that are left out."""
    becomes = dict(given)
    for name, other in given.items():
        if name not in class_names:
            close = difflib.get_close_matches(name, class_names)
            raise ValueError(
                f"A key of {owner} must be a class of the data set. Received: {name!r}. "
                f"{f'Did you mean one of {close}?' if close else 'No class has a name like it.'}"
            )
        becomes.setdefault(other, name)
    return becomes


def _ssv2_time_reversal():
    """20BN's map, both directions."""
    written = json.loads(SSV2_TIME_REVERSAL.read_text(encoding="utf-8"))
    both = dict(written["pairs"]) | {other: name for name, other in written["pairs"]}
    return both | written["one_way"] | {name: name for name in written["same"]}
