"""What do the project's defaults recognise, beside a plain two-stream network? Same data and epochs, several seeds.

    python benchmarks/recognition.py datasets/ssv2-mini
    python benchmarks/recognition.py datasets/fights --folds 5 --set spatial_weights=backbone.keras --set batch_size=8

"plain" is one middle frame and one flow stack of each clip, no mean subtraction, no augmentation, a dense 4096-2048
head with dropout 0.9, one view at test, averaging. --set changes a parameter of both. With --folds, every clip is tested
once, by networks that saw no clip of its group; else the splits of the folder are used. Each fit is a run in
runs/recognition, so that an interrupted benchmark goes on where it stopped.
"""

import argparse
import ast
import dataclasses
import hashlib
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd

from src.config import TrainConfig
from src.evaluation import score_split
from src.folds import make_folds
from src.input_pipeline import read_clips
from src.manifest import manifest_digest
from src.metrics import compute_metrics
from src.runs import start_run
from src.training import train_spatial, train_temporal

PLAIN = {
    "augment": False,
    "subtract_mean": False,
    "temporal_head": "dense",
    "temporal_weights": "scratch",
    "fine_tune_epochs": 0,
    "flow_input": "stack",
    "test_segments": 1,
    "test_crops": 1,
}
STREAMS = ["spatial", "temporal", "fused"]


def main():
    """One table: a row per way, mean and standard deviation over seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a prepared data folder")
    parser.add_argument("--folds", type=int, help="folds by group; without it the splits of the folder")
    parser.add_argument("--fold-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a TrainConfig parameter")
    parser.add_argument("--split", choices=("test", "validation"), default="test", help="choose on validation")
    parser.add_argument("--ways", nargs="+", choices=("plain", "defaults"), default=["plain", "defaults"])
    arguments = parser.parse_args()
    given = dict(map(parse, arguments.set))
    clips, store, class_names = read_clips(arguments.data)
    folds = make_folds(clips, arguments.folds, arguments.fold_seed) if arguments.folds else [clips]
    rows = []
    for way in arguments.ways:
        for seed in arguments.seeds:
            config = TrainConfig(**given | {"seed": seed} | (PLAIN if way == "plain" else {}))
            found = [score_fold(way, fold, store, class_names, config, arguments) for fold in folds]
            right = {stream: np.concatenate([fold[stream] for fold in found]) for stream in STREAMS}
            rows.append({"way": way, "seed": seed, "n": len(right["fused"])} | {s: right[s].mean() for s in STREAMS})
            print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)
    report(pd.DataFrame(rows), arguments, given)


def parse(text):
    """NAME=VALUE → (name, value); a value that is no Python literal is text."""
    name, _, value = text.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def score_fold(way, clips, store, class_names, config, arguments):
    """Trains both streams on a fold, and says of each clip of its test whether each stream is right."""
    digest = manifest_digest(clips)
    key = hashlib.sha256(json.dumps([digest, store.config.key, dataclasses.asdict(config)]).encode()).hexdigest()[:10]
    run = start_run(f"{way}-{key}", arguments.data, digest, store.config, config, root="runs/recognition")
    spatial, _ = train_spatial(run, clips, store, class_names, config)
    temporal, _ = train_temporal(run, clips, store, class_names, config)
    scores = score_split(run, spatial, temporal, clips, store, class_names, config, arguments.split)
    labels = clips[clips.split == arguments.split].class_index.to_numpy()
    print(f"{run.folder}: " + ", ".join(f"{s} {compute_metrics(scores[s], labels)['top1']:.3f}" for s in STREAMS))
    return {stream: scores[stream].argmax(axis=1) == labels for stream in STREAMS}


def report(rows, arguments, given):
    """The table, its protocol, and what the defaults gain."""
    means, deviations = (rows.groupby("way", sort=False)[STREAMS].agg(how) for how in ("mean", "std"))
    table = means.map("{:.3f}".format) + " ± " + deviations.map("{:.3f}".format)
    table.insert(0, "n", rows.groupby("way", sort=False).n.first())
    where = (
        f"{arguments.folds} folds by group (seed {arguments.fold_seed})" if arguments.folds else "the folder's splits"
    )
    print(f"\n{arguments.data}: top-1 on {arguments.split}, {where}, seeds {arguments.seeds}, {given or 'defaults'}")
    print(table.to_string())
    if len(means) == 2:
        gain = 100 * (means.fused["defaults"] - means.fused["plain"])
        print(f"The defaults' fused scores are {gain:+.1f} points from plain's.")


if __name__ == "__main__":
    main()
