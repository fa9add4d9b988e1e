"""What another data set lends the temporal stream: alone, started from a run on it, and multi-task learning with it.

    python benchmarks/transfer.py datasets/ut-interaction datasets/fights --folds groups

- "alone" is trained on the first data set, as by default.
- "started from" begins with the weights of a stream that was trained on the second one, with a new head.
- "multi-task" is trained on both at once: one body, two heads (Simonyan & Zisserman 2014, section 4).

Both folders must be prepared with the same parameters. Of the second one, its training clips are used. --set changes
any other parameter of all rows. With --folds every clip is tested once, by networks that were trained on no clip of its
group. Each fit is a run in runs/benchmarks, so that an interrupted benchmark continues where it stopped.
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

ALONE, STARTED, MULTI_TASK = WAYS = ("alone", "started from", "multi-task")
PAPER = {ALONE: 46.6, STARTED: 49.0, MULTI_TASK: 55.4}  # accuracy on HMDB51, with UCF101 as the other set, %
METRICS = ["top1", "balanced"]


def main():
    """Prints and writes one table: a row for each way and seed."""
    parser = fits.make_parser(__doc__)
    parser.add_argument("other", help="another prepared data folder, which lends")
    fits.add_folds(parser)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    arguments = parser.parse_args()
    clips, store, class_names = read_clips(arguments.data)
    folds, found = fits.divide(clips, arguments), []
    for seed in arguments.seeds:
        for way in arguments.ways:
            config = make_config(way, seed, arguments)
            tested = [score(fold, store, class_names, config, arguments.split) for fold in folds]
            scores, labels = (np.concatenate(parts) for parts in zip(*tested, strict=True))
            metrics = compute_metrics(scores, labels)
            found.append({"way": way, "seed": seed, "n": len(labels)} | {name: metrics[name] for name in METRICS})
            found[-1]["paper, HMDB51, %"] = PAPER[way]
            print(pd.DataFrame(found[-1:]).round(3).to_string(index=False), flush=True)
    table = pd.DataFrame(found)
    print(f"\n{arguments.split}, seeds {arguments.seeds}\n{fits.describe_spread(table, 'way', METRICS)}")
    write_table(arguments.table, table, keys=["way", "seed"])


def make_config(way, seed, arguments) -> TrainConfig:
    """The parameters of a way; "started from" needs a stream on the other data set, which is fitted here."""
    config = fits.parameters(arguments) | {"seed": seed}
    if way == STARTED:
        config["temporal_weights"] = str(fit(*read_clips(arguments.other), TrainConfig(**config))[0].folder)
    if way == MULTI_TASK:
        config["also"] = arguments.other
    return TrainConfig(**config)


def fit(clips, store, class_names, config):
    """(run, model) of a temporal stream, which is fitted unless it was before."""
    run = fits.open_run("transfer", clips, store, config)
    return run, fits.fit("temporal", run, clips, store, class_names, config)


def score(clips, store, class_names, config, split):
    """(scores (N, C), labels (N,)) of the scored split."""
    _, model = fit(clips, store, class_names, config)
    scores = predict_scores(model, clips, store, "temporal", split, class_names, config)
    keras.utils.clear_session()  # the networks of hundreds of fits do not fit into memory
    return scores, clips[clips.split == split].class_index.to_numpy()


if __name__ == "__main__":
    main()
