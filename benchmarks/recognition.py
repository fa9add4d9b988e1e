"""What do the project's defaults recognise, beside a plain two-stream network? Same data and epochs, several seeds.

    python benchmarks/recognition.py datasets/ssv2-mini
    python benchmarks/recognition.py datasets/fights --folds 5 --set spatial_weights=backbone.keras --set batch_size=8

"plain" is one middle frame and one flow stack of each clip, no mean subtraction, no augmentation, a dense 4096-2048
head with dropout 0.9, one view at test, averaging. --set changes any other parameter of both. With --folds every clip
is tested once, by networks that saw no clip of its group; else the splits of the folder are used. "fused" is the
average; the other fusions are learned on validation, and stand beside it. Each fit is a run in runs/benchmarks, so
that an interrupted benchmark goes on where it stopped.
"""

import argparse

import fits
import numpy as np
import pandas as pd

from src.config import TrainConfig
from src.evaluation import describe_protocol, evaluation_protocol, score_split
from src.fusion import KINDS, fuse
from src.inputs import read_clips
from src.metrics import bootstrap_interval, evaluate_split, majority_class_accuracy, mcnemar
from src.subsets import make_folds
from src.training import train_spatial, train_temporal

PLAIN = {
    "augment": False,
    "subtract_mean": False,
    "temporal_head": "dense",
    "temporal_weights": "scratch",
    "flow_input": "stack",
    "test_segments": 1,
    "test_crops": 1,
}
STREAMS = ["spatial", "temporal", "fused"]


def main():
    """One table: a row per way, mean and standard deviation over seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    fits.add_arguments(parser)
    parser.add_argument("--folds", type=int, help="folds by group; without it the splits of the folder")
    parser.add_argument("--fold-seed", type=int, default=0)
    parser.add_argument("--ways", nargs="+", choices=("plain", "defaults"), default=["plain", "defaults"])
    arguments = parser.parse_args()
    clips, store, class_names = read_clips(arguments.data)
    folds = make_folds(clips, arguments.folds, arguments.fold_seed) if arguments.folds else [clips]
    rows, right = [], {}
    for way in arguments.ways:
        for seed in arguments.seeds:
            changed = fits.parameters(arguments) | {"seed": seed} | (PLAIN if way == "plain" else {})
            config = TrainConfig(**changed)
            found = [score_fold(way, fold, store, class_names, config, arguments.split) for fold in folds]
            hits = {name: np.concatenate([fold[name] for fold in found]) for name in found[0]}
            rows.append({"way": way, "seed": seed} | {name: hits[name].mean() for name in (*STREAMS, *KINDS[1:])})
            print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)
            right[way, seed] = hits
    report(pd.DataFrame(rows), right, arguments)


def score_fold(way, clips, store, class_names, config, split):
    """Trains both streams on a fold, and says of each clip of a split whether each stream and fusion is right."""
    run = fits.open_run(way, clips, store, config)
    protocol = evaluation_protocol(run, store, class_names, config)
    spatial, _ = train_spatial(run, clips, store, class_names, config)
    temporal, _ = train_temporal(run, clips, store, class_names, config)
    models, rest = (spatial, temporal), (clips, store, class_names, config)
    validation, scores = (score_split(run, *models, *rest, name) for name in ("validation", split))
    rows, held = clips[clips.split == split], clips[clips.split == "validation"]
    labels, train = rows.class_index.to_numpy(), clips[clips.split == "train"].class_index.to_numpy()
    run.write_metrics(
        {split: evaluate_split(scores, labels, majority_class_accuracy(labels, train)), "protocol": protocol}
    )
    print(describe_protocol(protocol, split, len(labels)))
    for kind in KINDS[1:]:  # the average is "fused"
        scores[kind] = fuse(kind, validation, held.class_index.to_numpy(), scores, held.group.to_numpy())
    hits = {name: found.argmax(axis=1) == labels for name, found in scores.items()}
    return hits | {"group": rows.group.to_numpy()}


def report(rows, right, arguments):
    """The table, its protocol, and what the defaults gain."""
    seed = arguments.seeds[0]
    table = fits.show_spread(rows, "way", [*STREAMS, *KINDS[1:]])
    table.insert(0, "n", [len(right[way, seed]["fused"]) for way in table.index])
    intervals = [bootstrap_interval(right[way, seed]["fused"], groups=right[way, seed]["group"]) for way in table.index]
    table[f"fused, seed {seed}: 95 %"] = [f"{low:.3f} … {high:.3f}" for low, high in intervals]
    where = f"{arguments.folds} folds by group, seed {arguments.fold_seed}" if arguments.folds else "its own splits"
    print(f"\n{arguments.data}, {arguments.split}, {where}; seeds {arguments.seeds}; {' '.join(arguments.set)}")
    print(table.to_string())
    if len(table) == 2:
        means = rows.groupby("way").fused.mean()
        p = mcnemar(right["defaults", seed]["fused"], right["plain", seed]["fused"])
        gain = 100 * (means["defaults"] - means["plain"])
        print(f"fused, defaults - plain: {gain:+.1f} points (McNemar on seed {seed}, groups not regarded: p = {p:.2g})")


if __name__ == "__main__":
    main()
