"""Layers of the end-to-end model give the bytes of `src.video.crops`, and of OpenCV."""

import cv2
import keras
import numpy as np
import pytest

from models.inference_layers import AverageCrops, Crops
from models.resampling import resize_8bit
from src.video.crops import crop_frame, crop_stack, crop_window, scored_crops


@pytest.mark.parametrize("count", [3, 10])
@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(128, 171, 112), (171, 128, 64), (64, 64, 28), (48, 64, 112), (96, 128, 42), (96, 128, 56), (96, 96, 28)],
)
def test_crops_have_the_bytes_of_the_notebooks_crops(height, width, size, count):
    generator = np.random.default_rng(0)
    crops = scored_crops(height, width, count, keep_aspect=False)
    frame, stack, window = (generator.integers(1, 256, (height, width, n), np.uint8) for n in (3, 20, 11))
    for image, kind, crop_one in (
        (frame, "frame", lambda crop: crop_frame(frame, crop, size)),
        (stack, "flow", lambda crop: crop_stack(stack, crop, size, False)),
        (window, "frames", lambda crop: crop_window(window.transpose(2, 0, 1), crop, size)),
    ):
        found = keras.ops.convert_to_numpy(Crops(crops, size, kind)(image[None]))
        np.testing.assert_array_equal(found, np.stack([crop_one(crop) for crop in crops]))


def test_halves_are_rounded_up_where_an_image_is_halved_exactly():
    image = np.random.default_rng(0).integers(0, 256, (3, 64, 64), np.uint8)
    expected = cv2.resize(image.transpose(1, 2, 0), (32, 32), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(resize_8bit(image, 32)), expected)


@pytest.mark.parametrize("kind, shape", [("flow", (32, 32, 4)), ("frames", (4, 32, 32))])
def test_the_segments_of_a_clip_stay_together_and_in_order_in_each_of_its_crops(kind, shape):
    """Two clips of three segments, in two crops."""
    clips = np.random.default_rng(0).integers(0, 256, (2, 3, 48, 64, 4), np.uint8)
    layer = Crops(scored_crops(48, 64, 3, keep_aspect=False)[:2], 32, kind)
    found = keras.ops.convert_to_numpy(layer(clips.reshape(6, 48, 64, 4), clips)).reshape(2, 2, 3, *shape)
    for clip in range(2):
        for segment in range(3):
            crops = keras.ops.convert_to_numpy(layer(clips[clip, segment][None]))
            np.testing.assert_array_equal(found[:, clip, segment], crops)


def test_scores_are_averaged_over_the_crops_of_each_clip():
    """Two crops of three clips; in the flipped one, the classes are exchanged."""
    scores = np.random.default_rng(0).random((2, 3, 2), np.float32)
    found = AverageCrops([False, True], [1, 0])(scores.reshape(6, 2))
    expected = (scores[0] + scores[1][:, ::-1]) / 2
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected, rtol=1e-6)
