"""Flow computed in batches on the device: the same store, but for codes that differ by one step."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import FIGHTS, TINY_CONFIG, make_subset, moving_texture, prepare, read_content, write_good, write_video

from src.config import ClipConfig
from src.flow import compute_flow, stack_fields, unstack_flow
from src.preprocessing import device_extraction
from src.preprocessing.device_extraction import compute_codes, extract_on_device
from src.preprocessing.extraction import extract_clip, extract_windows
from src.preprocessing.job import preprocess
from src.preprocessing.plan import choose_extraction, plan_preprocessing
from src.store import ClipStore

PIXELS = 1 << 16  # of a batch: a processor computes one in no time


@pytest.fixture(scope="module", autouse=True)
def small_batches():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_extraction, "PIXELS", PIXELS)
        yield


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Nine landscape, portrait and short videos, one of a single frame, and one that is not a video."""
    folder = tmp_path_factory.mktemp("videos")
    single = write_video(folder / "single.webm", moving_texture(1, 0, 0, 48, 64))
    (folder / "text.mp4").write_text("no video")
    return [*write_good(folder, 9), ("single", single), ("text", folder / "text.mp4")]


@pytest.fixture(scope="module")
def both(videos, tmp_path_factory):
    """(report, store) for each way of extraction."""
    made = {}
    for name, accelerator in (("cores", False), ("device", True)):
        root = tmp_path_factory.mktemp(name)
        extract = choose_extraction(accelerator)
        made[name] = prepare(make_subset(videos), root, workers=2, extract=extract), ClipStore(root)
    return made


def assert_codes_agree(path, config, size):
    """The codes of one video on cores and on the device, before compression, differ by one step at most, rarely."""
    clip = extract_windows(path, config)
    windows = np.stack([clip.window(n, config.window_length) for n in range(config.num_segments)])
    pairs = np.stack([windows[:, :-1], windows[:, 1:]], axis=2).reshape(-1, 2, *windows.shape[2:])
    padded = np.concatenate([pairs, np.zeros((-len(pairs) % size, *pairs.shape[1:]), np.uint8)])
    parts = [compute_codes(part, config.flow_bound) for part in np.split(padded, len(padded) // size)]
    codes = np.concatenate(parts)[: len(pairs)].reshape(len(windows), -1, *pairs.shape[2:], 2)
    device = codes.transpose(0, 2, 3, 1, 4).reshape(*windows[:, 0].shape, -1)
    steps = np.abs(extract_clip(path, config).stacks.astype(int) - device)
    assert steps.max() <= 1 and (steps > 0).mean() <= 1e-3


def test_codes_agree_with_those_of_cores(videos):
    for _, path in videos[:3]:
        height, width = extract_windows(path, TINY_CONFIG).frames.shape[1:3]
        assert_codes_agree(path, TINY_CONFIG, PIXELS // (height * width))  # the batch size of a job: compiled once


@pytest.mark.slow
def test_codes_of_real_clips_agree_with_those_of_cores():
    if not FIGHTS.exists():
        pytest.skip(f"the real clips are not in {FIGHTS}")
    for path in sorted(FIGHTS.glob("*/*.mp4"))[5::110]:
        assert_codes_agree(path, ClipConfig(short_side=128, num_segments=2), 4)


def test_the_store_is_the_same(both):
    """Names, frames and indices to the byte; flow stacks within the difference of their codes."""
    cores, device = (read_content(store) for _, store in both.values())
    assert cores.keys() == device.keys() and len(both["cores"][1].names()) == 9
    for path, content in cores.items():
        if not path.name.startswith("flow_"):
            assert content == device[path], path
    for name in both["cores"][1].names():
        stacks = [store.read_stack(name, 1).astype(int) for _, store in both.values()]
        assert np.abs(stacks[0] - stacks[1]).mean() < 0.1


def test_the_reports_are_the_same(both):
    cores, device = (report for report, _ in both.values())
    pd.testing.assert_frame_equal(cores.failures, device.failures)
    assert device.failures.video_id.tolist() == ["single", "text"] and device.computed == 9
    assert set(device.stage_seconds) >= {"decode", "flow", "encode"}


def test_the_store_is_that_of_cores_to_the_byte_if_the_flow_is(videos, both, tmp_path, monkeypatch):
    def compute(pairs, bound):
        return np.stack([unstack_flow(stack_fields(compute_flow(pair), 1, bound))[0] for pair in pairs])

    monkeypatch.setattr(device_extraction, "compute_codes", compute)
    prepare(make_subset(videos), tmp_path, workers=2, extract=extract_on_device)
    assert read_content(ClipStore(tmp_path)) == read_content(both["cores"][1])


def test_one_worker_is_this_process(videos, both, tmp_path):
    report = prepare(make_subset(videos[:2]), tmp_path, workers=1, extract=extract_on_device)
    assert report.computed == 2 and report.stage_seconds["flow"] > 0
    content, expected = read_content(ClipStore(tmp_path)), read_content(both["device"][1])
    clips = {path: data for path, data in content.items() if path.name.endswith(".jpg")}
    assert clips and clips.items() <= expected.items()


def test_an_error_of_the_device_ends_the_job(videos, tmp_path, monkeypatch):
    def fail(pairs, bound):
        raise MemoryError("no room")

    monkeypatch.setattr(device_extraction, "compute_codes", fail)
    plan = plan_preprocessing(make_subset(videos[:2]), tmp_path, TINY_CONFIG, 2, extract=extract_on_device)
    with pytest.raises(RuntimeError, match=r"on the device \(MemoryError: no room\). Set accelerator=False"):
        preprocess(plan)
    assert ClipStore(tmp_path, TINY_CONFIG).names() == set()


def test_the_plan_measures_this_way(videos, tmp_path):
    plan = plan_preprocessing(make_subset(videos[:9]), tmp_path, TINY_CONFIG, 2, extract=extract_on_device)
    assert len(plan.probe) == 2 and plan.seconds > 0 and plan.num_bytes > 0
    assert ClipStore(tmp_path, TINY_CONFIG).names() == set()


@pytest.mark.parametrize("values", [{"flow_algorithm": "dis"}, {"flow_source": "layer"}])
def test_other_flow_is_refused(values, videos, tmp_path):
    config = dataclasses.replace(TINY_CONFIG, **values)
    with pytest.raises(ValueError, match=f"Received: .*{next(iter(values.values()))}"):
        plan_preprocessing(make_subset(videos[:2]), tmp_path, config, extract=extract_on_device)
    assert not (tmp_path / "config.json").exists()


def test_a_cluster_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not on a cluster"):
        extract_on_device([], ClipStore(tmp_path, TINY_CONFIG), None, None, client=object())
