"""The folder of a training run: starting it, continuing it, and what is written to it."""

import json
import os
import platform
import subprocess
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from src.config import ClipConfig, TrainConfig, current_names, differences
from src.devices import list_devices
from src.files import PARTIAL, atomic_path, expand, open_arrays, write_json, write_text

RECORDED = {"manifest_digest": str, "clips": dict, "training": dict}  # in the config.json of any run
LONGEST_NAME = 200  # bytes, of a run: file systems allow 255
PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "opencv-python-headless")


class Run:
    """The folder runs/<name>/.

    Attributes:
        folder: holds config.json, history_*.csv, *.keras, scores_*.npz, metrics.json, other tables, and figures as PNG.
        record: content of config.json.
    """

    def __init__(self, folder: Path, record: dict):
        self.folder, self.record = folder, record

    @classmethod
    def read(cls, folder: str | Path) -> "Run":
        """Reads a run that was started earlier.

        Raises:
            FileNotFoundError: the folder has no config.json.
            ValueError: its config.json is not that of a run.
        """
        folder = expand(folder)
        path = folder / "config.json"
        if not path.is_file():
            found = "it has no config.json" if folder.is_dir() else "there is no such folder"
            raise FileNotFoundError(
                f"{folder}: must be the folder of a run, as train_models.ipynb writes it; {found}. Give runs/NAME."
            )
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: must be the record of a run, as JSON. Received: {error}") from error
        parts = {name: record.get(name) for name in RECORDED} if isinstance(record, dict) else {}
        if not parts or not all(isinstance(parts[name], kind) for name, kind in RECORDED.items()):
            found = sorted(record) if isinstance(record, dict) else type(record).__name__
            raise ValueError(
                f"{path}: must be the record of a run, with {', '.join(RECORDED)}. Received: {str(found)[:200]}. It is "
                "of another program: choose another folder."
            )
        return cls(folder, record | {"training": current_names(record["training"])})

    def record_facts(self, **facts) -> None:
        """Adds facts that are known only during the run, such as the backbone in use, to "notes" in config.json."""
        self.record["notes"] = self.record.get("notes", {}) | facts
        write_json(self.folder / "config.json", self.record)

    def save_figure(self, axes, name: str) -> None:
        """Writes the figure of `axes` (one, or an array of them) as <name>.png."""
        figure = np.ravel(np.asarray(axes, dtype=object))[0].figure
        figure.savefig(self.folder / f"{name}.png")

    def save_table(self, table: pd.DataFrame, name: str) -> None:
        """Writes a table as <name>.csv, without its index, atomically."""
        write_text(self.folder / f"{name}.csv", table.to_csv(index=False))

    def write_scores(self, split: str, clips: pd.DataFrame, scores: dict[str, np.ndarray], weights: str) -> None:
        """Writes scores_<split>.npz, atomically.

        It holds video_id (N,), label (N,), spatial, temporal, fused (N, C), and the digest of the networks' weights.
        """
        video_id, label = clips.video_id.to_numpy(str), clips.class_index.to_numpy(np.int64)
        with atomic_path(self.folder / f"scores_{split}.npz") as temporary:
            np.savez_compressed(temporary, video_id=video_id, label=label, weights=weights, **scores)

    def read_scores(self, split: str, clips: pd.DataFrame, weights: str | None = None) -> dict[str, np.ndarray] | None:
        """Reads the scores of a split, or returns None if there are none.

        `weights`: the digest of the networks that must have given them; None takes those of any.

        Raises:
            ValueError: the scores belong to other clips, or to networks of other weights, or cannot be read. A file of
                a run of an older version has no digest of weights; it is taken as it is.
        """
        path = self.folder / f"scores_{split}.npz"
        if not path.exists():
            return None
        remedy = "A run scores a split once, so train other networks under another run_name; if the scores are of no "
        remedy += "use, remove this file, and the split is scored again."
        with open_arrays(path, "the scores of a split", remedy) as content:
            scores = dict(content)
            video_id = scores.pop("video_id")
            scores.pop("label")
        if not np.array_equal(video_id, clips.video_id.to_numpy(str)):
            raise ValueError(
                f"{path}: the scores must belong to the {len(clips)} clips of this split, but their video ids differ. "
                "Remove the run."
            )
        # Runs of older versions, which have neither class names nor digests, are continued as they are.
        scored = str(scores.pop("weights", "without a digest" if "class_names" in self.record else weights))
        if weights is not None and scored != weights:
            raise ValueError(
                f"{path}: the scores must be those of the run's networks, whose weights have the digest {weights}. "
                f"Found: scores of weights {scored}. {remedy}"
            )
        return scores

    def write_metrics(self, metrics: dict) -> None:
        """Writes metrics.json: split → {"n", "majority_class", stream → {"top1", "top5", "balanced"}}; "protocol"."""
        write_json(self.folder / "metrics.json", metrics)


