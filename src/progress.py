"""One look for every progress bar: plain text on standard output, the same in a notebook, a terminal and a log."""

import sys

from tqdm import tqdm


def progress(iterable=None, total: int | None = None, label: str = "", unit: str = "clip") -> tqdm:
    """A tqdm bar, redrawn once a second, so that a log of it stays short."""
    return tqdm(iterable, total=total, desc=label, unit=unit, file=sys.stdout, mininterval=1.0, ncols=96)
