"""The folder of a training run: starting it, continuing it, and what is written to it."""

import json
import platform
import subprocess
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from src.config import ClipConfig, TrainConfig, current_names, differences
from src.files import PARTIAL, atomic_path, write_json

PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "opencv-python-headless")


class Run:
    """The folder runs/<name>/.

    Attributes:
        folder: holds config.json, history_*.csv, *.keras, scores_*.npz, metrics.json, and figures as PNG.
        record: content of config.json.
    """

    def __init__(self, folder: Path, record: dict):
        self.folder, self.record = folder, record

    def record_facts(self, **facts) -> None:
        """Adds facts that are known only during the run, such as the backbone in use, to "notes" in config.json."""
        self.record["notes"] = self.record.get("notes", {}) | facts
        write_json(self.folder / "config.json", self.record)

    def save_figure(self, axes, name: str) -> None:
        """Writes the figure of `axes` (one, or an array of them) as <name>.png."""
        figure = np.ravel(np.asarray(axes, dtype=object))[0].figure
        figure.savefig(self.folder / f"{name}.png")

    def write_scores(self, split: str, clips: pd.DataFrame, scores: dict[str, np.ndarray], weights: str) -> None:
        """Writes scores_<split>.npz, atomically.

        It holds video_id (N,), label (N,), spatial, temporal, fused (N, C), and the digest of the networks' weights.
        """
        video_id, label = clips.video_id.to_numpy(str), clips.class_index.to_numpy(np.int64)
        with atomic_path(self.folder / f"scores_{split}.npz") as temporary:
            np.savez_compressed(temporary, video_id=video_id, label=label, weights=weights, **scores)

    def read_scores(self, split: str, clips: pd.DataFrame, weights: str) -> dict[str, np.ndarray] | None:
        """Reads the scores of a split, or returns None if there are none.

        Raises:
            ValueError: the scores belong to other clips, or to networks of other weights. A file of an older run has no
                digest of weights; it is taken as it is.
        """
        path = self.folder / f"scores_{split}.npz"
        if not path.exists():
            return None
        with np.load(path) as content:
            scores = {name: content[name] for name in content.files}
        if not np.array_equal(scores.pop("video_id"), clips.video_id.to_numpy(str)):
            raise ValueError(
                f"{path}: the scores must belong to the {len(clips)} clips of this split, but their video ids differ. "
                "Remove the run."
            )
        scores.pop("label")
        scored = str(scores.pop("weights", weights))
        if scored != weights:
            raise ValueError(
                f"{path}: the scores must be those of the run's networks, whose weights have the digest {weights}. "
                f"Found: scores of weights {scored}. A run scores a split once, so train other networks under another "
                "run_name; if the scores are of no use, remove this file, and the split is scored again."
            )
        return scores

    def write_metrics(self, metrics: dict) -> None:
        """Writes metrics.json: split → {"n", "majority_class", stream → {"top1", "top5", "balanced"}}; "protocol"."""
        write_json(self.folder / "metrics.json", metrics)


def start_run(
    run_name: str | None, data: str | Path, digest: str, clip_config: ClipConfig, config: TrainConfig, root="runs"
) -> Run:
    """Starts a run in runs/<run_name>/, or continues the run in that folder.

    Args:
        run_name: name of the folder; None makes a new name from the time.
        data: folder of the prepared data set.
        digest: digest of its manifest, from `src.store.manifest_digest`.
        clip_config: how its clips were extracted.
        config: how to train.
        root: folder of all runs.

    Raises:
        ValueError: the folder holds a run with another configuration (the differences are listed); or `run_name` is not
            a plain folder name.
    """
    if run_name is not None and (run_name in ("", "..") or Path(run_name).name != run_name):
        raise ValueError(f"run_name must be a plain folder name, without separators. Received: {run_name!r}")
    folder = Path(root) / (run_name or _new_name(Path(root)))
    asked = {"manifest_digest": digest, "clips": clip_config.to_dict(), "training": config.to_dict()}
    path = folder / "config.json"
    if path.exists():
        record = json.loads(path.read_text())
        record["training"] = current_names(record["training"])
        changed = _compare(record, asked)
        if changed:
            raise ValueError(
                f"{path}: the run {folder.name!r} has another configuration: {'; '.join(changed)}. "
                "Choose another run_name (or None), or remove the folder."
            )
        for partial in folder.glob(f"{PARTIAL}*"):  # of a write that was killed
            partial.unlink(missing_ok=True)
        return Run(folder, record)
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(folder, {"data": str(data)} | asked | {"environment": _environment()})
    write_json(path, run.record)
    return run


def _compare(record, asked):
    digest = differences({"manifest_digest": record["manifest_digest"]}, {"manifest_digest": asked["manifest_digest"]})
    return digest + [line for part in ("clips", "training") for line in differences(record[part], asked[part])]


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
    devices = keras.distribution.list_devices()
    backend = keras.backend.backend()
    return {"versions": versions, "backend": backend, "devices": devices, "git_commit": git_commit()}


def git_commit() -> str | None:
    """The commit of this code, with "-dirty" if files have changed since; None if git cannot tell."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
