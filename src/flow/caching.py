"""Compiled functions, kept on disk for later processes where there is a place for them."""

from collections.abc import Callable

import numba


def with_cache(decorate: Callable, *arguments, **options) -> Callable:
    """A decorator of Numba, with its cache on disk if it can have one.

    Numba keeps compiled code beside the source or in the user's cache folder. Where neither can be written to, its
    decorators raise RuntimeError; then the function is compiled anew in each process, in some seconds.

    Args:
        decorate: `numba.njit` or `numba.vectorize`; the rest are its arguments.
    """

    def decorator(function):
        try:
            return decorate(*arguments, cache=True, **options)(function)
        except RuntimeError:
            return decorate(*arguments, **options)(function)

    return decorator


def compile_exact(*types) -> Callable:
    """A decorator: compiles for arguments of these types, without Python's lock, and never fuses or reorders sums.

    LLVM's SLP vectorizer, which `src.flow.farneback` turns on, stays off: its code would read outside of small arrays.
    Numba turned it off by default for such faults (pull request 8852).
    """

    def decorator(function):
        before, numba.config.SLP_VECTORIZE = numba.config.SLP_VECTORIZE, 0
        compiled = with_cache(numba.njit, [types], nogil=True, error_model="numpy")(function)
        numba.config.SLP_VECTORIZE = before
        return compiled

    return decorator
