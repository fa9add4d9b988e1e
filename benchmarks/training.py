"""Speed of training, of the input pipeline alone, and of a head on kept features.

    python benchmarks/training.py datasets/ssv2-mini [--weights compact] [--precision float32 mixed_bfloat16]
    python benchmarks/training.py datasets/ssv2-mini --head backbone.keras

The first command compares the real pipeline with one batch that stays in memory, in turn within one process, and
measures the pipeline alone. The second trains a head on features that are computed once and kept, and the slow way, on
images, for the same epochs, and compares time and validation accuracy.
"""

import tempfile
import time
from pathlib import Path

import command
import keras
import numpy as np
import pandas as pd
from tables import write_table

from models import build_finetuned_resnet, build_temporal_cnn, freeze_backbone, resolve_weights
from src.config import PRECISIONS, STREAMS, TrainConfig
from src.inputs import EvaluationBatches, FeatureBatches, FrameFeatures, MiddleFeatures, TrainingBatches, read_clips
from src.training import build_extractor, build_head, compile_model, on_devices

HEAD_EPOCHS = 24


def main():
    """Prints and writes the table of one of the two parts."""
    parser = command.make_parser(__doc__)
    parser.add_argument("data", help="a prepared data folder")
    parser.add_argument("--weights", default="compact", help="spatial_weights of the first part")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=["float32"])
    parser.add_argument("--crop-size", type=int, default=TrainConfig.crop_size)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--head", metavar="WEIGHTS", help="measure the second part, with these spatial_weights")
    arguments = parser.parse_args()
    print(f"{keras.backend.backend()} on {keras.distribution.list_devices()}")
    data = read_clips(arguments.data)
    if arguments.head:
        with tempfile.TemporaryDirectory() as folder:
            rows = compare_heads(data, arguments, Path(folder))
        keys = ["trained on"]
    else:
        pairs = [(precision, stream) for precision in arguments.precision for stream in STREAMS]
        rows = [measure_stream(stream, data, precision, arguments) for precision, stream in pairs]
        keys = ["stream", "precision"]
    table = pd.DataFrame(rows)
    print(table.round(3).to_string(index=False))
    write_table(arguments.table, table, keys)


class OneBatch(keras.utils.PyDataset):
    """The same batch, as often as the real pipeline has steps."""

    def __init__(self, batch, steps):
        super().__init__()
        self.batch, self.steps = batch, steps

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        return self.batch


def measure_stream(stream, data, precision, arguments):
    """A row: clips/s of the pipeline alone, in its first epoch and later, and of training; the ratio of both."""
    clips, store, class_names = data
    config = TrainConfig(crop_size=arguments.crop_size, precision=precision, spatial_weights=arguments.weights)
    batches = TrainingBatches(clips, store, stream, class_names, config)
    first = pipeline_rate(batches, epoch=0)
    for clip in batches.clips:
        for segment in range(store.config.num_segments):
            batches.inputs.read(clip, segment)  # kept in memory, as after some epochs
    later = pipeline_rate(batches, epoch=1)
    with on_devices(precision, data_parallel=False):
        model = build_stream(stream, class_names, store, config)
        compile_model(model, 1e-3, 10**6)
        held = OneBatch(batches[0], len(batches))
        fit(model, held, 0)  # traces the graph
        pairs = [(fit(model, batches, 4 + turn), fit(model, held, turn)) for turn in range(arguments.rounds)]
    ratios = np.array([in_memory / real for real, in_memory in pairs])
    real, in_memory = np.median(pairs, axis=0)
    return {
        "stream": stream,
        "precision": precision,
        "pipeline alone, first epoch, clips/s/core": first,
        "later, clips/s/core": later,
        "training, clips/s": batches.count / real,
        "on one batch in memory, clips/s": batches.count / in_memory,
        "ratio": f"{np.median(ratios):.3f} ({ratios.min():.3f} … {ratios.max():.3f})",
    }


def build_stream(stream, class_names, store, config):
    if stream == "temporal":
        return build_temporal_cnn(len(class_names), config.crop_size, store.config.flow_length)
    network = resolve_weights(config.spatial_weights)
    return build_finetuned_resnet(len(class_names), config.crop_size, network["weights"], network["backbone"])


def pipeline_rate(batches, epoch):
    """Clips a second and core of the pipeline without a network."""
    batches.epoch, start = epoch, time.process_time()  # of all threads
    for index in range(len(batches)):
        batches[index]
    return batches.count / (time.process_time() - start)


def fit(model, batches, epoch):
    """Seconds of one epoch."""
    batches.epoch, start = epoch, time.perf_counter()
    model.fit(batches, shuffle=False, epochs=1, verbose=0)
    return time.perf_counter() - start


def compare_heads(data, arguments, folder):
    """Two rows: a head on features kept in `folder`, and one on images; seconds, and validation accuracy."""
    clips, store, class_names = data
    config = TrainConfig(crop_size=arguments.crop_size, spatial_epochs=HEAD_EPOCHS, spatial_weights=arguments.head)
    rows = []
    for way in ("kept features", "images"):
        keras.utils.set_random_seed(0)
        model = build_stream("spatial", class_names, store, config)
        freeze_backbone(model)
        batches = TrainingBatches(clips, store, "spatial", class_names, config)
        validation = EvaluationBatches(clips, store, "spatial", "validation", len(class_names), config)
        fitted, start = model, time.perf_counter()
        if way == "kept features":
            features = FrameFeatures(build_extractor(model), store, config)
            features.folder = folder  # without those that are kept beside the clips
            features.compute(clips[clips.split != "test"])
            batches = FeatureBatches(features, clips, store, class_names, config)
            validation, fitted = MiddleFeatures(features, validation), build_head(model)
        prepared = time.perf_counter() - start
        compile_model(fitted, config.spatial_learning_rate, HEAD_EPOCHS * len(batches))
        times, accuracies = [], []
        for epoch in range(HEAD_EPOCHS):
            times.append(fit(fitted, batches, epoch))
            accuracies.append(fitted.evaluate(validation, verbose=0, return_dict=True)["accuracy"])
        rows.append({
            "trained on": way,
            "clips": batches.count,
            "features, s": round(prepared, 1),
            "an epoch, s": float(np.median(times)),
            f"{HEAD_EPOCHS} epochs in all, s": prepared + sum(times),
            "best validation accuracy": max(accuracies),
            "last": accuracies[-1],
        })  # fmt: skip
        print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    main()
