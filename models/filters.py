"""Filters along one axis of an image, as sums of shifted copies.

They avoid matrix products and convolutions, because accelerators round the factors of these to fewer bits.
"""

import keras
from keras import ops


def repeat_edges(x: keras.KerasTensor, times: int, axis: int) -> keras.KerasTensor:
    """Pads an axis at both ends with `times` copies of its first and last element."""
    first, last = _slice(x, 0, 1, axis), _slice(x, x.shape[axis] - 1, 1, axis)
    return ops.concatenate([ops.repeat(first, times, axis), x, ops.repeat(last, times, axis)], axis)


def symmetric_sums(
    padded: keras.KerasTensor, radius: int, axis: int, kernels: tuple[list[float], ...]
) -> list[keras.KerasTensor]:
    """Filters a padded axis with each kernel of 2 · radius + 1 weights; a kernel is even, or odd with a zero middle."""
    length = padded.shape[axis] - 2 * radius
    middle = _slice(padded, radius, length, axis)
    sums = [middle * kernel[radius] for kernel in kernels]
    for k in range(1, radius + 1):
        left, right = _slice(padded, radius - k, length, axis), _slice(padded, radius + k, length, axis)
        both, change = left + right, right - left
        for place, kernel in enumerate(kernels):
            odd = kernel[radius + k] == -kernel[radius - k]
            sums[place] = sums[place] + (change if odd else both) * kernel[radius + k]
    return sums


def running_sums(padded: keras.KerasTensor, window: int, axis: int) -> keras.KerasTensor:
    """Sums `window` neighbours along a padded axis, from sums of 1, 2, 4, … of them."""
    length = padded.shape[axis] - window + 1
    sums, total, start = padded, 0.0, 0
    for bit in range(window.bit_length()):
        size = 1 << bit
        if window & size:
            total, start = total + _slice(sums, start, length, axis), start + size
        if size << 1 <= window:
            left = sums.shape[axis] - size
            sums = _slice(sums, 0, left, axis) + _slice(sums, size, left, axis)
    return total


def _slice(x, start, length, axis):
    places = [slice(None)] * len(x.shape)
    places[axis] = slice(start, start + length)
    return x[tuple(places)]
