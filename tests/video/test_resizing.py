"""Resizing of many channels, against OpenCV on few of them."""

import cv2
import numpy as np
import pytest

from src.video.resizing import resize_square


def by_opencv(image, size):
    """Each channel alone."""
    interpolation = cv2.INTER_AREA if min(image.shape[:2]) >= size else cv2.INTER_LINEAR
    planes = [cv2.resize(plane, (size, size), interpolation=interpolation) for plane in cv2.split(image)]
    return np.stack(planes, axis=-1)


@pytest.mark.parametrize("channels", [1, 3, 10, 20])
def test_many_channels_are_resized_to_the_bytes_of_opencv(channels):
    """At 300 sizes: one or both sides shrink, grow, stay, or are divided by a whole number."""
    generator = np.random.default_rng(channels)
    sizes = generator.integers(8, 100, (300, 2)).tolist() + [(64, 64), (32, 96), (96, 64), (64, 100), (33, 32)]
    for height, width in sizes:
        size = 32 if height % 2 else int(generator.integers(8, 72))
        image = generator.integers(0, 256, (height + 2, width + 3, channels), dtype=np.uint8)[1:-1, 2:-1]
        np.testing.assert_array_equal(resize_square(image, size), by_opencv(image, size), f"{height, width} → {size}")


def test_halves_of_exactly_halved_sides_are_rounded_up_in_any_number_of_channels():
    image = np.zeros((8, 8, 10), np.uint8)
    image[::2] = 1  # each mean is 0.5
    assert (resize_square(image, 4) == 1).all()


def test_a_part_of_its_own_size_is_copied():
    """Else a later change of the crop would change what is kept in memory."""
    image = np.zeros((6, 6, 8), np.uint8)
    resize_square(image[1:5, 1:5], 4)[:] = 1
    assert not image.any()
