"""What a run may meet: kills, hangs, crashes, a full disk, another run, an impatient user. All of it is real."""

import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import jupyter_client
import pandas as pd
import psutil
import pytest
from conftest import TINY_CONFIG, moving_texture, prepare, write_video
from distributed import Client, LocalCluster

from src.preprocessing import extraction
from src.preprocessing.extraction import Outcome
from src.preprocessing.job import check_store
from src.preprocessing.workers import Watchdog, connected, run_tasks
from src.sources import COLUMNS
from src.store import clip_store
from src.store.clip_store import ClipStore

ROOT = Path(__file__).parents[2]
CLIPS = 140  # more than twenty kills let through
JOB = """
import sys; sys.path.insert(0, {root!r})
import pandas as pd
from src.config import ClipConfig
from src.preprocessing import plan_preprocessing, preprocess
subset = pd.read_csv({subset!r}, dtype={{"video_id": str, "group": str}})
print(preprocess(plan_preprocessing(subset, {output!r}, ClipConfig(48, 2, 3), workers=2)))
"""


def tree(root):
    """Every file that a prepared folder keeps, by name; not what is remembered of the videos' state."""
    files = (path for path in Path(root).rglob("*") if path.is_file() and path.name != "digests.json")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def states(root):
    """When each clip in the store was written."""
    clips = ClipStore(root, TINY_CONFIG).folder.glob("*/clip.json")
    return {path.parent.name: path.stat().st_mtime_ns for path in clips}


def start(subset, output):
    """The job as a process of its own group."""
    code = JOB.format(root=str(ROOT), subset=str(subset), output=str(output))
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.DEVNULL)


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.002)


@pytest.fixture(scope="module")
def subset(tmp_path_factory):
    """Path of a CSV, and the table in it: CLIPS small videos that move."""
    folder = tmp_path_factory.mktemp("videos")
    rows = []
    for n in range(CLIPS):
        path = write_video(folder / f"{n}.webm", moving_texture(14, 2, 1, 48, 64, seed=n))
        rows.append((str(n), str(path), f"class {n % 2}", n % 2, "train", str(n)))
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.to_csv(folder / "subset.csv", index=False)
    return folder / "subset.csv", table


@pytest.fixture(scope="module")
def undisturbed(subset, tmp_path_factory):
    """What a run that nothing disturbs leaves. Do not write to it."""
    root = tmp_path_factory.mktemp("undisturbed") / "prepared"
    report = prepare(subset[1], root)
    assert report.computed == CLIPS
    return tree(root)


def test_twenty_kills_at_random_moments(subset, undisturbed, tmp_path):
    root, moments, written = tmp_path / "prepared", random.Random(0), {}
    for _ in range(20):
        job, aim = start(subset[0], root), len(written) + moments.randrange(5)
        wait_for(lambda job=job, aim=aim: len(states(root)) >= aim or job.poll() is not None)
        time.sleep(moments.uniform(0, 0.02))
        assert job.poll() is None, f"ended by itself, with {len(states(root))} clips"
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
        now = states(root)
        assert written.items() <= now.items()  # none was computed twice
        written = now
    assert 0 < len(written) < CLIPS
    report = prepare(subset[1], root, workers=2)
    assert (report.found, report.computed, len(report.failures)) == (len(written), CLIPS - len(written), 0)
    assert written.items() <= states(root).items()
    assert tree(root) == undisturbed


def test_two_runs_at_once(subset, undisturbed, tmp_path):
    jobs = [start(subset[0], tmp_path / "prepared") for _ in range(2)]
    assert [job.wait(120) for job in jobs] == [0, 0]
    assert tree(tmp_path / "prepared") == undisturbed


def test_a_worker_that_is_killed_is_replaced(subset, undisturbed, tmp_path):
    root = tmp_path / "prepared"
    job = start(subset[0], root)
    wait_for(lambda: len(states(root)) >= 5)
    killed = 0
    for child in psutil.Process(job.pid).children():
        if "loky" in " ".join(child.cmdline()) and "tracker" not in " ".join(child.cmdline()) and not killed:
            child.kill()
            killed += 1
    assert killed == 1
    assert job.wait(120) == 0
    assert tree(root) == undisturbed


# Hangs and crashes


