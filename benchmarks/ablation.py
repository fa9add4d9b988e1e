"""What the temporal stream needs: input as in table 1 of Simonyan & Zisserman 2014, network, segments, augmentation.

    python benchmarks/ablation.py datasets/sample-mini --set segments=3 --set temporal_steps=300
    python benchmarks/ablation.py datasets/my-data --folds 5 --rows defaults "mean subtracted"

Each row changes the parameters that it names; all others have their defaults, and --set changes them for all rows. All
inputs are made from one store; with `--set segments=3`, from three of its segments, evenly spaced. The rows of the
paper subtract the mean displacement, as the paper does, and have the paper's numbers beside them. With --folds every
clip is tested once, by networks that were trained on no clip of its group. Each fit is a run in runs/benchmarks, so
that an interrupted benchmark continues where it stopped.
"""

import fits
import keras
import numpy as np
import pandas as pd
from tables import write_table

from src.config import TrainConfig
from src.evaluation import predict_scores
from src.inputs import read_clips
from src.metrics import compute_metrics
from src.training import train_temporal

SUBTRACTED = {"subtract_mean": True}
ROWS = {  # parameters; "segments" is the number that the store is reduced to
    "defaults": {},
    "mean subtracted": SUBTRACTED,
    "L = 5, mean subtracted": SUBTRACTED | {"flow_length": 5},
    "L = 1, mean subtracted": SUBTRACTED | {"flow_length": 1},
    "trajectory, mean subtracted": SUBTRACTED | {"flow_input": "trajectory"},
    "bi-directional, mean subtracted": SUBTRACTED | {"flow_input": "bidirectional"},
    "the paper's network, 64 px": {"temporal_network": "cnn_m", "temporal_crop_size": 64},
    "three segments": {"segments": 3},
    "one segment": {"segments": 1},
    "no augmentation": {"augment": False},
}
PAPER = {  # accuracy on UCF101 split 1, %, of L = 10 and of the paper's network
    "defaults": 79.9,
    "mean subtracted": 81.0,
    "L = 5, mean subtracted": 80.4,
    "L = 1, mean subtracted": 73.9,
    "trajectory, mean subtracted": 80.2,
    "bi-directional, mean subtracted": 81.2,
}
METRICS = ["top1", "balanced"]


def main():
    """Prints and writes one table: a row for each variation and seed."""
    parser = fits.make_parser(__doc__)
    fits.add_folds(parser)
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    arguments = parser.parse_args()
    clips, store, class_names = read_clips(arguments.data)
    found = []
    for seed in arguments.seeds:
        for name in arguments.rows:
            given = fits.parameters(arguments) | ROWS[name] | {"seed": seed}
            reduced = fits.FewerSegments(store, given.pop("segments", store.config.num_segments))
            tested = [
                score(fold, reduced, class_names, given, arguments.split) for fold in fits.divide(clips, arguments)
            ]
            scores, labels = (np.concatenate(parts) for parts in zip(*tested, strict=True))
            metrics = compute_metrics(scores, labels)
            changed = ", ".join(f"{parameter}={value!r}" for parameter, value in ROWS[name].items())
            found.append({"row": name, "parameters": changed, "seed": seed, "n": len(labels)})
            found[-1] |= {metric: metrics[metric] for metric in METRICS}
            found[-1]["paper, UCF101 split 1, %"] = PAPER.get(name, "")
            print(pd.DataFrame(found[-1:]).round(3).to_string(index=False), flush=True)
    table = pd.DataFrame(found)
    print(f"\n{arguments.split}, seeds {arguments.seeds}\n{fits.describe_spread(table, 'row', METRICS)}")
    write_table(arguments.table, table, keys=["row", "seed"])


def score(clips, store, class_names, parameters, split):
    """(scores (N, C), labels (N,)) of the scored split, by a temporal stream that is fitted unless it was before."""
    config = TrainConfig(**parameters)
    run = fits.open_run("temporal", clips, store, config)
    model, _ = train_temporal(run, clips, store, class_names, config)
    scores = predict_scores(model, clips, store, "temporal", split, class_names, config)
    keras.utils.clear_session()  # the networks of hundreds of fits do not fit into memory
    return scores, clips[clips.split == split].class_index.to_numpy()


if __name__ == "__main__":
    main()
