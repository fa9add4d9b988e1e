"""What an excerpt is made of, and how messages name it."""

from collections import namedtuple
from math import isnan, nan
from pathlib import Path

import pandas as pd
import pytest

from src.video import Excerpt

Row = namedtuple("Row", "path start end rate")


@pytest.mark.parametrize("source", ["a/b.webm", Path("a/b.webm"), Row("a/b.webm", nan, None, pd.NA)])
def test_a_path_or_a_row_without_times_is_a_whole_file(source):
    excerpt = Excerpt.of(source)
    assert excerpt.path == str(excerpt) == "a/b.webm"
    assert excerpt.is_whole and all(isnan(number) for number in excerpt[1:])


def test_a_row_with_times_is_a_part():
    excerpt = Excerpt.of(Row("a.webm", 1, 2.5, nan))
    assert excerpt[:3] == ("a.webm", 1.0, 2.5) and not excerpt.is_whole
    assert Excerpt.of(excerpt) is excerpt
    assert Excerpt.of(pd.Series({"path": "a.webm", "end": 3.0})).end == 3


def test_messages_name_the_part():
    assert str(Excerpt("a.webm", 1, 2.5)) == "a.webm (1 s to 2.5 s)"
    assert str(Excerpt("a.webm", end=2.5)) == "a.webm (0 s to 2.5 s)"
    assert str(Excerpt("a.webm", 61.25)) == "a.webm (61.25 s to the end)"
