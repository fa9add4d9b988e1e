"""Stored flow and flow that the temporal network computes from frames: accuracy, time of a fit, and disk space.

    python benchmarks/flow_source.py datasets/sample-mini datasets/sample-mini-frames --seeds 0 1 2 [--set NAME=VALUE …]

Both folders hold one subset, prepared with `flow_source` "store" and "layer". The spatial stream has the same frames in
both, and is trained once for each seed. --split chooses the split that is scored, once for each fit.
"""

import dataclasses
import time

import fits
import numpy as np
import pandas as pd
from tables import write_table

from src.config import TrainConfig
from src.evaluation import predict_scores
from src.fusion import average_scores
from src.inputs import read_clips
from src.store import manifest_digest
from src.training import train_spatial, train_temporal


def main():
    """Prints and writes one table: a row for each folder and seed."""
    parser = fits.make_parser(__doc__)
    parser.add_argument("frames", help="the same subset, prepared with the other flow_source")
    arguments = parser.parse_args()
    prepared = [read_clips(folder) for folder in (arguments.data, arguments.frames)]
    subsets = {manifest_digest(clips) for clips, *_ in prepared}
    if len(subsets) > 1:
        parser.error(f"both folders must hold one subset. Found: {sorted(subsets)}")
    config, rows = TrainConfig(**fits.parameters(arguments)), []
    for seed in arguments.seeds:
        seeded = dataclasses.replace(config, seed=seed)
        spatial, _ = fit("spatial", *prepared[0], seeded, arguments.split)
        for clips, store, names in prepared:
            scores, seconds = fit("temporal", clips, store, names, seeded, arguments.split)
            labels = clips[clips.split == arguments.split].class_index.to_numpy()
            rows.append({
                "flow_source": store.config.flow_source, "seed": seed, "n": len(labels),
                "temporal": (scores.argmax(axis=1) == labels).mean(),
                "fused": (average_scores(spatial, scores).argmax(axis=1) == labels).mean(),
                "temporal fit, s": seconds,
                "KB a clip": np.mean([store.num_bytes(name) for name in clips.clip_name]) / 1e3,
            })  # fmt: skip
        print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)
    table = pd.DataFrame(rows)
    print(f"\n{arguments.split}, seeds {arguments.seeds}")
    print(fits.describe_spread(table, "flow_source", ["temporal", "fused", "temporal fit, s"]))
    write_table(arguments.table, table, keys=["flow_source", "seed"])


def fit(stream, clips, store, class_names, config, split):
    """(scores of a split, seconds of the fit) of one stream."""
    run = fits.open_run("flow-source", clips, store, config)
    start = time.perf_counter()
    train = train_spatial if stream == "spatial" else train_temporal
    model, _ = train(run, clips, store, class_names, config)
    seconds = time.perf_counter() - start
    return predict_scores(model, clips, store, stream, split, class_names, config), seconds


if __name__ == "__main__":
    main()
