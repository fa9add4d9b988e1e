import ctypes
import os
import signal
import time
from dataclasses import replace
from functools import partial

import pytest
from conftest import LIMIT

from src.preprocessing.watchdog import Watchdog
from src.preprocessing.workers import connected, run_tasks


def behave(task, watchdog):
    """Behaves as the name of the task says. Only one that hangs may run out of time, however slow the machine is."""
    watchdog = watchdog if task == "hangs" else replace(watchdog, limit=LIMIT)
    with watchdog.guard(task) as reason:
        if reason:
            return task, reason
        if task == "hangs":
            ctypes.PyDLL(None).pause()  # in native code that never releases Python's lock
        if task == "crashes":
            ctypes.string_at(0)
        if task in ("is killed", "is killed too"):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)
    if task == "is killed between tasks" and not (died := watchdog.staging / "died").exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return task, None


def start_cluster(threads):
    distributed = pytest.importorskip("distributed")
    return distributed.LocalCluster(n_workers=2, threads_per_worker=threads, dashboard_address=None)


def run(tasks, watchdog, client=None):
    attempt_files = [watchdog.attempt_file(task) for task in tasks]
    return dict(run_tasks(partial(behave, watchdog=watchdog), tasks, attempt_files, 2, client))


def test_tasks_that_hang_or_crash_do_not_stop_the_others(tmp_path):
    tasks = [
        "good 1",
        "hangs",
        "good 2",
        "crashes",
        "is killed",
        *(f"good {n}" for n in range(3, 12)),
        "is killed between tasks",
    ]
    outcomes = run(tasks, Watchdog(tmp_path, 1.5))
    assert set(outcomes) == set(tasks)
    assert outcomes.pop("hangs").startswith("not done after 1.5 seconds")
    assert outcomes.pop("crashes").startswith("the decoder crashed (Segmentation fault)")
    assert outcomes.pop("is killed").startswith("the process was killed 3 times")
    assert set(outcomes.values()) == {None}


@pytest.mark.slow
def test_tasks_that_kill_their_workers_do_not_stop_a_cluster(tmp_path):
    tasks = ["is killed", "crashes", *(f"good {n}" for n in range(8)), "is killed too"]
    with start_cluster(threads=1) as cluster, connected(cluster.scheduler_address) as client:
        outcomes = run(tasks, Watchdog(tmp_path, 5), client)
    assert outcomes.pop("crashes").startswith("the decoder crashed")
    assert outcomes.pop("is killed").startswith("the process was killed 3 times")
    assert outcomes.pop("is killed too").startswith("the process was killed 3 times")
    assert set(outcomes.values()) == {None} and len(outcomes) == 8


@pytest.mark.slow
def test_workers_of_several_threads_are_refused():
    refused = pytest.raises(ValueError, match="each worker must have one thread.*Found 2")
    with start_cluster(threads=2) as cluster, refused, connected(cluster.scheduler_address):
        pass
