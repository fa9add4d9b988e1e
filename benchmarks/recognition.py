"""Accuracy of this project, of a plain two-stream network and of baselines: same clips, several seeds.

    python benchmarks/recognition.py datasets/sample-mini
    python benchmarks/recognition.py datasets/fights --folds 5 --backbone mobilenet_v2.keras --preprocessing tf
    python benchmarks/recognition.py datasets/ut-interaction --folds groups

- "majority class" answers each clip with the most frequent class of the training clips.
- "statistics" needs no network: frame statistics (spatial) and flow statistics (temporal) + extra trees.
- "plain" is a two-stream network without this project's additions: one middle frame and one flow stack of each clip, no
  augmentation, the paper's temporal network, one crop at test. It is compared by recipe, not by patience: loss,
  optimizer, the rule for the number of steps and the size of the input (64 px of flow) are those of this project, and
  the line of each fit says whether it was too short. So is its head, global average pooling: with the paper's dense
  layers and dropout 0.9, training accuracy was below 0.3 after 300 steps on 47 clips, where it is 1.0 with pooling.
- "full" is this project with its default parameters, but "compact" as spatial network, which needs no download.
- "backbone" is the same with the pretrained spatial network of --backbone. Its temporal stream is that of "full".

--set changes any other parameter of "plain" and "full", and so of "backbone". With --folds every clip is tested once,
by networks that were trained on no clip of its group; "groups" makes one fold of each group; without it the splits of
the data folder are used. "fused" is the average of both streams. The other fusions are learned on validation; "used" is
the one that validation prefers by more than noise, else the average, as in a saved model. Each fit is a run in
runs/benchmarks, so that an interrupted benchmark continues where it stopped, and seeds can be fitted by several
processes before one command makes the table of all.
"""

import fits
import keras
import numpy as np
import pandas as pd
from tables import write_table

from src.config import STREAMS, TrainConfig
from src.evaluation import baseline_scores, evaluation_protocol, score_split
from src.fusion import KINDS, average_scores, chosen_kind, fit_fusion, fusion_table
from src.inputs import read_clips
from src.metrics import accuracy_interval, evaluate_split, majority_class_accuracy, sign_flip_test

PLAIN = {
    "augment": False,
    "temporal_network": "cnn_m",
    "temporal_head": "pool",
    "temporal_weights": "scratch",
    "temporal_crop_size": 64,
    "flow_input": "stack",
    "test_segments": 1,
    "test_crops": 1,
}
BASELINES = ("majority class", "statistics")
WAYS = (*BASELINES, "plain", "full", "backbone")
OTHER_KINDS = KINDS[1:]  # the first is the average, "fused" here
BALANCED = ("temporal", "fused")
COLUMNS = [*STREAMS, "fused", *OTHER_KINDS, "used"]


def main():
    """Prints and writes one table: a row for each way and seed."""
    arguments = parse_arguments()
    clips, store, class_names = read_clips(arguments.data)
    folds, rows, answers = fits.divide(clips, arguments), [], {}
    for seed in arguments.seeds:
        for way in arguments.ways:
            found = []
            for number, fold in enumerate(folds, start=1):
                print(f"{way}, seed {seed}, fold {number} of {len(folds)}", flush=True)
                found.append(answer_clips(way, seed, fold, store, class_names, arguments))
                keras.utils.clear_session()  # the networks of hundreds of fits do not fit into memory
            answers[way, seed] = pd.concat(found)
            rows.append({"way": way, "seed": seed} | summarize(answers[way, seed]))
            print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)
    table = pd.DataFrame(rows).sort_values("way", key=lambda ways: ways.map(WAYS.index), kind="stable")
    print(f"\nseeds {arguments.seeds}\n{fits.describe_spread(table, 'way', COLUMNS)}")
    for other in arguments.ways:
        if "full" in arguments.ways and other != "full":
            print(describe_gain(table, answers, other, arguments.seeds[0]))
    write_table(arguments.table, table, keys=["way", "seed"])


def parse_arguments():
    """The command line; "backbone" is one of the ways if --backbone is given."""
    parser = fits.make_parser(__doc__)
    fits.add_folds(parser)
    parser.add_argument("--backbone", metavar="WEIGHTS", help='spatial_weights of "backbone": a name or a file')
    parser.add_argument("--preprocessing", help="backbone_preprocessing of a file, as in TrainConfig")
    parser.add_argument("--ways", nargs="+", choices=WAYS, help="default: all that are possible")
    arguments = parser.parse_args()
    arguments.ways = arguments.ways or [way for way in WAYS if way != "backbone" or arguments.backbone]
    if "backbone" in arguments.ways and not arguments.backbone:
        parser.error("the way backbone needs --backbone")
    return arguments


