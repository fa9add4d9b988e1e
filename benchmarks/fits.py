"""Shared by the benchmarks that train: parameters from the command line, folds, and one run for each fit."""

import ast
import dataclasses
import hashlib
import json
import time
from pathlib import Path

import command
import keras
import pandas as pd

from models import build_finetuned_resnet, build_temporal_cnn, measure_flow_scale
from src.config import TrainConfig
from src.inputs import TrainingBatches, read_clips
from src.store import ClipStore, manifest_digest
from src.subsets import make_folds
from src.training import Run, describe_fit, git_commit, start_run, train_spatial, train_temporal
from src.video import segment_centers

TRAIN = {"spatial": train_spatial, "temporal": train_temporal}


def make_parser(description: str):
    """A parser with the arguments that all of these benchmarks have."""
    parser = command.make_parser(description)
    parser.add_argument("data", help="a prepared data folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a TrainConfig parameter")
    parser.add_argument("--split", choices=("test", "validation"), default="test", help="validation to choose by")
    return parser


def add_folds(parser) -> None:
    """Adds the arguments that `divide` reads."""
    parser.add_argument(
        "--folds", type=lambda text: text if text == "groups" else int(text), metavar="N|groups",
        help="folds by group, groups: one fold a group; without it the splits of the folder",
    )  # fmt: skip
    parser.add_argument("--fold-seed", type=int, default=0)


def divide(clips: pd.DataFrame, arguments) -> list[pd.DataFrame]:
    """The clips once a fold, with its splits; without --folds once, with the splits of the folder."""
    if not arguments.folds:
        return [clips]
    return make_folds(clips, arguments.folds, arguments.fold_seed)


def parameters(arguments) -> dict:
    """The parameters given by --set; a value that is not a Python literal is text."""
    return dict(_parse(text) for text in arguments.set)


class FewerSegments:
    """A store as it would be with fewer segments of each clip, evenly spaced over the stored ones."""

    def __init__(self, store: ClipStore, num_segments: int):
        self.store, self.root = store, store.root
        self.segments = segment_centers(store.config.num_segments, num_segments)
        self.config = dataclasses.replace(store.config, num_segments=num_segments)

    def read_frame(self, name, segment):
        return self.store.read_frame(name, self.segments[segment])

    def read_stack(self, name, segment):
        return self.store.read_stack(name, self.segments[segment])

    def read_segment(self, name, segment):
        return self.store.read_segment(name, self.segments[segment])


def build_temporal(batches: TrainingBatches, class_names: list[str], config: TrainConfig) -> keras.Model:
    """An untrained temporal network for stored flow, whose scale is measured on one batch."""
    inputs, _ = batches[0]
    stacks = inputs.reshape(-1, *inputs.shape[2:])
    scale = measure_flow_scale(stacks, config.subtract_mean)
    keras.utils.set_random_seed(config.seed)
    return build_temporal_cnn(
        len(class_names), config.crop_size_of("temporal"), stacks.shape[-1] // 2, config.temporal_network,
        config.temporal_head, config.subtract_mean, None, scale, config.dropout,
        batches.num_segments if config.fixed_segments else None, config.consensus, config.temporal_shift,
    )  # fmt: skip


def build_scratch(stream: str, batches: TrainingBatches, class_names: list[str], config: TrainConfig) -> keras.Model:
    """An untrained network of a stream; the spatial one is compact."""
    if stream == "temporal":
        return build_temporal(batches, class_names, config)
    return build_finetuned_resnet(len(class_names), config.crop_size, None, "compact", dropout=config.dropout)


def run_folder(name: str, clips: pd.DataFrame, store: ClipStore, config: TrainConfig) -> Path:
    """The folder of a run, named by its data and parameters, so that the same fit is continued or read."""
    content = json.dumps([manifest_digest(clips), store.config.key, config.to_dict()]).encode()
    return Path("runs") / "benchmarks" / f"{name}-{hashlib.sha256(content).hexdigest()[:10]}"


def open_run(name: str, clips: pd.DataFrame, store: ClipStore, config: TrainConfig) -> Run:
    """Starts or continues the run in `run_folder`. Prints a message if it was started at another commit."""
    folder = run_folder(name, clips, store, config)
    digest, class_names = manifest_digest(clips), read_clips(store.root)[2]
    run = start_run(folder.name, store.root, digest, store.config, config, class_names, root=folder.parent)
    started, now = run.record["environment"]["git_commit"], git_commit()
    if started != now:
        print(f"{run.folder}: started at commit {started}, the code is at {now}. Remove the folder to train again.")
    return run


def fit(
    stream: str, run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig
) -> keras.Model:
    """A fitted stream; prints seconds, near 0 where the run had it, and what the fit reached."""
    start = time.perf_counter()
    model, history = TRAIN[stream](run, clips, store, class_names, config)
    print(f"  {time.perf_counter() - start:.0f} s. {describe_fit(run, stream, history)}", flush=True)
    return model


def describe_spread(rows: pd.DataFrame, by: str, columns: list[str]) -> str:
    """Mean ± standard deviation over seeds: a line for each value of `by`."""
    groups = rows.groupby(by, sort=False)[columns]
    means, deviations = groups.mean(), groups.std().fillna(0)
    return (means.map("{:.3f}".format) + " ± " + deviations.map("{:.3f}".format)).to_string()


def _parse(text):
    name, _, value = text.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value
