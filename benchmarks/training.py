"""How fast do the streams train, does the pipeline keep up, and how long does a head on kept features take?

    python benchmarks/training.py datasets/ssv2-mini [--weights compact] [--precision float32 mixed_bfloat16]
    python benchmarks/training.py datasets/ssv2-mini --head backbone.keras

The first prints steps a second with the real pipeline over those on one batch that stays in memory, in turn within one
run, and what the pipeline gives alone. The second trains a head on features that are computed once and kept, and the
slow way, on pictures, with the same epochs, and prints time and validation accuracy of both.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import numpy as np
import pandas as pd

from models import build_finetuned_resnet, build_temporal_cnn, freeze_backbone, resolve_weights
from src.config import PRECISIONS, STREAMS, TrainConfig
from src.inputs import EvaluationBatches, FeatureBatches, FrameFeatures, MiddleFeatures, TrainingBatches, read_clips
from src.training import build_extractor, build_head, compile_model, on_devices

EPOCHS_OF_HEAD = 24


class OneBatch(keras.utils.PyDataset):
    """The same batch, as often as the real pipeline has steps."""

    def __init__(self, batch, steps):
        super().__init__()
        self.batch, self.steps = batch, steps

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        return self.batch


def main():
    """One of the two parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a prepared data folder")
    parser.add_argument("--weights", default="compact", help="spatial_weights of the first part")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=["float32"])
    parser.add_argument("--crop-size", type=int, default=TrainConfig.crop_size)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--head", metavar="WEIGHTS", help="the second part, with these spatial_weights")
    arguments = parser.parse_args()
    print(f"{keras.backend.backend()} on {keras.distribution.list_devices()}, {os.cpu_count()} cores")
    data = read_clips(arguments.data)
    if arguments.head:
        with tempfile.TemporaryDirectory() as folder:
            compare_heads(data, arguments, folder)
        return
    rows = [
        measure_stream(stream, data, precision, arguments) for precision in arguments.precision for stream in STREAMS
    ]
    print(pd.DataFrame(rows).to_string(index=False))
    if not any("gpu" in device.lower() for device in keras.distribution.list_devices()):
        print("On a GPU: not measured.")


def measure_stream(stream, data, precision, arguments):
    """A row: clips a second of the pipeline alone, in its first epoch and later, of training, and the ratio."""
    clips, store, class_names = data
    config = TrainConfig(crop_size=arguments.crop_size, precision=precision, spatial_weights=arguments.weights)
    batches = TrainingBatches(clips, store, stream, class_names, config)
    first = pass_over(batches, 0)
    for clip in batches.clips:
        for segment in range(store.config.num_segments):
            batches.pictures.read(clip, segment)  # as after some epochs
    later = pass_over(batches, 1)
    with on_devices(precision, data_parallel=False):
        if stream == "temporal":
            model = build_temporal_cnn(len(class_names), config.crop_size, store.config.flow_length)
        else:
            network = resolve_weights(arguments.weights)
            model = build_finetuned_resnet(len(class_names), config.crop_size, network["weights"], network["backbone"])
        compile_model(model, 1e-3, 10**6)
        held = OneBatch(batches[0], len(batches))
        fit(model, held, 0)  # traces, warms up
        pairs = [(fit(model, batches, 4 + turn), fit(model, held, turn)) for turn in range(arguments.rounds)]
    ratios = np.array([in_memory / real for real, in_memory in pairs])
    real, in_memory = np.median(pairs, axis=0)
    return {
        "stream": stream,
        "precision": precision,
        "first epoch alone, clips/s/core": round(first),
        "later alone, clips/s/core": round(later),
        "training, clips/s": round(batches.count / real, 1),
        "in memory, clips/s": round(batches.count / in_memory, 1),
        "ratio": f"{np.median(ratios):.3f} ({ratios.min():.3f} … {ratios.max():.3f})",
        "waiting for data": f"{max(0.0, 1 - np.median(ratios)):.1%}",
    }


def pass_over(batches, epoch):
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
    """A head on kept features beside one on pictures: seconds, and validation accuracy."""
    clips, store, class_names = data
    config = TrainConfig(crop_size=arguments.crop_size, spatial_epochs=EPOCHS_OF_HEAD)
    network = resolve_weights(arguments.head)
    rows = []
    for way in ("kept features", "pictures"):
        keras.utils.set_random_seed(0)
        model = build_finetuned_resnet(len(class_names), config.crop_size, network["weights"], network["backbone"])
        freeze_backbone(model)
        start = time.perf_counter()
        batches = TrainingBatches(clips, store, "spatial", class_names, config)
        validation = EvaluationBatches(clips, store, "spatial", "validation", len(class_names), config)
        fitted = model
        if way == "kept features":
            features = FrameFeatures(build_extractor(model), store, config)
            features.folder = Path(folder) / "features"  # not those that are kept beside the clips
            features.compute(clips[clips.split != "test"])
            batches = FeatureBatches(features, clips, store, class_names, config)
            validation, fitted = MiddleFeatures(features, validation), build_head(model)
        prepared = time.perf_counter() - start
        compile_model(fitted, config.spatial_learning_rate, EPOCHS_OF_HEAD * len(batches))
        times, accuracies = [], []
        for epoch in range(EPOCHS_OF_HEAD):
            times.append(fit(fitted, batches, epoch))
            accuracies.append(fitted.evaluate(validation, verbose=0, return_dict=True)["accuracy"])
        rows.append({
            "head on": way, "clips": batches.count, "features once, s": round(prepared, 1),
            "s an epoch": round(float(np.median(times)), 3), "s, all": round(prepared + sum(times), 1),
            "best validation accuracy": round(max(accuracies), 3), "last": round(accuracies[-1], 3),
        })  # fmt: skip
        print(pd.DataFrame(rows).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
