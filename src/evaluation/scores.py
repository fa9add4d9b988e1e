"""Scores per video, in inference mode: views summed first, one division at the end. The test is scored once."""

from collections.abc import Callable

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
) -> np.ndarray:  # fmt: skip
    """One stream's scores for the videos of a split, averaged over segments and views, in inference mode.

    Args:
        model: the stream, pictures → scores (N, C).
        clips, store, class_names: from `input_pipeline.read_clips`.
        stream: "spatial" or "temporal".
        split: "train", "validation" or "test".
        config: which segments and views, and at which size.
        change: what happens to a stored flow stack first; see `src.evaluation.probes`.

    Returns:
        float32 (N, C), one row per clip of the split in the order of `clips`; rows sum to 1.

    Raises:
        ValueError: mirrored views, and a class without a mirror image.
    """
    batches = EvaluationBatches(
        clips, store, stream, split, len(class_names), config, num_crops=config.test_crops, change=change
    )
    # predict_on_batch runs without dropout and with the stored batch norm statistics, whatever the mode before
    scores = [
        np.asarray(model.predict_on_batch(batches[index][0]))
        for index in progress(range(len(batches)), label=f"{stream} scores, {split}", unit="batch")
    ]
    return average_crops(np.concatenate(scores), len(batches.segments), class_names, config)


def average_crops(scores: np.ndarray, num_segments: int, class_names: list[str], config: TrainConfig) -> np.ndarray:
    """The scores of the views of some videos → one row a video.

    Args:
        scores: float (N · num_segments · test_crops, C), in the order of `EvaluationBatches`. In a mirrored view the
            column of a left/right class is its mirror image's, and is put back first.
        num_segments: of each video.

    Returns:
        float32 (N, C).

    Raises:
        ValueError: mirrored views, and a class without a mirror image.
    """
    views = scores.astype(np.float64).reshape(-1, num_segments, config.test_crops, scores.shape[-1])
    if config.test_crops == 10:
        views[:, :, 5:] = exchange_columns(views[:, :, 5:], flipped_classes(class_names, config.flip_map))
    return views.mean(axis=(1, 2)).astype(np.float32)


def score_split(
    run: Run, spatial: keras.Model, temporal: keras.Model, clips: pd.DataFrame, store: ClipStore,
    class_names: list[str], config: TrainConfig, split: str,
) -> dict[str, np.ndarray]:  # fmt: skip
    """The scores of both streams and of their average, for a split; a run scores a split once.

    What the run has in scores_<split>.npz is read, not scored again: the test is looked at once, at the end, after all
    that was chosen was chosen on validation.

    Returns:
        {"spatial", "temporal", "fused"}: float32 (N, C), a row per clip of the split in the order of `clips`.
    """
    rows = clips[clips.split == split]
    scores = run.read_scores(split, rows)
    if scores is None:
        models = {"spatial": spatial, "temporal": temporal}
        scores = {
            stream: predict_scores(model, clips, store, stream, split, class_names, config)
            for stream, model in models.items()
        }
        scores["fused"] = average_scores(scores["spatial"], scores["temporal"])
        run.write_scores(split, rows, scores)
    return scores


def evaluation_protocol(run: Run, store: ClipStore, class_names: list[str], config: TrainConfig) -> dict:
    """What the numbers of a run hold for: {"subset", "store", "segments", "crops", "seed"}.

    Raises:
        ValueError: scores could not be made so: more segments than are stored, or mirrored views and a class without a
            mirror image. Better to know it before training than after.
    """
    average_crops(np.zeros((config.test_crops, len(class_names))), 1, class_names, config)
    return {
        "subset": run.record["manifest_digest"],
        "store": store.config.key,
        "segments": len(scored_segments(store, config)),
        "crops": config.test_crops,
        "seed": config.seed,
    }
