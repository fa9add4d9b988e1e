"""Runs tasks on the cores of this machine or on a cluster; one that hangs or crashes does not stop the others."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import cv2
import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

MIN_WORKERS = 2  # of a cluster; with one, joblib would work in this process
IN_FLIGHT = 4096  # tasks submitted to a cluster in advance


@contextmanager
def connected(cluster) -> Iterator:
    """Yields a `dask.distributed.Client`, given one or the address of a scheduler; None for None."""
    if cluster is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError:
        raise ImportError("cluster= needs Dask. Install it: pip install distributed") from None
    with nullcontext(cluster) if isinstance(cluster, Client) else Client(cluster) as client:
        if len(client.ncores()) < MIN_WORKERS:
            print(f"Waiting for {MIN_WORKERS} workers of the cluster.", flush=True)
            client.wait_for_workers(MIN_WORKERS)
        threads = max(client.ncores().values())
        if threads > 1:
            raise ValueError(
                f"{cluster}: each worker must have one thread, so that one that hangs can be ended. Found {threads}. "
                "Start the workers with --nthreads 1 (LocalCluster: threads_per_worker=1)."
            )
        try:
            client.run_on_scheduler(_allow_failures)
            client.run(_find_project)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"{cluster}: the scheduler and every worker must find this project, but: {error}. Start them in its "
                "folder, as `python -m distributed.cli.dask_scheduler` and `python -m distributed.cli.dask_worker`."
            ) from error
        yield client


def _allow_failures(dask_scheduler):
    """The watchdog gives up the task that kills its worker; Dask would give up all that were queued on that worker."""
    dask_scheduler.allowed_failures = 1_000_000


def _find_project():
    """Does nothing: a worker that can run it finds this project."""


def count_workers(workers: int | None, client=None) -> int:
    """Number of tasks at a time; None takes all cores. A client's cluster has its own number."""
    if client is not None:
        return sum(client.ncores().values())
    return workers or max(2, joblib.cpu_count())  # at least two: a single one would be this process, unprotected


def run_tasks(
    function: Callable, tasks: Sequence, attempt_files: Sequence[Path], workers: int, client=None
) -> Iterator:
    """Yields function(task) for every task, in the order of completion.

    A worker that dies is replaced, and its task is retried alone, so that it cannot take others down again.

    Args:
        function: of one task; a module-level function or a `functools.partial` of one.
        tasks: its arguments.
        attempt_files: for each task `Watchdog.attempt_file`, which exists if the task's worker died.
        workers: processes. 1 is this process: easy to debug, but unprotected.
        client: a `dask.distributed.Client`: the workers of its cluster replace the processes of this machine.

    Raises:
        Whatever `function` raises.
    """
    left = dict(enumerate(tasks))
    alone: list[int] = []
    while left:
        now, before = {number: left[number] for number in alone or left}, len(left)
        try:
            for number, result in _run_parallel(function, now, workers, client, one_by_one=bool(alone)):
                del left[number]
                yield result
            alone = []
        except TerminatedWorkerError:
            alone = [number for number in left if attempt_files[number].exists()]
            if not alone and len(left) == before:  # no task is to blame, and no task was completed: they cannot start
                raise


def _run_parallel(function, tasks, workers, client, one_by_one):
    """Yields (number, result)."""
    if client is None:
        backend = {"backend": "loky"}
        pace = {"n_jobs": workers, "batch_size": 1, "pre_dispatch": 1 if one_by_one else "2*n_jobs"}
    else:
        backend = {"backend": "dask", "client": client}
        pace = {"n_jobs": -1, "pre_dispatch": IN_FLIGHT}  # enough for workers that join later
    with joblib.parallel_config(**backend):
        parallel = joblib.Parallel(return_as="generator_unordered", **pace)
    yield from parallel(joblib.delayed(_numbered)(function, number, task) for number, task in tasks.items())


def _numbered(function, number, task):
    return number, function(task)


@contextmanager
def one_thread() -> Iterator[None]:
    """Limits OpenCV to one thread: the worker processes already use all cores."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
