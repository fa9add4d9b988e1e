import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from conftest import TINY_CONFIG, make_subset, moving_texture, prepare, read_content, write_good, write_video

from src.config import ClipConfig
from src.flow import compute_flow, stack_fields
from src.preprocessing import extraction
from src.preprocessing.extraction import extract_clip
from src.preprocessing.job import check_store, find_example, preprocess
from src.preprocessing.plan import plan_preprocessing
from src.sources import COLUMNS
from src.store.clip_store import ClipStore, clip_name
from src.store.digests import read_digest
from src.store.manifest import read_manifest, read_prepared
from src.video import VideoError, read_segments

ROOT = Path(__file__).parents[2]
BAD = {  # video_id → (how the file is made bad, what the ledger must say)
    "bad_empty": (lambda path, video: path.touch(), "empty: the file has 0 bytes"),
    "bad_folder": (lambda path, video: path.mkdir(), "must be a video file; it is a folder"),
    "bad_missing": (lambda path, video: None, "must be a video file; there is no regular file"),
    "bad_text": (lambda path, video: path.write_text("no video"), "must be a video that OpenCV can open"),
    "bad_truncated": (lambda path, video: path.write_bytes(video[: len(video) // 2]), "truncated: the header"),
}


def name_of(path, video_id=None):
    """The name of a video's clip; the id of `write_good` is that of the file."""
    return clip_name(video_id or Path(path).stem.replace(" ", "_"), read_digest(path))


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
    report = prepare(mixed, root, workers=2)
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
    compute = extraction.compute_flow
    monkeypatch.setattr(extraction, "compute_flow", lambda window, name: asked.append(name) or compute(window, name))
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
        alone = stack_fields(compute_flow(segment.gray), config.flow_length, config.flow_bound)
        assert np.array_equal(stack, alone)
        missing = 2 * (len(segment.gray) - 1)  # a clip too short: motion that is not there is zero
        assert (stack[..., missing:] == 128).all()


# The job


def test_good_clips_are_stored_and_bad_ones_counted(parallel, mixed):
    store, report = parallel
    assert store.names() == {name_of(path) for path in mixed.path[:6]}
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
        rule = BAD[row.video_id][1] if row.video_id in BAD else "too short: optical flow needs at least 2 frames"
        assert row.path == path_of[row.video_id]
        assert row.path in row.reason and rule in row.reason


def test_the_manifest_is_the_subset(parallel, mixed):
    table = read_manifest(parallel[0].root / "manifest.csv")
    pd.testing.assert_frame_equal(table[COLUMNS], mixed, check_dtype=False)
    without = mixed.video_id.isin(["bad_empty", "bad_folder", "bad_missing"])
    assert table.digest[~without].tolist() == [read_digest(path) for path in mixed.path[~without]]
    assert (table.digest[without] == "").all()


def test_what_is_stored_is_what_was_extracted(parallel, mixed):
    store, _ = parallel
    for row in mixed[mixed.video_id.isin(["good_0", "good_1", "good_2"])].itertuples():
        clip = extract_clip(row.path, TINY_CONFIG)
        for segment in range(TINY_CONFIG.num_segments):
            stack = store.read_stack(name_of(row.path), segment)
            assert stack.shape == clip.stacks[segment].shape
            assert np.abs(stack.astype(int) - clip.stacks[segment]).mean() < 1.5
            assert np.abs(store.read_frame(name_of(row.path), segment).astype(int) - clip.frames[segment]).mean() < 8


def test_one_process_and_two_write_the_same_bytes(parallel, mixed, tmp_path):
    report = prepare(mixed, tmp_path / "prepared")
    assert read_content(ClipStore(tmp_path / "prepared")) == read_content(parallel[0])
    pd.testing.assert_frame_equal(report.failures, parallel[1].failures)


def test_nothing_is_left_of_the_work_in_progress(parallel):
    store, _ = parallel
    assert list((store.root / "incomplete").iterdir()) == []
    files = {path.name for path in store.root.iterdir()}
    known = {"clips", "config.json", "digests.json", "failures.csv", "incomplete", "manifest.csv", "subsets"}
    assert files == known


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9"), "two\nlines", "carriage\rreturn", '"quoted", 手'])
def test_videos_of_any_name_are_extracted_or_in_the_ledger(tmp_path, name):
    [(_, good)], root = write_good(tmp_path, 1), tmp_path / "prepared"
    videos = [(f"clip {n}", tmp_path / f"{name} {n}.webm") for n in range(2)]
    os.rename(good, videos[0][1])
    videos[1][1].write_text("no video")
    report = prepare(make_subset(videos), root)
    assert (report.computed, report.failures.video_id.tolist()) == (1, ["clip 1"])
    table, _ = read_prepared(root)
    assert table.path.tolist() == [str(path) for _, path in videos] and table.stored.tolist() == [True, False]
    ledger = pd.read_csv(root / "failures.csv", encoding_errors="surrogateescape", lineterminator="\n")
    assert ledger.path.tolist() == [str(videos[1][1])]
    assert prepare(make_subset(videos), root).found == 1


# Again


def test_only_what_is_missing_is_computed(tmp_path):
    videos, root = write_good(tmp_path, 4), tmp_path / "prepared"
    assert prepare(make_subset(videos[:2]), root).computed == 2
    before = read_content(ClipStore(root))
    changed = {path: path.stat().st_mtime_ns for path in ClipStore(root).folder.rglob("*.jpg")}
    report = prepare(make_subset(videos), root)
    assert (report.wanted, report.found, report.computed) == (4, 2, 2)
    assert before.items() <= read_content(ClipStore(root)).items()
    assert all(path.stat().st_mtime_ns == then for path, then in changed.items())
    report = prepare(make_subset(videos), root, workers=2)
    assert (report.wanted, report.found, report.computed, len(report.failures)) == (4, 4, 0, 0)


def test_a_replaced_video_is_done_again(tmp_path):
    videos, root = write_good(tmp_path, 2), tmp_path / "prepared"
    prepare(make_subset(videos), root)
    before = read_content(ClipStore(root))
    write_video(videos[1][1], moving_texture(14, -2, 0, 48, 64, seed=9))
    report = prepare(make_subset(videos), root)
    assert (report.found, report.computed) == (1, 1)
    table, store = read_prepared(root)
    name = table.clip_name[1]
    assert name == name_of(videos[1][1]) and np.median(store.read_stack(name, 0)[..., 0::2]) < 128
    after = read_content(store)
    assert before.items() <= after.items()  # the clip of the old bytes stays, at its own place
    assert {path.name for path in after.keys() - before.keys() if path.parent == Path(name)} == {
        *("frame_0.jpg", "frame_1.jpg", "flow_0.jpg", "flow_1.jpg", "clip.json")
    }


def test_a_video_replaced_by_one_of_the_same_size_and_time_is_done_again(tmp_path):
    path, root = tmp_path / "clip.avi", tmp_path / "prepared"
    write_video(path, moving_texture(14, 2, 0, 48, 64), fourcc="I420")  # uncompressed: the size is always the same
    before = path.stat()
    prepare(make_subset([("clip", path)]), root)
    write_video(path, moving_texture(14, -2, 0, 48, 64), fourcc="I420")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    now = path.stat()
    assert (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    report = prepare(make_subset([("clip", path)]), root)
    assert (report.found, report.computed) == (0, 1)
    table, store = read_prepared(root)
    assert np.median(store.read_stack(table.clip_name[0], 0)[..., 0::2]) < 128


def test_a_video_that_is_back_is_not_done_again(tmp_path):
    [(name, path)], root = write_good(tmp_path, 1), tmp_path / "prepared"
    first = path.read_bytes()
    prepare(make_subset([(name, path)]), root)
    write_video(path, moving_texture(14, -2, 0, 48, 64, seed=9))
    prepare(make_subset([(name, path)]), root)
    path.write_bytes(first)
    assert prepare(make_subset([(name, path)]), root).found == 1
    assert read_prepared(root)[0].clip_name.tolist() == [name_of(path)]


def test_a_moved_or_renamed_video_is_not_done_again(tmp_path):
    videos, root = write_good(tmp_path, 3), tmp_path / "prepared"
    prepare(make_subset(videos), root)
    (tmp_path / "elsewhere").mkdir()
    places = [tmp_path / "elsewhere" / "good 0.webm", tmp_path / "another name.webm", tmp_path / "elsewhere" / "2"]
    for (_, path), place in zip(videos, places, strict=True):
        path.rename(place)
    moved = [(name, place) for (name, _), place in zip(videos, places, strict=True)]
    report = prepare(make_subset(moved), root)
    assert (report.found, report.computed, len(report.failures)) == (3, 0, 0)
    table, _ = read_prepared(root)
    assert table.path.tolist() == [str(place) for place in places] and table.stored.all()


def test_videos_that_exchange_their_places_are_told_apart(tmp_path):
    (first, a), (second, b), root = *write_good(tmp_path, 2), tmp_path / "prepared"
    prepare(make_subset([(first, a), (second, b)]), root)
    a.rename(tmp_path / "third")
    b.rename(a)
    (tmp_path / "third").rename(b)
    assert prepare(make_subset([(first, b), (second, a)]), root).computed == 0
    assert prepare(make_subset([(first, a), (second, b)]), root).computed == 2  # each id has other bytes now


def test_an_old_subset_stays_valid_after_another_of_the_same_ids(tmp_path):
    """Two sources number their videos 1, 2, …, and are prepared in one folder."""
    root, subsets, prepared = tmp_path / "prepared", [], []
    for source, u in (("first", 2), ("second", -2)):
        (tmp_path / source).mkdir()
        paths = [tmp_path / source / f"{n}.webm" for n in range(2)]
        for n, path in enumerate(paths):
            write_video(path, moving_texture(8, u, 0, 48, 64, seed=n))
        subsets.append(make_subset([(str(n), path) for n, path in enumerate(paths)]))
        assert prepare(subsets[-1], root).computed == 2
        prepared.append((read_prepared(root)[0], check_store(root)))
    before = read_content(ClipStore(root))
    for subset, (table, check), sign in zip(subsets, prepared, (1, -1), strict=True):
        report = prepare(subset, root)
        assert (report.found, report.computed) == (2, 0)
        pd.testing.assert_frame_equal(read_prepared(root)[0], table)
        pd.testing.assert_frame_equal(check_store(root), check)
        stacks = np.stack([ClipStore(root).read_stack(name, 0) for name in table.clip_name])
        u = np.median(stacks[..., 0::2], axis=(1, 2, 3)) - 128
        assert (sign * u > 5).all()
    assert read_content(ClipStore(root)) == before


def test_a_repaired_video_leaves_the_ledger(tmp_path):
    videos, root = write_good(tmp_path, 2), tmp_path / "prepared"
    whole = videos[0][1].read_bytes()
    videos[0][1].write_bytes(whole[: len(whole) // 2])
    assert prepare(make_subset(videos), root).failures.video_id.tolist() == ["good_0"]
    videos[0][1].write_bytes(whole)
    report = prepare(make_subset(videos), root)
    assert (report.found, report.computed, len(report.failures)) == (1, 1, 0)
    assert (root / "failures.csv").read_text() == "video_id,path,reason\n"
    assert "failures.csv" not in str(report)


def test_other_parameters_go_to_their_own_place(tmp_path):
    videos, root = write_good(tmp_path, 2), tmp_path / "prepared"
    subset, name = make_subset(videos), name_of(videos[0][1])
    prepare(subset, root)
    before = read_content(ClipStore(root, TINY_CONFIG))
    other = ClipConfig(short_side=32, num_segments=2, flow_length=3)
    report = prepare(subset, root, other)
    assert (report.found, report.computed) == (0, 2)
    assert ClipStore(root).config == other
    assert ClipStore(root).read_frame(name, 0).shape[0] == 32
    assert read_content(ClipStore(root, TINY_CONFIG)) == before
    assert prepare(subset, root).found == 2  # and back
    assert ClipStore(root).config == TINY_CONFIG


def test_a_plan_does_what_is_missing_when_it_is_run(tmp_path):
    """Not what was missing when it was made: an interrupted notebook runs the same cell again."""
    videos, root = write_good(tmp_path, 6), tmp_path / "prepared"
    whole = videos[5][1].read_bytes()
    videos[5][1].write_text("no video")
    plan = plan_preprocessing(make_subset(videos), root, TINY_CONFIG, workers=1)
    prepare(make_subset(videos[:2]), root)
    report = preprocess(plan)
    assert (report.wanted, report.found, report.computed, len(report.failures)) == (6, 2, 3, 1)
    videos[5][1].write_bytes(whole)
    report = preprocess(plan)
    assert (report.wanted, report.found, report.computed, len(report.failures)) == (6, 5, 1, 0)
    assert len(check_store(root)) == 6  # the manifest names the bytes that are there now


# Killed and broken


@pytest.mark.parametrize("change", ["appended", "replaced", "gone"])
def test_a_video_that_changes_while_it_is_read_is_in_the_ledger(tmp_path, monkeypatch, change):
    videos, root = write_good(tmp_path, 2), tmp_path / "prepared"
    path, extract = videos[0][1], extraction.extract_clip
    whole = path.read_bytes()
    later = {"appended": whole + b".", "replaced": whole[::-1], "gone": None}[change]

    def while_it_changes(found, *arguments):
        clip = extract(found, *arguments)
        if found == str(path):
            path.write_bytes(later) if later else path.unlink()
        return clip

    with monkeypatch.context() as patch:
        patch.setattr(extraction, "extract_clip", while_it_changes)
        report = prepare(make_subset(videos), root)
    assert report.computed == 1 and report.failures.video_id.tolist() == ["good_0"]
    assert f"{path}: its bytes must not change while it is read" in report.failures.reason[0]
    assert ClipStore(root).names() == {name_of(videos[1][1])}
    path.write_bytes(whole)
    report = prepare(make_subset(videos), root)
    assert (report.found, report.computed, len(report.failures)) == (1, 1, 0)


def start(code, *arguments):
    """A Python process of its own group, in the project's folder."""
    command = [sys.executable, "-c", "import sys; sys.path.insert(0, '.')\n" + code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL)


def test_a_process_killed_while_writing_leaves_no_half_clip(tmp_path):
    videos, root = write_good(tmp_path, 4), tmp_path / "prepared"
    make_subset(videos).to_csv(tmp_path / "subset.csv", index=False)
    killed_in_its_fourth_stack = """
import os, signal
import pandas as pd
from src.store import clip_store
from src.preprocessing import plan
from src.config import ClipConfig
from src.preprocessing.job import preprocess
plan._measure = lambda *_: None
encode, calls = clip_store.encode_stack, []
def encode_stack(stack):
    calls.append(stack)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return encode(stack)
clip_store.encode_stack = encode_stack
preprocess(plan.plan_preprocessing(pd.read_csv(sys.argv[1]), sys.argv[2], ClipConfig(48, 2, 3), workers=1))
"""
    assert start(killed_in_its_fourth_stack, tmp_path / "subset.csv", root).wait(60) == -signal.SIGKILL
    store = ClipStore(root)
    assert store.config == TINY_CONFIG
    assert store.names() == {name_of(videos[0][1])}
    [left_over] = store.list_staging()
    assert len(list(left_over.iterdir())) == 1  # it was in the middle
    report = prepare(make_subset(videos), root)
    assert (report.found, report.computed, len(report.failures)) == (1, 3, 0)
    assert store.list_staging() == []
    assert len(check_store(root)) == 4


def test_a_full_disk_is_not_taken_for_a_bad_video(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    subset = make_subset(write_good(tmp_path, 2))
    monkeypatch.setattr(ClipStore, "write", refuse)
    with pytest.raises(OSError, match="the disk is full.*Free some space, and run again"):
        prepare(subset, tmp_path / "prepared")
    assert not (tmp_path / "prepared" / "failures.csv").exists()


def test_a_defect_in_the_code_is_not_taken_for_a_bad_video(tmp_path, monkeypatch):
    subset = make_subset(write_good(tmp_path, 1))
    monkeypatch.setattr(extraction, "compute_flow", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepare(subset, tmp_path / "prepared")


def test_what_opencv_refuses_is_in_the_ledger(tmp_path, monkeypatch):
    def refuse(*_):
        raise cv2.error("OpenCV: too large")

    subset = make_subset(write_good(tmp_path, 1))
    monkeypatch.setattr(extraction, "compute_flow", refuse)
    report = prepare(subset, tmp_path / "prepared")
    assert report.computed == 0 and "too large" in report.failures.reason[0]


def test_parameters_of_another_store_are_refused_before_any_work(tmp_path):
    subset, root = make_subset(write_good(tmp_path, 1)), tmp_path / "prepared"
    prepare(subset, root)
    near = ClipConfig(48, 2, 3, flow_bound=20.0000001)
    with pytest.raises(ValueError, match="flow_bound"):
        prepare(subset, root, near)


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
    table = check_store(store.root).set_index("video_id")
    assert set(table.index) == {f"good_{n}" for n in range(6)}
    assert list(table) == ["split", "label", "height", "width", "megabytes", "moving", "at_bound"]
    assert (table.height["good_0"], table.width["good_0"]) == (48, 64)
    assert (table.height["good_1"], table.width["good_1"]) == (64, 48)
    assert table.megabytes["good_0"] == store.num_bytes(name_of(mixed.path[0])) / 1e6
    assert (table.moving > 0.7).all() and (table.at_bound < 0.05).all()


def test_check_store_sees_stillness_and_clipping(tmp_path):
    still = write_video(tmp_path / "still.avi", np.full((8, 48, 64, 3), 90, np.uint8), fourcc="MJPG")
    fast = write_video(tmp_path / "fast.avi", moving_texture(8, 3, 3, 48, 64), fourcc="MJPG")
    subset, config = make_subset([("still", still), ("fast", fast)]), ClipConfig(48, 2, 3, flow_bound=2)
    prepare(subset, tmp_path / "prepared", config)
    table = check_store(tmp_path / "prepared").set_index("video_id")
    assert (table.moving["still"], table.at_bound["still"]) == (0, 0)
    assert table.moving["fast"] > 0.9 and table.at_bound["fast"] > 0.5


def test_check_store_names_a_broken_file(tmp_path):
    videos, root = write_good(tmp_path, 1), tmp_path / "prepared"
    prepare(make_subset(videos), root)
    (ClipStore(root).folder / name_of(videos[0][1]) / "flow_1.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"good_0-[0-9a-f]{16}/flow_1\.jpg: must be a JPEG"):
        check_store(root)


def test_check_store_reads_the_subset_in_use(tmp_path):
    videos, root = write_good(tmp_path, 3), tmp_path / "prepared"
    for chosen in (videos[:2], videos[2:], videos[1:]):
        prepare(make_subset(chosen), root)
        assert check_store(root).video_id.tolist() == [name for name, _ in chosen]
