import errno
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from conftest import TINY_CONFIG, make_subset, moving_texture, prepare, read_content, write_good, write_video

from src.config import ClipConfig
from src.fingerprint import Choice
from src.preprocessing import extraction, job, tasks
from src.preprocessing.checking import check_store
from src.preprocessing.job import preprocess
from src.preprocessing.plan import plan_preprocessing
from src.store import ClipStore, read_choice, read_digest, read_prepared, read_subset
from src.store.clip_store import clip_name
from src.store.unused import find_unused

ROOT = Path(__file__).parents[2]
BAD = {  # video_id → its reason
    "bad_missing": "must be a video file; there is no regular file",
    "bad_text": "must be a video that FFmpeg can open",
}


def name_of(path):
    """The name of a clip; `write_good` names each file after its id."""
    return clip_name(Path(path).stem.replace(" ", "_"), read_digest(path))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A subset of four videos that move and two that cannot be used."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "bad_text.webm").write_text("no video")
    return make_subset([*write_good(folder, 4), *((name, folder / f"{name}.webm") for name in BAD)])


@pytest.fixture(scope="module")
def parallel(mixed, tmp_path_factory):
    """(store, report) of the mixed subset, by two processes. Do not write to it."""
    root = tmp_path_factory.mktemp("parallel") / "prepared"
    report = prepare(mixed, root, workers=2)
    return ClipStore(root), report


def test_usable_videos_become_clips_and_the_others_are_listed(parallel, mixed):
    store, report = parallel
    assert store.names() == {name_of(path) for path in mixed.path[:4]}
    assert (report.wanted, report.found, report.computed, len(report.failures)) == (6, 0, 4, 2)
    assert str(report).startswith("6 clips wanted: 0 were there, 4 computed in")
    assert "2 failed" in str(report) and "failures.csv" in str(report)
    assert set(report.stage_seconds) == {"decode", "flow", "encode"} and min(report.stage_seconds.values()) > 0
    failures = pd.read_csv(store.root / "failures.csv", dtype=str)
    pd.testing.assert_frame_equal(failures, report.failures, check_dtype=False)
    assert list(failures) == ["video_id", "path", "reason"]
    assert failures.path.tolist() == mixed.path[4:].tolist()
    for row in failures.itertuples():
        assert row.reason.startswith(f"{row.path}: {BAD[row.video_id]}")


def test_one_process_and_two_write_the_same_bytes(parallel, mixed, tmp_path):
    report = prepare(mixed, tmp_path / "prepared")
    assert read_content(ClipStore(tmp_path / "prepared")) == read_content(parallel[0])
    pd.testing.assert_frame_equal(report.failures, parallel[1].failures)
    assert {path.name for path in (tmp_path / "prepared").iterdir()} == {
        *("clips", "config.json", "digests.json", "failures.csv", "incomplete", "manifest.csv", "subsets"),
        "two-stream.json",
    }
    assert list((tmp_path / "prepared" / "incomplete").iterdir()) == []


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9"), "two\nlines", "carriage\rreturn", '"quoted", 手'])
def test_videos_of_any_name_are_extracted_or_listed(tmp_path, name):
    [(_, good)], root = write_good(tmp_path, 1), tmp_path / "prepared"
    videos = [(f"clip {n}", tmp_path / f"{name} {n}.webm") for n in range(2)]
    os.rename(good, videos[0][1])
    videos[1][1].write_text("no video")
    report = prepare(make_subset(videos), root)
    assert (report.computed, report.failures.video_id.tolist()) == (1, ["clip 1"])
    table, _ = read_prepared(root)
    assert table.path.tolist() == [str(path) for _, path in videos] and table.stored.tolist() == [True, False]
    failures = pd.read_csv(root / "failures.csv", encoding_errors="surrogateescape", lineterminator="\n")
    assert failures.path.tolist() == [str(videos[1][1])]
    assert prepare(make_subset(videos), root).found == 1


