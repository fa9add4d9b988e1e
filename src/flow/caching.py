"""Compiled functions, kept on disk for later processes where there is a place for them."""

from collections.abc import Callable


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
