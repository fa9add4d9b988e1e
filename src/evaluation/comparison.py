"""Training runs in one table: what differs between them, and mean and standard deviation of top-1 over seeds.

A run's protocol (subset, store, segments, crops, number of videos) says how its numbers were measured. Numbers of
different protocols are compared only on request.
"""

import json
import warnings
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from src.config import STREAMS, differences
from src.files import expand
from src.metrics import describe_protocol
from src.training import Run

SCORED = (*STREAMS, "fused")
SEGMENTS_CROPS = "segments × crops"
IN_PROTOCOL = ("seed", "test_segments", "test_crops")  # fields of the training configuration
RENAMED = {"mean_class": "balanced"}  # name in metrics.json of older runs → name today
COMPARED = ("top1", "balanced")  # what all runs have
NOT_SET = "(not set)"  # as `differences` writes it


def compare_runs(
    folders: str | Path | Iterable[str | Path], split: str = "test", allow_mixed: bool = False, beside: bool = False
) -> pd.DataFrame:
    """Puts runs in one table; runs that differ only in their seed are one row.

    Args:
        folders: a run's folder, a folder of runs such as "runs", or several of these.
        split: "validation" or "test".
        allow_mixed: Accept numbers of different protocols; a subset or store that differs becomes a column.
        beside: `folders` is one run, and the runs beside it that have its protocol are taken, too. Others are left out
            without a warning.

    Returns:
        A row per configuration, in the order of its first run. Columns: "runs", their names; every field of
        `TrainConfig` that differs between the rows, "(not set)" where a run is older than the field, and with "auto"
        also the network in use; "n" and "seeds", the numbers of videos and seeds; "segments × crops"; "spatial",
        "temporal", "fused": top-1, 0 … 1, mean over seeds; each followed by its "… sd", the sample standard deviation
        over seeds, NaN for one seed. `attrs["protocol"]` is `describe_protocol` of all rows, and `attrs["folders"]` are
        the folders of the runs.

        A run without metrics.json or without this split is left out with a warning; so is, in a folder of runs, a
        folder whose config.json is of another program. Runs with the same configuration
        and seed count as one seed; if their numbers differ, their mean counts, with a warning.

    Raises:
        ValueError: no run has the split, a folder holds no run, a file is not that of a run, or the protocols differ
            and `allow_mixed` is False.
    """
    found = _find_beside(expand(Path(folders)), split) if beside else _find_runs(folders)
    configuration, protocol, numbers = _read_runs(found, split)
    if not allow_mixed:
        _check_protocols(protocol)
    settings = configuration.join(protocol.drop(columns="seed"))
    keys = settings.map(json.dumps, sort_keys=True)  # a value can be a dictionary, by which rows cannot be grouped
    row = keys.groupby(list(keys), sort=False).ngroup().rename("row")
    _warn_about_repeats(numbers, row, protocol["seed"])
    differing = [name for name in (*configuration, "subset", "store") if keys[name].nunique() > 1]
    settings[SEGMENTS_CROPS] = [f"{run.segments} × {run.crops}" for run in protocol.itertuples()]
    table = settings[~row.duplicated()].reset_index(drop=True).astype({"n": int})
    table["runs"] = _short_names(row.index).groupby(row).agg(", ".join)
    over_seeds = _average_seeds(numbers, row, protocol["seed"])
    table = table.join(over_seeds)[["runs", *differing, "n", "seeds", SEGMENTS_CROPS, *over_seeds.columns[1:]]]
    joined = protocol.astype(str).apply(lambda column: " / ".join(column.unique()))
    table.attrs["protocol"] = describe_protocol(joined, split, joined["n"])
    table.attrs["folders"] = list(protocol.index)
    return table


def _find_runs(folders):
    """The runs that are given, by their folders; each once."""
    runs = {}
    for folder in map(Path, [folders] if isinstance(folders, str | Path) else folders):
        folder = expand(folder)
        is_run = (folder / "config.json").is_file()
        found = [Run.read(folder)] if is_run else _read_folder_of_runs(folder)
        if not found:
            reason = "no such folder" if not folder.is_dir() else "neither config.json nor a folder with one"
            raise ValueError(f"{folder}: must be the folder of a run, or hold such folders. Received: {reason}")
        runs |= {run.folder.resolve(): run for run in found}
    return list(runs.values())


def _find_beside(folder, split):
    """A run, and those in the same folder that were measured by the same protocol."""
    own, others = Run.read(folder), []
    for path in sorted(folder.parent.glob("*/config.json")):
        try:
            run = Run.read(path.parent)
            protocols = [
                _read_parts(one.record, _read_metrics(one.folder / "metrics.json"), split)[1] | {"seed": None}
                for one in (own, run)
            ]
        except (AttributeError, KeyError, OSError, TypeError, ValueError):
            continue  # not evaluated, not to be read, or of another program
        if protocols[0] == protocols[1] and run.folder.resolve() != own.folder.resolve():
            others.append(run)
    return [own, *others]


def _read_folder_of_runs(folder):
    """The runs in a folder; what else is there is left out with a warning."""
    found = []
    for path in sorted(folder.glob("*/config.json")):
        try:
            found.append(Run.read(path.parent))
        except ValueError as error:
            warnings.warn(f"Left out of the comparison: {error}", stacklevel=4)
    return found