# A second job


def test_only_what_is_missing_is_computed(tmp_path):
    videos, root = write_good(tmp_path, 4), tmp_path / "prepared"
    assert prepare(make_subset(videos[:2]), root).computed == 2
    changed = {path: path.stat().st_mtime_ns for path in ClipStore(root).folder.rglob("*.jpg")}
    report = prepare(make_subset(videos), root)
    assert (report.wanted, report.found, report.computed) == (4, 2, 2)
    assert changed and all(path.stat().st_mtime_ns == then for path, then in changed.items())
    assert (root / "failures.csv").read_text() == "video_id,path,reason\n"
    assert "failures.csv" not in str(report)


def test_a_replaced_video_is_extracted_again(tmp_path):
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
    assert before.items() <= after.items()  # the clip of the old bytes stays
    assert {path.name for path in after.keys() - before.keys() if path.parent == Path(name)} == {
        *("frame_0.jpg", "frame_1.jpg", "flow_0.jpg", "flow_1.jpg", "clip.json")
    }


def test_a_moved_or_renamed_video_is_not_extracted_again(tmp_path):
    videos, root = write_good(tmp_path, 3), tmp_path / "prepared"
    prepare(make_subset(videos), root)
    (tmp_path / "elsewhere").mkdir()
    places = [tmp_path / "elsewhere" / "good 0.webm", tmp_path / "another name.webm", tmp_path / "elsewhere" / "2"]
    for (_, path), place in zip(videos, places, strict=True):
        path.rename(place)
    moved = [(name, place) for (name, _), place in zip(videos, places, strict=True)]
    report = prepare(make_subset(moved), root)
    assert (report.found, report.computed, len(report.failures)) == (3, 0, 0)
    assert str(report).startswith("3 clips wanted: 3 were there, 0 computed, 0 failed.")  # and no time
    table, _ = read_prepared(root)
    assert table.path.tolist() == [str(place) for place in places] and table.stored.all()


def test_an_old_subset_stays_valid_after_another_of_the_same_ids(tmp_path):
    """Two sources number their videos 1, 2, … and are prepared in one folder."""
    root, subsets, tables = tmp_path / "prepared", {}, {}
    for u in (2, -2):
        (tmp_path / str(u)).mkdir()
        paths = [tmp_path / str(u) / f"{n}.webm" for n in range(2)]
        for n, path in enumerate(paths):
            write_video(path, moving_texture(8, u, 0, 48, 64, seed=n))
        subsets[u] = make_subset([(str(n), path) for n, path in enumerate(paths)])
        assert prepare(subsets[u], root).computed == 2
        tables[u] = read_prepared(root)[0]
    for u, subset in subsets.items():
        report = prepare(subset, root)
        assert (report.found, report.computed) == (2, 0)
        table, store = read_prepared(root)
        pd.testing.assert_frame_equal(table, tables[u])
        for name in table.clip_name:
            assert np.sign(np.median(store.read_stack(name, 0)[..., 0::2]) - 128) == np.sign(u)
    assert len(store.names()) == 4 and find_unused(root).empty


def test_each_configuration_has_its_own_clips(tmp_path):
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
    assert prepare(subset, root).found == 2
    assert ClipStore(root).config == TINY_CONFIG


def test_a_plan_can_be_run_again(tmp_path):
    """It computes what is missing by then: the same cell of a notebook continues after an interruption."""
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


def test_clips_that_a_power_cut_emptied_are_computed_again(tmp_path):
    videos, root = write_good(tmp_path, 4), tmp_path / "prepared"
    prepare(make_subset(videos), root)
    whole, folders = read_content(ClipStore(root)), [ClipStore(root).folder / name_of(path) for _, path in videos]
    for path in folders[0].iterdir():
        path.write_bytes(b"")
    os.truncate(folders[1] / "frame_1.jpg", 100)
    (folders[2] / "flow_0.jpg").unlink()
    assert read_prepared(root)[0].stored.tolist() == [False, False, False, True]
    report = prepare(make_subset(videos), root)
    assert (report.found, report.computed) == (1, 3)
    assert read_content(ClipStore(root)) == whole and list((root / "incomplete").iterdir()) == []


