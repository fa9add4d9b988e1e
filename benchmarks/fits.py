"""Shared by the benchmarks that train: parameters from the command line, and one run for each fit."""

import ast
import hashlib
import json
from pathlib import Path

import command
import pandas as pd

from src.config import TrainConfig
from src.store import ClipStore, manifest_digest
from src.training import Run, git_commit, start_run


def make_parser(description: str):
    """A parser with the arguments that all of these benchmarks have."""
    parser = command.make_parser(description)
    parser.add_argument("data", help="a prepared data folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a TrainConfig parameter")
    parser.add_argument("--split", choices=("test", "validation"), default="test", help="validation to choose by")
    return parser


def parameters(arguments) -> dict:
    """The parameters given by --set; a value that is not a Python literal is text."""
    return dict(_parse(text) for text in arguments.set)


def open_run(name: str, clips: pd.DataFrame, store: ClipStore, config: TrainConfig) -> Run:
    """A run named by its data and parameters, so that the same fit is continued or read.

    Prints a message if the run was started at another commit.
    """
    digest = manifest_digest(clips)
    content = json.dumps([digest, store.config.key, config.to_dict()]).encode()
    run_name = f"{name}-{hashlib.sha256(content).hexdigest()[:10]}"
    run = start_run(run_name, store.root, digest, store.config, config, root=Path("runs") / "benchmarks")
    started, now = run.record["environment"]["git_commit"], git_commit()
    if started != now:
        print(f"{run.folder}: started at commit {started}, the code is at {now}. Remove the folder to train again.")
    return run


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
