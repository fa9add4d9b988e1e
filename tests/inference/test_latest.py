"""Errors of a source that is read in a thread. What is skipped, and how it is closed: see test_sliding_window.py."""

import pytest

from src.inference.latest import keep_latest


def test_an_exception_is_raised_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("it broke")

    kept = keep_latest(items())
    assert next(kept) == 1
    with pytest.raises(ValueError, match="it broke"):
        next(kept)
