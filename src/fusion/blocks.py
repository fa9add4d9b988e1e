"""Many clips, block by block on all cores: a block fits into a core's cache, and no large array is made on the way."""

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
    return sum(_map(function, count))


def map_blocks(function: Callable[[slice], np.ndarray], count: int) -> np.ndarray:
    """The rows that `function(rows)` returns for each block of `count` rows; see `sum_blocks`."""
    return np.concatenate(list(_map(function, count)))


def list_blocks(count: int) -> list[slice]:
    """Slices that cover `count` rows."""
    return [slice(first, first + BLOCK) for first in range(0, count, BLOCK)]


def _map(function, count):
    blocks = list_blocks(count)
    return _threads().map(function, blocks) if len(blocks) > 1 else map(function, blocks)


@cache
def _threads():
    return ThreadPoolExecutor(os.cpu_count())