def _read_runs(runs, split):
    """Returns three tables with a row per run that has this split: its configuration, protocol and numbers."""
    found, left_out = {}, []
    for run in runs:
        metrics = _read_metrics(run.folder / "metrics.json")
        if split in metrics:
            found[str(run.folder)] = _read_run(run.record, metrics, split, run.folder)
        else:
            left_out.append(f"{run.folder} ({f'no {split} split in' if metrics else 'no'} metrics.json)")
    if not found:
        reason = ", ".join(left_out) or "an empty list"
        raise ValueError(f"A run must have {split} numbers to be compared. Received: {reason}. Evaluate a run first.")
    if left_out:
        warnings.warn(f"Left out of the comparison: {', '.join(left_out)}.", stacklevel=3)
    return (_make_table(found, part) for part in range(3))


def _read_metrics(path):
    try:
        metrics = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise ValueError(f"{path}: must be JSON. Received: {error}. Remove it, and evaluate the run again.") from error
    return metrics if isinstance(metrics, dict) else {}


def _read_run(record, metrics, split, folder):
    """(configuration, protocol, numbers) of one run: dictionaries; numbers have names such as "fused top1"."""
    try:
        return _read_parts(record, metrics, split)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{folder}: config.json and metrics.json must hold what train_models.ipynb writes; an entry is missing or "
            f"of another kind ({error!r}). Evaluate the run again, or leave it out."
        ) from error


def _read_parts(record, metrics, split):
    training, entry = record["training"], metrics[split]
    configuration = {name: value for name, value in training.items() if name not in IN_PROTOCOL}
    for stream in STREAMS:
        network = record.get("notes", {}).get(f"{stream}_network")
        if network and configuration.get(f"{stream}_weights") == "auto":  # the network depends on a download
            configuration[f"{stream}_weights"] = f"auto ({network['backbone']})"
    protocol = metrics.get("protocol") or _derive_protocol(record)
    protocol = {name: protocol[name] for name in ("subset", "store", "segments", "crops")}
    protocol |= {"n": entry["n"], "seed": training["seed"]}
    entries = {s: {RENAMED.get(name, name): value for name, value in entry[s].items()} for s in SCORED}
    numbers = {f"{s} {name}": entries[s][name] for s in SCORED for name in COMPARED if name in entries[s]}
    return configuration, protocol, numbers


def _derive_protocol(record):
    """The protocol of a run whose metrics.json has none; the store's key is unknown, so its parameters stand for it."""
    clips, training = record["clips"], record["training"]
    return {
        "subset": record["manifest_digest"],
        "store": " ".join(f"{name}={value}" for name, value in clips.items()),
        "segments": training.get("test_segments") or clips["num_segments"],
        "crops": training.get("test_crops", NOT_SET),
    }


def _make_table(runs, part):
    """A column for each name that any run has. Values stay what they are: None is not NaN, 5 is not 5.0."""
    records = [run[part] for run in runs.values()]
    names = list(dict.fromkeys(name for record in records for name in record))
    rows = [[record.get(name, NOT_SET) for name in names] for record in records]
    return pd.DataFrame(rows, index=list(runs), columns=names, dtype=object)


def _check_protocols(protocol):
    protocol = protocol.drop(columns="seed")
    first = protocol.iloc[0].to_dict()
    changes = protocol.apply(lambda run: ", ".join(differences(first, run.to_dict())), axis=1)
    changes = changes[changes != ""]
    mixed = [f"{', '.join(runs.index)} ({change})" for change, runs in changes.groupby(changes, sort=False)]
    if mixed:
        raise ValueError(
            f"Numbers of different protocols cannot be compared. Against {protocol.index[0]}: {'; '.join(mixed)}. "
            "Give runs of one protocol, or allow_mixed=True, which shows in the table what differs."
        )


def _warn_about_repeats(numbers, row, seeds):
    for (_, seed), repeats in numbers.groupby([row, seeds], sort=False):
        (first, expected), *others = repeats.to_dict("index").items()
        for folder, found in others:
            if changed := differences(expected, found):
                warnings.warn(
                    f"{first} and {folder} have the same configuration and seed {seed}, but not the same numbers: "
                    f"{', '.join(changed)}. Their mean counts as that seed's. Compare environment and notes in their "
                    "config.json, or leave one out.",
                    stacklevel=3,
                )


def _average_seeds(numbers, row, seeds):
    """A row per configuration: "seeds", and for each stream the mean and the standard deviation of top-1 over them."""
    top1 = numbers[[f"{stream} top1" for stream in SCORED]].set_axis(SCORED, axis=1).astype(float)
    repeated = top1.assign(row=row, seed=seeds).drop_duplicates()  # equal repeats count once
    by_row = repeated.groupby(["row", "seed"]).mean().groupby("row")
    columns = {"seeds": by_row.size()}
    for stream in SCORED:
        columns |= {stream: by_row[stream].mean(), f"{stream} sd": by_row[stream].std()}
    return pd.DataFrame(columns)


def _short_names(folders):
    """The names of the folders, or their paths if two have the same name."""
    names = pd.Series([Path(folder).resolve().name for folder in folders], index=folders)
    return names if names.is_unique else folders.to_series()
