"""The compiled flow against OpenCV's, on textures and, if available, on real clips."""

import cv2
import numpy as np
import pytest
from conftest import FIGHTS, moving_texture

from src.flow.farneback import farneback
from src.video import read_frames

SIZES = [(16, 16), (16, 40), (31, 33), (65, 64), (128, 171), (171, 128), (240, 427)]


def opencv(frames):
    """OpenCV's flow of each pair, with the parameters that are constants in `src.flow.farneback`."""
    pairs = zip(frames, frames[1:], strict=False)
    return np.stack([cv2.calcOpticalFlowFarneback(*pair, None, 0.5, 3, 15, 3, 5, 1.2, 0) for pair in pairs])


@pytest.mark.parametrize("height, width", SIZES)
@pytest.mark.parametrize("u, v", [(0, 0), (2, -1), (-7.5, 3), (0.2, 12)])
def test_it_agrees_with_opencv(height, width, u, v):
    frames = moving_texture(4, u, v, height, width)[..., 0]
    difference = np.abs(farneback(frames) - opencv(frames))
    assert difference.mean() < 1e-4 and np.quantile(difference, 0.999) < 1e-2


@pytest.mark.parametrize("height, width", SIZES)
def test_it_agrees_on_noise_where_flow_leads_out_of_the_image(height, width):
    frames = np.random.default_rng(0).integers(0, 256, (3, height, width), dtype=np.uint8)
    difference = np.abs(farneback(frames) - opencv(frames))
    assert np.isfinite(farneback(frames)).all()
    assert np.median(difference) < 1e-4


def test_it_agrees_on_real_clips():
    videos = sorted(FIGHTS.rglob("*.mp4"))[::40]
    if not videos:
        pytest.skip("shared/data/fights is not here")
    for path in videos:
        frames = read_frames(path, 128, range(12))
        gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
        difference = np.abs(farneback(gray) - opencv(gray))
        assert difference.mean() < 1e-4 and np.quantile(difference, 0.9999) < 0.05


def test_frames_need_not_be_contiguous():
    frames = moving_texture(3, 2, 1, 40, 56)
    assert np.array_equal(farneback(frames[..., 2]), farneback(np.ascontiguousarray(frames[..., 2])))
    assert np.array_equal(farneback(frames[::-1, :, :, 0]), farneback(frames[::-1, :, :, 0].copy()))
