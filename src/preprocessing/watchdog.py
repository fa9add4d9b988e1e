"""Ends workers that hang or crash in native code, and tells the next attempt at the same task why."""

import faulthandler
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from src.store import ClipStore

MAX_ATTEMPTS = 3  # a task is given up when its worker was killed so often from outside
STARTED = "started\n"


@dataclass(frozen=True)
class Watchdog:
    """Ends a worker that hangs or crashes in native code, where no exception can be raised.

    The worker leaves an attempt file: Python's fault report, or, if it was killed from outside, a line per start. The
    process that made the watchdog is not ended by it.

    Attributes:
        staging: the job's staging directory, which holds the attempt files.
        limit: seconds that a task may take.
    """

    staging: Path
    limit: float
    owner: tuple[str, int] = field(default_factory=lambda: (socket.gethostname(), os.getpid()))

    def attempt_file(self, name: str) -> Path:
        """The file of the task of this name; it exists while a worker is at the task, and after the worker died."""
        return self.staging / f"{name}.attempt"

    @contextmanager
    def guard(self, name: str) -> Iterator[str | None]:
        """Guards a block. Yields None, or why earlier attempts failed for good; the block should do nothing then."""
        path = self.attempt_file(name)
        reason = self._read(path)
        if reason or self.owner == (socket.gethostname(), os.getpid()):
            yield reason
            return
        with open(path, "a") as file:
            file.write(STARTED)
            file.flush()
            was_enabled = faulthandler.is_enabled()
            faulthandler.enable(file)
            faulthandler.dump_traceback_later(self.limit, exit=True, file=file)
            try:
                yield None
            finally:
                faulthandler.cancel_dump_traceback_later()
                faulthandler.disable()
                if was_enabled:
                    faulthandler.enable()
        path.unlink(missing_ok=True)

    def _read(self, path):
        text = path.read_text(errors="replace") if path.exists() else ""
        if "Timeout" in text:
            return f"not done after {self.limit:g} seconds, and given up. Is the video damaged, or very long?"
        crash = re.search("Fatal Python error: (.*)", text)
        if crash:
            return f"the decoder crashed ({crash[1]}). Is the video damaged?"
        if text.count(STARTED) >= MAX_ATTEMPTS:
            return f"the process was killed {MAX_ATTEMPTS} times while at it. Is the memory too small for this video?"
        return None


@contextmanager
def open_staging(store: ClipStore, seconds_per_clip: float) -> Iterator[Watchdog]:
    """Makes a job's staging directory, and yields a watchdog over its tasks. The directory is removed at the end."""
    staging = store.make_staging()
    try:
        yield Watchdog(staging, seconds_per_clip)
    finally:
        store.remove(staging)
