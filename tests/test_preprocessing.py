import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from conftest import TINY_CONFIG, moving_texture, write_video

from src import preprocessing
from src.clip_store import ABANDONED_AFTER, ClipStore
from src.config import ClipConfig
from src.optical_flow import compute_flow, quantize_flow, stack_flow
from src.preprocessing import check_store, extract_clip, find_example, preprocess
from src.subset import COLUMNS, read_manifest
from src.video import VideoError, read_segments

ROOT = Path(__file__).parents[1]
BAD = {  # video_id → (how the file is made bad, what the ledger must say)
    "bad_empty": (lambda path, video: path.touch(), "empty: the file has 0 bytes"),
    "bad_folder": (lambda path, video: path.mkdir(), "must be a video file; it is a folder"),
    "bad_missing": (lambda path, video: None, "must be a video file; there is no regular file"),
    "bad_text": (lambda path, video: path.write_text("no video"), "must be a video that OpenCV can open"),
    "bad_truncated": (lambda path, video: path.write_bytes(video[: len(video) // 2]), "truncated: the header"),
}


def make_subset(videos):
    """The rows of a subset for (video_id, path) pairs."""
    rows = [(name, str(path), f"class {n % 2}", n % 2, "train", name) for n, (name, path) in enumerate(videos)]
    return pd.DataFrame(rows, columns=COLUMNS)


def write_good(folder, count, num_frames=14):
    """(video_id, path) of videos that move by (2, 1) px/frame: landscape, portrait and short ones."""
    videos = []
    for n in range(count):
        height, width = (64, 48) if n % 3 == 1 else (48, 64)
        frames = moving_texture(6 if n % 3 == 2 else num_frames, 2, 1, height, width, seed=n)
        videos.append((f"good_{n}", write_video(folder / f"good {n}.webm", frames)))
    return videos


def content(store):
    """Every file of the clips, by name."""
    return {path.relative_to(store.folder): path.read_bytes() for path in store.folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A subset of six good and all kinds of bad videos."""
    folder = tmp_path_factory.mktemp("videos")
    videos = write_good(folder, 6)
    whole = videos[0][1].read_bytes()
    for video_id, (make, _) in BAD.items():
        path = folder / f"{video_id}.webm"
        make(path, whole)
        videos.append((video_id, path))
    single = write_video(folder / "bad_single.webm", moving_texture(1, 0, 0, 48, 64))
    return make_subset([*videos, ("bad_single", single)])


@pytest.fixture(scope="module")
def parallel(mixed, tmp_path_factory):
    """(store, report) of the mixed subset, by two processes. Do not write to it."""
    root = tmp_path_factory.mktemp("parallel") / "prepared"
    report = preprocess(mixed, root, TINY_CONFIG, workers=2)
    return ClipStore(root), report


# One clip


def test_a_clip(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(45, 2, 1, 96, 128))
    config = ClipConfig(short_side=48, num_segments=3, flow_length=4)
    clip = extract_clip(path, config)
    assert clip.frames.shape == (3, 48, 64, 3) and clip.frames.dtype == np.uint8
    assert clip.stacks.shape == (3, 48, 64, 8) and clip.stacks.dtype == np.uint8
    assert [indices[2] for indices in clip.indices] == [7, 22, 37]
    # displacement is counted in pixels of the stored size: half of that in the file
    codes = np.median(clip.stacks, axis=(0, 1, 2)) - 128
    assert codes * 20 / 127 == pytest.approx([1, 0.5] * 4, abs=0.25)


def test_frame_and_flow_are_of_the_same_moment(tmp_path):
    """The frame is the one from which the middle field of its stack starts."""
    frames = moving_texture(45, 2, 1, 48, 64)
    clip = extract_clip(write_video(tmp_path / "clip.avi", frames, fourcc="MJPG"), ClipConfig(short_side=48))
    for frame, indices in zip(clip.frames, clip.indices, strict=True):
        distance = np.abs(frames.astype(int) - frame).mean(axis=(1, 2, 3))
        assert distance.argmin() == indices[5]


@pytest.mark.parametrize("algorithm", ["farneback", "dis"])
def test_the_algorithm_is_the_one_asked_for(tmp_path, monkeypatch, algorithm):
    asked = []
    compute = preprocessing.compute_flow
    monkeypatch.setattr(preprocessing, "compute_flow", lambda window, name: asked.append(name) or compute(window, name))
    path = write_video(tmp_path / "clip.webm", moving_texture(36, 2, 1, 48, 64))
    clip = extract_clip(path, ClipConfig(short_side=48, flow_algorithm=algorithm, flow_bound=8))
    assert asked == [algorithm] * 3
    assert np.median(clip.stacks[..., 0::2]) == 128 + round(2 * 127 / 8) == 160


@pytest.mark.parametrize("num_frames", [2, 5, 10, 11, 14, 20, 32, 33])
def test_flow_of_overlapping_windows_is_that_of_each_alone(tmp_path, num_frames):
    path = write_video(tmp_path / "clip.webm", moving_texture(num_frames, 2, 1, 48, 64))
    config = ClipConfig(short_side=48)
    clip = extract_clip(path, config)
    for segment, stack in zip(read_segments(path, 3, 11, 48), clip.stacks, strict=True):
        alone = stack_flow(quantize_flow(compute_flow(segment.gray), config.flow_bound))
        assert np.array_equal(stack[..., : alone.shape[-1]], alone)
        assert (stack[..., alone.shape[-1] :] == 128).all()  # a clip too short: motion that is not there is zero


# The job


def test_good_clips_are_stored_and_bad_ones_counted(parallel, mixed):
    store, report = parallel
    assert store.video_ids() == {f"good_{n}" for n in range(6)}
    assert (report.wanted, report.found, report.computed, len(report.failures)) == (12, 0, 6, 6)
    assert str(report).startswith("12 clips wanted: 0 were there, 6 computed in")
    assert "6 failed" in str(report) and "failures.csv" in str(report)
    assert set(report.stage_seconds) == {"decode", "flow", "encode"} and min(report.stage_seconds.values()) > 0


def test_the_ledger_names_id_path_and_reason(parallel, mixed):
    store, report = parallel
    ledger = pd.read_csv(store.root / "failures.csv", dtype=str)
    pd.testing.assert_frame_equal(ledger, report.failures, check_dtype=False)
    assert list(ledger) == ["video_id", "path", "reason"]
    assert set(ledger.video_id) == {*BAD, "bad_single"}
    path_of = dict(zip(mixed.video_id, mixed.path, strict=True))
    for row in ledger.itertuples():
        rule = BAD[row.video_id][1] if row.video_id in BAD else "too short: motion needs 2 frames"
        assert row.path == path_of[row.video_id]
        assert row.path in row.reason and rule in row.reason


def test_the_manifest_is_the_subset(parallel, mixed):
    pd.testing.assert_frame_equal(read_manifest(parallel[0].root / "manifest.csv"), mixed, check_dtype=False)


def test_what_is_stored_is_what_was_extracted(parallel, mixed):
    store, _ = parallel
    for row in mixed[mixed.video_id.isin(["good_0", "good_1", "good_2"])].itertuples():
        clip = extract_clip(row.path, TINY_CONFIG)
        for segment in range(TINY_CONFIG.num_segments):
            stack = store.read_stack(row.video_id, segment)
            assert stack.shape == clip.stacks[segment].shape
            assert np.abs(stack.astype(int) - clip.stacks[segment]).mean() < 1.5
            assert np.abs(store.read_frame(row.video_id, segment).astype(int) - clip.frames[segment]).mean() < 8


def test_one_process_and_two_write_the_same_bytes(parallel, mixed, tmp_path):
    report = preprocess(mixed, tmp_path / "prepared", TINY_CONFIG, workers=1)
    store = ClipStore(tmp_path / "prepared")
    assert content(store) == content(parallel[0])
    pd.testing.assert_frame_equal(report.failures, parallel[1].failures)


def test_nothing_is_left_of_the_work_in_progress(parallel):
    store, _ = parallel
    assert list((store.root / "incomplete").iterdir()) == []
    files = {path.name for path in store.root.iterdir()}
    assert files == {"clips", "config.json", "failures.csv", "incomplete", "manifest.csv"}


# Again


def test_only_what_is_missing_is_computed(tmp_path):
    videos, root = write_good(tmp_path, 4), tmp_path / "prepared"
    assert preprocess(make_subset(videos[:2]), root, TINY_CONFIG, workers=1).computed == 2
    before = content(ClipStore(root))
    changed = {path: path.stat().st_mtime_ns for path in ClipStore(root).folder.rglob("*.jpg")}
    report = preprocess(make_subset(videos), root, TINY_CONFIG, workers=1)
    assert (report.wanted, report.found, report.computed) == (4, 2, 2)
    assert before.items() <= content(ClipStore(root)).items()
    assert all(path.stat().st_mtime_ns == then for path, then in changed.items())
    report = preprocess(make_subset(videos), root, TINY_CONFIG, workers=2)
    assert (report.wanted, report.found, report.computed, len(report.failures)) == (4, 4, 0, 0)


def test_a_replaced_video_is_done_again(tmp_path):
    videos, root = write_good(tmp_path, 2), tmp_path / "prepared"
    preprocess(make_subset(videos), root, TINY_CONFIG, workers=1)
    before = content(ClipStore(root))
    write_video(videos[1][1], moving_texture(14, -2, 0, 48, 64, seed=9))
    report = preprocess(make_subset(videos), root, TINY_CONFIG, workers=1)
    assert (report.found, report.computed) == (1, 1)
    stack = ClipStore(root).read_stack("good_1", 0)
    assert np.median(stack[..., 0::2]) < 128
    assert {name for name, data in content(ClipStore(root)).items() if before.get(name) != data} == {
        Path("good_1", name) for name in ("frame_0.jpg", "frame_1.jpg", "flow_0.jpg", "flow_1.jpg", "clip.json")
    }


def test_a_repaired_video_leaves_the_ledger(tmp_path):
    videos, root = write_good(tmp_path, 2), tmp_path / "prepared"
    whole = videos[0][1].read_bytes()
    videos[0][1].write_bytes(whole[: len(whole) // 2])
    assert preprocess(make_subset(videos), root, TINY_CONFIG, workers=1).failures.video_id.tolist() == ["good_0"]
    videos[0][1].write_bytes(whole)
    report = preprocess(make_subset(videos), root, TINY_CONFIG, workers=1)
    assert (report.found, report.computed, len(report.failures)) == (1, 1, 0)
    assert (root / "failures.csv").read_text() == "video_id,path,reason\n"
    assert "failures.csv" not in str(report)


def test_other_parameters_go_to_their_own_place(tmp_path):
    subset, root = make_subset(write_good(tmp_path, 2)), tmp_path / "prepared"
    preprocess(subset, root, TINY_CONFIG, workers=1)
    before = content(ClipStore(root, TINY_CONFIG))
    other = ClipConfig(short_side=32, num_segments=2, flow_length=3)
    report = preprocess(subset, root, other, workers=1)
    assert (report.found, report.computed) == (0, 2)
    assert ClipStore(root).config == other
    assert ClipStore(root).read_frame("good_0", 0).shape[0] == 32
    assert content(ClipStore(root, TINY_CONFIG)) == before
    assert preprocess(subset, root, TINY_CONFIG, workers=1).found == 2  # and back
    assert ClipStore(root).config == TINY_CONFIG


# Killed and broken


def start(code, *arguments):
    """A Python process of its own group, in the project's folder."""
    command = [sys.executable, "-c", "import sys; sys.path.insert(0, '.')\n" + code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL)


def test_a_process_killed_while_writing_leaves_no_half_clip(tmp_path):
    subset, root = make_subset(write_good(tmp_path, 4)), tmp_path / "prepared"
    subset.to_csv(tmp_path / "subset.csv", index=False)
    killed_in_its_fourth_stack = """
import os, signal
import pandas as pd
from src import clip_store
from src.config import ClipConfig
from src.preprocessing import preprocess
encode, calls = clip_store.encode_stack, []
def encode_stack(stack):
    calls.append(stack)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return encode(stack)
clip_store.encode_stack = encode_stack
preprocess(pd.read_csv(sys.argv[1]), sys.argv[2], ClipConfig(48, 2, 3), workers=1)
"""
    assert start(killed_in_its_fourth_stack, tmp_path / "subset.csv", root).wait(60) == -signal.SIGKILL
    store = ClipStore(root)
    assert store.config == TINY_CONFIG
    assert store.video_ids() == {"good_0"}
    [left_over] = (root / "incomplete").iterdir()
    assert "flow_0.jpg" in os.listdir(left_over)  # it was in the middle
    os.utime(left_over, (time.time() - ABANDONED_AFTER - 60,) * 2)
    report = preprocess(subset, root, TINY_CONFIG, workers=1)
    assert (report.found, report.computed, len(report.failures)) == (1, 3, 0)
    assert list((root / "incomplete").iterdir()) == []
    assert len(check_store(subset, root)) == 4


def test_a_parallel_job_killed_at_any_moment_is_completed(tmp_path):
    subset, root = make_subset(write_good(tmp_path, 40)), tmp_path / "prepared"
    subset.to_csv(tmp_path / "subset.csv", index=False)
    job = start(
        "import pandas as pd\n"
        "from src.config import ClipConfig\n"
        "from src.preprocessing import preprocess\n"
        "preprocess(pd.read_csv(sys.argv[1]), sys.argv[2], ClipConfig(48, 2, 3), workers=2)\n",
        tmp_path / "subset.csv",
        root,
    )
    store = ClipStore(root, TINY_CONFIG)
    deadline = time.time() + 60
    while len(store.video_ids()) < 3 and job.poll() is None and time.time() < deadline:
        time.sleep(0.005)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    there = store.video_ids()
    assert len(there) >= 3
    assert len(check_store(subset, root)) == len(there)  # each of them can be read
    report = preprocess(subset, root, TINY_CONFIG, workers=1)
    assert report.found == len(there) and report.found + report.computed == 40
    assert len(check_store(subset, root)) == 40


def test_a_full_disk_is_not_taken_for_a_bad_video(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    subset = make_subset(write_good(tmp_path, 2))
    monkeypatch.setattr(ClipStore, "write", refuse)
    with pytest.raises(OSError, match="No space left"):
        preprocess(subset, tmp_path / "prepared", TINY_CONFIG, workers=1)


def test_a_defect_in_the_code_is_not_taken_for_a_bad_video(tmp_path, monkeypatch):
    subset = make_subset(write_good(tmp_path, 1))
    monkeypatch.setattr(preprocessing, "compute_flow", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        preprocess(subset, tmp_path / "prepared", TINY_CONFIG, workers=1)


def test_what_opencv_refuses_is_in_the_ledger(tmp_path, monkeypatch):
    def refuse(*_):
        raise cv2.error("OpenCV: too large")

    subset = make_subset(write_good(tmp_path, 1))
    monkeypatch.setattr(preprocessing, "compute_flow", refuse)
    report = preprocess(subset, tmp_path / "prepared", TINY_CONFIG, workers=1)
    assert report.computed == 0 and "too large" in report.failures.reason[0]


def test_parameters_of_another_store_are_refused_before_any_work(tmp_path):
    subset, root = make_subset(write_good(tmp_path, 1)), tmp_path / "prepared"
    preprocess(subset, root, TINY_CONFIG, workers=1)
    near = ClipConfig(48, 2, 3, flow_bound=20.0000001)
    with pytest.raises(ValueError, match="flow_bound"):
        preprocess(subset, root, near, workers=1)


# Looking at it


def test_an_example_is_the_first_of_its_class_that_can_be_used_and_moves_most(mixed):
    order = ["bad_text", "bad_missing", "good_1", "good_2"]
    rows = mixed.set_index("video_id").loc[order].reset_index()
    of_one_class = find_example(rows.assign(label="one"), TINY_CONFIG)
    assert of_one_class.video_id == "good_1" and of_one_class.path.endswith("good 1.webm")
    assert of_one_class.clip.frames.shape == (2, 64, 48, 3)
    motion = {
        row.video_id: np.abs(extract_clip(row.path, TINY_CONFIG).stacks.astype(int) - 128).mean()
        for row in rows.itertuples()
        if row.video_id.startswith("good")
    }
    assert find_example(rows.assign(label=order), TINY_CONFIG).video_id == max(motion, key=motion.get)


def test_an_example_is_a_training_clip(mixed):
    subset = mixed[mixed.video_id.isin(["good_0", "good_1"])].assign(split=["test", "train"])
    assert find_example(subset, TINY_CONFIG).video_id == "good_1"


def test_no_example_says_why(mixed):
    with pytest.raises(VideoError, match=r"bad_text\.webm: must be a video"):
        find_example(mixed[mixed.video_id == "bad_text"], TINY_CONFIG)
    with pytest.raises(VideoError, match="needs a training clip"):
        find_example(mixed.assign(split="test"), TINY_CONFIG)


def test_check_store_measures_each_clip(parallel, mixed):
    store, _ = parallel
    table = check_store(mixed, store.root).set_index("video_id")
    assert set(table.index) == {f"good_{n}" for n in range(6)}
    assert list(table) == ["split", "label", "height", "width", "megabytes", "moving", "at_bound"]
    assert (table.height["good_0"], table.width["good_0"]) == (48, 64)
    assert (table.height["good_1"], table.width["good_1"]) == (64, 48)
    assert table.megabytes["good_0"] == store.num_bytes("good_0") / 1e6
    assert (table.moving > 0.7).all() and (table.at_bound < 0.05).all()


def test_check_store_sees_stillness_and_clipping(tmp_path):
    still = write_video(tmp_path / "still.avi", np.full((8, 48, 64, 3), 90, np.uint8), fourcc="MJPG")
    fast = write_video(tmp_path / "fast.avi", moving_texture(8, 3, 3, 48, 64), fourcc="MJPG")
    subset, config = make_subset([("still", still), ("fast", fast)]), ClipConfig(48, 2, 3, flow_bound=2)
    preprocess(subset, tmp_path / "prepared", config, workers=1)
    table = check_store(subset, tmp_path / "prepared").set_index("video_id")
    assert (table.moving["still"], table.at_bound["still"]) == (0, 0)
    assert table.moving["fast"] > 0.9 and table.at_bound["fast"] > 0.5


def test_check_store_names_a_broken_file(tmp_path):
    subset, root = make_subset(write_good(tmp_path, 1)), tmp_path / "prepared"
    preprocess(subset, root, TINY_CONFIG, workers=1)
    (ClipStore(root).folder / "good_0" / "flow_1.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"good_0/flow_1\.jpg: must be a JPEG"):
        check_store(subset, root)
