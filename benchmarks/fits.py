"""What the benchmarks of recognition share: parameters from the command line, and a run of its own for every fit."""

import ast
import hashlib
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

import pandas as pd

from src.config import TrainConfig
from src.store import ClipStore, manifest_digest
from src.training import Run, git_commit, start_run


def add_arguments(parser):
    """Adds the arguments that all have."""
    parser.add_argument("data", help="a prepared data folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a TrainConfig parameter")
    parser.add_argument("--split", choices=("test", "validation"), default="test", help="choose on validation")


def parameters(arguments) -> dict:
    """The parameters given by --set; a value that is no Python literal is text."""
    return dict(_parse(text) for text in arguments.set)


def open_run(name: str, clips: pd.DataFrame, store: ClipStore, config: TrainConfig) -> Run:
    """A run whose name holds its data and parameters: the same fit goes on, or is read. Says where the code differs."""
    digest = manifest_digest(clips)
    content = json.dumps([digest, store.config.key, config.to_dict()]).encode()
    run_name = f"{name}-{hashlib.sha256(content).hexdigest()[:10]}"
    run = start_run(run_name, store.root, digest, store.config, config, root=Path("runs") / "benchmarks")
    fitted, now = run.record["environment"]["git_commit"], git_commit()
    if fitted != now:
        print(f"{run.folder}: begun at commit {fitted}, and now it is {now}. Remove it to fit it anew.")
    return run


def show_spread(rows: pd.DataFrame, by: str, columns: list[str]) -> pd.DataFrame:
    """Mean ± standard deviation over seeds, as text: a row per value of `by`."""
    groups = rows.groupby(by, sort=False)[columns]
    means, deviations = groups.mean(), groups.std().fillna(0)
    return means.map("{:.3f}".format) + " ± " + deviations.map("{:.3f}".format)


def _parse(text):
    name, _, value = text.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value
