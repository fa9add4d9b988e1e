"""The plan of the job: which clips are missing, and the time and disk space that they will take."""

import errno
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from src.config import ClipConfig
from src.preprocessing.arguments import check_seconds, check_subset, check_workers
from src.preprocessing.copies import describe_copies, describe_emptied, find_copies, find_transcoded, leave_out
from src.preprocessing.tasks import Outcome, Task, extract_on_cores
from src.preprocessing.watchdog import open_staging
from src.preprocessing.workers import connected, count_workers
from src.sources import few, seeded_keys
from src.store import ClipStore, name_clips, read_digests
from src.units import format_bytes, format_seconds

PROBE = 8  # clips to measure
PROBE_SECONDS = 60.0  # limit per clip of the probe
SECONDS_PER_CLIP = 600.0  # limit per clip of the job


@dataclass(frozen=True)
class Plan:
    """What `preprocess` will do: all that it needs, and what that costs.

    Attributes:
        subset: the table, with `digest` and `clip_name`, the clip's name in the store, without copies that were left
            out.
        store: where the clips go.
        tasks: the clips that the store lacks.
        workers: number of tasks at a time.
        cluster: a `dask.distributed.Client`, the address of a scheduler, or None.
        seconds_per_clip: a video that takes longer is given up.
        extract: how clips are computed.
        probe: outcomes of a few tasks that were measured; empty if there were few to do.
        free_bytes: free space on the disk of the store.
        copies: videos of the same bytes as another one, from `find_copies`.
    """

    subset: pd.DataFrame
    store: ClipStore
    tasks: list[Task]
    workers: int
    cluster: object
    seconds_per_clip: float
    extract: Callable[..., Iterator[Outcome]]
    probe: list[Outcome]
    free_bytes: int
    copies: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def seconds(self) -> float:
        """Expected time; NaN if it was not measured."""
        return self._expect([outcome.seconds.total() for outcome in self.probe]) / self.workers

    @property
    def num_bytes(self) -> float:
        """Expected space on disk; NaN if it was not measured."""
        return self._expect([outcome.num_bytes for outcome in self.probe])

    def _expect(self, costs):
        return len(self.tasks) * np.mean(costs or [np.nan]) if self.tasks else 0.0

    def table(self) -> pd.DataFrame:
        """The plan for display: one line per fact."""
        time, space = "not measured: few to do", "not measured: few to do"
        if not self.tasks:
            time = space = "nothing"
        elif self.probe:
            measured = f"with {self.workers} workers, measured on {len(self.probe)} clips"
            time = f"{format_seconds(self.seconds)} {measured}"
            space = f"{format_bytes(self.num_bytes)} on disk, in blocks of 4 KB"
        lines = {
            "clips wanted": f"{len(self.subset):,}",
            "already there": f"{len(self.subset) - len(self.tasks):,}",
            "to do": f"{len(self.tasks):,}",
            "time": time,
            "to be written": space,
            "free": f"{format_bytes(self.free_bytes)} on the disk of {self.store.root}",
            "parameters": self.store.config.key,
        }
        if len(self.copies):
            lines["equal bytes"] = f"{len(self.copies):,} copies, {self.copies.left_out.sum():,} of them left out"
        return pd.DataFrame({"plan": lines})

    def refresh(self) -> "Plan":
        """The same plan for the videos, clips and free space that are on disk now, with the probe of before."""
        subset, tasks, copies = _find_tasks(self.subset, self.store)
        _warn(_describe_changes(self.subset, subset) + describe_copies(copies[copies.left_out]))
        _warn(describe_emptied(self.subset, subset))
        return replace(self, subset=subset, tasks=tasks, free_bytes=shutil.disk_usage(self.store.root).free)

    def check_space(self) -> None:
        """Stops a job that the disk has no space for.

        Raises:
            OSError: less is free than will be written.
        """
        if self.num_bytes > self.free_bytes:
            raise OSError(
                errno.ENOSPC,
                f"the {len(self.tasks):,} clips to do need about {format_bytes(self.num_bytes)}, but "
                f"{format_bytes(self.free_bytes)} are free. Nothing was started. Free some space, or choose another "
                "output, fewer clips, or a smaller short_side or num_segments",
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
    """Dry run: finds the missing clips, and the time and disk space they will take. Writes only digests and a stamp.

    A few of the missing clips, at most a quarter, are computed as in the job, and discarded.

    Videos of the same bytes, and parts of one video that overlap, are named in a warning. No two splits share them: the
    one in training stays, or else the one in validation, and the others are left out. Within a split they stay.

    Args:
        subset: from `src.subsets.choose_subset`, or from `src.store.read_subset`.
        root: the folder of the prepared data set, for example datasets/sample-mini; new, empty, or prepared before.
        config: what to extract.
        workers: processes, each with one thread; None or -1 takes all cores. 1 works in this process, which nothing
            protects from a video that hangs or crashes the decoder.
        cluster: a `dask.distributed.Client`, or the address of a Dask scheduler. Its workers, with one thread each,
            must find the videos and `root` under the same paths. They take the place of `workers`.
        seconds_per_clip: a video that takes longer is given up.
        extract: how clips are computed, from `choose_extraction`.

    Raises:
        ValueError: `extract` does not support `config` or `cluster`; clips of other parameters, or files of the user's,
            are in the folder; ids are not unique or no folder names; or all videos of a split are copies.
    """
    workers, store = check_workers(workers), ClipStore(root, config)
    check_seconds(seconds_per_clip)
    check_subset(subset)
    given, (subset, tasks, copies) = subset, _find_tasks(subset, store)
    _warn(_describe_changes(given, subset) + describe_copies(copies) + describe_emptied(given, subset))
    _warn(find_transcoded(subset))
    with connected(cluster) as client:
        workers = count_workers(workers, client)
        extract([], store, None, workers, client)  # raises an error for what it does not support, before any work
        probe = _measure(tasks, store, workers, client, min(seconds_per_clip, PROBE_SECONDS), extract)
    free = shutil.disk_usage(store.root).free
    return Plan(subset, store, tasks, workers, cluster, seconds_per_clip, extract, probe, free, copies)


def choose_extraction(accelerator: bool) -> Callable[..., Iterator[Outcome]]:
    """How clips are computed: on all cores or, with `accelerator`, with flow on the device that Keras uses.

    Raises:
        ValueError: `accelerator` is neither True nor False, such as "False" in quotes.
    """
    if accelerator not in (True, False):
        raise ValueError(f"accelerator must be True or False. Received: {accelerator!r}")
    if not accelerator:
        return extract_on_cores
    from src.preprocessing.device_extraction import extract_on_device  # imported here, because it loads Keras

    return extract_on_device


def _find_tasks(subset, store):
    """Returns the subset with `digest` and `clip_name`, a task for each clip that the store lacks, and the copies."""
    store.claim()  # before the first write
    subset = subset.assign(digest=read_digests(subset.path.tolist(), store.root / "digests.json"))
    subset = name_clips(subset)
    copies = find_copies(subset)
    subset = leave_out(subset, copies)
    missing = subset[~subset.clip_name.map(store.holds)]
    columns = ["video_id", "path", "digest", "clip_name", "start", "end", "rate"]
    return subset, [Task(*row) for row in missing[columns].itertuples(index=False)], copies


def _describe_changes(before, after):
    """A sentence about videos that are no longer those that a subset was recorded, or planned, with."""
    if "digest" not in before:
        return []
    known = before.set_index("video_id").digest.reindex(after.video_id).to_numpy()
    changed = after.path[(known != after.digest) & (known != "")]
    if changed.empty:
        return []
    return [
        f"Replaced, or no longer readable, since this subset was recorded or planned ({len(changed)}): {few(changed)}. "
        "A recorded subset stays as it was, with the clips of then, under its name."
    ]


def _warn(messages):
    for message in messages:
        warnings.warn(message, stacklevel=3)


def _measure(tasks, store, workers, client, seconds_per_clip, extract):
    """The outcomes of a few tasks, drawn with a fixed seed, without those that failed."""
    order = np.argsort(seeded_keys([task.video_id for task in tasks], 0))
    size = min(max(PROBE, 2 * workers), len(tasks) // 4)  # enough to keep all workers busy
    if not size:
        return []
    chosen = [tasks[place] for place in order[:size]]
    with open_staging(store, seconds_per_clip) as watchdog:
        outcomes = list(extract(chosen, store, watchdog, workers, client, write=False))
    return [outcome for outcome in outcomes if outcome.reason is None]