def make_config(way, seed, arguments) -> TrainConfig:
    """The parameters of a way."""
    changed = {"spatial_weights": "compact"} | fits.parameters(arguments) | {"seed": seed}
    if way == "plain":
        changed |= PLAIN
    if way == "backbone":
        changed["spatial_weights"] = arguments.backbone
        changed |= {"backbone_preprocessing": arguments.preprocessing} if arguments.preprocessing else {}
    return TrainConfig(**changed)


def answer_clips(way, seed, clips, store, class_names, arguments) -> pd.DataFrame:
    """Fits a way to a fold, unless it was fitted before.

    Returns:
        A row per clip of the scored split: `group`, `label`, and the class that each of `COLUMNS` answers.
    """
    split, data = arguments.split, (clips, store, class_names)
    rows, held = clips[clips.split == split], clips[clips.split == "validation"]
    labels, classes = rows.class_index.to_numpy(), {}
    if way == "majority class":
        most = clips[clips.split == "train"].class_index.mode().iloc[0]
        classes = dict.fromkeys((*STREAMS, "fused"), np.full(len(rows), most))
    elif way == "statistics":
        scores = score_statistics(seed, *data, split)
        classes = {name: values.argmax(axis=1) for name, values in scores.items()}
    else:
        data = (clips, fits.FewerSegments(store, 1), class_names) if way == "plain" else data
        validation, scores = score_networks(way, seed, data, arguments)
        known, groups = held.class_index.to_numpy(), held.group.to_numpy()
        table = fusion_table(validation, known, scores, labels, groups, rows.group.to_numpy())
        scores |= {kind: fit_fusion(kind, validation, known, groups).apply(scores) for kind in OTHER_KINDS}
        used = chosen_kind(table)
        scores["used"] = scores["fused" if used == KINDS[0] else used]
        print(f"  used: {used}. {table.test.round(3).to_dict()}", flush=True)
        classes = {name: scores[name].argmax(axis=1) for name in COLUMNS}
    return pd.DataFrame({"group": rows.group.to_numpy(), "label": labels} | classes)


def score_networks(way, seed, data, arguments):
    """(scores of validation, scores of the scored split), each {"spatial", "temporal", "fused"}: float (N, C)."""
    clips, store, class_names = data
    config, full = make_config(way, seed, arguments), make_config("full", seed, arguments)
    run = fits.open_run(way, clips, store, config)
    protocol = evaluation_protocol(run.record["manifest_digest"], store, class_names, config)
    spatial = fits.fit("spatial", run, *data, config)
    if way == "backbone":
        temporal = fits.fit("temporal", fits.open_run("full", clips, store, full), *data, full)
    else:
        temporal = fits.fit("temporal", run, *data, config)
    splits = ("validation", arguments.split)
    validation, scores = (score_split(run, spatial, temporal, *data, config, split) for split in splits)
    labels, train = (clips[clips.split == split].class_index.to_numpy() for split in (arguments.split, "train"))
    metrics = evaluate_split(scores, labels, majority_class_accuracy(labels, train))
    run.write_metrics({arguments.split: metrics, "protocol": protocol})
    return validation, scores


def score_statistics(seed, clips, store, class_names, split):
    """{"spatial", "temporal", "fused"}: scores (N, C) of the baselines of the same inputs; a run keeps them."""
    run, rows = fits.open_run("statistics", clips, store, TrainConfig(seed=seed)), clips[clips.split == split]
    kept = run.read_scores(split, rows, "extra trees")
    if kept is not None:
        return kept
    found = baseline_scores(clips, store, class_names, [split], seed)[split]
    scores = {"spatial": found["frame statistics"], "temporal": found["flow statistics"]}
    scores["fused"] = average_scores(**scores)
    run.write_scores(split, rows, scores, "extra trees")
    return scores


def summarize(answers: pd.DataFrame) -> dict:
    """n, the accuracies, balanced accuracies, and the interval of "fused" by groups; NaN for what a way lacks."""
    answers = answers.reindex(columns=["group", "label", *COLUMNS])
    right = answers[COLUMNS].eq(answers.label, axis=0)
    low, high = accuracy_interval(right.fused.to_numpy(), answers.group.to_numpy())
    accuracies = right.mean().where(answers[COLUMNS].notna().any())
    balanced = right.groupby(answers.label).mean().mean()
    row = {"n": len(answers)} | accuracies.to_dict() | {f"{name}, balanced": balanced[name] for name in BALANCED}
    return row | {"fused, 95 % interval": f"{low:.3f} … {high:.3f}"}


def describe_gain(table, answers, other, seed):
    """What the full network gains over another way."""
    means = table.groupby("way").fused.mean()
    full, rest = ((answers[way, seed].fused == answers[way, seed].label).to_numpy() for way in ("full", other))
    p = sign_flip_test(full, rest, answers["full", seed].group.to_numpy())
    gain = 100 * (means["full"] - means[other])
    return f"fused, full - {other}: {gain:+.1f} points (sign-flip test by group on seed {seed}: p = {p:.2g})"


if __name__ == "__main__":
    main()
