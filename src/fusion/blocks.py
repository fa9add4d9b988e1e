"""Sums over many clips, block by block on all cores: a block fits into a core's cache, and no large array is made."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

BLOCK = 1024  # clips


def sum_blocks(function: Callable[[slice], np.ndarray | float], count: int) -> np.ndarray | float:
    """The sum of `function(rows)` over blocks of `count` rows.

    Blocks are computed in threads, so the function should leave its work to NumPy. They are added in their order: the
    result does not depend on the number of cores.
    """
    blocks = list_blocks(count)
    return sum(_threads().map(function, blocks) if len(blocks) > 1 else map(function, blocks))


def list_blocks(count: int) -> list[slice]:
    """Slices that cover `count` rows."""
    return [slice(first, first + BLOCK) for first in range(0, count, BLOCK)]


@cache
def _threads():
    return ThreadPoolExecutor(os.cpu_count())