def behave(task, watch):
    """A task of the kind that its name says."""
    with watch.over(task) as reason:
        if reason:
            return task, reason
        if task == "hangs":
            ctypes.PyDLL(None).pause()  # in native code, and without ever giving Python's lock back
        if task == "crashes":
            ctypes.string_at(0)
        if task.startswith("is killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)
    return task, None


def test_a_task_that_hangs_or_crashes_takes_no_other_along(tmp_path):
    watch = Watchdog(tmp_path, 1.5)
    tasks = ["good 1", "hangs", "good 2", "crashes", "is killed", *(f"good {n}" for n in range(3, 12))]
    notes = [watch.note(task) for task in tasks]
    outcomes = dict(run_tasks(partial(behave, watch=watch), tasks, notes, workers=2))
    assert set(outcomes) == set(tasks)
    assert outcomes.pop("hangs").startswith("not done after 1.5 seconds")
    assert outcomes.pop("crashes").startswith("the decoder crashed (Segmentation fault)")
    assert outcomes.pop("is killed").startswith("the process was killed 3 times")
    assert set(outcomes.values()) == {None}


extract_to_store = extraction.extract_to_store


def hang_at_seven(task, store, watch):
    if task.video_id != "7":
        return extract_to_store(task, store, watch)
    with watch.over(task.clip) as reason:
        if reason is None:
            ctypes.PyDLL(None).pause()
    return Outcome(task.video_id, f"{task.path}: {reason}", {})


def test_a_video_that_hangs_is_in_the_ledger(subset, undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(extraction, "extract_to_store", hang_at_seven)
    root = tmp_path / "prepared"
    report = prepare(subset[1][:20], root, workers=2, seconds_per_clip=3)
    assert report.failures.video_id.tolist() == ["7"] and report.computed == 19
    assert "7.webm: not done after 3 seconds, and given up" in report.failures.reason[0]
    clips = {name: content for name, content in tree(root).items() if name.startswith("clips")}
    assert clips.items() <= undisturbed.items()
    assert list((root / "incomplete").iterdir()) == []


def test_a_run_that_goes_on_in_a_room_that_was_removed_writes_nothing(undisturbed, subset, tmp_path):
    """An orphan of a run that was killed: its clip appears whole or not at all."""
    store = ClipStore(tmp_path / "prepared", TINY_CONFIG)
    store.prepare()
    room = store.make_staging()
    clip = extraction.extract_clip(subset[1].path[0], TINY_CONFIG)
    encode = clip_store.encode_clip

    def removed_meanwhile(*given):
        store.remove(room)
        return encode(*given)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError):
        patch.setattr(clip_store, "encode_clip", removed_meanwhile)
        store.write("0-abc", clip, "abc", room)
    assert store.names() == set() and store.list_staging() == []


# A full disk


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 600 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_stops_the_run_and_nothing_is_lost(subset, undisturbed, small_disk, monkeypatch):
    root, ballast = small_disk / "prepared", small_disk / "ballast"
    ballast.write_bytes(bytes(300_000))
    with pytest.raises(OSError, match=r"need about .* GB, but .* GB are free. Nothing was started"):
        prepare(subset[1], root, workers=2)
    assert not (root / "clips").exists()
    monkeypatch.setattr(
        "src.preprocessing.plan.Plan.check_space", lambda plan: None
    )  # as if another program took the room meanwhile
    with pytest.raises(OSError, match="the disk is full. Every clip written so far is whole and stays"):
        prepare(subset[1], root, workers=2)
    written = states(root)
    assert 0 < len(written) < CLIPS
    clips = {name: content for name, content in tree(root).items() if name.startswith("clips")}
    assert clips.items() <= undisturbed.items()
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    report = prepare(subset[1], root, workers=2)
    assert (report.found, report.computed) == (len(written), CLIPS - len(written))
    assert written.items() <= states(root).items()
    assert tree(root) == undisturbed


# A user


def test_an_interrupt_in_a_notebook(subset, undisturbed, tmp_path):
    root = tmp_path / "prepared"
    manager, client = jupyter_client.manager.start_new_kernel(kernel_name="python3", cwd=str(ROOT))
    code = JOB.format(root=str(ROOT), subset=str(subset[0]), output=str(root))
    try:
        client.execute(code)
        wait_for(lambda: len(states(root)) >= 5)
        manager.interrupt_kernel()
        begin = time.monotonic()
        wait_for(lambda: client.get_iopub_msg(timeout=60)["msg_type"] == "error")
        assert time.monotonic() - begin < 2
        time.sleep(0.5)
        written = states(root)
        assert 5 <= len(written) < CLIPS
        assert list((root / "incomplete").iterdir()) == []
        assert len(check_store(root)) == len(written)
        reply = client.execute_interactive(code, timeout=120, output_hook=lambda message: None)
        assert reply["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert written.items() <= states(root).items()
    assert tree(root) == undisturbed


# A cluster


@pytest.fixture
def cluster(monkeypatch):
    """Two worker processes of one thread each."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster


def test_a_cluster_gives_the_same_bytes(subset, undisturbed, cluster, tmp_path):
    report = prepare(subset[1], tmp_path / "prepared", cluster=cluster.scheduler_address)
    assert (report.computed, len(report.failures)) == (CLIPS, 0)
    assert tree(tmp_path / "prepared") == undisturbed


def test_a_worker_of_the_cluster_that_is_killed(subset, undisturbed, cluster, tmp_path):
    root = tmp_path / "prepared"
    code = JOB.format(root=str(ROOT), subset=str(subset[0]), output=str(root))
    code = code.replace("workers=2", f"cluster={cluster.scheduler_address!r}")
    job = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    wait_for(lambda: len(states(root)) >= 5)
    with Client(cluster) as client:
        victim = next(iter(client.run(os.getpid).values()))
    os.kill(victim, signal.SIGKILL)
    assert len(states(root)) < CLIPS  # in the middle
    assert job.wait(120) == 0
    assert tree(root) == undisturbed


def test_tasks_that_kill_their_workers_do_not_stop_a_cluster(cluster, tmp_path):
    watch = Watchdog(tmp_path, 5)
    tasks = ["is killed", "crashes", *(f"good {n}" for n in range(8)), "is killed too"]
    notes = [watch.note(task) for task in tasks]
    with connected(cluster.scheduler_address) as client:
        outcomes = dict(run_tasks(partial(behave, watch=watch), tasks, notes, None, client))
    assert outcomes.pop("crashes").startswith("the decoder crashed")
    assert outcomes.pop("is killed").startswith("the process was killed 3 times")
    assert outcomes.pop("is killed too").startswith("the process was killed 3 times")
    assert set(outcomes.values()) == {None} and len(outcomes) == 8


def test_workers_of_several_threads_are_refused():
    many = LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None)
    refused = pytest.raises(ValueError, match="each worker must have one thread.*Found 2")
    with many as cluster, refused, connected(cluster.scheduler_address):
        pass
