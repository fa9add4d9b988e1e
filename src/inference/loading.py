"""The folder of a finished run → its networks, class names and configurations."""

import difflib
import sys
from pathlib import Path

import keras

from models import build_two_stream
from src.config import STREAMS, ClipConfig, TrainConfig, clip_config_from_dict, train_config_from_dict
from src.files import expand
from src.inputs import read_clips
from src.store import manifest_digest
from src.training import Run

NAMED = 3  # runs in an error


def load_run(folder: str | Path) -> tuple[keras.Model, list[str], ClipConfig, TrainConfig]:
    """Loads what `predict_video` and `predict_stream` need in addition to a video.

    Args:
        folder: runs/<name>/, with two_stream.keras and config.json. A run of an older version may have
            recorded no class names: they are read from the prepared data set that config.json names, relative to the
            current folder. Its streams, which take one segment, are converted, see `models.build_two_stream`.

    Returns:
        (two_stream, class_names, clip_config, config).

    Raises:
        FileNotFoundError: a file of the run is missing, or the data set of a run of an older version.
        ValueError: a file is not that of a run; or the data set of a run of an older version was prepared again with
            another subset, whose classes may differ.
    """
    run = _read_run(folder)
    path = run.folder / "two_stream.keras"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: missing. Finish the run: train_models.ipynb writes this file near its end.")
    class_names = run.record.get("class_names") or _read_class_names(run)
    clip_config, config = clip_config_from_dict(run.record["clips"]), train_config_from_dict(run.record["training"])
    try:
        two_stream = _read_networks(path)
    except Exception as error:  # Keras, zipfile and h5py raise what they like
        raise ValueError(f"{path}: cannot be read as a model ({_first_line(error)}). Finish the run again.") from error
    scored = two_stream.output_shape[-1]
    if scored != len(class_names):
        raise ValueError(f"{path}: must score the {len(class_names)} classes of config.json. Found: {scored} classes.")
    return two_stream, class_names, clip_config, config


def read_spacing(folder: str | Path) -> int | None:
    """The distance between the segments of a run's training clips, frames, which the notebook measured and recorded.

    None is that of a run of an older version, which has not recorded it and does not need it. Errors as of `load_run`.
    """
    return _read_run(folder).record.get("notes", {}).get("segment_spacing")


def read_threshold(folder: str | Path) -> float | None:
    """The score below which a clip is none of the classes of a run, as `src.fusion.fit_threshold` learned it.

    None, with a printed sentence, is that of a run that has learned none: one of an older version, or one with too few
    right answers on validation. Errors as of `load_run`.
    """
    run = _read_run(folder)
    notes = run.record.get("notes", {})
    threshold = notes.get("none_threshold")
    if threshold is None:
        why = "There are too few right answers on validation to learn one from."
        if "none_threshold" not in notes:
            why = "It is of an older version: to learn one, run train_models.ipynb with its run_name again."
        text = f"{run.folder}: has no threshold for none of its classes, so some class always leads. {why}"
        print(text, file=sys.stderr)
    return threshold


def _read_run(folder):
    """Reads a run; for one that is not there, the error names those that are."""
    try:
        return Run.read(folder)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error} {_name_runs(expand(folder))}") from error


def _name_runs(folder):
    """Names runs that are beside a folder or in runs/: those of similar names, else the newest."""
    places = dict.fromkeys([folder.parent, Path("runs")])
    runs = [record.parent for place in places for record in place.glob("*/config.json")]
    if not runs:
        return "There are no runs beside it, nor in runs/: train_models.ipynb makes them."
    similar = difflib.get_close_matches(folder.name, [run.name for run in runs], NAMED)
    newest = sorted(runs, key=lambda run: -(run / "config.json").stat().st_mtime)
    named = [str(run) for name in similar for run in runs if run.name == name] or list(map(str, newest))
    start = "Similar" if similar else "The newest"
    return f"{start}: {', '.join(dict.fromkeys(named[:NAMED]))} ({len(runs)} in all)."


def _read_networks(path):
    saved = keras.models.load_model(path)
    fusion = getattr(saved.get_layer("fused"), "parameters", None)  # in the first versions, an average of Keras
    return build_two_stream(*map(saved.get_layer, STREAMS), fusion)


def _read_class_names(run):
    data, digest = run.record["data"], run.record["manifest_digest"]
    clips, _, class_names = read_clips(data)
    if digest not in (manifest_digest(clips), manifest_digest(clips, version=1)):  # 1: of older versions
        raise ValueError(
            f"{run.folder}: the run was trained on the subset {digest} of {data}; the subset prepared there now is "
            f"{manifest_digest(clips)}. Prepare the subset of the run again."
        )
    return class_names


def _first_line(error):
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
