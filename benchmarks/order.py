"""Does the order of a clip's segments help? Averaged, ordered, shifted, and both: same clips, several seeds.

    python benchmarks/order.py datasets/my-data --classes "Opening something" "Closing something"
    python benchmarks/order.py datasets/ut-interaction --folds groups --backbone mobilenet_v2.keras --preprocessing tf
    python benchmarks/order.py datasets/ut3 datasets/ut-interaction datasets/ut8 --folds groups --ways average ordered

- "average" averages the features of a clip's segments, and so forgets their order (TSN).
- "ordered" compares early with late segments, too (`consensus="ordered"`).
- "shift" averages, but shifts an eighth of the channels to the next segment and to the one before (TSM).
- "both" is "ordered" with "shift".

Each way changes both streams. The spatial network is "compact", or that of --backbone; all else has its defaults, and
--set changes it for all ways. "fused" is the average of both streams. "reversed" and "shuffled" are the same networks,
given the segments of the test clips in another order: a stream that does not use their order is as accurate as before.
With --classes A B, "pair" is the share of the clips of these two classes to which the right one of both is given the
higher score: 0.5 is chance.

"s" are seconds of training, over all folds. The features of a frozen backbone are computed once, within the first fit
that needs them. A fit that was interrupted has no seconds. Several data folders, the same clips prepared with other
num_segments, are compared in one table, with the size of a clip in the store, and the seconds that extract it.

With --folds every clip is tested once, by networks that were trained on no clip of its group. Each fit is a run in
runs/benchmarks, and keeps its scores, so that an interrupted benchmark continues where it stopped, and seeds or ways
can be fitted by several processes before one command makes the table of all.
"""

import dataclasses
import time
from itertools import product

import fits
import keras
import numpy as np
import pandas as pd
from recognition import make_config
from tables import write_table

from src.config import STREAMS
from src.evaluation import ORDERS, predict_scores
from src.fusion import average_scores
from src.inputs import read_clips
from src.preprocessing import extract_clip
from src.video import Excerpt

WAYS = {
    "average": {"consensus": "average", "temporal_shift": False},
    "ordered": {"consensus": "ordered", "temporal_shift": False},
    "shift": {"consensus": "average", "temporal_shift": True},
    "both": {"consensus": "ordered", "temporal_shift": True},
}
TESTS = ("in order", "reversed", "shuffled")
SCORED_BY = "benchmarks/order.py"  # in the place of a digest of weights: scores are read without the networks
MOST_EXTRACTED = 10  # clips whose extraction is timed


def main():
    """Prints and writes one table: a row for each data folder, way and seed."""
    arguments, rows = parse_arguments(), []
    for folder in [arguments.data, *arguments.others]:
        data = read_clips(folder)
        cost = measure_store(*data[:2]) if arguments.others else {}
        for way, seed in product(arguments.ways, arguments.seeds):
            print(f"{folder}: {way}, seed {seed}", flush=True)
            key = {"segments": data[1].config.num_segments, "way": way, "seed": seed}
            rows.append(key | test_way(way, seed, data, arguments) | cost)
            print(pd.DataFrame(rows[-1:]).round(3).to_string(index=False), flush=True)
    table = pd.DataFrame(rows)
    rounded = table.drop(columns="seed").groupby(["segments", "way", "n"], sort=False).mean().round(3)
    print(f"\n{arguments.split}, means over seeds {arguments.seeds}\n{rounded.reset_index().to_string(index=False)}")
    write_table(arguments.table, table, keys=["segments", "way", "seed"])


def parse_arguments():
    """The command line."""
    parser = fits.make_parser(__doc__)
    parser.add_argument("others", nargs="*", metavar="data", help="the same clips, with other num_segments")
    fits.add_folds(parser)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--streams", nargs="+", choices=STREAMS, default=list(STREAMS))
    parser.add_argument("--backbone", metavar="WEIGHTS", help="spatial_weights: a name or a file")
    parser.add_argument("--preprocessing", help="backbone_preprocessing of a file, as in TrainConfig")
    parser.add_argument("--classes", nargs=2, metavar=("A", "B"), help="a pair of classes that order tells apart")
    return parser.parse_args()