def test_two_jobs_on_one_folder_do_not_see_each_others_subset(tmp_path):
    videos, root = write_good(tmp_path, 4), tmp_path / "prepared"
    plans = [plan_preprocessing(make_subset(some), root, TINY_CONFIG, 1) for some in (videos[:2], videos[1:])]
    reports = [preprocess(plans[0]), preprocess(plans[1], name="mine")]
    assert reports[1].subset == "mine" and f"The subset is recorded as {reports[0].subset!r}." in str(reports[0])
    for report, some in zip(reports, (videos[:2], videos[1:]), strict=True):
        table, _ = read_prepared(root, report.subset)
        assert table.video_id.tolist() == [name for name, _ in some] and table.stored.all()
    again = plan_preprocessing(read_subset(root, reports[0].subset), root, TINY_CONFIG, 1)
    assert again.tasks == [] and preprocess(again).subset == reports[0].subset


def test_splits_and_classes_that_failed_are_named(tmp_path):
    videos = write_good(tmp_path, 4)
    bad = [(f"bad {n}", tmp_path / f"bad {n}.webm") for n in range(5)]
    for n, (_, path) in enumerate(bad):
        path.write_text(f"no video {n}")
    subset = make_subset([*videos, *bad]).assign(
        split=["train", "train", "test", "test", "train", "test", "validation", "validation", "train"],
        label=["a", "b", "a", "b", "c", "c", "a", "b", "a"],
    )
    report = prepare(subset, tmp_path / "prepared")
    assert report.lost == [
        "All 2 validation videos failed: see failures.csv.",
        "All 1 test videos of the class 'c' failed: see failures.csv.",
        "All 1 train videos of the class 'c' failed: see failures.csv.",
    ]
    assert all(sentence in str(report) for sentence in report.lost)


# Errors


@pytest.mark.parametrize("change", [lambda path: path.write_bytes(path.read_bytes() + b"."), Path.unlink])
def test_a_video_that_changes_while_it_is_read_fails(tmp_path, monkeypatch, change):
    videos, root = write_good(tmp_path, 2), tmp_path / "prepared"
    path, extract = videos[0][1], tasks.extract_clip
    whole = path.read_bytes()

    def extract_and_change(found, *arguments):
        clip = extract(found, *arguments)
        if found.path == str(path):
            change(path)
        return clip

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "extract_clip", extract_and_change)
        report = prepare(make_subset(videos), root)
    assert report.computed == 1 and report.failures.video_id.tolist() == ["good_0"]
    assert f"{path}: its bytes changed while it was read" in report.failures.reason[0]
    assert ClipStore(root).names() == {name_of(videos[1][1])}
    path.write_bytes(whole)
    report = prepare(make_subset(videos), root)
    assert (report.found, report.computed, len(report.failures)) == (1, 1, 0)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), MemoryError()])
def test_an_error_of_the_disk_at_one_video_does_not_end_the_job(tmp_path, monkeypatch, error):
    videos, extract = write_good(tmp_path, 2), tasks.extract_clip

    def fail_at_the_first(found, *arguments):
        if found.path == str(videos[0][1]):
            raise error
        return extract(found, *arguments)

    monkeypatch.setattr(tasks, "extract_clip", fail_at_the_first)
    report = prepare(make_subset(videos), tmp_path / "prepared")
    assert report.computed == 1 and report.failures.video_id.tolist() == ["good_0"]
    assert f"{videos[0][1]}: could not be read: {str(error) or 'MemoryError'}" in report.failures.reason[0]


