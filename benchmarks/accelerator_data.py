"""The sections "data" and "head" of accelerator.py: extraction, training from the store, and heads of kept features."""

import functools
import tempfile
import time
from pathlib import Path

import numpy as np
from accelerator_networks import build_spatial
from accelerator_rows import Held, Rows, Sizes, seconds_of_step

import preprocessing
from src.config import ClipConfig, TrainConfig
from src.inputs import MAKERS, StreamInputs, TrainingBatches, read_clips
from src.preprocessing import choose_extraction, plan_preprocessing, preprocess
from src.sample import ACTIONS, write_sample
from src.sources import read_source
from src.subsets import choose_subset
from src.training import compile_model, fit_head

FRAMES_OF_CLIP = 2  # in a training sample of the spatial stream
PRECISION = "mixed_bfloat16"
STEPS_FROM_STORE = 2  # times the steps of other trainings: a wait is a difference of two times


def measure(rows: Rows, sizes: Sizes) -> None:
    """Extraction with flow on the device and on cores; then training from the store."""
    with tempfile.TemporaryDirectory() as folder:
        root, most = Path(folder), max(sizes.workers)
        subset = make_sample(rows, root / "sample", sizes.videos, most)
        extraction(rows, sizes, subset, most, accelerator=True)
        extraction(rows, sizes, subset, most, accelerator=False)
        few = subset.groupby(["split", "label"], group_keys=False).head(8)
        side = max(sizes.crop * 240 // 224, 32)  # the sample's frames have 240 px
        plan = plan_preprocessing(few, root / "store", ClipConfig(short_side=side, num_segments=2), most)
        preprocess(plan)
        training(rows, sizes, read_clips(root / "store"))
        for workers in sizes.workers[1:]:
            extraction(rows, sizes, subset, workers, accelerator=False)


def measure_few_workers(rows: Rows, sizes: Sizes) -> None:
    """Extraction on a few cores, while others are busy."""
    with tempfile.TemporaryDirectory() as folder:
        most = max(sizes.few_workers)
        subset = make_sample(rows, Path(folder) / "sample", sizes.videos * most // max(sizes.workers), most)
        for workers in sizes.few_workers:
            extraction(rows, sizes, subset, workers, accelerator=False)


def make_sample(rows, folder, videos, workers):
    """Writes the sample with a number of training videos for each class; its table, in random order."""
    counts = {"train_per_class": max(1, videos), "validation_per_class": 1, "test_per_class": 1}
    start = time.perf_counter()
    write_sample(folder, **counts, workers=workers)
    rate = len(ACTIONS) * sum(counts.values()) / (time.perf_counter() - start)
    rows.measure("sample", {"workers": workers}, lambda: {"videos/s": rate}, cores=True)
    return choose_subset(read_source(folder)).sample(frac=1, random_state=0)


def extraction(rows, sizes, subset, workers, accelerator):
    """A row for a number of workers: the fastest of some repetitions."""
    subset = subset.head(sizes.clips_of_worker * workers)
    named = {"flow on": "device" if accelerator else "cores", "workers": workers, "clips": len(subset)}
    config = ClipConfig(short_side=sizes.short_side)

    def run():
        stages, wall, pixels = extract(subset, config, workers, accelerator, sizes.repeats)
        shares = {f"{name}, % of wall": 100 * stages[name] / wall / workers for name in preprocessing.STAGES}
        return {"clips/s": len(subset) / wall, "flow MP/s": pixels / 1e6 / wall} | shares

    rows.measure("extraction", named, run, cores=not accelerator)


def extract(subset, config, workers, accelerator, repeats):
    """(seconds by stage, wall, pixels of flow) of the fastest repetition, after a job that compiles."""
    method, found = choose_extraction(accelerator), []
    for part in [subset.head(2 * workers), *[subset] * repeats]:
        with tempfile.TemporaryDirectory() as folder:
            report = preprocess(plan_preprocessing(part, folder, config, workers, extract=method))
            found.append((report.seconds, report.stage_seconds, preprocessing.count_pixels(folder)[0]))
    wall, stages, pixels = min(found[1:], key=lambda result: result[0])
    return stages, wall, pixels


def training(rows, sizes, data):
    """Rows of the spatial network's batches, alone and with the network; frames decoded once, and in each batch."""
    clips, store, class_names = data
    named = {"images": sizes.batches[0], "crop": sizes.crop, "processes": max(1, MAKERS)}
    batches = {kept: make_batches(sizes, data, kept) for kept in (True, False)}
    for kept, made in batches.items():
        rows.measure("batches", named | {"frames kept": kept}, lambda made=made: measure_batches(made), cores=True)

    @functools.cache
    def fit_held():
        """(model, seconds of a step on a batch that stays on the device)."""
        model = build_spatial(sizes.network, sizes.crop, len(class_names), PRECISION)
        compile_model(model, 1e-3, 1000, TrainConfig(precision=PRECISION))
        return model, seconds_of_step(model, Held(batches[True][0], len(batches[True])))

    def fit(made):
        model, held = fit_held()
        real = seconds_of_step(model, made)
        return {"images/s": sizes.batches[0] / real, "% of time waiting for data": 100 * (1 - held / real)}

    named |= {"network": sizes.network, "precision": PRECISION}
    for kept, made in batches.items():
        rows.measure("training from the store", named | {"frames kept": kept}, lambda made=made: fit(made))


def make_batches(sizes, data, kept):
    """The product's training batches, whose segments stay in memory or not."""
    clips, store, class_names = data
    config = TrainConfig(batch_size=sizes.batches[0] // FRAMES_OF_CLIP, crop_size=sizes.crop, consensus="average")
    batches = TrainingBatches(clips, store, "spatial", class_names, config, STEPS_FROM_STORE * sizes.steps)
    batches.inputs = StreamInputs(store, "spatial", config, cache=kept)
    return batches


def measure_batches(batches):
    """images/s from the end of a first batch, which finds the files, to the end of the last one."""
    batches[0]
    start = time.perf_counter()
    images = sum(np.prod(batches[index][0].shape[:2]) for index in range(1, len(batches)))
    return {"images/s": images / (time.perf_counter() - start)}


def measure_heads(rows: Rows, sizes: Sizes) -> None:
    """Seconds of a head on features that are kept; one core, beside the other sections."""
    for clips, features, classes in sizes.heads:
        named = {"clips": clips, "features": features, "classes": classes}
        rows.measure("head", named, lambda named=named: measure_head(*named.values()), cores=True)


def measure_head(clips, features, classes):
    """Seconds, on features of classes that overlap."""
    random = np.random.default_rng(0)
    labels = np.arange(clips) % classes
    centres = random.normal(size=(classes, features)).astype(np.float32)
    values = random.normal(size=(clips, features)).astype(np.float32) + 0.1 * centres[labels]
    start = time.perf_counter()
    report = fit_head(values[:, None], labels[:, None], np.arange(clips) // (2 * classes), classes)[2]
    return {"s": time.perf_counter() - start, "balanced accuracy": report["accuracy"]}
