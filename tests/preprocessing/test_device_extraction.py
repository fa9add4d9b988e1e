"""Flow in batches on the device: the store of the other way, but for a step where rounding decides."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import FIGHTS, TINY_CONFIG, make_subset, moving_texture, prepare, read_content, write_good, write_video

from src.config import ClipConfig
from src.flow import stack_fields
from src.preprocessing.device_extraction import compute_batch, extract_on_device
from src.preprocessing.extraction import extract_clip, extract_windows
from src.preprocessing.plan import plan_preprocessing
from src.store.clip_store import ClipStore


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Landscape, portrait and short ones, a picture, and one that is no video."""
    folder = tmp_path_factory.mktemp("videos")
    videos = write_good(folder, 9)
    videos.append(("single", write_video(folder / "single.webm", moving_texture(1, 0, 0, 48, 64))))
    (folder / "text.mp4").write_text("no video")
    return [*videos, ("text", folder / "text.mp4"), ("missing", folder / "missing.mp4")]


@pytest.fixture(scope="module")
def both(videos, tmp_path_factory):
    """Of each way (its report, its store)."""
    made = {}
    for name, options in (("cores", {}), ("device", {"extract": extract_on_device})):
        root = tmp_path_factory.mktemp(name)
        made[name] = prepare(make_subset(videos[:-1]), root, workers=2, **options), ClipStore(root)
    return made


def codes_of_both(path, config):
    """uint8 (S, H, W, 2L) of one video, on cores and on the device, before they are compressed."""
    clip = extract_windows(path, config)
    windows = np.stack([clip.window(n, config.window_length) for n in range(config.num_segments)])
    flow, _ = compute_batch(windows, len(windows))
    device = np.stack([stack_fields(fields, config.flow_length, config.flow_bound) for fields in flow])
    return extract_clip(path, config).stacks, device


def assert_equal_but_for_a_step(codes, other):
    steps = np.abs(codes.astype(int) - other)
    assert steps.max() <= 1 and (steps > 0).mean() <= 1e-3


def test_codes_are_those_of_the_other_way_but_for_a_step(videos):
    for _, path in videos[:9]:
        assert_equal_but_for_a_step(*codes_of_both(path, TINY_CONFIG))


def test_codes_of_real_clips_are_those_of_the_other_way_but_for_a_step():
    if not FIGHTS.exists():
        pytest.skip("the real clips of shared/data/fights are not here")
    config = ClipConfig(short_side=128, num_segments=2)
    codes = [codes_of_both(path, config) for path in sorted(FIGHTS.glob("*/*.mp4"))[5::110]]
    assert_equal_but_for_a_step(*(np.concatenate([one.ravel() for one in way]) for way in zip(*codes, strict=True)))


def test_the_store_is_the_same_one(both):
    """Names, sizes, frames and indices to the byte; flow as near as its codes are."""
    cores, device = (read_content(store) for _, store in both.values())
    assert cores.keys() == device.keys() and len(both["cores"][1].names()) == 9
    for path, content in cores.items():
        if not path.name.startswith("flow_"):
            assert content == device[path], path
    for name in both["cores"][1].names():
        stacks = [store.read_stack(name, 1).astype(int) for _, store in both.values()]
        assert np.abs(stacks[0] - stacks[1]).mean() < 0.1


def test_what_fails_fails_for_the_same_reason(both):
    cores, device = (report for report, _ in both.values())
    pd.testing.assert_frame_equal(cores.failures, device.failures)
    assert device.failures.video_id.tolist() == ["single", "text"] and device.computed == 9
    assert set(device.stage_seconds) >= {"decode", "flow", "encode"}


def test_what_one_way_has_made_the_other_does_not_do_again(both, videos):
    for options in ({}, {"extract": extract_on_device}):
        report = prepare(make_subset(videos[:9]), both["device"][1].root, workers=2, **options)
        assert (report.found, report.computed) == (9, 0)


def test_a_batch_that_is_not_full_gives_the_same():
    windows = np.random.default_rng(0).integers(0, 256, (3, 2, 20, 24), np.uint8)
    flow, seconds = compute_batch(windows, 5)
    assert flow.shape == (3, 1, 20, 24, 2) and seconds > 0
    np.testing.assert_allclose(flow, compute_batch(windows, 3)[0], atol=1e-4)


def test_the_plan_measures_this_way(videos, tmp_path):
    plan = plan_preprocessing(make_subset(videos[:9]), tmp_path, TINY_CONFIG, 2, extract=extract_on_device)
    assert plan.probe.clips == 2 and plan.minutes > 0 and plan.gigabytes > 0
    assert not list(ClipStore(tmp_path, TINY_CONFIG).names())


def test_a_run_that_is_killed_leaves_whole_clips_and_is_continued(videos, both, tmp_path):
    program = (
        "import sys, pickle\nfrom conftest import prepare\n"
        "from src.preprocessing.device_extraction import extract_on_device\n"
        "subset = pickle.load(open(sys.argv[1], 'rb'))\n"
        "prepare(subset, sys.argv[2], workers=2, extract=extract_on_device)\n"
    )
    subset, root = make_subset(videos[:9]), tmp_path / "prepared"
    subset.to_pickle(tmp_path / "subset.pickle")
    path = os.pathsep.join(str(folder) for folder in Path(__file__).parents[1:3])
    command = [sys.executable, "-c", program, str(tmp_path / "subset.pickle"), str(root)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, start_new_session=True, **quiet)
    store = ClipStore(root, TINY_CONFIG)
    deadline = time.monotonic() + 120
    while not store.names() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    found = len(store.names())
    assert found
    report = prepare(subset, root, workers=2, extract=extract_on_device)
    assert report.found == found and report.computed == 9 - found
    expected = read_content(both["device"][1])
    assert read_content(store) == expected


@pytest.mark.parametrize(
    "config, message",
    [
        (dataclasses.replace(TINY_CONFIG, flow_algorithm="dis"), "dis"),
        (dataclasses.replace(TINY_CONFIG, flow_source="layer"), "layer"),
    ],
)
def test_what_needs_no_such_flow_is_refused(config, message, videos, tmp_path):
    with pytest.raises(ValueError, match=message):
        prepare(make_subset(videos[:2]), tmp_path, config, extract=extract_on_device)
    assert not (tmp_path / "config.json").exists()


def test_a_cluster_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cluster"):
        list(extract_on_device([], ClipStore(tmp_path, TINY_CONFIG), None, None, client=object()))
