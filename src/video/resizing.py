"""Resizes images of any number of channels to the bytes of `cv2.resize`, which takes at most four where they shrink.

OpenCV splits a stack of 20 channels into five images for this, and moving the channels takes longer than resizing them.
"""

import cv2
import numba
import numpy as np

from src.flow import compile_exact
from src.video.areas import share_pixels

OPENCV_CHANNELS = (1, 3, 4)  # of images that `cv2.resize` shrinks by area; of two, it rounds halves in another way
_FIRST, _SHARES = numba.int64[::1], numba.float32[:, ::1]


def resize_square(image: np.ndarray, size: int, out: np.ndarray | None = None) -> np.ndarray:
    """Resizes an image to a square: by area where it shrinks (`cv2.INTER_AREA`); linearly if one of its sides grows.

    Args:
        image: uint8 (h, w, C), or a part of one.
        size: pixels.
        out: uint8 (size, size, C), contiguous: the result is written to it.

    Returns:
        uint8 (size, size, C), `out` or a new array. Where both sides are halved exactly, halves are rounded up.
    """
    height, width, channels = image.shape
    resized = np.empty((size, size, channels), np.uint8) if out is None else out
    if (height, width) == (size, size):
        resized[:] = image
        return resized
    if min(height, width) < size or channels in OPENCV_CHANNELS:
        interpolation = cv2.INTER_LINEAR if min(height, width) < size else cv2.INTER_AREA
        cv2.resize(image, (size, size), resized, interpolation=interpolation)
        return resized
    whole = height % size == width % size == 0  # OpenCV then adds pixels as integers, and divides their sum
    down, across = (height // size, width // size) if whole else (1, 1)
    to_half = 0.125 if down == across == 2 else 0.0  # a mean of four pixels ends on a quarter
    (first_row, rows), (first_column, columns) = share_pixels(height, size), share_pixels(width, size)
    pixels = np.ascontiguousarray(image).reshape(height, -1)
    _shrink(pixels, first_row, down * rows, first_column, across * columns, 1 / (down * across), to_half, resized)
    return resized


@compile_exact(
    numba.types.Array(numba.uint8, 2, "C", readonly=True), _FIRST, _SHARES, _FIRST, _SHARES, numba.float32,
    numba.float32, numba.uint8[:, :, ::1],
)  # fmt: skip
def _shrink(image, first_row, rows, first_column, columns, unit, to_half, resized):
    """Writes weighted sums of pixels, along rows and then over rows, in OpenCV's order.

    Args:
        image: uint8 (h, w · C).
        first_row, rows, first_column, columns: from `share_pixels`.
        unit, to_half: what the sums are multiplied by, and what is added before they are rounded, ties to even.
        resized: uint8 (size, size, C), written.
    """
    size, _, channels = resized.shape
    taps = columns.shape[1]
    line, total = np.empty(size * channels, np.float32), np.empty(size * channels, np.float32)
    read = -1  # the row of the image that `line` is of
    for y in range(size):
        total[:] = 0
        for tap in range(rows.shape[1]):
            if rows[y, tap] == 0:
                continue
            if first_row[y] + tap != read:
                read = first_row[y] + tap
                for x in range(size):
                    pixels = image[read, first_column[x] * channels : (first_column[x] + taps) * channels]
                    mixed = line[x * channels : (x + 1) * channels]
                    one, two = columns[x, 0], columns[x, 1]
                    for c in range(channels):  # two at a time: each reading and writing of `mixed` takes as long
                        mixed[c] = np.float32(pixels[c]) * one + np.float32(pixels[channels + c]) * two
                    for more in range(2, taps):
                        share, others = columns[x, more], pixels[more * channels : (more + 1) * channels]
                        for c in range(channels):
                            mixed[c] += np.float32(others[c]) * share
            share = rows[y, tap]
            for i in range(len(total)):
                total[i] += share * line[i]
        out = resized[y].reshape(-1)
        for i in range(len(total)):
            out[i] = np.uint8(np.rint(total[i] * unit + to_half))
