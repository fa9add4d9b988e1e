"""What the job will do, before it starts: clips, time by a measured probe, disk space, parameters."""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from src.config import ClipConfig
from src.preprocessing.extraction import Outcome, Task, extract_on_cores
from src.preprocessing.workers import Watchdog, connected, count_workers
from src.sources import seeded_keys
from src.store import ClipStore, clip_name, read_digests

PROBE = 8  # clips, at least
PROBE_SECONDS = 60.0  # that a clip of the probe may take
SECONDS_PER_CLIP = 600.0  # that a video may take before it is given up


@dataclass(frozen=True)
class Plan:
    """What one run of the job will do.

    Attributes:
        subset: the table, with `digest` and `clip_name`, the clip's name in the store.
        store: where the clips go.
        tasks: what is to be computed.
        workers: tasks at a time.
        seconds_per_clip: of one worker, by the probe; NaN where there was nothing to probe.
        bytes_per_clip: on disk, by the probe; NaN likewise.
        probed: clips of the probe.
        free_bytes: on the disk of the store.
    """

    subset: pd.DataFrame
    store: ClipStore
    tasks: list[Task]
    workers: int
    seconds_per_clip: float
    bytes_per_clip: float
    probed: int
    free_bytes: int

    @property
    def minutes(self) -> float:
        """Expected time; NaN where it was not measured."""
        return self.seconds_per_clip * len(self.tasks) / self.workers / 60 if self.tasks else 0.0

    @property
    def gigabytes(self) -> float:
        """Expected space; NaN where it was not measured."""
        return self.bytes_per_clip * len(self.tasks) / 1e9 if self.tasks else 0.0

    def table(self) -> pd.DataFrame:
        """The plan for looking at: a line per fact."""
        time, space = "not measured: few to do", "not measured: few to do"
        if not self.tasks:
            time = space = "nothing"
        elif self.probed:
            measured = f"with {self.workers} workers, measured on {self.probed} clips"
            time, space = f"{_short(self.minutes)} minutes {measured}", f"{_short(self.gigabytes)} GB"
        lines = {
            "clips wanted": f"{len(self.subset):,}",
            "already there": f"{len(self.subset) - len(self.tasks):,}",
            "to do": f"{len(self.tasks):,}",
            "time": time,
            "to be written": space,
            "free": f"{_short(self.free_bytes / 1e9)} GB on the disk of {self.store.root}",
            "parameters": self.store.config.key,
        }
        return pd.DataFrame({"plan": lines})

    def __str__(self):
        return "\n".join(f"{name:14s} {value}" for name, value in self.table()["plan"].items())

    def check_space(self) -> None:
        """Stops a job that the disk has no room for.

        Raises:
            OSError: less is free than will be written.
        """
        if self.gigabytes * 1e9 > self.free_bytes:
            raise OSError(
                errno.ENOSPC,
                f"the {len(self.tasks):,} clips to do need about {_short(self.gigabytes)} GB, but "
                f"{_short(self.free_bytes / 1e9)} GB are free. Nothing was started. Make room, choose another output, "
                "fewer clips, or a smaller short_side or num_segments",
                str(self.store.root),
            )


def plan_preprocessing(
    subset: pd.DataFrame,
    root: str | Path,
    config: ClipConfig,
    workers: int | None = None,
    cluster=None,
    seconds_per_clip: float = SECONDS_PER_CLIP,
    extract: Callable[..., Iterator[Outcome]] = extract_on_cores,
) -> Plan:
    """What `src.preprocessing.job.preprocess` would do with the same arguments; all that stays are the videos' digests.

    A few of the clips to do, at most a quarter, are computed as the job would, and thrown away.
    """
    store = ClipStore(root, config)
    digests = read_digests(subset.path.tolist(), store.root / "digests.json")
    names = [clip_name(*row) for row in zip(subset.video_id, digests, strict=True)]
    subset = subset.assign(digest=digests, clip_name=names)
    there = store.names()
    rows = subset[~subset.clip_name.isin(there)]
    tasks = [Task(*row) for row in zip(rows.video_id, rows.path, rows.digest, rows.clip_name, strict=True)]
    with connected(cluster) as client:
        extract([], store, None, workers, client)  # what it cannot do it refuses here, before anything is written
        at_a_time = count_workers(workers, client)
        done = _probe(tasks, store, workers, client, min(seconds_per_clip, PROBE_SECONDS), extract)
    seconds = np.mean([outcome.seconds.total() for outcome in done]) if done else np.nan
    num_bytes = np.mean([outcome.num_bytes for outcome in done]) if done else np.nan
    return Plan(subset, store, tasks, at_a_time, seconds, num_bytes, len(done), _free_bytes(store.root))


def _probe(tasks, store, workers, client, seconds_per_clip, extract):
    """Outcomes of a few tasks that succeed, drawn as always the same."""
    order = np.argsort(seeded_keys([task.video_id for task in tasks], 0))
    size = min(max(PROBE, 2 * count_workers(workers, client)), len(tasks) // 4)  # enough to keep all busy
    probe = [tasks[place] for place in order[:size]]
    if not probe:
        return []
    with at_work(store, seconds_per_clip) as watch:
        outcomes = list(extract(probe, store, watch, workers, client, write=False))
    return [outcome for outcome in outcomes if outcome.reason is None]


@contextmanager
def at_work(store: ClipStore, seconds_per_clip: float) -> Iterator[Watchdog]:
    """A room in the store for a run, and a watch over its tasks; gone when the run ends, however it ends."""
    room = store.make_staging()
    try:
        yield Watchdog(room, seconds_per_clip)
    finally:
        store.remove(room)


def _free_bytes(folder):
    there = next(path for path in [folder, *folder.absolute().parents] if path.exists())
    return shutil.disk_usage(there).free


def _short(number):
    return f"{number:.2g}" if number < 10 else f"{number:,.0f}"
