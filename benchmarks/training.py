"""Time of training on a data folder: seconds a step of the networks from scratch, and of a head on a frozen backbone.

    python benchmarks/training.py datasets/sample-mini --clips 200
    python benchmarks/training.py datasets/sample-mini --clips 200 --backbone mobilenet_v2.keras --preprocessing tf

Networks from scratch take their steps in turn, in one process, so that their ratios hold on a busy machine. "s a step"
is on clips that are kept in memory. "on one batch" are steps on a batch that is made once: what is missing to a ratio
of 1 is the time that making batches costs. "nothing kept" are steps on clips that are read and decoded each time, as
those are that a part of the memory cannot hold. "to finish" is the time of as many steps as are taken by default;
validation after each twelfth comes on top. With --backbone the spatial stream is fitted twice: the first time with the
features of all frames, the second time on these.
"""

import copy
import dataclasses
import tempfile
import time
from pathlib import Path

import command
import fits
import keras
import numpy as np
import pandas as pd
from tables import write_table

from src.config import TrainConfig
from src.inputs import StreamInputs, TrainingBatches, read_clips
from src.store import manifest_digest
from src.training import choose_steps, compile_model, start_run, train_spatial

STEPS = 5  # in a round
SETTLE = 0.3  # seconds, until the batch is made that a round started for the next one
NETWORKS = {  # stream, parameters
    "temporal, small": ("temporal", {}),
    "temporal, cnn_m": ("temporal", {"temporal_network": "cnn_m", "temporal_crop_size": 64}),
    "spatial, compact": ("spatial", {"spatial_weights": "compact"}),
}


def main():
    """Prints and writes one table: a row for each network."""
    parser = command.make_parser(__doc__)
    parser.add_argument("data", help="a prepared data folder")
    parser.add_argument("--clips", type=int, help="training clips, drawn at random; without it all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--backbone", metavar="WEIGHTS", help="spatial_weights: a name or a file")
    parser.add_argument("--preprocessing", default=TrainConfig.backbone_preprocessing)
    arguments = parser.parse_args()
    clips, store, class_names = read_clips(arguments.data)
    clips = clips[clips.split == "train"]
    data = clips.sample(arguments.clips, random_state=0) if arguments.clips else clips, store, class_names
    rows = measure_steps(data, arguments.rounds)
    if arguments.backbone:
        config = TrainConfig(spatial_weights=arguments.backbone, backbone_preprocessing=arguments.preprocessing)
        rows += time_heads(data, config)
    table = pd.DataFrame(rows)
    print(table.round(3).to_string(index=False))
    write_table(arguments.table, table, keys=["network"])


class OneBatch(keras.utils.PyDataset):
    """The same batch in each step of a round."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        return self.batch


def measure_steps(data, rounds):
    """A row for each network from scratch; seconds are medians over the rounds, ratios those within a round."""
    clips, store, class_names = data
    prepared = {name: prepare(stream, data, TrainConfig(**given)) for name, (stream, given) in NETWORKS.items()}
    seconds = {name: [] for name in NETWORKS}
    for turn in range(rounds):
        for name, (model, *ways) in prepared.items():
            seconds[name].append([fit(model, batches, turn) for batches in ways])
    seconds, rows = {name: np.array(found) / STEPS for name, found in seconds.items()}, []
    first = seconds[next(iter(NETWORKS))][:, 1]
    for name, (model, _, batches, _) in prepared.items():
        steps = choose_steps(len(batches.clips), batches.num_segments, batches.batch_size)
        held, real, decoded = seconds[name].T
        rows.append({
            "network": name,
            "clips": len(clips),
            "inputs a step": batches.batch_size * batches.num_segments,
            "input, px": model.input.shape[3],
            "s a step": np.median(real),
            "÷ temporal, small": np.median(real / first),
            "on one batch ÷ real": np.median(held / real),
            "real ÷ nothing kept": np.median(real / decoded),
            "steps": steps,
            "to finish, s": steps * np.median(real),
        })  # fmt: skip
    return rows


def prepare(stream, data, config):
    """(compiled model, one batch, batches of clips in memory, batches of clips on disk), after a round of each."""
    clips, store, class_names = data
    kept, decoded = (TrainingBatches(clips, store, stream, class_names, config, STEPS) for _ in range(2))
    decoded.inputs = StreamInputs(store, stream, config, cache=False)
    for clip in kept.clips:
        for segment in range(store.config.num_segments):
            kept.inputs.read(clip, segment)
    model = fits.build_scratch(stream, kept, class_names, config)
    compile_model(model, 1e-3, 1000, config)
    ways = OneBatch(kept[0]), kept, decoded
    for batches in ways:
        fit(model, batches, -1)
    return model, *ways


def fit(model, batches, turn):
    """Seconds of one round."""
    time.sleep(SETTLE)
    batches.epoch, start = turn + 1, time.perf_counter()
    model.fit(batches, shuffle=False, verbose=0)
    return time.perf_counter() - start


def time_heads(data, config):
    """Two rows: the spatial stream on a frozen backbone, with and without the features of its frames."""
    clips, store, class_names = data
    with tempfile.TemporaryDirectory() as folder:
        store = copy.copy(store)
        store.root = Path(folder)  # for features; those beside the clips are not read
        rows = []
        for seed, name in enumerate(("spatial, backbone, with features", "spatial, backbone, features kept")):
            seeded = dataclasses.replace(config, seed=seed)
            digest, root = manifest_digest(clips), Path(folder) / "runs"
            run = start_run(None, store.root, digest, store.config, seeded, class_names, root=root)
            start = time.perf_counter()
            train_spatial(run, clips, store, class_names, seeded)
            found = {"input, px": config.crop_size, "to finish, s": time.perf_counter() - start}
            rows.append({"network": name, "clips": len(clips)} | found)
    return rows


if __name__ == "__main__":
    main()
