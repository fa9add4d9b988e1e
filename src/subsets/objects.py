"""Splits in which no object of a test clip is in training: is an action recognised, or the thing it is done to?"""

import re
import unicodedata
import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from src.sources import OBJECTS, SPLITS
from src.subsets.splits import hash_places, share_borders

MARK = "objects: "  # begins the group of each clip of such a subset
MANY = 0.5  # share of the clips left out that is worth a warning

_PREPOSITIONS = re.compile(
    r";|\b(?:about|above|across|against|and|around|at|behind|below|beside|between|by|containing|for|from|full|in|inside"
    r"|into|near|next|of|off|on|onto|or|out|over|through|to|under|underneath|up|upon|using|with|without)\b"
)
_NO_OBJECTS = {
    *("a", "an", "the", "some", "any", "many", "several", "few", "something", "it", "them", "one", "two", "three"),
    *("four", "five", "six", "seven", "eight", "nine", "ten", "number", "part"),
}
_IRREGULAR = {
    **{"brownies": "brownie", "buses": "bus", "children": "child", "cookies": "cookie", "dice": "die", "feet": "foot"},
    **{"knives": "knife", "leaves": "leaf", "lens": "lens", "lenses": "lens", "men": "man", "mice": "mouse"},
    **{"people": "person", "shelves": "shelf", "teeth": "tooth", "women": "woman"},
}
_PLURALS = (  # the first that fits
    (re.compile(r"(\w\w)ies$"), r"\1y"),
    (re.compile(r"(ss|ch|sh|zz|x|ato|ngo)es$"), r"\1"),
    (re.compile(r"(\w\w[^\Wsui])s$"), r"\1"),
)


def find_objects(text: str) -> list[str]:
    """The objects in a description of them, in one spelling, sorted.

    The text is cut at each ";", preposition, "and" and "or"; the last word of each part is an object. So "a red pen",
    "Pens" and "two pens" are all "pen", and "piece of paper" is "paper" and "piece". Case, punctuation,
    articles, numbers and pronouns do not count. Plurals in -s, -es and -ies and a few irregular ones become singular.

    Args:
        text: placeholders of Something-Something V2, or a cell of the column objects of a CSV.
    """
    text = re.sub(r"[^\w;]+|_", " ", unicodedata.normalize("NFKC", text).casefold())
    parts = [part.split() for part in _PREPOSITIONS.split(text)]
    parts = [[word for word in part if not (word.isdecimal() or word in _NO_OBJECTS)] for part in parts]
    return sorted({_singular(part[-1]) for part in parts if part})


def _singular(word):
    for plural, singular in _PLURALS:
        if word not in _IRREGULAR and plural.search(word):
            return plural.sub(singular, word)
    return _IRREGULAR.get(word, word)


def divide_by_objects(table: pd.DataFrame, shares: Sequence[float], seed: int) -> pd.DataFrame:
    """Divides the objects of a table into splits, and keeps the clips all of whose objects are in one split.

    A hash of the seed and the object decides the split of an object, so that videos that are added move no others. A
    division that kept all clips would have to keep together all objects that are joined by clips with two of them, and
    these are nearly all. A group of several clips counts as an object of each of them, so that no group is in two
    splits either. The table's own splits are ignored.

    Args:
        table: with the column `objects`.
        shares: of the objects in train, validation and test; 0 for a split without clips.
        seed: seed of the hash.

    Returns:
        The clips that are kept, with another split; the group is "objects: " and the clip's objects. How many are left
        out is printed; a warning says so if it is more than half of those that have objects.

    Raises:
        ValueError: no clip has objects.
    """
    number, texts = pd.factorize(table[OBJECTS].fillna("")) if OBJECTS in table else ([], [])
    found = [find_objects(text) for text in texts]
    if not any(found):
        raise ValueError(
            'split_by="objects" needs a source that names the objects in its clips: a download of Something-Something '
            'V2 with "placeholders" in train.json and validation.json, or a CSV with the column objects. The source '
            'names none. Use split_by="groups".'
        )
    table = table.reset_index(drop=True)
    objects = pd.Series([found[place] for place in number])
    tied = table["group"].where(table["group"].duplicated(keep=False))
    things = pd.concat([objects.explode(), "group " + tied]).dropna()
    codes, names = pd.factorize(things)
    split_of = np.searchsorted(share_borders(shares)[1:3], hash_places(names, seed), side="right")[codes]
    of_clip = pd.Series(split_of, things.index).groupby(level=0).agg(["min", "max"]).reindex(table.index)
    is_named = objects.map(bool)
    kept = is_named & (of_clip["min"] == of_clip["max"])
    splits = np.array(SPLITS, object)[of_clip.loc[kept, "min"].astype(int)]
    _report(len(table), is_named.sum(), kept.sum())
    return table[kept].assign(split=splits, group=MARK + objects[kept].map(", ".join))


def is_by_objects(subset: pd.DataFrame) -> bool:
    """Whether a subset was divided by `divide_by_objects`; its groups say so, also in a manifest."""
    return bool(subset["group"].str.startswith(MARK).all())


def _report(clips, named, kept):
    sentence = (
        f'split_by="objects": {kept} of {clips} clips are kept. Left out: {named - kept} clips with objects of two '
        f"splits, and {clips - named} clips whose objects the source does not name."
    )
    if named - kept > MANY * named:
        warnings.warn(sentence, stacklevel=4)
    else:
        print(sentence)
