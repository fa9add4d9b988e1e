"""The compiled flow against OpenCV's, on textures and, if available, on real clips."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import FIGHTS, moving_texture

from src.flow.farneback import farneback
from src.video import read_frames

sizes = pytest.mark.parametrize(
    "height, width", [(16, 16), (16, 40), (31, 33), (65, 64), (128, 171), (171, 128), (240, 427)]
)


def difference_to_opencv(frames):
    """Absolute, from the flow of OpenCV with the parameters that are constants in `src.flow.farneback`."""
    pairs = zip(frames, frames[1:], strict=False)
    expected = [cv2.calcOpticalFlowFarneback(*pair, None, 0.5, 3, 15, 3, 5, 1.2, 0) for pair in pairs]
    return np.abs(farneback(frames) - np.stack(expected))


@sizes
@pytest.mark.parametrize("u, v", [(0, 0), (2, -1), (-7.5, 3), (0.2, 12)])
def test_it_agrees_with_opencv(height, width, u, v):
    difference = difference_to_opencv(moving_texture(4, u, v, height, width)[..., 0])  # not contiguous
    assert difference.mean() < 1e-4 and np.quantile(difference, 0.999) < 1e-2


@sizes
def test_it_agrees_on_noise_where_flow_leads_out_of_the_image(height, width):
    frames = np.random.default_rng(0).integers(0, 256, (3, height, width), dtype=np.uint8)
    difference = difference_to_opencv(frames)
    assert np.isfinite(difference).all() and np.median(difference) < 1e-4


@pytest.mark.skipif(not FIGHTS.exists(), reason="shared/data/fights is not here")
def test_it_agrees_on_real_clips():
    for path in sorted(FIGHTS.rglob("*.mp4"))[::40]:
        frames = read_frames(path, 128, range(12))
        difference = difference_to_opencv(np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]))
        assert difference.mean() < 1e-4 and np.quantile(difference, 0.9999) < 0.05


@pytest.mark.slow
def test_flow_is_computed_where_no_cache_can_be_written():
    """As for a user without a home who reads the code from a folder that is read-only."""
    program = (
        "import numba.core.caching as caching, numpy as np\n"
        "for name, locator in vars(caching).items():\n"
        "    if name.endswith('CacheLocator') and name != '_CacheLocator':\n"
        "        locator.from_function = classmethod(lambda *_: None)\n"
        "from src.flow import compute_flow\n"
        "print(compute_flow(np.zeros((2, 16, 16), np.uint8)).shape)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True)
    assert done.stdout == "(1, 16, 16, 2)\n", done.stderr
