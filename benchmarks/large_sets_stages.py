"""The stages that large_sets.py measures: each takes (number of clips, folder) and returns what is to be measured."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

CLASSES, PER_GROUP = 174, 3
NAMES = [f"class {number}" for number in range(CLASSES)]
HEIGHTS = {"spatial": (2.5, 1.5), "temporal": (3.0, 0.8)}  # of the true class's logit; power of the scores
RUNS = 100


def draw_scores(count, seed):
    """(scores of both streams and of their average, labels, groups); their accuracies are 0.43, 0.61 and 0.62."""
    rng, found = np.random.default_rng(seed), {}
    labels, common = rng.integers(0, CLASSES, count), rng.normal(size=(count, CLASSES))
    for stream, (height, power) in HEIGHTS.items():
        logits = 0.3**0.5 * common + 0.7**0.5 * rng.normal(size=(count, CLASSES))
        logits[np.arange(count), labels] += height
        found[stream] = softmax(power * height * logits, axis=1).astype(np.float32)
    found["fused"] = (found["spatial"] + found["temporal"]) / 2
    return found, labels, np.array([f"video {number}" for number in rng.integers(0, count // PER_GROUP, count)], object)


def draw_clips(labels, groups):
    """The rows of the annotation table that belong to drawn scores."""
    ids = [f"{number:06d}" for number in range(len(labels))]
    rows = {"video_id": ids, "path": [f"/videos/{name}.webm" for name in ids], "group": groups, "split": "test"}
    return pd.DataFrame(rows | {"label": np.array(NAMES, object)[labels], "class_index": labels})


def fuse(count, folder):
    from src.fusion import fusion_table

    (known, labels, groups), (test, test_labels, test_groups) = draw_scores(count, 0), draw_scores(count, 1)
    return lambda: fusion_table(known, labels, test, test_labels, groups, test_groups)


def find_threshold(count, folder):
    from src.fusion import fit_threshold

    known = draw_scores(count, 0)
    return lambda: fit_threshold("log-linear", *known)


def find_metrics(count, folder):
    from src import metrics

    scores, labels, groups = draw_scores(count, 1)

    def work():
        metrics.evaluate_split(scores, labels, 0.1, None, groups)
        metrics.agreement(scores["spatial"], scores["temporal"], labels, NAMES)
        for values in scores.values():
            metrics.most_confused(metrics.confusion_matrix(values, labels), NAMES)
            metrics.class_scores(values, labels, NAMES, groups)

    return work


def find_reliability(count, folder):
    from src.fusion import reliability_table

    scores, labels, groups = draw_scores(count, 1)
    return lambda: [reliability_table(values, labels, groups) for values in scores.values()]


def doubt_labels(count, folder):
    from src.cross_validation import pool_splits

    parts = {split: draw_scores(count, seed) for seed, split in enumerate(("validation", "test"))}
    clips = pd.concat([draw_clips(*known[1:]).assign(split=split) for split, known in parts.items()])
    held_out = pool_splits(clips, {split: known[0] for split, known in parts.items()})
    return lambda: (held_out.accuracy_table(), held_out.describe_labels(NAMES), held_out.label_errors(NAMES))


def tabulate_predictions(count, folder):
    from src.evaluation import predictions_table

    scores, labels, groups = draw_scores(count, 1)
    clips = draw_clips(labels, groups)
    return lambda: predictions_table(clips, scores, NAMES).to_csv(index=False)


def compare(count, folder):
    """As many runs as `RUNS`, whatever the number of clips."""
    from src.config import ClipConfig, TrainConfig
    from src.evaluation import compare_runs

    metrics = {name: {"top1": 0.5, "balanced": 0.5} for name in (*HEIGHTS, "fused")} | {"n": count}
    protocol = {"subset": "0", "store": "0", "segments": 6, "crops": 3, "seed": 0}
    for number in range(RUNS):
        run = Path(folder) / "runs" / str(number)
        run.mkdir(parents=True, exist_ok=True)
        training = TrainConfig(batch_size=1 + number).to_dict()
        record = {"manifest_digest": "0", "clips": ClipConfig().to_dict(), "training": training, "class_names": NAMES}
        (run / "config.json").write_text(json.dumps(record))
        (run / "metrics.json").write_text(json.dumps({"test": metrics, "protocol": protocol}))
    return lambda: compare_runs(Path(folder) / "runs")


def grow_trees(count, folder):
    """One of the two baselines: trees on as many training clips, up to the limit, that score as many clips."""
    from src.evaluation.baseline import MOST_CLIPS, _sum_trees

    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CLASSES, 127))
    labels = rng.integers(0, CLASSES, 2 * count)
    values = (centres[labels] + 3 * rng.normal(size=(2 * count, 127))).astype(np.float32)
    few = min(count, MOST_CLIPS)
    return lambda: _sum_trees(values[:few], labels[:few], {"test": values[count:]}, CLASSES, 0)


def fit_a_head(count, folder):
    """Features of 1,280 numbers, 6 crops of each clip or as many as the limit allows, 12 classes."""
    from src.inputs.features import MOST_INPUTS
    from src.training import fit_head

    rng, crops = np.random.default_rng(0), min(6, max(1, MOST_INPUTS // count))
    labels, centres = rng.integers(0, 12, count), rng.normal(size=(12, 1280)).astype(np.float32)
    features = rng.standard_normal((count, crops, 1280), np.float32)
    features += centres[labels][:, None] / 20
    return lambda: fit_head(features, np.repeat(labels[:, None], crops, axis=1), np.arange(count) // 3, 12)


def make_data(count, folder):
    """(annotation table with digests, prepared folder): videos of unique bytes, and links to the clips of a few."""
    from src.config import ClipConfig
    from src.preprocessing import plan_preprocessing, preprocess
    from src.sources import read_source
    from src.store import ClipStore, name_clips, read_digests, record_subset

    folder, config = Path(folder), ClipConfig(short_side=32, num_segments=1, flow_length=2)
    root, videos = folder / "prepared", folder / "videos"
    if not videos.exists():
        table = read_source("sample").groupby("label").head(1).assign(split="train")
        preprocess(plan_preprocessing(table, folder / "few", config, workers=1))
        videos.mkdir()
        for number in range(count):
            (videos / f"{number:06d}.webm").write_bytes(b"%d" % number * 100)
    few = name_clips(pd.read_csv(folder / "few" / "manifest.csv", dtype={"video_id": str}))
    rows = few.iloc[np.arange(count) % len(few)].reset_index(drop=True).drop(columns="clip_name")
    ids = pd.Series([f"{number:06d}" for number in range(count)])
    rows = rows.assign(video_id=ids, path=str(videos) + "/" + ids + ".webm", group=ids, split="test")
    rows.loc[: len(few) - 1, "split"], rows.loc[len(few) : 2 * len(few) - 1, "split"] = "train", "validation"
    rows["digest"] = read_digests(rows.path, folder / "digests.json")
    if not root.exists():
        store = ClipStore(root, config)
        store.prepare()
        sources = ClipStore(folder / "few").folder.absolute()
        for number, name in enumerate(name_clips(rows).clip_name):
            (store.folder / name).symlink_to(sources / few.clip_name[number % len(few)])
        record_subset(rows, store, "links")
    return rows, root


def plan(count, folder):
    from src.preprocessing import plan_preprocessing
    from src.store import ClipStore

    rows, root = make_data(count, folder)
    (root / "digests.json").unlink(missing_ok=True)
    config = ClipStore(root).config
    return lambda: plan_preprocessing(rows.assign(split="train"), root, config)


def prepare_again(count, folder):
    from src.preprocessing import plan_preprocessing, preprocess
    from src.store import ClipStore

    rows, root = make_data(count, folder)
    rows, config = rows.assign(split="train"), ClipStore(root).config
    plan_preprocessing(rows, root, config)
    return lambda: preprocess(plan_preprocessing(rows, root, config))


def read(count, folder):
    from src.inputs import read_clips

    root = make_data(count, folder)[1]
    return lambda: read_clips(root, "links")


def describe_rows(count, folder):
    from src.store import manifest_digest, read_subset

    root = make_data(count, folder)[1]
    return lambda: manifest_digest(read_subset(root, "links"))


def remember(count, folder):
    from src.store import read_digests

    rows, _ = make_data(count, folder)
    return lambda: read_digests(rows.path, Path(folder) / "digests.json")


def make_run(count, folder):
    """(run, data, configuration, networks) of one layer each, on links."""
    import keras
    from keras import layers

    from models.consensus import build_clip_network
    from src.config import TrainConfig
    from src.inputs import read_clips
    from src.training import start_run

    data = clips, store, names = read_clips(make_data(count, folder)[1], "links")
    config, networks = TrainConfig(crop_size=32, temporal_crop_size=32), {}
    for stream, channels in {"spatial": 3, "temporal": store.config.stack_channels}.items():
        inputs = keras.Input((32, 32, channels), dtype="uint8", name="inputs")
        maps = layers.Conv2D(4, 5, strides=4, activation="relu")(layers.Rescaling(1 / 255)(inputs))
        body = keras.Model(inputs, layers.GlobalAveragePooling2D()(maps), name="body")
        networks[stream] = build_clip_network(body, len(names), None, "average", 0.0, False, stream)
    run = start_run(None, store.root, "0", store.config, config, names, root=Path(folder) / "runs")
    return run, data, config, networks


def score(count, folder):
    """The scores of one stream."""
    from src.evaluation import predict_scores

    _, (clips, store, names), config, networks = make_run(count, folder)
    return lambda: predict_scores(networks["spatial"], clips, store, "spatial", "test", names, config)


def probe(count, folder):
    from src.evaluation import probe_streams

    _, data, config, networks = make_run(count, folder)
    return lambda: probe_streams(*networks.values(), *data, config, "test")


def show(count, folder):
    from src.atlas import write_atlas

    run, (clips, store, names), config, networks = make_run(count, folder)
    rng, rows = np.random.default_rng(0), (clips.split == "test").sum()
    scores = {name: rng.dirichlet(np.ones(len(names)), rows).astype(np.float32) for name in (*networks, "fused")}
    return lambda: write_atlas(run, clips, store, names, config, scores, *networks.values())


STAGES = {
    "scores": {
        "fusion: table of all kinds": fuse,
        "fusion: threshold, log-linear": find_threshold,
        "metrics and their intervals": find_metrics,
        "reliability": find_reliability,
        "doubtful labels": doubt_labels,
        "predictions as CSV": tabulate_predictions,
        f"comparison of {RUNS} runs": compare,
    },
    "fits": {"trees of a baseline": grow_trees, "head on kept features": fit_a_head},
    "clips": {
        "planning": plan,
        "planning and preparing what is there": prepare_again,
        "digests that are remembered": remember,
        "manifest: read and digest": describe_rows,
        "read_clips": read,
        "scores of a stream, one layer": score,
        "probes of both streams, one layer": probe,
        "atlas": show,
    },
}
MEASURED = ("planning", "digests that are remembered", "manifest: read and digest", "read_clips")  # also of the most
