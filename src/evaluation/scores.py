"""Scores of the videos of a split, averaged over crops, in inference mode."""

import hashlib
from collections.abc import Callable, Iterable

import keras
import numpy as np
import pandas as pd

from src.config import TrainConfig
from src.fusion import average_scores
from src.inputs import EvaluationBatches, scored_segments
from src.progress import progress
from src.store import ClipStore
from src.subsets import exchange_columns, flipped_classes
from src.training import Run


def predict_scores(
    model: keras.Model, clips: pd.DataFrame, store: ClipStore, stream: str, split: str, class_names: list[str],
    config: TrainConfig, change: Callable[[np.ndarray], np.ndarray] | None = None,
    order: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:  # fmt: skip
    """One stream's scores of the videos of a split, averaged over crops.

    Args:
        model: the stream, segments (N, S, …) → scores (N, …, C).
        clips, store, class_names: from `src.inputs.read_clips`.
        stream: "spatial" or "temporal".
        split: "train", "validation" or "test".
        config: which segments and crops, and their size.
        change: applied first to each stored flow stack, or window of frames; see `src.evaluation.probes`.
        order: puts the scored segments into another order; see `src.evaluation.probes`.

    Returns:
        float32 (N, …, C), a row per clip of the split in the order of `clips`; scores sum to 1.

    Raises:
        ValueError: crops are flipped, and a class has no flipped class; more segments are asked for than stored; or the
            split has no clips.
    """
    if not (clips.split == split).any():
        raise ValueError(f"{split} has no clips, so it cannot be scored. The clips are of {clips.split.unique()}.")
    batches = EvaluationBatches(
        clips, store, stream, split, len(class_names), config, num_crops=config.test_crops, change=change, order=order
    )
    # predict_on_batch runs in inference mode: without dropout, and with the moving statistics of batch norm
    scores = [
        average_crops(np.asarray(model.predict_on_batch(batches[index][0])), class_names, config)
        for index in progress(range(len(batches)), label=f"{stream} scores, {split}", unit="batch")
    ]
    return np.concatenate(scores)


def average_crops(scores: np.ndarray, class_names: list[str], config: TrainConfig) -> np.ndarray:
    """Averages scores over the crops of each video.

    Args:
        scores: float (N · test_crops, …, C), in the order of `EvaluationBatches`. The last five of ten crops are
            flipped: in their scores, the columns of left/right classes are exchanged first.

    Returns:
        float32 (N, …, C).

    Raises:
        ValueError: crops are flipped, and a class has no flipped class.
    """
    by_crop = scores.astype(np.float64).reshape(-1, config.test_crops, *scores.shape[1:])
    if config.test_crops == 10:
        by_crop[:, 5:] = exchange_columns(by_crop[:, 5:], flipped_classes(class_names, config.flip_map))
    return by_crop.mean(axis=1).astype(np.float32)


def score_split(
    run: Run, spatial: keras.Model, temporal: keras.Model, clips: pd.DataFrame, store: ClipStore,
    class_names: list[str], config: TrainConfig, split: str,
) -> dict[str, np.ndarray]:  # fmt: skip
    """The scores of both streams and of their average for a split.

    A run scores a split once: if it has scores_<split>.npz, these scores are read. So test is used once, after
    everything was chosen on validation. The file holds a digest of the weights of both networks.

    Returns:
        {"spatial", "temporal", "fused"}: float32 (N, C), a row per clip of the split in the order of `clips`.

    Raises:
        ValueError: the scores that were kept belong to other clips, or to networks of other weights.
    """
    rows = clips[clips.split == split]
    models = {"spatial": spatial, "temporal": temporal}
    weights = digest_weights(models.values())
    scores = run.read_scores(split, rows, weights)
    if scores is None:
        scores = {
            stream: predict_scores(model, clips, store, stream, split, class_names, config)
            for stream, model in models.items()
        }
        scores["fused"] = average_scores(scores["spatial"], scores["temporal"])
        run.write_scores(split, rows, scores, weights)
    return scores


def digest_weights(models: Iterable[keras.Model]) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of the weights of models, in their order."""
    digest = hashlib.sha256()
    for model in models:
        for weight in model.weights:
            digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(weight)))
    return digest.hexdigest()[:12]


def evaluation_protocol(digest: str, store: ClipStore, class_names: list[str], config: TrainConfig) -> dict:
    """How the numbers of a run are measured: {"subset", "store", "segments", "crops", "seed"}.

    Call it before a run is started: an impossible protocol then leaves no run behind, and costs no hours.

    `digest` is that of the subset, from `src.store.manifest_digest`.

    Raises:
        ValueError: more segments are asked for than stored; or crops are flipped, and a class has no flipped class.
    """
    average_crops(np.zeros((config.test_crops, len(class_names))), class_names, config)  # raises the second error
    return {
        "subset": digest,
        "store": store.config.key,
        "segments": len(np.unique(scored_segments(store, config))),
        "crops": config.test_crops,
        "seed": config.seed,
    }
