"""Random crops and colours of training inputs."""

import itertools

import numpy as np
import pytest

from src.inputs.augmentation import JITTER, jitter_colour, random_crop


@pytest.mark.parametrize("keep_aspect, whole", [(True, (100, 100)), (False, (100, 140))])
def test_random_crops_are_corners_and_the_center_at_neighbouring_scales(keep_aspect, whole):
    """TSN's corner cropping and scale jittering: each side is 256, 224, 192 or 168 of 256, and both are at most one
    scale apart."""
    generator = np.random.default_rng(0)
    crops = [random_crop(generator, 100, 140, keep_aspect) for _ in range(8000)]
    scales, expected = (1.0, 0.875, 0.75, 0.66), set()
    for (i, tall), (j, wide) in itertools.product(enumerate(scales), repeat=2):
        height, width = round(tall * whole[0]), round(wide * whole[1])
        down, right = 100 - height, 140 - width
        places = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
        expected |= {(*place, height, width) for place in places if abs(i - j) <= 1}
    assert {(crop.top, crop.left, crop.height, crop.width) for crop in crops} == expected
    assert not any(crop.flipped for crop in crops)


def test_colour_jitter_changes_brightness_contrast_and_saturation_within_bounds():
    generator = np.random.default_rng(0)
    grey = np.full((4, 4, 3), 100, np.uint8)
    values = {int(jitter_colour(generator, grey.copy())[0, 0, 0]) for _ in range(300)}
    assert min(values) >= 60 and max(values) <= 140 and len(values) > 50  # only brightness changes a grey image
    coloured = np.dstack([np.full((4, 4), value, np.uint8) for value in (150, 100, 50)])
    spreads = [np.ptp(jitter_colour(generator, coloured.copy())[0, 0].astype(int)) for _ in range(300)]
    assert min(spreads) < 60 and max(spreads) > 150  # saturation
    before = coloured.copy()
    assert jitter_colour(generator, coloured).dtype == np.uint8 and (coloured != before).any()  # in place


def test_colour_jitter_does_not_overflow():
    generator, white = np.random.default_rng(0), np.full((2, 2, 3), 255, np.uint8)
    assert min(jitter_colour(generator, white.copy()).min() for _ in range(200)) >= 255 * 0.6 - 1


def test_colour_jitter_changes_all_frames_of_a_clip_alike():
    """Else a change of light would look like a difference between segments."""
    frame = np.random.default_rng(1).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    first, second = jitter_colour(np.random.default_rng(0), np.stack([frame, frame]))
    np.testing.assert_array_equal(first, second)
    assert (first != frame).any()


def test_colour_jitter_is_brightness_contrast_and_saturation_to_one_level():
    """One after another, in floating point: the fixed-point map of all three differs by 1 in few values."""
    grey, different = np.array([0.299, 0.587, 0.114]), []
    for seed in range(50):
        frames = np.random.default_rng(seed).integers(0, 256, (2, 20, 30, 3)) // (1 + seed % 4)
        found = jitter_colour(np.random.default_rng(seed), frames.astype(np.uint8)).astype(int)
        brightness, contrast, saturation = np.random.default_rng(seed).uniform(1 - JITTER, 1 + JITTER, 3)
        luma = (frames @ grey)[..., None]
        coloured = luma + saturation * (frames - luma)
        contrasted = luma.mean() + contrast * (coloured - luma.mean())
        expected = np.clip(np.floor(brightness * contrasted + 0.5), 0, 255)
        assert np.abs(found - expected).max() <= 1
        different.append((found != expected).mean())
    assert np.mean(different) < 0.1
