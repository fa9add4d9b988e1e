"""Runs in one table: what differs between them, mean and spread over seeds, and no two protocols mixed unsaid."""

import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from src.config import STREAMS, current_names, differences

SCORED = (*STREAMS, "fused")
VIEWS = "segments × crops"
IN_PROTOCOL = ("seed", "test_segments", "test_crops")  # fields of the training configuration
_NOT_SET = "(not set)"  # as `differences` writes it


def compare_runs(
    folders: str | Path | Iterable[str | Path], split: str = "test", allow_mixed: bool = False
) -> pd.DataFrame:
    """Puts runs in one table; those that differ only in their seed are one row.

    Args:
        folders: a run's folder, a folder of runs such as "runs", or several of these.
        split: whose numbers: "validation" or "test".
        allow_mixed: Accept numbers of different protocols; a subset or store that differs becomes a column.

    Returns:
        A row per configuration, in the order of its first run. Columns: "runs", their names; every field of
        `TrainConfig` that differs between the rows, "(not set)" where a run is older than the field, and with "auto"
        the network that was found; "n", videos; "seeds", how many; "segments × crops"; "spatial", "temporal",
        "fused": top-1, 0 … 1, mean over seeds; each followed by its "… sd", the sample standard deviation over seeds,
        NaN for one. `attrs["protocol"]` is `describe_protocol` of all rows.

        A run without metrics.json or without this split is left out with a warning. Repeated runs, of one
        configuration and seed, count as one seed; where their numbers are not equal, which means that not
        everything was the same, a warning says so, and their mean counts.

    Raises:
        ValueError: no run is left, or their protocols (subset, store, segments, crops, n) differ.
    """
    results = _read_results(_find_runs(folders), split)
    mixture = _describe_mixture(results)
    if mixture and not allow_mixed:
        raise ValueError(
            f"Numbers of different protocols cannot be compared. Against {results[0].folder}: {'; '.join(mixture)}. "
            "Give runs of one protocol, or allow_mixed=True, which shows in the table what differs."
        )
    groups = _group(results)
    _warn_about_repeats(groups)
    names = _unique_names(results)
    configured = _differing([group[0].configuration for group in groups])
    measured = [name for name in _differing([group[0].protocol for group in groups]) if name in ("subset", "store")]
    rows = [
        {"runs": ", ".join(names[result.folder] for result in group)}
        | {name: group[0].configuration.get(name, _NOT_SET) for name in configured}
        | {name: group[0].protocol[name] for name in measured}
        | _summarise(group)
        for group in groups
    ]
    table = pd.DataFrame(rows, dtype=object)  # so that None and whole numbers stay what they are
    table = table.astype({"n": int, "seeds": int} | {f"{s}{sd}": float for s in SCORED for sd in ("", " sd")})
    table.attrs["protocol"] = _describe_all(results, split)
    return table


def describe_protocol(protocol: dict, split: str, n: int | str) -> str:
    """How numbers were measured, in one line.

    Args:
        protocol: metrics.json's entry: "subset", "store", "segments", "crops", "seed".
        split: whose numbers.
        n: videos in it.

    Returns:
        Such as "test, n = 160, 3 segments × 3 crops, subset 0123456789ab, store farneback-short128-…, seed 0".
    """
    segments, crops = (_count(protocol[f"{name}s"], name) for name in ("segment", "crop"))
    subset, store, seed = (f"{name} {protocol[name]}" for name in ("subset", "store", "seed"))
    return f"{split}, n = {n}, {segments} × {crops}, {subset}, {store}, {seed}"


@dataclass(frozen=True)
class _Result:
    """One run's numbers of one split; `protocol` includes n, `numbers` are such as "fused top1"."""

    folder: Path
    configuration: dict
    protocol: dict
    seed: int
    numbers: dict


def _find_runs(folders):
    given = [folders] if isinstance(folders, str | Path) else folders
    found = [run for folder in given for run in _runs_in(Path(folder))]
    return list({run.resolve(): run for run in found}.values())


def _runs_in(folder):
    if (folder / "config.json").is_file():
        return [folder]
    runs = sorted(path.parent for path in folder.glob("*/config.json"))
    if not runs:
        found = "no such folder" if not folder.is_dir() else "neither config.json nor a folder with one"
        raise ValueError(f"{folder}: must be the folder of a run, or hold such folders. Received: {found}")
    return runs


