"""The job: a subset of videos → a clip store, in parallel, doing only what is missing, with a ledger of failures."""

import errno
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from src.config import ClipConfig
from src.files import write_text
from src.flow import STEPS, ZERO
from src.preprocessing.extraction import Outcome, extract_clip, extract_on_cores
from src.preprocessing.plan import Plan, at_work
from src.preprocessing.workers import connected
from src.progress import progress
from src.store import Clip, read_prepared, record_subset
from src.video import VideoError

EXAMPLE_CLASSES = 8
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass
class Report:
    """What one run of the job did.

    Attributes:
        wanted, found, computed: clips of the subset; those there before; those made by this run.
        failures: DataFrame video_id, path, reason.
        seconds: wall time of the extraction.
        stage_seconds: time in decode, flow and encode, summed over the workers.
    """

    wanted: int
    found: int
    computed: int
    failures: pd.DataFrame
    seconds: float
    stage_seconds: dict[str, float] = field(default_factory=dict)

    def __str__(self):
        lines = [
            f"{self.wanted} clips wanted: {self.found} were there, {self.computed} computed in {self.seconds:.0f} s, "
            f"{len(self.failures)} failed."
        ]
        if len(self.failures):
            lines.append("The failures are listed with their reasons in failures.csv; the rest is complete.")
        return "\n".join(lines)


@dataclass(frozen=True)
class Example:
    """One clip of a subset, for looking at: its manifest entries and its extracted `Clip`."""

    video_id: str
    path: str
    label: str
    clip: Clip


def find_example(subset: pd.DataFrame, config: ClipConfig) -> Example:
    """A training clip worth looking at: of the first one that can be used of each class, the one that moves most.

    Of more than `EXAMPLE_CLASSES` classes the first ones are looked at.

    Raises:
        VideoError: no training clip can be used; the message is that of the last one tried.
    """
    config = replace(config, flow_source="store")  # flow is what is looked at
    examples, error = {}, VideoError("A subset needs a training clip to show an example of. Received: none")
    for row in subset[subset.split == "train"].itertuples():
        if row.label in examples or len(examples) == EXAMPLE_CLASSES:
            continue
        try:
            examples[row.label] = Example(row.video_id, row.path, row.label, extract_clip(row.path, config))
        except (VideoError, cv2.error) as reason:
            error = reason
    if not examples:
        raise error
    return max(examples.values(), key=lambda example: np.abs(example.clip.stacks.astype(np.int16) - ZERO).mean())


def preprocess(plan: Plan) -> Report:
    """Extracts the clips of a plan that are missing in the store, and records manifest and failures there.

    Call it again after an interruption: only what is missing by then is computed. A video whose bytes changed is done
    again. Other parameters go to a folder of their own. Any number of jobs may work on one folder.

    Args:
        plan: from `plan_preprocessing`.

    Returns:
        a `Report`. Videos that cannot be used are in its `failures` and in `failures.csv`; they do not stop the job.

    Raises:
        OSError: the disk has too little space, by the plan or in fact. Clips that were written stay.
    """
    store = plan.store
    with connected(plan.cluster) as client, _disk_full_explained(store.root):
        plan = plan.refresh()
        plan.check_space()
        store.prepare()
        record_subset(plan.subset, store)
        reasons, stage_seconds = {}, Counter()
        start = time.perf_counter()
        with at_work(store, plan.seconds_per_clip) as watch:
            outcomes = plan.extract(plan.tasks, store, watch, plan.workers, client)
            for outcome in progress(outcomes, len(plan.tasks), "extracting"):
                stage_seconds.update(outcome.seconds)
                if outcome.reason:
                    reasons[outcome.video_id] = outcome.reason
        wall = time.perf_counter() - start
        failed = [task for task in plan.tasks if task.video_id in reasons]
        rows = [(task.video_id, task.path, reasons[task.video_id]) for task in failed]
        failures = pd.DataFrame(rows, columns=["video_id", "path", "reason"], dtype=str)
        write_text(store.root / "failures.csv", failures.to_csv(index=False))
    wanted, missing = len(plan.subset), len(plan.tasks)
    return Report(wanted, wanted - missing, missing - len(failures), failures, wall, dict(stage_seconds))


def choose_extraction(accelerator: bool) -> Callable[..., Iterator[Outcome]]:
    """How clips are computed: by all cores, or, with `accelerator`, with flow on the device that Keras uses."""
    if not accelerator:
        return extract_on_cores
    from src.preprocessing.device_extraction import extract_on_device  # here: no other way needs Keras

    return extract_on_device


@contextmanager
def _disk_full_explained(root):
    try:
        yield
    except OSError as error:
        if error.errno not in FULL or error.filename == str(Path(root)):  # the plan explains itself
            raise
        message = "the disk is full. Every clip written so far is whole and stays. Free some space, and run again"
        raise OSError(error.errno, message, str(root)) from error


def check_store(root: str | Path) -> pd.DataFrame:
    """Reads every clip of the subset in use back, as training will.

    Returns:
        a row per clip that is there: video_id, split, label, height, width, megabytes, `moving` (share of displacement
        values other than zero) and `at_bound` (share clipped at `flow_bound`).

    Raises:
        ValueError: a file of a clip cannot be decoded.
    """
    table, store = read_prepared(root)
    clips, rows = table[table.stored], []
    for row in progress(clips.itertuples(), len(clips), "reading back"):
        who = {"video_id": row.video_id, "split": row.split, "label": row.label}
        rows.append(who | _measure(store, row.clip_name))
    return pd.DataFrame(rows)


def _measure(store, clip):
    stacks = np.stack([store.read_stack(clip, segment) for segment in range(store.config.num_segments)])
    frames = [store.read_frame(clip, segment) for segment in range(store.config.num_segments)]
    height, width = frames[0].shape[:2]
    steps = np.abs(stacks.astype(np.int16) - ZERO)
    return {
        "height": height,
        "width": width,
        "megabytes": store.num_bytes(clip) / 1e6,
        "moving": float((steps > 0).mean()),
        "at_bound": float((steps >= STEPS - 1).mean()),  # JPEG can take one off
    }
