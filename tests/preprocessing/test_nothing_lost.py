"""Jobs that meet kills, hangs, a full disk, another job or an interrupt. All of it is real, nothing is simulated."""

import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from conftest import LIMIT, TINY_CONFIG, make_subset, moving_texture, prepare, wait_for, write_video

from src.preprocessing import check_store, choose_extraction, tasks
from src.preprocessing.tasks import Outcome
from src.store import ClipStore

ROOT = Path(__file__).parents[2]
CLIPS = 140  # more than twenty killed jobs complete
MOST = CLIPS - 10  # a job stops there until it is released, so that what a test does to it comes before its end
JOB = """
import sys, time; sys.path.insert(0, {root!r})
from functools import partial
from pathlib import Path
import pandas as pd
from src.config import ClipConfig
from src.preprocessing import choose_extraction, plan_preprocessing, preprocess, tasks, workers

def hold(function, task):
    while not Path({released!r}).exists() and len(list(Path({output!r}).glob("clips/*/*/clip.json"))) >= {most}:
        time.sleep(0.01)
    return function(task)

def run_held(function, *rest, run_tasks=workers.run_tasks):
    return run_tasks(partial(hold, function), *rest)

workers.run_tasks = tasks.run_tasks = run_held  # what loads Keras imports it later
subset = pd.read_csv({subset!r}, dtype={{"video_id": str, "group": str}})
print(preprocess(plan_preprocessing(subset, {output!r}, ClipConfig(48, 2, 3), {options})))
"""


def read_tree(root):
    """Content by name of every file in a prepared folder, but for the remembered digests."""
    files = (path for path in Path(root).rglob("*") if path.is_file() and path.name != "digests.json")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def read_times(root):
    """When each clip in the store was written."""
    clips = ClipStore(root, TINY_CONFIG).folder.glob("*/clip.json")
    return {path.parent.name: path.stat().st_mtime_ns for path in clips}


def name_release(root):
    """The file that lets the jobs of a folder go on to their end."""
    return root.with_name(f"{root.name} released")


def write_job(subset, output, options="workers=2", most=MOST):
    """Code that extracts a subset, and waits when `most` clips are written, or a few more, for `name_release`."""
    released = str(name_release(output))
    root, output = str(ROOT), str(output)
    return JOB.format(root=root, subset=str(subset), output=output, options=options, most=most, released=released)


def kill(job):
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()


@pytest.fixture
def start():
    """Starts a job as a process of its own group, which does not outlive the test."""
    jobs = []

    def start_job(*arguments, **options):
        command = [sys.executable, "-c", write_job(*arguments, **options)]
        jobs.append(subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL))
        return jobs[-1]

    yield start_job
    for job in jobs:
        if job.poll() is None:
            kill(job)


def wait_for_clips(root, count, job):
    """Waits until a job that is running has written so many clips."""
    wait_for(lambda: len(read_times(root)) >= count or job.poll() is not None, f"{count} clips are written")
    assert job.poll() is None, f"ended by itself, with {len(read_times(root))} clips"


def find_workers(process):
    """The processes of a job's pool."""
    commands = {child: " ".join(child.cmdline()) for child in process.children()}
    return [child for child, command in commands.items() if "loky" in command and "tracker" not in command]


@pytest.fixture(scope="module")
def subset(tmp_path_factory):
    """The path of a CSV, and its table: CLIPS small videos that move."""
    folder = tmp_path_factory.mktemp("videos")
    videos = [(str(n), folder / f"{n}.webm") for n in range(CLIPS)]
    for n, (_, path) in enumerate(videos):
        write_video(path, moving_texture(14, 2, 1, 48, 64, seed=n))
    table = make_subset(videos)
    table.to_csv(folder / "subset.csv", index=False)
    return folder / "subset.csv", table


@pytest.fixture(scope="module")
def undisturbed(subset, tmp_path_factory):
    """The files of a job that nothing disturbs."""
    root = tmp_path_factory.mktemp("undisturbed") / "prepared"
    assert prepare(subset[1], root).computed == CLIPS
    return read_tree(root)


def assert_clips_are_those_of(undisturbed, root):
    clips = {name: content for name, content in read_tree(root).items() if name.startswith("clips")}
    assert clips.items() <= undisturbed.items()


# Kills and hangs


@pytest.mark.slow
def test_twenty_kills_at_random_moments(start, subset, undisturbed, tmp_path):
    root, moments, written = tmp_path / "prepared", random.Random(0), {}
    for _ in range(20):
        job, aim = start(subset[0], root, most=len(written) + 5), len(written) + moments.randrange(5)
        wait_for_clips(root, aim, job)
        time.sleep(moments.uniform(0, 0.02))
        assert job.poll() is None, f"ended by itself, with {len(read_times(root))} clips"
        kill(job)
        now = read_times(root)
        assert written.items() <= now.items()  # none was computed twice
        written = now
    assert 0 < len(written) < CLIPS
    report = prepare(subset[1], root, workers=2)
    assert (report.found, report.computed, len(report.failures)) == (len(written), CLIPS - len(written), 0)
    assert written.items() <= read_times(root).items()
    assert read_tree(root) == undisturbed


