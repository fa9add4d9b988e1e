"""The job: extracts the missing clips of a subset into a store, in parallel, and lists the videos that failed."""

import time
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pandas as pd

from src.files import write_text
from src.fingerprint import Choice
from src.ownership import DISK_FULL
from src.preprocessing.plan import Plan
from src.preprocessing.watchdog import open_staging
from src.preprocessing.workers import connected
from src.printing import wrap
from src.progress import progress
from src.store import record_subset
from src.units import format_seconds

MOST_LOST = 10  # classes that a report names


@dataclass(frozen=True)
class Report:
    """What one job did.

    Attributes:
        wanted, found, computed: numbers of clips: in the subset; in the store before; computed by this job.
        failures: DataFrame video_id, path, reason.
        seconds: wall time of the extraction.
        stage_seconds: time in "decode", "flow" and "encode", summed over the workers.
        subset: the name by which this subset can be read, from `src.store.record_subset`.
        lost: a sentence for each split, or class of a split, all of whose videos failed.
    """

    wanted: int
    found: int
    computed: int
    failures: pd.DataFrame
    seconds: float
    stage_seconds: dict[str, float]
    subset: str
    lost: list[str]

    def __str__(self):
        computed = f"{self.computed} computed"
        computed += f" in {format_seconds(self.seconds)}" if self.computed else ""
        lines = [f"{self.wanted} clips wanted: {self.found} were there, {computed}, {len(self.failures)} failed."]
        if len(self.failures):
            lines.append("The failures are listed with their reasons in failures.csv; the rest is complete.")
        return "\n".join(map(wrap, [*lines, *self.lost, f"The subset is recorded as {self.subset!r}."]))


def preprocess(plan: Plan, name: str | None = None, choice: Choice | None = None) -> Report:
    """Extracts the clips of a plan that the store lacks, and records manifest and failures there.

    Call it again after an interruption, or when failed videos were repaired: it computes what is missing by then. A
    video whose bytes changed is extracted again. Each configuration has its own folder of clips. Any number of jobs may
    work on one `root` at a time.

    Args:
        plan: from `plan_preprocessing`.
        name: of the subset in the record; None makes one that says what is in it.
        choice: from `src.fingerprint.choose_parameters`, to record why the parameters are what they are.

    Returns:
        a `Report`. Videos that cannot be used are in its `failures` and in `failures.csv`; they do not stop the job.

    Raises:
        OSError: the disk has too little space, by the plan or in fact. Clips that were written stay in the store.
        ValueError: files of the user's are in the folder, another subset has this name, or `choice` is not of the
            plan's parameters. Nothing was written then.
    """
    if choice is not None and choice.config != plan.store.config:
        raise ValueError(
            f"choice must be that of the plan's parameters, {plan.store.config.key}. Received: {choice.config.key}. "
            "Run the cell of the plan again."
        )
    plan = plan.refresh()
    plan.check_space()
    with connected(plan.cluster) as client, _explain_full_disk(plan.store.root):
        plan.store.prepare()
        subset = record_subset(plan.subset, plan.store, name, choice)
        start = time.perf_counter()
        reasons, stage_seconds = _extract(plan, client)
        wall = time.perf_counter() - start
        rows = [(task.video_id, task.path, reasons[task.video_id]) for task in plan.tasks if task.video_id in reasons]
        failures = pd.DataFrame(rows, columns=["video_id", "path", "reason"], dtype=str)
        write_text(plan.store.root / "failures.csv", failures.to_csv(index=False))
    wanted, missing = len(plan.subset), len(plan.tasks)
    lost = describe_lost(plan.subset, failures)
    return Report(wanted, wanted - missing, missing - len(failures), failures, wall, dict(stage_seconds), subset, lost)


def describe_lost(subset: pd.DataFrame, failures: pd.DataFrame) -> list[str]:
    """A sentence for each split of which all videos failed, and for each class of which all in a split did."""
    failed = subset.video_id.isin(failures.video_id)
    whole = failed.groupby(subset.split).agg(["all", "size"])
    splits = whole[whole["all"]]
    sentences = [f"All {row['size']} {split} videos failed: see failures.csv." for split, row in splits.iterrows()]
    rest = ~subset.split.isin(splits.index)
    classes = failed[rest].groupby([subset.label[rest], subset.split[rest]]).agg(["all", "size"])
    classes = classes[classes["all"]]
    for (label, split), row in classes[:MOST_LOST].iterrows():
        sentences.append(f"All {row['size']} {split} videos of the class {label!r} failed: see failures.csv.")
    if len(classes) > MOST_LOST:
        sentences.append(f"So did those of {len(classes) - MOST_LOST} other classes and splits.")
    return sentences


def _extract(plan, client):
    """Runs the tasks; returns the reason per video that failed, and the seconds per stage."""
    reasons, stage_seconds = {}, Counter()
    if not plan.tasks:
        return reasons, stage_seconds
    with (
        open_staging(plan.store, plan.seconds_per_clip) as watchdog,
        # Closed: an error here keeps the generator in its traceback, and so the workers, which the next job waits for.
        closing(plan.extract(plan.tasks, plan.store, watchdog, plan.workers, client)) as outcomes,
    ):
        for outcome in progress(outcomes, len(plan.tasks), "extracting"):
            stage_seconds.update(outcome.seconds)
            if outcome.reason:
                reasons[outcome.video_id] = outcome.reason
    return reasons, stage_seconds


@contextmanager
def _explain_full_disk(root):
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        message = "the disk is full. Every clip written so far is complete and stays. Free some space, and run again"
        raise OSError(error.errno, message, str(root)) from error