def _read_results(folders, split):
    results, left_out = [], []
    for folder in folders:
        path = folder / "metrics.json"
        metrics = json.loads(path.read_text()) if path.is_file() else {}
        if split in metrics:
            results.append(_read_result(folder, metrics, split))
        else:
            left_out.append(f"{folder} ({f'no {split} split in' if metrics else 'no'} metrics.json)")
    if not results:
        reason = ", ".join(left_out) or "an empty list"
        raise ValueError(f"A run must have {split} numbers to be compared. Received: {reason}. Evaluate a run first.")
    if left_out:
        warnings.warn(f"Left out of the comparison: {', '.join(left_out)}.", stacklevel=3)
    return results


def _read_result(folder, metrics, split):
    record = json.loads((folder / "config.json").read_text())
    protocol, entry = metrics.get("protocol") or _derive_protocol(record), metrics[split]
    protocol = {name: protocol[name] for name in ("subset", "store", "segments", "crops")} | {"n": entry["n"]}
    numbers = {f"{stream} {name}": value for stream in SCORED for name, value in entry[stream].items()}
    return _Result(folder, _configuration(record), protocol, record["training"]["seed"], numbers)


def _derive_protocol(record):
    """For metrics.json without one, as far as config.json tells; the store's name needs the extraction's version."""
    clips, training = record["clips"], record["training"]
    return {
        "subset": record["manifest_digest"],
        "store": " ".join(f"{name}={value}" for name, value in clips.items()),
        "segments": training.get("test_segments") or clips["num_segments"],
        "crops": training.get("test_crops", _NOT_SET),
    }


def _configuration(record):
    values = {name: value for name, value in current_names(record["training"]).items() if name not in IN_PROTOCOL}
    for stream in ("spatial", "temporal"):
        network = record.get("notes", {}).get(f"{stream}_network")
        if network and values.get(f"{stream}_weights") == "auto":  # another network where there is no internet
            values[f"{stream}_weights"] = f"auto ({network['backbone']})"
    return values


def _describe_mixture(results):
    """Lines such as "runs/b, runs/c (crops: 3 → 1)" for the runs whose protocol is not that of the first."""
    lines = {}
    for result in results:
        changed = differences(results[0].protocol, result.protocol)
        if changed:
            lines.setdefault(", ".join(changed), []).append(str(result.folder))
    return [f"{', '.join(folders)} ({changed})" for changed, folders in lines.items()]


def _group(results):
    groups = []
    for result in results:
        key = (result.configuration, result.protocol)
        group = next((group for group in groups if (group[0].configuration, group[0].protocol) == key), [])
        if not group:
            groups.append(group)
        group.append(result)
    return groups


def _warn_about_repeats(groups):
    first = {}
    for number, result in ((number, result) for number, group in enumerate(groups) for result in group):
        earlier = first.setdefault((number, result.seed), result)
        changed = differences(earlier.numbers, result.numbers)
        if changed:
            warnings.warn(
                f"{earlier.folder} and {result.folder} have the same configuration and seed {result.seed}, but not the "
                f"same numbers: {', '.join(changed)}. Their mean counts as that seed's. Compare environment and notes "
                "in their config.json, or leave one out.",
                stacklevel=3,
            )


def _unique_names(results):
    names = {result.folder: result.folder.resolve().name for result in results}
    return names if len(set(names.values())) == len(names) else {folder: str(folder) for folder in names}


def _differing(values):
    """The names whose values are not the same in all of several dictionaries."""
    names = dict.fromkeys(name for one in values for name in one)
    return [name for name in names if any(one.get(name, _NOT_SET) != values[0].get(name, _NOT_SET) for one in values)]


def _summarise(group):
    top1 = [{"seed": result.seed} | {s: result.numbers[f"{s} top1"] for s in SCORED} for result in group]
    by_seed = pd.DataFrame(top1).drop_duplicates().groupby("seed").mean()
    protocol = group[0].protocol
    summary = {"n": protocol["n"], "seeds": len(by_seed), VIEWS: f"{protocol['segments']} × {protocol['crops']}"}
    for stream in SCORED:
        summary |= {stream: by_seed[stream].mean(), f"{stream} sd": by_seed[stream].std()}
    return summary


def _describe_all(results, split):
    protocols = [result.protocol | {"seed": result.seed} for result in results]
    joined = {name: " / ".join(dict.fromkeys(str(one[name]) for one in protocols)) for name in protocols[0]}
    return describe_protocol(joined, split, joined["n"])


def _count(number, name):
    return f"{number} {name}" if str(number) == "1" else f"{number} {name}s"
