"""Grey of a decoded frame is that of its colours, however it is computed."""

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from src.video import picture
from src.video.picture import DecodedPicture


def decoded(height, width, pixels):
    frame = av.VideoFrame(width, height, pixels)
    for number, plane in enumerate(frame.planes):
        plane.update(np.random.default_rng(number).bytes(plane.buffer_size))
    return DecodedPicture(0, 0.0, frame, (height, width), "clip.mp4", VideoReformatter())


@pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p", "yuv444p", "gray"])
def test_grey_is_that_of_the_image(pixels):
    """In widths around several blocks of 16 columns, of which FFmpeg leaves the last ones to slower code."""
    for height in (47, 48):
        for width in range(160, 194):
            found = decoded(height, width, pixels)
            expected = cv2.cvtColor(found.image, cv2.COLOR_BGR2GRAY)
            np.testing.assert_array_equal(found.to_gray(), expected, f"{height} × {width}")


def test_planes_are_used_only_where_they_give_the_same_grey(monkeypatch):
    found = decoded(48, 160, "yuv420p")
    expected = found.to_gray()
    monkeypatch.setattr(picture, "_weigh_planes", lambda frame: np.zeros((48, 160), np.uint8))
    picture._has_exact_planes.cache_clear()
    assert np.array_equal(found.to_gray(), expected)
    picture._has_exact_planes.cache_clear()
