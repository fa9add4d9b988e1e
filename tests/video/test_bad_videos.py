"""What comes of each of the files in `bad_videos.KINDS`, one by one and in one job."""

import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("av", reason="PyAV writes these videos")
from bad_videos import KINDS, Shows
from conftest import TINY_CONFIG

from src.preprocessing.extraction import extract_clip
from src.preprocessing.job import preprocess
from src.sources.video_table import COLUMNS
from src.store.clip_store import ClipStore
from src.video.video import VideoError, stored_size

ROOT = Path(__file__).parents[2]
SECONDS = 10  # that one file may take; it takes 0.02 as a rule
READABLE = os.geteuid() == 0  # root can read what nobody may
GIVES_A_CLIP = {name for name, (_, expected) in KINDS.items() if isinstance(expected, Shows)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All of them. Do not write to it."""
    folder = tmp_path_factory.mktemp("kinds")
    for name, (make, _) in KINDS.items():
        make(folder / name)
    return folder


def test_there_are_enough_kinds():
    assert len(GIVES_A_CLIP) >= 30 and len(KINDS) - len(GIVES_A_CLIP) >= 30


@pytest.mark.parametrize("name", KINDS, ids=ascii)
def test_each_gives_its_clip_or_its_reason(folder, name):
    if name == "no permission.webm" and READABLE:
        pytest.skip("root can read it")
    expected, path, start = KINDS[name][1], folder / name, time.perf_counter()
    if isinstance(expected, Shows):
        check_clip(extract_clip(path, TINY_CONFIG), expected)
    else:
        with pytest.raises(VideoError, match=f"(?s){expected}") as error:
            extract_clip(path, TINY_CONFIG)
        assert str(error.value).startswith(f"{path}: ")
    assert time.perf_counter() - start < SECONDS


def check_clip(clip, expected):
    """Its size and type, that its frames are those of the file (direction, colours), and its motion."""
    shape = stored_size(*expected.frames.shape[1:3], TINY_CONFIG.short_side)
    assert clip.frames.shape == (2, *shape, 3) and clip.stacks.shape == (2, *shape, 6)
    assert clip.frames.dtype == clip.stacks.dtype == np.uint8
    for frame, stack, indices in zip(clip.frames, clip.stacks, clip.indices, strict=True):
        middle = expected.frames[indices[min(1, len(indices) - 1)]]
        assert np.abs(cv2.resize(middle, shape[::-1]).astype(int) - frame).mean() < expected.off
        if expected.motion is not None:
            motion = np.median(stack[..., : 2 * (len(indices) - 1)] - 128.0, axis=(0, 1)).reshape(-1, 2) * 20 / 127
            scale = TINY_CONFIG.short_side / min(expected.frames.shape[1:3])
            assert np.abs(motion - scale * np.array(expected.motion)).max() < 0.5
        assert (stack[..., 2 * (len(indices) - 1) :] == 128).all()


def test_a_job_stores_the_clips_and_lists_the_others(folder, tmp_path):
    names = [name for name in KINDS if not (name == "no permission.webm" and READABLE)]
    rows = [(f"video {n}", str(folder / name), "a", 0, "train", name) for n, name in enumerate(names)]
    subset = pd.DataFrame(rows, columns=COLUMNS)
    report = preprocess(subset, tmp_path / "prepared", TINY_CONFIG, workers=2)
    store, clips = ClipStore(tmp_path / "prepared"), GIVES_A_CLIP.intersection(names)
    assert (report.computed, len(report.failures)) == (len(clips), len(names) - len(clips))
    assert set(report.failures.path) == {str(folder / name) for name in names if name not in clips}
    for row in report.failures.itertuples():
        assert row.reason.startswith(f"{row.path}: ") and len(row.reason) > len(row.path) + 20
    ids = {name.rpartition("-")[0] for name in store.names()}
    assert ids == set(subset.video_id[subset["group"].isin(clips)])
    for name in store.names():
        assert min(store.read_frame(name, 1).shape[:2]) == TINY_CONFIG.short_side
        assert store.read_stack(name, 1).shape[-1] == TINY_CONFIG.stack_channels


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_memory_does_not_grow(folder):
    """Three times through all of them (8K apart), in a process of its own: peaks in MB."""
    script = """
import os, sys
from pathlib import Path
from src.config import ClipConfig
from src.preprocessing.extraction import extract_clip
from src.video.video import VideoError
for _ in range(3):
    for name in os.listdir(sys.argv[1]):
        try:
            if name != "8K.avi":
                extract_clip(os.path.join(sys.argv[1], name), ClipConfig(short_side=48, num_segments=2, flow_length=3))
        except VideoError:
            pass
    [peak] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    print(int(peak.split()[1]) // 1024)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    output = subprocess.run(
        [sys.executable, "-c", script, folder], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    first, _, last = map(int, output.stdout.split())
    assert last < 400 and last - first < 20
