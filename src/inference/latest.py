"""Reads a source that does not wait in a thread, so that a slow consumer gets the newest item."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing


def keep_latest(items: Iterator) -> Iterator:
    """Reads `items` in a thread without pausing; yields the newest. An item that waits when the next comes is skipped.

    The last item is always yielded. An exception from `items` is raised here, after the last item. Closing this
    generator ends the thread, and closes `items`.
    """
    newest, changed, errors = deque(maxlen=1), threading.Condition(), []
    closed, ended = threading.Event(), threading.Event()

    def read():
        try:
            with closing(items):
                for item in items:
                    with changed:
                        newest.append(item)
                        changed.notify()
                    if closed.is_set():
                        break
        except Exception as error:  # raised again in the consumer's thread
            errors.append(error)
        with changed:
            ended.set()
            changed.notify()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: newest or ended.is_set())
                if not newest:
                    break
                item = newest.popleft()
            yield item
    finally:
        closed.set()
        thread.join()
    if errors:
        raise errors[0]
