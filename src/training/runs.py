"""What a training run leaves on disk: one folder per run, refused to a run of another configuration."""

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
from src.files import atomic_path, write_json

PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "opencv-python-headless")


class Run:
    """The folder runs/<name>/ and what is in it.

    Attributes:
        folder: config.json, history_*.csv, *.keras, scores_*.npz, metrics.json, and figures as PNG.
        record: the content of config.json.
    """

    def __init__(self, folder: Path, record: dict):
        self.folder, self.record = folder, record

    def note(self, **facts) -> None:
        """Adds facts that turn up during the run, such as the backbone in use, to config.json."""
        self.record["notes"] = self.record.get("notes", {}) | facts
        write_json(self.folder / "config.json", self.record)

    def save_figure(self, axes, name: str) -> None:
        """Writes the figure that holds `axes` (one, or an array of them) as <name>.png."""
        figure = np.ravel(np.asarray(axes, dtype=object))[0].figure
        figure.savefig(self.folder / f"{name}.png")

    def write_scores(self, split: str, clips: pd.DataFrame, scores: dict[str, np.ndarray]) -> None:
        """Writes scores_<split>.npz, atomically: video_id (N,), label (N,), and spatial, temporal, fused (N, C)."""
        video_id, label = clips.video_id.to_numpy(str), clips.class_index.to_numpy(np.int64)
        with atomic_path(self.folder / f"scores_{split}.npz") as temporary:
            np.savez_compressed(temporary, video_id=video_id, label=label, **scores)

    def read_scores(self, split: str, clips: pd.DataFrame) -> dict[str, np.ndarray] | None:
        """What `write_scores` wrote of a split, or None where it did not.

        Raises:
            ValueError: they are of other clips.
        """
        path = self.folder / f"scores_{split}.npz"
        if not path.exists():
            return None
        with np.load(path) as content:
            scores = {name: content[name] for name in content.files}
        if not np.array_equal(scores.pop("video_id"), clips.video_id.to_numpy(str)):
            raise ValueError(
                f"{path}: the scores are of other clips than the {len(clips)} of this split. Remove the run."
            )
        scores.pop("label")
        return scores

    def write_metrics(self, metrics: dict) -> None:
        """Writes metrics.json: split → {"n", "majority_class", stream → {"top1", "top5", "balanced"}}, and "protocol"."""
        write_json(self.folder / "metrics.json", metrics)


def start_run(
    run_name: str | None, data: str | Path, digest: str, clip_config: ClipConfig, config: TrainConfig, root="runs"
) -> Run:
    """Makes runs/<run_name>/, or continues the run that is there.

    Args:
        run_name: the folder's name; None makes a new one from the time.
        data: the prepared data set.
        digest: of its manifest, from `manifest.manifest_digest`.
        clip_config: what its clips were extracted with.
        config: how to train.
        root: where runs are kept.

    Raises:
        ValueError: the name is in use by a run of another configuration; the differences are listed.
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
    """The commit of this code, with "-dirty" where it was changed since; None where git cannot tell."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
