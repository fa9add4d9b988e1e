"""Progress bars as plain text on standard output, the same in a notebook, a terminal and a log."""

import sys

from tqdm import tqdm


def progress(iterable=None, total: int | None = None, label: str = "", unit: str = "clip") -> tqdm:
    """A tqdm bar that is redrawn at most once a second, so that logs stay short."""
    return tqdm(iterable, total=total, desc=label, unit=unit, file=sys.stdout, mininterval=1.0, ncols=96)