def test_way(way, seed, data, arguments) -> dict:
    """Fits a way to each fold, unless it was fitted before: n, accuracies, and seconds."""
    clips, store, class_names = data
    found, seconds = [], dict.fromkeys(arguments.streams, 0.0)
    for fold in fits.divide(clips, arguments):
        scores = {}
        for stream in arguments.streams:
            scores[stream], spent = test_stream(stream, way, seed, (fold, store, class_names), arguments)
            seconds[stream] += spent
        found.append(answer_clips(scores, fold[fold.split == arguments.split], class_names, arguments.classes))
        keras.utils.clear_session()  # the networks of hundreds of fits do not fit into memory
    answers = pd.concat(found)
    return {"n": len(answers)} | answers.mean().to_dict() | {f"{stream}, s": seconds[stream] for stream in seconds}


def test_stream(stream, way, seed, data, arguments) -> tuple[dict[str, np.ndarray], float]:
    """(test → scores float (N, C), seconds of the fit) of a stream in a fold, from its run if that has all scores.

    The temporal stream is that of the way "full" of benchmarks/recognition.py, with the parameters of `way`; the
    spatial one, too, or that of "backbone".
    """
    clips, store, _ = data
    name = "backbone" if stream == "spatial" and arguments.backbone else "full"
    config = dataclasses.replace(make_config(name, seed, arguments), **WAYS[way])
    run, rows = fits.open_run(name, clips, store, config), clips[clips.split == arguments.split]
    files = {test: f"{arguments.split}_{stream}_{test.replace(' ', '_')}" for test in TESTS}
    kept = {test: run.read_scores(file, rows, SCORED_BY) for test, file in files.items()}
    if None in kept.values():
        model = fits.fit(stream, run, *data, config)
        for test, file in files.items():
            order = ORDERS.get(f"segments {test}")
            kept[test] = {
                stream: predict_scores(model, *data[:2], stream, arguments.split, data[2], config, order=order)
            }
            run.write_scores(file, rows, kept[test], SCORED_BY)
    seconds = run.record.get("notes", {}).get(f"{stream}_seconds", np.nan)
    return {test: scores[stream] for test, scores in kept.items()}, seconds


def answer_clips(scores, rows, class_names, pair) -> pd.DataFrame:
    """Is each clip right? A column for each stream and test; NaN in the columns of a pair for clips of other classes.

    Args:
        scores: stream → test → float (N, C).
        rows: the clips, (N,).
        class_names: by class index.
        pair: two of them, or None.
    """
    if len(scores) == len(STREAMS):
        fused = {test: average_scores(*(scores[stream][test] for stream in STREAMS)) for test in TESTS}
        scores = scores | {"fused": fused}
    labels, answers = rows.class_index.to_numpy(), {}
    for test, stream in product(TESTS, scores):
        name = stream if test == TESTS[0] else f"{stream}, {test}"
        answers[name] = (scores[stream][test].argmax(axis=1) == labels).astype(float)
    if pair:
        of_pair = np.array([class_names.index(name) for name in pair])
        for stream, tests in scores.items():
            right = of_pair[tests[TESTS[0]][:, of_pair].argmax(axis=1)] == labels
            answers[f"{stream}, pair"] = np.where(np.isin(labels, of_pair), right, np.nan)
    return pd.DataFrame(answers)


def measure_store(clips, store) -> dict:
    """The mean size of a clip in the store, and the mean seconds that extract one, by one process."""
    sizes = [sum(file.stat().st_size for file in (store.folder / name).iterdir()) for name in clips.clip_name]
    some = clips.iloc[:: -(-len(clips) // MOST_EXTRACTED)]
    start = time.perf_counter()
    for row in some.itertuples():
        extract_clip(Excerpt.of(row), store.config)
    return {"kB a clip": np.mean(sizes) / 1000, "s to extract a clip": (time.perf_counter() - start) / len(some)}


if __name__ == "__main__":
    main()
