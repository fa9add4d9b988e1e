"""Saving weights and models, each file atomically."""

from pathlib import Path

import keras

from models import build_end_to_end, build_two_stream
from src.config import TrainConfig
from src.files import atomic_path
from src.store import ClipStore
from src.training.runs import Run


def write_weights(model: keras.Model, path: Path) -> None:
    """Writes the weights, and the optimizer's state if the model is compiled."""
    with atomic_path(path) as temporary:
        model.save_weights(temporary)


def write_model(model: keras.Model, path: Path) -> None:
    """Writes a model as a .keras file."""
    with atomic_path(path) as temporary:
        model.save(temporary)


def save_two_stream(run: Run, spatial: keras.Model, temporal: keras.Model, fusion: dict | None = None) -> keras.Model:
    """Joins the fitted streams, saves them as two_stream.keras, and returns the model read from that file.

    `fusion`: `parameters` of a fusion from `src.fusion.fit_fusion`, by which all users of the file fuse; None is the
    average.
    """
    path = run.folder / "two_stream.keras"
    write_model(build_two_stream(spatial, temporal, fusion), path)
    return keras.models.load_model(path)


def save_end_to_end(
    run: Run, two_stream: keras.Model, class_names: list[str], store: ClipStore, config: TrainConfig,
    height: int, width: int,
) -> keras.Model:  # fmt: skip
    """Saves the model from frames of one size to scores as end_to_end.keras, and returns the model read from it."""
    path = run.folder / "end_to_end.keras"
    write_model(build_end_to_end(two_stream, class_names, store.config, config, height, width), path)
    return keras.models.load_model(path)
