"""Last weights of the temporal stream, or those of its best round? Test accuracy by the number of validation clips.

    python benchmarks/last_weights.py datasets/sample-mini
    python benchmarks/last_weights.py datasets/ut-interaction --folds 5

One fit gives both: after each of its twelve rounds, validation and test clips are scored. "last" are the weights after
the cosine decay to zero, which this project keeps, and "best" those of the round with the highest validation accuracy,
the latest of equal ones. Smaller validation sets are random clips of the one there is, drawn a hundred times: the round
is then chosen by these alone. What each fit got right is kept in runs/benchmarks, so that an interrupted benchmark
continues with the next fit.
"""

import fits
import keras
import numpy as np
import pandas as pd
from tables import write_table

from src.config import TrainConfig
from src.evaluation import predict_scores
from src.files import atomic_path
from src.inputs import TrainingBatches, read_clips
from src.training import choose_steps, compile_model

ROUNDS, DRAWS = 12, 100
SIZES = (6, 12, 24, 48, 96)  # validation clips; beside all of them


def main():
    """Prints and writes one table: a row for each number of validation clips."""
    parser = fits.make_parser(__doc__)
    fits.add_folds(parser)
    arguments = parser.parse_args()
    clips, store, class_names = read_clips(arguments.data)
    folds, rows = fits.divide(clips, arguments), []
    fewest = min((fold.split == "validation").sum() for fold in folds)
    for seed in arguments.seeds:
        config = TrainConfig(**fits.parameters(arguments) | {"seed": seed})
        for fold in folds:
            right = fit_rounds(fold, store, class_names, config)
            sizes = [size for size in SIZES if size < fewest] + ["all"]
            rows += [{"seed": seed, "validation clips": size} | compare(right, size) for size in sizes]
            print(pd.DataFrame(rows[-len(sizes) :]).round(3).to_string(index=False), flush=True)
            keras.utils.clear_session()
    table = summarize(pd.DataFrame(rows))
    print(f"\nseeds {arguments.seeds}, {len(folds)} fold(s)\n{table.round(3).to_string(index=False)}")
    write_table(arguments.table, table, keys=["validation clips"])


def fit_rounds(clips, store, class_names, config) -> dict[str, np.ndarray]:
    """{"validation", "test"}: bool (rounds, clips), what a fit gets right after each round."""
    path = fits.open_run("rounds", clips, store, config).folder / "right.npz"
    if path.exists():
        return dict(np.load(path))
    data = clips, store, "temporal", class_names, config
    one = TrainingBatches(*data)
    steps = config.temporal_steps or choose_steps(len(one.clips), one.num_segments, one.batch_size)
    batches = TrainingBatches(*data, -(-steps // ROUNDS))
    model = fits.build_temporal(batches, class_names, config)
    compile_model(model, config.temporal_learning_rate, ROUNDS * len(batches), config)
    right = {"validation": [], "test": []}
    for batches.epoch in range(ROUNDS):
        model.fit(batches, shuffle=False, verbose=0)
        for split, rounds in right.items():
            scores = predict_scores(model, clips, store, "temporal", split, class_names, config)
            rounds.append(scores.argmax(axis=1) == clips[clips.split == split].class_index)
    with atomic_path(path) as temporary:
        np.savez(temporary, **right)
    return {split: np.array(rounds) for split, rounds in right.items()}


def compare(right, size) -> dict:
    """Test clips, how many of them the last and the best weights get right, and how early the best round was."""
    validation, test = right["validation"], right["test"].sum(axis=1)
    if size == "all":
        chosen = [best_round(validation)]
    else:
        draw = np.random.default_rng(0)
        clips = range(validation.shape[1])
        chosen = [best_round(validation[:, draw.choice(clips, size, replace=False)]) for _ in range(DRAWS)]
    earlier = len(test) - 1 - np.mean(chosen)
    return {
        "n": right["test"].shape[1],
        "last": test[-1],
        "best": test[chosen].mean(),
        "rounds before the last": earlier,
    }


def best_round(validation: np.ndarray) -> int:
    """The latest of the rounds with the most correct clips."""
    hits = validation.sum(axis=1)
    return int(np.flatnonzero(hits == hits.max())[-1])


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each number of validation clips: accuracy over all folds, mean over seeds, and the difference."""
    groups = rows.groupby(["validation clips", "seed"], sort=False)
    sums = groups[["last", "best"]].sum().div(groups.n.sum(), axis=0)
    sums["rounds before the last"] = groups["rounds before the last"].mean()
    sums["best - last, points"] = 100 * (sums.best - sums["last"])
    by_size = sums.groupby("validation clips", sort=False)
    table = by_size.mean()
    table["sd over seeds"] = by_size["best - last, points"].std()
    return table.reset_index()


if __name__ == "__main__":
    main()
