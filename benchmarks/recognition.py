"""Accuracy of this project and of a plain two-stream network: same data, same epochs, several seeds.

    python benchmarks/recognition.py datasets/ssv2-mini
    python benchmarks/recognition.py datasets/fights --folds 5 --set spatial_weights=backbone.keras --set batch_size=8

"full" is this project with its default parameters. "plain" takes one middle frame and one flow stack of each clip,
without mean subtraction and augmentation, has a dense 4096-2048 head with dropout 0.9, and scores one crop at test.
--set changes any other parameter of both ways. With --folds every clip is tested once, by networks that were trained on
no clip of its group; without it the splits of the data folder are used. "fused" is the average of both streams; the
other fusions are learned on validation. Each fit is a run in runs/benchmarks, so that an interrupted benchmark
continues where it stopped.
"""

import fits
import pandas as pd
from tables import write_table

from src.config import TrainConfig
from src.evaluation import describe_protocol, evaluation_protocol, score_split
from src.fusion import KINDS, fit_fusion
from src.inputs import read_clips
from src.metrics import accuracy_interval, evaluate_split, majority_class_accuracy, sign_flip_test
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
LEARNED = KINDS[1:]  # the first is the average, "fused" here
COLUMNS = ["spatial", "temporal", "fused", *LEARNED]


def main():
    """Prints and writes one table: a row for each way and seed."""
    parser = fits.make_parser(__doc__)
    parser.add_argument("--folds", type=int, help="folds by group; without it the splits of the folder")
    parser.add_argument("--fold-seed", type=int, default=0)
    parser.add_argument("--ways", nargs="+", choices=("plain", "full"), default=["plain", "full"])
    arguments = parser.parse_args()
    clips, store, class_names = read_clips(arguments.data)
    folds = make_folds(clips, arguments.folds, arguments.fold_seed) if arguments.folds else [clips]
    rows, correct = [], {}
    for way in arguments.ways:
        for seed in arguments.seeds:
            changed = fits.parameters(arguments) | {"seed": seed} | (PLAIN if way == "plain" else {})
            config = TrainConfig(**changed)
            found = [score_fold(way, fold, store, class_names, config, arguments.split) for fold in folds]
            correct[way, seed] = pd.concat(found)
            rows.append({"way": way, "seed": seed} | summarize(correct[way, seed]))
            print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)
    table = pd.DataFrame(rows)
    print(f"\nseeds {arguments.seeds}\n{fits.describe_spread(table, 'way', COLUMNS)}")
    if len(arguments.ways) == 2:
        print(describe_gain(table, correct, arguments.seeds[0]))
    write_table(arguments.table, table, keys=["way", "seed"])


def score_fold(way, clips, store, class_names, config, split):
    """Trains both streams on a fold.

    Returns:
        DataFrame with a row per clip of `split`: `group`, and for each stream and fusion whether its answer is correct.
    """
    run = fits.open_run(way, clips, store, config)
    protocol = evaluation_protocol(run, store, class_names, config)
    spatial, _ = train_spatial(run, clips, store, class_names, config)
    temporal, _ = train_temporal(run, clips, store, class_names, config)
    models, rest = (spatial, temporal), (clips, store, class_names, config)
    validation, scores = (score_split(run, *models, *rest, name) for name in ("validation", split))
    rows, held = clips[clips.split == split], clips[clips.split == "validation"]
    labels, train = rows.class_index.to_numpy(), clips[clips.split == "train"].class_index.to_numpy()
    metrics = evaluate_split(scores, labels, majority_class_accuracy(labels, train))
    run.write_metrics({split: metrics, "protocol": protocol})
    print(describe_protocol(protocol, split, len(labels)))
    for kind in LEARNED:
        fitted = fit_fusion(kind, validation, held.class_index.to_numpy(), held.group.to_numpy())
        scores[kind] = fitted.apply(scores)
    correct = {name: scores[name].argmax(axis=1) == labels for name in COLUMNS}
    return pd.DataFrame(correct | {"group": rows.group.to_numpy()})


def summarize(correct: pd.DataFrame) -> dict:
    """n, the accuracies, and the interval of "fused" by groups."""
    low, high = accuracy_interval(correct.fused.to_numpy(), correct.group.to_numpy())
    accuracies = {name: correct[name].mean() for name in COLUMNS}
    return {"n": len(correct)} | accuracies | {"fused, 95 % interval": f"{low:.3f} … {high:.3f}"}


def describe_gain(table, correct, seed):
    """What the full network gains over the plain one."""
    means = table.groupby("way").fused.mean()
    full, plain = correct["full", seed], correct["plain", seed]
    p = sign_flip_test(full.fused.to_numpy(), plain.fused.to_numpy(), full.group.to_numpy())
    gain = 100 * (means["full"] - means["plain"])
    return f"fused, full - plain: {gain:+.1f} points (sign-flip test by group on seed {seed}: p = {p:.2g})"


if __name__ == "__main__":
    main()
