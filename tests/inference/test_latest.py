"""Of a source that does not wait, a slow consumer gets the newest item."""

from threading import Event

import pytest

from src.inference.latest import keep_latest

LIMIT = 60  # seconds after which a test that hangs fails


def test_items_that_come_while_one_is_in_use_are_skipped_except_the_last():
    taken, ended = Event(), Event()

    def items():
        yield 0
        assert taken.wait(LIMIT)  # the consumer has item 0
        yield from range(1, 50)
        ended.set()

    kept = keep_latest(items())
    assert next(kept) == 0
    taken.set()
    assert ended.wait(LIMIT)
    assert list(kept) == [49]


def test_an_exception_is_raised_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("it broke")

    kept = keep_latest(items())
    assert next(kept) == 1
    with pytest.raises(ValueError, match="it broke"):
        next(kept)


def test_closing_ends_the_thread_and_the_source():
    closed = Event()

    def items():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    kept = keep_latest(items())
    assert next(kept) == 1
    kept.close()
    assert closed.is_set()