def test_an_error_of_the_job_ends_its_workers_before_its_staging_directory_goes(tmp_path, monkeypatch):
    staging = []

    def extract(wanted, store, watchdog, workers, client, write=True):
        try:
            for task in wanted if write else ():
                yield tasks.Outcome(task.video_id, None, Counter())
        finally:
            staging.extend(store.list_staging())

    def fail_to_print(outcomes, *arguments):
        yield next(outcomes)
        raise BrokenPipeError

    plan = plan_preprocessing(make_subset(write_good(tmp_path, 2)), tmp_path / "prepared", TINY_CONFIG, extract=extract)
    monkeypatch.setattr(job, "progress", fail_to_print)
    with pytest.raises(BrokenPipeError) as error:  # it keeps the traceback, as a notebook does
        preprocess(plan)
    assert len(staging) == 1 and error.tb


def test_a_job_killed_while_it_writes_leaves_complete_clips(tmp_path):
    videos, root = write_good(tmp_path, 3), tmp_path / "prepared"
    make_subset(videos).to_csv(tmp_path / "subset.csv", index=False)
    killed_in_its_fourth_stack = """
import os, signal, sys
import pandas as pd
from src.config import ClipConfig
from src.preprocessing import plan_preprocessing, preprocess
from src.store import encoding
encode, calls = encoding.encode_stack, []
def encode_stack(stack):
    calls.append(stack)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return encode(stack)
encoding.encode_stack = encode_stack
preprocess(plan_preprocessing(pd.read_csv(sys.argv[1]), sys.argv[2], ClipConfig(48, 2, 3), workers=1))
"""
    command = [sys.executable, "-c", killed_in_its_fourth_stack, tmp_path / "subset.csv", root]
    assert subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode == -signal.SIGKILL
    store = ClipStore(root)
    assert store.config == TINY_CONFIG
    assert store.names() == {name_of(videos[0][1])}
    [left_over] = store.list_staging()
    assert len(list(left_over.iterdir())) == 2  # its stamp, and the clip that it was writing
    report = prepare(make_subset(videos), root)
    assert (report.found, report.computed, len(report.failures)) == (1, 2, 0)
    assert store.list_staging() == []
    assert len(check_store(root)) == 3


def test_a_full_disk_stops_the_job(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    subset = make_subset(write_good(tmp_path, 2))
    monkeypatch.setattr(ClipStore, "write", refuse)
    with pytest.raises(OSError, match="the disk is full.*Free some space, and run again"):
        prepare(subset, tmp_path / "prepared")
    assert not (tmp_path / "prepared" / "failures.csv").exists()


def test_a_defect_in_the_code_stops_the_job(tmp_path, monkeypatch):
    subset = make_subset(write_good(tmp_path, 1))
    monkeypatch.setattr(extraction, "compute_flow", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepare(subset, tmp_path / "prepared")


def test_a_video_on_which_opencv_fails_is_listed(tmp_path, monkeypatch):
    def refuse(*_):
        raise cv2.error("OpenCV: too large")

    subset = make_subset(write_good(tmp_path, 1))
    monkeypatch.setattr(extraction, "compute_flow", refuse)
    report = prepare(subset, tmp_path / "prepared")
    assert report.computed == 0 and "too large" in report.failures.reason[0]


def test_the_choice_of_parameters_is_recorded_with_the_subset(tmp_path):
    subset = make_subset(write_good(tmp_path, 2))
    plan = plan_preprocessing(subset, tmp_path / "p", TINY_CONFIG, workers=1)
    reasons = pd.DataFrame([("short_side", 48, "chosen", "why")], columns=["parameter", "value", "origin", "reason"])
    report = preprocess(plan, choice=Choice(TINY_CONFIG, reasons))
    choice = read_choice(tmp_path / "p", report.subset)
    assert choice.config == TINY_CONFIG and choice.reasons.reason.tolist() == ["why"]
    with pytest.raises(ValueError, match="choice must be that of the plan's parameters"):
        preprocess(plan, choice=Choice(ClipConfig(), reasons))
