"""Each kind of file in `bad_videos.KINDS` gives its segments or its reason; some of them also within a job."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from bad_videos import KINDS, Shows
from conftest import make_subset, prepare

from src.flow import compute_flow
from src.store import ClipStore
from src.video import VideoError, read_segments, stored_size

ROOT = Path(__file__).parents[2]
SHORT_SIDE, WINDOW = 48, 4
SLOW = {"8K.avi"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW), id=ascii(n)) for n in KINDS])
def test_each_gives_its_segments_or_its_reason(tmp_path, name):
    if name == "no permission.webm" and os.geteuid() == 0:
        pytest.skip("root can read it")
    write, expected = KINDS[name]
    path = tmp_path / name
    write(path)
    if isinstance(expected, Shows):
        segments = list(read_segments(path, 2, WINDOW, SHORT_SIDE))
        assert len(segments) == 2
        for segment in segments:
            check_segment(segment, expected)
    else:
        with pytest.raises(VideoError, match=f"(?s){expected}") as error:
            list(read_segments(path, 2, WINDOW, SHORT_SIDE))
        assert str(error.value).startswith(f"{path}: ")


def check_segment(segment, expected):
    """Shapes and types; that its frame is the one of the file (rotation, colours); its motion."""
    height, width = stored_size(*expected.frames.shape[1:3], SHORT_SIDE)
    assert segment.gray.shape == (len(segment.indices), height, width) and segment.gray.dtype == np.uint8
    assert segment.frame.shape == (height, width, 3) and segment.frame.dtype == np.uint8
    middle = expected.frames[segment.indices[(len(segment.indices) - 1) // 2]]
    assert np.abs(cv2.resize(middle, (width, height)).astype(int) - segment.frame).mean() < expected.off
    if expected.motion is not None:
        motion = np.median(compute_flow(segment.gray), axis=(1, 2))
        scale = SHORT_SIDE / min(expected.frames.shape[1:3])
        assert np.abs(motion - scale * np.array(expected.motion)).max() < 0.5


@pytest.mark.slow
def test_a_job_stores_usable_clips_and_lists_the_others(tmp_path):
    """Reading might block, or a name be lost on its way to a worker."""
    empty = os.fsdecode(b"empty, not UTF-8 \xff\xfe.webm")
    bad = [tmp_path / name for name in ("fifo.webm", "no key frame.mp4", empty)]
    good = [tmp_path / name for name in ("two\nlines\r.webm", os.fsdecode(b"not UTF-8 \xff\xfe.webm"))]
    for path in bad + good:
        KINDS[path.name][0](path)
    report = prepare(make_subset((f"video {n}", path) for n, path in enumerate(bad + good)), tmp_path / "p", workers=2)
    assert set(report.failures.path) == set(map(str, bad))
    assert {name.rpartition("-")[0] for name in ClipStore(tmp_path / "p").names()} == {"video 3", "video 4"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_memory_does_not_grow(tmp_path):
    """Extracts all of them three times, except 8K, in a process of its own, which prints its peak memory in MB."""
    for name in KINDS.keys() - SLOW:
        KINDS[name][0](tmp_path / name)
    script = """
import os, sys
from pathlib import Path
from src.config import ClipConfig
from src.preprocessing import extract_clip
from src.video import VideoError
for _ in range(3):
    for name in os.listdir(sys.argv[1]):
        try:
            extract_clip(os.path.join(sys.argv[1], name), ClipConfig(short_side=48, num_segments=2, flow_length=3))
        except VideoError:
            pass
    [peak] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    print(int(peak.split()[1]) // 1024)
"""
    command, environment = [sys.executable, "-c", script, tmp_path], os.environ | {"PYTHONPATH": str(ROOT)}
    output = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    first, _, last = map(int, output.split())
    assert last < 400 and last - first < 20
