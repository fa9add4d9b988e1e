"""Cross-validation of a run: a run of its own for each fold, which continues where it was interrupted."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from src.config import STREAMS, TrainConfig
from src.cross_validation.held_out import HeldOut
from src.evaluation import evaluation_protocol, score_split
from src.files import expand
from src.metrics import evaluate_split, majority_class_accuracy
from src.store import ClipStore, manifest_digest
from src.subsets import make_folds
from src.training import Run, read_other, start_run, train_spatial, train_temporal
from src.units import format_bytes, format_seconds

FOLDER = "folds"  # in the folder of the run


def cross_validate(
    name: str, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig, folds: int | str,
    root: str | Path = "runs",
) -> HeldOut:  # fmt: skip
    """Scores each clip once, by networks that were fitted to no clip of its group.

    The clips of all splits are divided by `src.subsets.make_folds`, with `config.seed`. In each fold, both streams are
    fitted to all other clips as in the run itself, and score the fold's clips. No fold has a validation split: nothing
    is chosen in it, since the last weights are kept and the streams are averaged.

    Fold 1 of 5 is the run <root>/<name>/folds/1-of-5, with the files of any run. If the call is interrupted, the next
    one reads the folds that are done and continues the one that was not. Features of a frozen backbone are computed
    once for all folds. The time that is left is printed first.

    Args:
        name: of a run that has been started, with these clips and this configuration.
        clips, store, class_names: from `src.inputs.read_clips`.
        config: how to train.
        folds: number of folds, 2 or more; or "groups", one fold for each group.
        root: the folder of all runs.

    Returns:
        The clips in their order, with the scores and the number of the fold in which each was tested.

    Raises:
        FileNotFoundError: there is no such run.
        ValueError: the clips cannot be divided so, see `make_folds`; a stream would start from a run that was trained
            on this data set; the data set `config.also` shares videos with it; or a fold was started with other clips
            or parameters.
    """
    run = Run.read(expand(root) / name)
    _check_sources(store, config)
    tables = make_folds(clips, folds, config.seed, validation=False)
    if config.also:
        read_other(run, clips.assign(split="test"), store, config)  # it must not hold any clip that a fold tests
    names = [f"{number}-of-{len(tables)}" for number in range(1, len(tables) + 1)]
    print(_describe_cost(run, names), flush=True)
    numbers, pooled = np.zeros(len(clips), int), {}
    for number, (fold, table) in enumerate(zip(names, tables, strict=True), start=1):
        tested = (table.split == "test").to_numpy()
        numbers[tested] = number
        for stream, scores in _score_fold(run, fold, table, store, class_names, config).items():
            pooled.setdefault(stream, np.zeros((len(clips), scores.shape[1]), np.float32))[tested] = scores
    description = (
        f"{len(clips)} clips, each scored once, in {len(tables)} folds, by networks that were fitted to no clip of its "
        "group. Parameters that are chosen by these numbers make them too high."
    )
    return HeldOut(clips, pooled, numbers, description)


def _score_fold(run, fold, table, store, class_names, config):
    """Stream → scores of the fold's test clips; both streams are fitted, unless the scores are there."""
    data = table, store, class_names, config
    digest, subset = manifest_digest(table), run.record.get("subset")
    protocol = evaluation_protocol(digest, store, class_names, config)
    part = start_run(fold, store.root, digest, store.config, config, class_names, subset, run.folder / FOLDER)
    rows = table[table.split == "test"]
    scores = part.read_scores("test", rows)
    if scores is None:
        print(f"Fold {fold.replace('-', ' ')}: {len(rows)} clips of {rows.group.nunique()} groups", flush=True)
        spatial, temporal = (train(part, *data)[0] for train in (train_spatial, train_temporal))
        scores = score_split(part, spatial, temporal, *data, "test")
        keras.utils.clear_session()  # the networks of many fits do not fit into memory
    labels, train = (table[table.split == split].class_index.to_numpy() for split in ("test", "train"))
    metrics = evaluate_split(scores, labels, majority_class_accuracy(labels, train))
    part.write_metrics({"test": metrics, "protocol": protocol})
    return scores


def _check_sources(store, config):
    """A stream must not start from networks that have seen the clips on which a fold tests it."""
    for stream in STREAMS:
        name, weights = f"{stream}_weights", getattr(config, f"{stream}_weights")
        if Path(store.root).resolve() in _find_data(stream, weights):
            raise ValueError(
                f"{name}={weights!r}: in cross-validation no stream may start from a run that was trained on clips of "
                f"the same data set ({store.root}), because these clips are tested, too. Set folds = None, or start "
                "from other weights."
            )


def _find_data(stream, weights):
    """The data sets that a run's stream has learned from, or the streams of other runs from which it started."""
    if weights is None or not (expand(weights) / "config.json").is_file():
        return set()
    record = Run.read(weights).record
    notes = record.get("notes", {})
    folders = {record.get("data"), notes.get("also", {}).get("data")} - {None}
    earlier = _find_data(stream, notes.get(f"{stream}_network", {}).get("run"))
    return {Path(data).resolve() for data in folders} | earlier


def _describe_cost(run, names):
    """What is left to do, and about how long it takes and how large it is, as the run's own fits tell."""
    folder, notes = run.folder / FOLDER, run.record.get("notes", {})
    left = sum(not (folder / name / "scores_test.npz").exists() for name in names)
    text = f"Cross-validation: {len(names)} folds, {len(names) - left} of them done, in {folder}."
    if not left:
        return text
    try:
        seconds = sum(notes[f"{stream}_seconds"] for stream in STREAMS)
    except KeyError:
        return f"{text} Each takes as long as fitting both streams of this run."
    size = sum((run.folder / f"{stream}.keras").stat().st_size for stream in STREAMS)
    return (
        f"{text} What is left takes about {format_seconds(left * seconds)} ({left} × {format_seconds(seconds)}, as "
        f"this run's own fits took), and {format_bytes(left * size)}. It can be interrupted and run again."
    )
