"""Crops and label-aware mirroring: one geometry for every frame and field of a clip, and for both streams."""

import re

import numpy as np

from src.optical_flow import ZERO

_EXCHANGED = {"left": "right", "right": "left"}
# What holds "right" and is no direction comes first: it is matched as a whole, and stays.
_DIRECTIONS = re.compile("upright|bright|right out|left|right")


def crop(pixels: np.ndarray, top: int, left: int, size: int) -> np.ndarray:
    """A square part: (…, H, W, C) → (…, size, size, C)."""
    return pixels[..., top : top + size, left : left + size, :]


def random_corner(generator: np.random.Generator, height: int, width: int, size: int) -> tuple[int, int]:
    """(top, left) of a square crop, pixels, each place inside the picture equally likely."""
    return int(generator.integers(height - size + 1)), int(generator.integers(width - size + 1))


def spread_corners(height: int, width: int, size: int, count: int) -> list[tuple[int, int]]:
    """(top, left) of `count` square crops spread evenly over the longer side, pixels; one is in the middle."""
    places = [0.5] if count == 1 else np.linspace(0, 1, count)
    if width >= height:
        return [((height - size) // 2, int((width - size) * place)) for place in places]
    return [(int((height - size) * place), (width - size) // 2) for place in places]


def mirror_frame(frame: np.ndarray) -> np.ndarray:
    """Left and right exchanged: (…, H, W, C), any dtype."""
    return frame[..., ::-1, :]


def mirror_stack(stack: np.ndarray) -> np.ndarray:
    """The quantised flow of the mirrored clip: columns flipped and u negated, which is 256 minus its code.

    Args:
        stack: uint8 (…, H, W, 2L), channels u1, v1, u2, v2, …

    Returns:
        uint8 (…, H, W, 2L).
    """
    mirrored = stack[..., ::-1, :].copy()
    horizontal = np.maximum(mirrored[..., 0::2], 1).astype(np.int16)  # lossy storage can leave a 0: below the range
    mirrored[..., 0::2] = 2 * ZERO - horizontal
    return mirrored


def mirrored_classes(class_names: list[str]) -> np.ndarray:
    """What each class becomes in a mirror.

    A name without "left" or "right" stays itself. One with them, also as a part of a word (turn_left, TurnLeft,
    leftward), becomes the class whose name has the two exchanged ("Pushing something from left to right" ↔ "… right to
    left"); where that class is not among the names, the class must not be mirrored. In Something-Something V2 this
    finds exactly 20BN's three pairs. No other words are understood: "clockwise" counts as its own mirror image.

    Returns:
        int64 (C,): the index of the mirrored class, or -1 where there is none.
    """
    names = [name.lower() for name in class_names]
    exchanged = [_DIRECTIONS.sub(lambda word: _EXCHANGED.get(word[0], word[0]), name) for name in names]
    index = {name: position for position, name in enumerate(names)}
    own = enumerate(zip(names, exchanged, strict=True))
    return np.array([place if name == other else index.get(other, -1) for place, (name, other) in own], np.int64)