@pytest.mark.slow
def test_a_killed_job_on_the_device_is_continued(start, subset, tmp_path):
    root, extract = tmp_path / "prepared", choose_extraction(accelerator=True)
    job = start(subset[0], root, "workers=2, extract=choose_extraction(accelerator=True)")
    wait_for_clips(root, 1, job)
    kill(job)
    written = read_times(root)
    assert 0 < len(written) < CLIPS
    report = prepare(subset[1], root, workers=2, extract=extract)
    assert (report.found, report.computed) == (len(written), CLIPS - len(written))
    prepare(subset[1], tmp_path / "undisturbed", workers=2, extract=extract)
    assert read_tree(root) == read_tree(tmp_path / "undisturbed")


def test_two_jobs_at_once(start, subset, undisturbed, tmp_path):
    name_release(tmp_path / "prepared").touch()
    jobs = [start(subset[0], tmp_path / "prepared") for _ in range(2)]
    assert [job.wait(LIMIT) for job in jobs] == [0, 0]
    assert read_tree(tmp_path / "prepared") == undisturbed


def test_a_worker_that_is_killed_is_replaced(start, subset, undisturbed, tmp_path):
    root = tmp_path / "prepared"
    job = start(subset[0], root)
    wait_for_clips(root, 5, job)
    find_workers(psutil.Process(job.pid))[0].kill()
    name_release(root).touch()
    assert job.wait(LIMIT) == 0
    assert read_tree(root) == undisturbed


extract_task = tasks.extract_task


def hang_at_seven(task, store, watchdog, write):
    """The others have more time than the job gives them: on a slow machine the first one loads code for seconds."""
    if task.video_id != "7":
        return extract_task(task, store, replace(watchdog, limit=LIMIT), write)
    with watchdog.guard(task.clip) as reason:
        if reason is None:
            ctypes.PyDLL(None).pause()
    return Outcome(task.video_id, f"{task.path}: {reason}", {})


def test_a_video_that_hangs_is_listed(subset, undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "extract_task", hang_at_seven)
    root = tmp_path / "prepared"
    report = prepare(subset[1][:20], root, workers=2, seconds_per_clip=3)
    assert report.failures.video_id.tolist() == ["7"] and report.computed == 19
    assert "7.webm: not done after 3 seconds, and given up" in report.failures.reason[0]
    assert_clips_are_those_of(undisturbed, root)
    assert list((root / "incomplete").iterdir()) == []


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


def test_a_full_disk_stops_the_job_and_no_clip_is_lost(subset, undisturbed, small_disk, monkeypatch):
    root, ballast = small_disk / "prepared", small_disk / "ballast"
    ballast.write_bytes(bytes(300_000))
    with pytest.raises(OSError, match=r"need about .* MB, but .* KB are free. Nothing was started"):
        prepare(subset[1], root, workers=2)
    assert not (root / "clips").exists()
    monkeypatch.setattr("src.preprocessing.plan.Plan.check_space", lambda plan: None)  # space that others take later
    with pytest.raises(OSError, match="the disk is full. Every clip written so far is complete and stays"):
        prepare(subset[1], root, workers=2)
    written = read_times(root)
    assert 0 < len(written) < CLIPS
    assert_clips_are_those_of(undisturbed, root)
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    report = prepare(subset[1], root, workers=2)
    assert (report.found, report.computed) == (len(written), CLIPS - len(written))
    assert written.items() <= read_times(root).items()
    assert read_tree(root) == undisturbed


# A user


@pytest.mark.slow
def test_an_interrupt_in_a_notebook(subset, undisturbed, tmp_path):
    jupyter_client = pytest.importorskip("jupyter_client")
    root = tmp_path / "prepared"
    manager, client = jupyter_client.manager.start_new_kernel(LIMIT, "python3", cwd=str(ROOT))
    code = write_job(subset[0], root)
    try:
        client.execute(code, stop_on_error=False)  # else the next one is aborted if it comes soon
        wait_for(lambda: len(read_times(root)) >= 5, "5 clips are written")
        workers = find_workers(psutil.Process(manager.provisioner.pid))
        manager.interrupt_kernel()
        wait_for(lambda: client.get_iopub_msg(timeout=LIMIT)["msg_type"] == "error", "the cell has failed")
        assert workers and not psutil.wait_procs(workers, timeout=LIMIT)[1]
        written = read_times(root)
        assert 5 <= len(written) < CLIPS
        assert list((root / "incomplete").iterdir()) == []
        assert len(check_store(root)) == len(written)
        name_release(root).touch()
        reply = client.execute_interactive(code, timeout=LIMIT, output_hook=lambda message: None)
        assert reply["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert written.items() <= read_times(root).items()
    assert read_tree(root) == undisturbed


# A cluster


@pytest.mark.slow
def test_a_worker_of_the_cluster_that_is_killed_is_replaced(start, subset, undisturbed, tmp_path):
    distributed = pytest.importorskip("distributed")
    root = tmp_path / "prepared"
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        job = start(subset[0], root, f"cluster={cluster.scheduler_address!r}")
        wait_for_clips(root, 5, job)
        with cluster.get_client() as client:
            victim = next(iter(client.run(os.getpid).values()))
        os.kill(victim, signal.SIGKILL)
        assert job.poll() is None and len(read_times(root)) < CLIPS  # the job is not finished
        name_release(root).touch()
        assert job.wait(LIMIT) == 0
    assert read_tree(root) == undisturbed
