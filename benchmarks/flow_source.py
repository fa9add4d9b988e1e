"""Stored flow beside flow that the temporal network computes from frames: accuracy, and what a fit takes.

    python benchmarks/flow_source.py datasets/ssv2-mini datasets/ssv2-mini-frames --seeds 0 1 2 [--set NAME=VALUE …]

Both folders hold one subset, prepared with `flow_source` "store" and "layer". The spatial stream sees the same frames
in both, and is fitted once a seed. --split says what is scored, once per fit.
"""

import argparse
import dataclasses
import time

import pandas as pd
from fits import add_arguments, open_run, parameters, show_spread

from src.config import TrainConfig
from src.evaluation import predict_scores
from src.fusion import average_scores
from src.inputs import read_clips
from src.store import manifest_digest
from src.training import train_spatial, train_temporal


def main():
    """A table: a row for each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("frames", help="the same subset, prepared with the other flow_source")
    arguments = parser.parse_args()
    prepared = [read_clips(folder) for folder in (arguments.data, arguments.frames)]
    subsets = {manifest_digest(clips) for clips, *_ in prepared}
    if len(subsets) > 1:
        parser.error(f"both folders must hold one subset. Found: {sorted(subsets)}")
    config, rows = TrainConfig(**parameters(arguments)), []
    for seed in arguments.seeds:
        spatial = fit("spatial", *prepared[0], dataclasses.replace(config, seed=seed), arguments.split)[0]
        for clips, store, names in prepared:
            seeded = dataclasses.replace(config, seed=seed)
            scores, seconds = fit("temporal", clips, store, names, seeded, arguments.split)
            truth = clips[clips.split == arguments.split].class_index.to_numpy()
            found = {"temporal": scores, "fused": average_scores(spatial, scores)}
            right = {name: (values.argmax(axis=1) == truth).mean() for name, values in found.items()}
            rows.append({"flow": store.config.flow_source, "seed": seed, "seconds": seconds} | right)
            print(rows[-1], flush=True)
    table = show_spread(pd.DataFrame(rows), "flow", ["temporal", "fused", "seconds"])
    print(f"\n{arguments.split}, n = {len(truth)}, seeds {arguments.seeds}; seconds are of a temporal fit\n")
    print(table.to_string())


def fit(stream, clips, store, class_names, config, split):
    """(scores of a split, seconds of the fit) of one stream."""
    run = open_run("flow-source", clips, store, config)
    start = time.perf_counter()
    train = train_spatial if stream == "spatial" else train_temporal
    model, _ = train(run, clips, store, class_names, config)
    seconds = time.perf_counter() - start
    return predict_scores(model, clips, store, stream, split, class_names, config), seconds


if __name__ == "__main__":
    main()
