"""Many tasks over processes or a cluster, of which any may hang or die without taking the others along."""

import faulthandler
import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

MAX_ATTEMPTS = 3  # a task whose worker was killed so often, without a word, is given up
STARTED = "started\n"
MIN_WORKERS = 2  # of a cluster
IN_FLIGHT = 4096  # tasks that a cluster is given ahead


@contextmanager
def connected(cluster) -> Iterator:
    """A `dask.distributed.Client` for one, or for the address of a scheduler; None for None."""
    if cluster is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError:
        raise ImportError("cluster= needs Dask. Install it: pip install distributed") from None
    with nullcontext(cluster) if isinstance(cluster, Client) else Client(cluster) as client:
        if len(client.ncores()) < MIN_WORKERS:  # with one, joblib would work in this process
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
    """A task tells itself when it was tried too often (see `Watchdog`); Dask would blame all that waited with it."""
    dask_scheduler.allowed_failures = 1_000_000


def _find_project():
    """That a worker can run this is the test."""


def count_workers(workers: int | None, client=None) -> int:
    """How many tasks run at a time."""
    if client is not None:
        return sum(client.ncores().values())
    return workers or max(2, joblib.cpu_count())  # two at least: one would be this process, which must not die


def run_tasks(function: Callable, tasks: Sequence, notes: Sequence[Path], workers: int | None, client=None) -> Iterator:
    """Yields function(task) for every task, in the order in which they end.

    A worker that dies (see `Watchdog`) is replaced. What it was at is tried again, alone, so that it harms no other.

    Args:
        function: of one task; a module's function or a `functools.partial` of one.
        tasks: its arguments.
        notes: for each task the note that its watch leaves.
        workers: processes; None takes all cores. 1 is this process: easy to debug, but nothing protects it.
        client: a `dask.distributed.Client`: the workers of a cluster, instead of processes of this machine.

    Raises:
        Whatever `function` raises.
    """
    left = dict(enumerate(tasks))
    alone: list[int] = []
    while left:
        now = {number: left[number] for number in alone or left}
        try:
            for number, result in _run_parallel(function, now, workers, client, one_by_one=bool(alone)):
                del left[number]
                yield result
            alone = []
        except TerminatedWorkerError:
            alone = [number for number in left if notes[number].exists()]
            if not alone:
                raise


def _run_parallel(function, tasks, workers, client, one_by_one):
    """Yields (number, result)."""
    if client is None:
        pace = {"batch_size": 1, "pre_dispatch": 1 if one_by_one else "2*n_jobs"}
    else:
        pace = {"pre_dispatch": IN_FLIGHT}  # enough for workers that join later
    backend = {"backend": "loky"} if client is None else {"backend": "dask", "client": client}
    with joblib.parallel_config(**backend):
        jobs = count_workers(workers) if client is None else -1
        parallel = joblib.Parallel(jobs, return_as="generator_unordered", **pace)
    yield from parallel(joblib.delayed(_numbered)(function, number, task) for number, task in tasks.items())


def _numbered(function, number, task):
    return number, function(task)


@dataclass(frozen=True)
class Watchdog:
    """Ends a worker that hangs or crashes in native code, which no exception reaches, and tells the next attempt why.

    The worker leaves a note behind: Python's own fault report, or, where it was killed from outside, that it started.
    The process that made the watch is not ended by it.

    Attributes:
        room: the folder of the notes.
        limit: seconds that a task may take.
    """

    room: Path
    limit: float
    owner: tuple[str, int] = field(default_factory=lambda: (socket.gethostname(), os.getpid()))

    def note(self, name: str) -> Path:
        """Where the worker that is at the task of this name leaves its note."""
        return self.room / f"{name}.note"

    @contextmanager
    def over(self, name: str) -> Iterator[str | None]:
        """Watches a block. Yields None, or why earlier attempts failed for good: then the block should do nothing."""
        note = self.note(name)
        reason = self._read(note)
        if reason or self.owner == (socket.gethostname(), os.getpid()):
            yield reason
            return
        with open(note, "a") as file:
            file.write(STARTED)
            file.flush()
            was_enabled = faulthandler.is_enabled()
            faulthandler.enable(file)
            faulthandler.dump_traceback_later(self.limit, exit=True, file=file)
            try:
                yield None
            finally:
                faulthandler.cancel_dump_traceback_later()
                faulthandler.disable()
                if was_enabled:
                    faulthandler.enable()
        note.unlink(missing_ok=True)

    def _read(self, note):
        text = note.read_text(errors="replace") if note.exists() else ""
        if "Timeout" in text:
            return f"not done after {self.limit:g} seconds, and given up. Is the video damaged, or very long?"
        crash = re.search("Fatal Python error: (.*)", text)
        if crash:
            return f"the decoder crashed ({crash[1]}). Is the video damaged?"
        if text.count(STARTED) >= MAX_ATTEMPTS:
            return f"the process was killed {MAX_ATTEMPTS} times while at it. Is the memory too small for this video?"
        return None


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV without threads of its own: the processes already fill the cores."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
