"""Operations that resize images inside a model: rows, then columns, as weighted sums of few neighbours.

They avoid matrix products and convolutions, because accelerators round the factors of these to fewer bits.
"""

import keras
import numpy as np
from keras import ops

# OpenCV's fixed-point interpolation: bits of a weight, and bits that are dropped between columns and rows.
_BITS, _DROPPED = 11, 4


def resample(x: keras.KerasTensor, vertical: np.ndarray, horizontal: np.ndarray) -> keras.KerasTensor:
    """Resizes rows, then columns, each to weighted sums of neighbouring ones.

    Args:
        x: float32 (…, H, W).
        vertical, horizontal: float (h, H) and (w, W); each row has few nonzero entries, which are adjacent.

    Returns:
        float32 (…, h, w).
    """
    return swap_sides(_mix_rows(swap_sides(_mix_rows(x, vertical)), horizontal))


def swap_sides(x: keras.KerasTensor) -> keras.KerasTensor:
    """(…, H, W) → (…, W, H)."""
    axes = list(range(len(x.shape)))
    return ops.transpose(x, (*axes[:-2], axes[-1], axes[-2]))


def blur_matrix(length: int, kernel: np.ndarray) -> np.ndarray:
    """The matrix (length, length) of a blur; the image is reflected at its border pixels (`cv2.BORDER_REFLECT_101`)."""
    radius, period = len(kernel) // 2, 2 * (length - 1)
    blur = np.zeros((length, length))
    for row in range(length):
        places = np.abs((np.arange(row - radius, row + radius + 1) + length - 1) % period - (length - 1))
        np.add.at(blur[row], places, kernel)
    return blur


def linear_matrix(old: int, new: int) -> np.ndarray:
    """The matrix (new, old) of linear interpolation between pixel centres; border pixels are repeated outwards."""
    places = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    left = np.minimum(np.floor(places).astype(int), old - 2)
    matrix = np.zeros((new, old))
    matrix[np.arange(new), left] = 1 - (places - left)
    matrix[np.arange(new), left + 1] = places - left
    return matrix


def area_matrix(old: int, new: int) -> np.ndarray:
    """The matrix (new, old) of the mean over the area of each new pixel, new ≤ old (`cv2.INTER_AREA`)."""
    borders = np.arange(new + 1) * old / new
    pixels = np.arange(old)
    covered = np.minimum(borders[1:, None], pixels + 1) - np.maximum(borders[:-1, None], pixels)
    return np.maximum(covered, 0) * new / old


def resize_8bit(x: keras.KerasTensor, size: int) -> keras.KerasTensor:
    """Resizes 8-bit images to a square, to the same bytes as `src.video.crops` does with OpenCV.

    Images shrink by area; if a side grows, they are interpolated linearly. Rounding is OpenCV's: linear interpolation
    is fixed-point; means over areas follow its order of sums, and are sums of integers where both sides are
    multiples; halves are rounded up where both sides are halved exactly. A compiler that fuses products and sums can
    round a tie differently.

    Args:
        x: uint8 (…, H, W).
        size: pixels.

    Returns:
        uint8 (…, size, size).
    """
    height, width = x.shape[-2:]
    if (height, width) == (size, size):
        return x
    if min(height, width) < size:
        return _interpolate_8bit(x, size)
    down, across = (side // size if height % size == width % size == 0 else 1 for side in (height, width))
    sums = swap_sides(_mix_rows(swap_sides(ops.cast(x, "float32")), across * area_matrix(width, size)))
    mean = _mix_rows(sums, down * area_matrix(height, size)) * float(np.float32(1 / (down * across)))
    return ops.cast(ops.floor(mean + 0.5) if down == across == 2 else ops.round(mean), "uint8")


def _mix_rows(x, matrix):
    """(…, H, W) → (…, h, W), by a matrix (h, H) as in `resample`."""
    used = matrix != 0
    taps = int(used.sum(axis=1).max())
    starts = np.minimum(used.argmax(axis=1), matrix.shape[1] - taps)
    mixed = 0.0
    for tap in range(taps):
        weights = np.take_along_axis(matrix, (starts + tap)[:, None], axis=1).astype(np.float32)
        mixed = mixed + ops.take(x, starts + tap, axis=-2) * ops.convert_to_tensor(weights)
    return mixed


def _interpolate_8bit(x, size):
    """OpenCV's linear interpolation: columns with weights of 11 bits; then rows, after four bits are dropped."""
    height, width = x.shape[-2:]
    left, right, (from_left, from_right) = _neighbours(width, size)
    outside = left == right  # past the border, where OpenCV keeps both weights for rows only
    from_left, from_right = np.where(outside, 1 << _BITS, from_left), np.where(outside, 0, from_right)
    x = swap_sides(ops.cast(x, "int32"))
    x = swap_sides(_pick(x, left, from_left) + _pick(x, right, from_right))
    above, below, weights = _neighbours(height, size)
    x = ops.floor_divide(x, 1 << _DROPPED)
    parts = [_pick(x, row, weight) for row, weight in zip((above, below), weights, strict=True)]
    mixed = sum(ops.floor_divide(part, 1 << 16) for part in parts)
    return ops.cast(ops.floor_divide(mixed + 2, 4), "uint8")


def _pick(x, rows, weights):
    return ops.take(x, rows, axis=-2) * ops.convert_to_tensor(weights[:, None].astype(np.int32))


def _neighbours(old, new):
    """The two pixels on either side of each new one, and their weights in units of 2^-11."""
    places = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(places).astype(int)
    share = places - first.astype(np.float32)
    weights = [np.rint(part * np.float32(1 << _BITS)).astype(int) for part in (1 - share, share)]
    return np.clip(first, 0, old - 1), np.clip(first + 1, 0, old - 1), weights
