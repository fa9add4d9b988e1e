"""Means over areas are those of OpenCV, to the last bit."""

import cv2
import numpy as np

from src.video.areas import mean_of_areas
from src.video.reading import resize


def test_means_are_those_of_opencv_to_the_last_bit():
    """At 200 sizes, of which few are divided by whole numbers."""
    generator = np.random.default_rng(0)
    for _ in range(200):
        height, width = generator.integers(16, 500, 2)
        image = generator.integers(0, 256, (height, width), dtype=np.uint8)
        rows, columns = int(generator.integers(1, height)), int(generator.integers(1, width))
        found = mean_of_areas(image, rows, columns)
        expected = cv2.resize(image.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
        if height % rows or width % columns:
            np.testing.assert_array_equal(found, expected, f"{height, width} → {rows, columns}")
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_grey_images_are_resized_to_the_bytes_of_opencv():
    generator = np.random.default_rng(1)
    sizes = [(240, 320), (240, 426), (360, 640), (480, 704), (720, 1280), (250, 250), (128, 300), (300, 128)]
    for height, width in sizes:
        image = generator.integers(0, 256, (height, width), dtype=np.uint8)
        size = (128, round(width * 128 / height)) if height < width else (round(height * 128 / width), 128)
        blocks = min(height // size[0], width // size[1])
        expected = cv2.resize(image, (width // blocks, height // blocks), interpolation=cv2.INTER_AREA)
        expected = cv2.resize(expected, size[::-1], interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(resize(image, size), expected, f"{height, width} → {size}")
