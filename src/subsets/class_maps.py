"""Classes of flipped and time-reversed clips, and scores of flipped crops in the order of the unflipped classes."""

import difflib
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

SSV2_TIME_REVERSAL = Path(__file__).with_name("ssv2_time_reversal.json")  # 20BN's map for its templates

_EXCHANGED = {"left": "right", "east": "west", "clockwise": "counterclockwise"}
_EXCHANGED |= {other: word for word, other in _EXCHANGED.items()}
_CAMEL_CASE = re.compile("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # where a word begins inside another
_BOUNDARY = "\0"  # marks these places, so that UpRight is two words and Upright is one
_ROTATIONS = {  # one spelling of each
    r"(?:counter|anti)[ _\0-]*clock[ _\0-]?wise|(?<![a-z])(?:cc|ac)w(?![a-z])": "counterclockwise",
    r"clock[ _\0-]wise|(?<![a-z])cw(?![a-z])": "clockwise",
}
# "east" and "west" are parts of many words, so they count only as words: east, eastward, northeast; not Easter.
_WORDS = (
    "left|right|counterclockwise|clockwise"
    r"|(?:(?<![a-z])|(?<=north)|(?<=south))(?:east|west)(?=(?:wards?|bound)?(?![a-z]))"
)
_PROBABLY_NONE = (  # words and phrases that hold "left" or "right", but are rarely directions
    r"(?<![a-z])(?:up|b|f|out|down|forth|birth|copy|al|play?w|w)right|righteous|leftover|(?<![a-z])cleft"
    r"|right[ _\0-](?:out|away|now|angle|answer|way)|(?<![a-z])all[ _\0-]right"
    r"|left[ _\0-](?:over|behind|alone|unattended|the)(?![a-z])"
    r"|(?<![a-z])(?:has|have|had|was|were|been|being)[ _\0-]left(?![a-z])"
)
_ANY_DIRECTION = re.compile(_WORDS)
_DIRECTIONS = re.compile(f"{_PROBABLY_NONE}|{_WORDS}")  # what comes first matches as a whole, and stays unchanged
_RIGHT = re.compile("(?<![a-z])right(?![a-z])")
_INCORRECT = ("wrong", "incorrect")  # beside a class of this name, "right" is its opposite
NOT_FLIPPED = "not flipped"


def flipped_classes(class_names: list[str], given: dict[str, str] | None = None) -> np.ndarray:
    """The class that a clip of each class shows after a horizontal flip.

    By default, the names decide. A name without a direction keeps its class. Otherwise the result is the class whose
    name has the directions exchanged ("Pushing something from left to right" ↔ "… right to left"); if there is no such
    class, clips must not be flipped. The directions, in any case:

    - left ↔ right, also as a part of a word (turn_left, TurnLeft, leftward);
    - clockwise ↔ counterclockwise, in any spelling (anticlockwise, counter-clockwise), cw ↔ ccw;
    - east ↔ west as words (eastward, northeast).

    Words that hold them but are rarely directions ("upright", "right away", "left behind", "has left") count only if
    the other class is there (upleft ↔ upright). "right" beside a class of the same name with "wrong" or "incorrect"
    means correct, and is none.

    In Something-Something V2 this finds exactly 20BN's three pairs.

    Args:
        class_names: C names.
        given: replaces the rule by names: class → class of the flipped clip. Each pair may be given in one direction or
            in both. Classes that are not named keep their class. The values need not be in the data set.

    Returns:
        int64 (C,): index of the class of the flipped clip, or -1 if it is not among the names.

    Raises:
        ValueError: a key of `given` is not a class, or flipping twice does not give the first class.
    """
    if given is not None:
        partner = _both_ways(given, class_names, "flip_map")
        for name, other in partner.items():
            if partner[other] != name:
                raise ValueError(
                    "Flipping twice must give the first class, so each class of flip_map must be in one pair. "
                    f"Received: {name!r} → {other!r} → {partner[other]!r}"
                )
        return _find([partner.get(name, name) for name in class_names], class_names)
    names, own = [_spell_alike(name) for name in class_names], np.arange(len(class_names))
    partner, other = (_exchange_classes(names, directions) for directions in (_ANY_DIRECTION, _DIRECTIONS))
    kept = [_means_correct(name, names) for name in names]
    return np.where((partner >= 0) & (partner != own), partner, np.where(kept, own, other))


def flip_table(class_names: list[str], given: dict[str, str] | None = None) -> pd.DataFrame:
    """What `flipped_classes` does, for a look at it: the classes that a horizontal flip changes.

    Args:
        class_names, given: as for `flipped_classes`.

    Returns:
        A row per class whose flipped class is another one or is not among the names; columns "class" and "flipped
        class", which is "not flipped" where there is none. Empty if each class keeps its class.
    """
    flipped = flipped_classes(class_names, given)
    changed = np.flatnonzero(flipped != np.arange(len(flipped)))
    others = [class_names[other] if other >= 0 else NOT_FLIPPED for other in flipped[changed]]
    return pd.DataFrame({"class": [class_names[index] for index in changed], "flipped class": others}, dtype=object)


def reversed_classes(class_names: list[str], given: dict[str, str] | None = None) -> np.ndarray:
    """The class that a clip of each class shows when it is played backwards.

    By default, 20BN's map for the templates of Something-Something V2 decides: 17 pairs ("Opening something" ↔
    "Closing something"), one template that maps one way ("Lifting something up completely without letting it drop
    down" → "Putting something on a surface"), and 37 that keep their class. Clips of all other classes, also of other
    data sets, must not be reversed.

    Args:
        class_names: C names.
        given: replaces 20BN's map: class → class of the reversed clip; a class may map to itself. Each pair may be
            given in one direction or in both, and the two may differ. Clips of classes that are not named must not be
            reversed. The values need not be in the data set.

    Returns:
        int64 (C,): index of the class of the reversed clip, or -1 if there is none among the names.

    Raises:
        ValueError: a key of `given` is not a class, or a class is the value of two keys but not a key itself.
    """
    if given is None:
        partner = _ssv2_time_reversal()
    else:
        partner = _both_ways(given, class_names, "reversal_map")
        for name, other in given.items():
            if other in class_names and other not in given and partner[other] != name:
                raise ValueError(
                    f"reversal_map must have the key {other!r}, because more than one class becomes {other!r}. "
                    f"Received: {partner[other]!r} and {name!r}"
                )
    return _find([partner.get(name) for name in class_names], class_names)


def exchange_columns(scores: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """Scores of flipped crops → scores of the same crops unflipped: the columns of left/right classes are exchanged.

    Args:
        scores: float (…, C), of flipped crops.
        flipped: int (C,), from `flipped_classes`.

    Returns:
        float (…, C): column c is column `flipped[c]` of `scores`.

    Raises:
        ValueError: a class has no flipped class, flipping twice does not give the first class, or the lengths differ.
    """
    if len(flipped) != scores.shape[-1]:
        raise ValueError(f"flipped must have an entry per column of scores. Received: {len(flipped)}, {scores.shape}")
    if (flipped < 0).any():
        raise ValueError(
            "Flipped crops can be scored only if the flipped class of every class is among the classes. Received: none "
            f"for the classes {np.flatnonzero(flipped < 0).tolist()}. Use test_crops 1, 3 or 5, which are not flipped."
        )
    if (flipped[flipped] != np.arange(len(flipped))).any():
        raise ValueError(f"Classes must be exchanged in pairs. Received: {flipped.tolist()}")
    return scores[..., flipped]


def _spell_alike(name):
    """A name in lower case, CamelCase boundaries marked, with one spelling of clockwise and counterclockwise."""
    name = _CAMEL_CASE.sub(_BOUNDARY, name).lower()
    for spellings, word in _ROTATIONS.items():
        name = re.sub(spellings, word, name)
    return name


def _exchange_classes(names, directions):
    """The index of each name with its directions exchanged, or -1; a match that is no direction stays as it is."""
    exchanged = [directions.sub(lambda word: _EXCHANGED.get(word[0], word[0]), name) for name in names]
    names, exchanged = ([name.replace(_BOUNDARY, "") for name in some] for some in (names, exchanged))
    unchanged = [one == other for one, other in zip(names, exchanged, strict=True)]
    return np.where(unchanged, np.arange(len(names)), _find(exchanged, names))


def _means_correct(name, names):
    """Whether "right" in a name is the opposite of "wrong" in another one."""
    return any(_RIGHT.sub(word, name) in names for word in _INCORRECT) if _RIGHT.search(name) else False


def _find(names, class_names):
    """The index of each name, or -1."""
    index = {name: place for place, name in enumerate(class_names)}
    return np.array([index.get(name, -1) for name in names], np.int64)


def _both_ways(given, class_names, parameter):
    """A user's map, completed by the opposite direction of each pair."""
    partner = dict(given)
    for name, other in given.items():
        if name not in class_names:
            close = difflib.get_close_matches(name, class_names)
            raise ValueError(
                f"A key of {parameter} must be a class of the data set. Received: {name!r}. "
                f"{f'Did you mean one of {close}?' if close else 'No class has a similar name.'}"
            )
        partner.setdefault(other, name)
    return partner


def _ssv2_time_reversal():
    """20BN's map, in both directions of each pair."""
    content = json.loads(SSV2_TIME_REVERSAL.read_text(encoding="utf-8"))
    pairs = dict(content["pairs"]) | {other: name for name, other in content["pairs"]}
    return pairs | content["one_way"] | {name: name for name in content["same"]}