def start_run(
    run_name: str | None,
    data: str | Path,
    digest: str,
    clip_config: ClipConfig,
    config: TrainConfig,
    class_names: list[str],
    subset: str | None = None,
    root: str | Path = "runs",
) -> Run:
    """Starts a run in runs/<run_name>/, or continues the run in that folder.

    Args:
        run_name: name of the folder; None makes a new name from the time.
        data: folder of the prepared data set; its absolute path is recorded.
        digest: digest of its manifest, from `src.store.manifest_digest`.
        clip_config: how its clips were extracted.
        config: how to train.
        class_names: by class index; recorded, so that the run can be used without the data set.
        subset: name of the subset in `data`; recorded.
        root: folder of all runs.

    Raises:
        ValueError: the folder holds a run with another configuration (the differences are listed), or files and no
            run, of which none is written over; or `run_name` is not a plain folder name.
    """
    _check_name(run_name)
    folder = expand(root)
    folder /= run_name or _new_name(folder)
    asked = {"manifest_digest": digest, "clips": clip_config.to_dict(), "training": config.to_dict()}
    path = folder / "config.json"
    if path.exists():
        run = Run.read(folder)
        changed = _compare(run.record, asked | {"class_names": list(class_names)})
        if changed:
            raise ValueError(
                f"{path}: the run {folder.name!r} has another configuration: {'; '.join(changed)}. "
                f"{_say_subset(run.record, digest, subset)}Choose another run_name (or None), or remove the folder."
            )
        for partial in _partial_files(folder):
            partial.unlink(missing_ok=True)
        return run
    _make_folder(folder)
    facts = {"data": os.path.abspath(os.path.expanduser(data)), "subset": subset, "class_names": list(class_names)}
    run = Run(folder, facts | asked | {"environment": _environment()})
    write_json(path, run.record)
    return run


def _check_name(run_name):
    if run_name is None:
        return
    plain = isinstance(run_name, str) and run_name == Path(run_name).name and run_name not in ("", "..", "None")
    plain = plain and not run_name.startswith("~") and run_name.isprintable()
    if not plain or len(os.fsencode(run_name)) > LONGEST_NAME:
        hint = ". Write it without quotes: None" if run_name == "None" else ""
        raise ValueError(
            "run_name must be a plain folder name, without separators, a tilde in front or control characters, and of "
            f"at most {LONGEST_NAME} bytes; or None. Received: {run_name!r}{hint}"
        )


def _make_folder(folder):
    """Makes the folder of a new run, or takes an empty one; a folder with files is not ours."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(
            f"{folder}: must be a folder for a run, but it or a folder above it is a file. Move the file, or choose "
            "another run_name."
        ) from error
    foreign = sorted(set(folder.iterdir()) - set(_partial_files(folder)))
    if foreign:
        names = ", ".join(path.name for path in foreign[:3]) + (", …" if len(foreign) > 3 else "")
        raise ValueError(
            f"{folder}: must be a run's folder, or new or empty, because a run writes files there. It has no "
            f"config.json of a run, but holds {names}. Choose another run_name."
        )


def _partial_files(folder):
    """Files of writes that were killed, by the exact pattern of `src.files.atomic_path`."""
    return list(folder.glob(f"{PARTIAL}{'[0-9a-f]' * 8}-*"))


def _compare(record, asked):
    digest = differences({"manifest_digest": record["manifest_digest"]}, {"manifest_digest": asked["manifest_digest"]})
    lines = digest + [line for part in ("clips", "training") for line in differences(record[part], asked[part])]
    names = record.get("class_names", asked["class_names"])  # runs of older versions lack them
    return lines + differences({"class_names": names}, {"class_names": asked["class_names"]})


def _say_subset(record, digest, subset):
    """How to continue a run on its own subset, if another one is asked for, such as the one prepared last."""
    known = record.get("subset")  # runs of older versions lack it
    if record["manifest_digest"] == digest or known in (None, subset):
        return ""
    return f"It was trained on the subset {known!r}: set subset={known!r} to continue it. "


def _new_name(root):
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    names = [stamp, *(f"{stamp}_{number}" for number in range(2, 100))]
    return next(name for name in names if not (root / name).exists())


def _environment():
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except ModuleNotFoundError:  # a backend that is not installed
            continue
    backend = keras.backend.backend()
    return {"versions": versions, "backend": backend, "devices": list_devices(), "git_commit": git_commit()}


def git_commit() -> str | None:
    """The commit of this code, with "-dirty" if files have changed since; None if git cannot tell."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
