"""The sample's video files."""

import numpy as np

from src.sample import clip_spec
from src.sample.encoding import write_webm
from src.sample.rendering import render_frames
from src.video import read_frames


def test_equal_frames_give_equal_bytes(tmp_path):
    frames = [frame for _, frame in zip(range(4), render_frames(clip_spec("Holding something", 0)), strict=False)]
    for name in ("first.webm", "again.webm"):
        write_webm(tmp_path / name, iter(frames))
    first, again = ((tmp_path / name).read_bytes() for name in ("first.webm", "again.webm"))
    assert first == again
    decoded = read_frames(tmp_path / "first.webm")
    assert decoded.shape == (4, *frames[0].shape)
    assert np.abs(decoded.astype(int) - frames).mean() < 4
