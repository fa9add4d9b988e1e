"""Crops and label-aware mirroring: one geometry for every frame and field of a clip, and for both streams."""

import re

import numpy as np

from src.optical_flow import ZERO


def crop(pixels: np.ndarray, top: int, left: int, size: int) -> np.ndarray:
    """A square part: (…, H, W, C) → (…, size, size, C)."""
    return pixels[..., top : top + size, left : left + size, :]


def random_corner(generator: np.random.Generator, height: int, width: int, size: int) -> tuple[int, int]:
    """(top, left) of a square crop, pixels, each place inside the picture equally likely."""
    return int(generator.integers(height - size + 1)), int(generator.integers(width - size + 1))


def center_corner(height: int, width: int, size: int) -> tuple[int, int]:
    """(top, left) of the square crop in the middle, pixels."""
    return (height - size) // 2, (width - size) // 2


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

    A name without "left" or "right" stays itself. One with them becomes the class whose name has the two words
    exchanged ("Pushing something from left to right" ↔ "… right to left"); where that class is not among the names,
    the class must not be mirrored. In Something-Something V2 this finds exactly 20BN's three pairs: "pulling it right
    out" is the one other template with such a word, and is listed as what it is.

    Returns:
        int64 (C,): the index of the mirrored class, or -1 where there is none.
    """
    swap = {"left": "right", "right": "left"}
    index = {name: position for position, name in enumerate(class_names)}

    def mirrored(name):
        plain = name.replace("right out", "")
        if not re.search(r"\b(left|right)\b", plain, re.IGNORECASE):
            return index[name]
        exchanged = re.sub(r"\b(left|right)\b", lambda word: swap[word[0].lower()], name, flags=re.IGNORECASE)
        lowered = {other.lower(): position for other, position in index.items()}
        return lowered.get(exchanged.lower(), -1)

    return np.array([mirrored(name) for name in class_names])
