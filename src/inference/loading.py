"""The folder of a finished run → its networks, class names and configurations."""

import json
from pathlib import Path

import keras

import models  # noqa: F401 (registers the layers of saved networks with Keras)
from src.config import ClipConfig, TrainConfig, clip_config_from_dict, train_config_from_dict
from src.inputs import read_clips
from src.store import manifest_digest


def load_run(folder: str | Path) -> tuple[keras.Model, list[str], ClipConfig, TrainConfig]:
    """Loads what `predict_video` and `predict_stream` need in addition to a video.

    Args:
        folder: runs/<name>/, with two_stream.keras and config.json. Class names are read from the prepared data set
            that config.json names, relative to the current folder.

    Returns:
        (two_stream, class_names, clip_config, config).

    Raises:
        FileNotFoundError: a file of the run, or the data set, is missing.
        ValueError: the data set was prepared again with another subset, whose classes may differ.
    """
    folder = Path(folder)
    for name, remedy in (("config.json", "Give the folder of a run"), ("two_stream.keras", "Finish the run")):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name}: missing. {remedy}: train_models.ipynb writes this file.")
    record = json.loads((folder / "config.json").read_text())
    clips, _, class_names = read_clips(record["data"])
    if manifest_digest(clips) != record["manifest_digest"]:
        raise ValueError(
            f"{folder}: the run was trained on the subset {record['manifest_digest']} of {record['data']}; the subset "
            f"prepared there now is {manifest_digest(clips)}. Prepare the subset of the run again."
        )
    two_stream = keras.models.load_model(folder / "two_stream.keras")
    return two_stream, class_names, clip_config_from_dict(record["clips"]), train_config_from_dict(record["training"])
