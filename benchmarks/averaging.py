"""Mean of scores, or mean of log-scores, over the crops of a clip? Accuracy of both, by stream.

    python benchmarks/averaging.py datasets/ssv2-mini
    python benchmarks/averaging.py datasets/fights --folds 5 --seeds 0 1 2

Nothing is trained: the networks are those of the way "full" of benchmarks/recognition.py, run before with the same
data, folds, seeds and --set, in the same folder. Each crop of the validation and the test clips is scored once.
"mean of scores" is what this project does; "mean of log-scores" is the geometric mean, normalised, and so the softmax
of the mean logits. "fused" is the average of both streams' means.

A fit that is not finished is left out and counted: a stream needs its .keras file, "fused" those of both. A clip counts
once for each fit that scores it. p is that of the sign-flip test by group.
"""

from itertools import product
from pathlib import Path

import fits
import keras
import numpy as np
import pandas as pd
from recognition import make_config
from scipy.special import softmax
from tables import write_table

from src.config import STREAMS
from src.evaluation import average_crops
from src.fusion import average_scores
from src.inputs import EvaluationBatches, read_clips
from src.metrics import sign_flip_test

SPLITS = ("validation", "test")
LEAST_SCORE = 1e-10  # float32 scores can be exactly zero, which has no logarithm
ORDERS = ["mean of scores", "mean of log-scores"]


def main():
    """Prints and writes one table: a row for each split and stream."""
    parser = fits.make_parser(__doc__)
    fits.add_folds(parser)
    arguments = parser.parse_args()
    clips, store, class_names = read_clips(arguments.data)
    found, lacking = [], dict.fromkeys(STREAMS, 0)
    for seed, fold in product(arguments.seeds, fits.divide(clips, arguments)):
        config = make_config("full", seed, arguments)
        folder = fits.run_folder("full", fold, store, config)
        finished = [stream for stream in STREAMS if (folder / f"{stream}.keras").exists()]
        lacking = {stream: count + (stream not in finished) for stream, count in lacking.items()}
        models = {stream: keras.models.load_model(folder / f"{stream}.keras", compile=False) for stream in finished}
        answers = [answer_clips(models, fold, store, class_names, config, split) for split in SPLITS if models]
        found += [part.assign(fit=folder.name) for part in answers]
        keras.utils.clear_session()
    print(f"fits left out, because they are not finished: {lacking}")
    if not found:
        raise SystemExit("Run benchmarks/recognition.py first, with the same data, folds and seeds.")
    table = summarize(pd.concat(found))
    table.insert(0, "data", Path(arguments.data).name)
    print(table.round(3).to_string(index=False))
    write_table(arguments.table, table, keys=["data", "split", "stream"])


def answer_clips(models, clips, store, class_names, config, split) -> pd.DataFrame:
    """A row for each clip of the split and stream, and "fused" if `models` has both: is each order right?"""
    rows, means = clips[clips.split == split], {}
    for stream, model in models.items():
        batches = EvaluationBatches(clips, store, stream, split, len(class_names), config, config.test_crops)
        each = np.concatenate([model.predict_on_batch(batches[index][0]) for index in range(len(batches))])
        means[stream] = average_both(each, class_names, config)
    if len(means) == len(STREAMS):
        means["fused"] = {
            order: average_scores(**{stream: means[stream][order] for stream in STREAMS}) for order in ORDERS
        }
    right = {
        stream: pd.DataFrame({order: both[order].argmax(axis=1) == rows.class_index for order in ORDERS})
        for stream, both in means.items()
    }
    return pd.concat([part.assign(split=split, stream=stream, group=rows.group) for stream, part in right.items()])


def average_both(scores: np.ndarray, class_names: list[str], config) -> dict[str, np.ndarray]:
    """Both means over the crops of each clip: order → float (N, C), rows sum to 1."""
    logs = np.log(np.maximum(scores, LEAST_SCORE, dtype=np.float64))
    means = [average_crops(values, class_names, config) for values in (scores, logs)]
    return dict(zip(ORDERS, [means[0], softmax(means[1], axis=1)], strict=True))


def summarize(answers: pd.DataFrame) -> pd.DataFrame:
    """A row for each split and stream: clips, fits, accuracies, the clips that only one order gets right."""
    rows = []
    for (split, stream), part in answers.groupby(["split", "stream"], sort=False):
        of_scores, of_logs = (part[order].to_numpy() for order in ORDERS)
        rows.append({"split": split, "stream": stream, "clips": len(part), "fits": part.fit.nunique()})
        rows[-1] |= {ORDERS[0]: of_scores.mean(), ORDERS[1]: of_logs.mean()}
        rows[-1]["logs better, clips"] = int((of_logs & ~of_scores).sum())
        rows[-1]["logs worse, clips"] = int((of_scores & ~of_logs).sum())
        rows[-1]["p"] = sign_flip_test(of_logs, of_scores, part.group.to_numpy())
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
