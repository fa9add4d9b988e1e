"""Scores per video, in inference mode: views summed first, one division at the end."""

import keras
import numpy as np
import pandas as pd

from src.clip_store import ClipStore
from src.config import TrainConfig
from src.input_pipeline import TEST_CROPS, EvaluationBatches
from src.progress import progress


def predict_scores(
    model: keras.Model, clips: pd.DataFrame, store: ClipStore, stream: str, split: str, config: TrainConfig
) -> np.ndarray:
    """One stream's scores for the videos of a split, averaged over segments and crops, in inference mode.

    Args:
        model: the stream, pictures → scores (N, C).
        clips, store: from `input_pipeline.read_clips`.
        stream: "spatial" or "temporal".
        split: "train", "validation" or "test".
        config: crop and batch size.

    Returns:
        float32 (N, C), one row per clip of the split in the order of `clips`; rows sum to 1.
    """
    num_classes, views = model.output_shape[-1], store.config.num_segments * TEST_CROPS
    common = (clips, store, stream, config.crop_size, config.batch_size)
    batches = EvaluationBatches(*common, split, num_classes, TEST_CROPS)
    # predict_on_batch runs without dropout and with the stored batch norm statistics, whatever the mode before
    scores = [
        np.asarray(model.predict_on_batch(batches[index][0]))
        for index in progress(range(len(batches)), label=f"{stream} scores, {split}", unit="batch")
    ]
    per_view = np.concatenate(scores).astype(np.float64)
    return per_view.reshape(-1, views, num_classes).mean(axis=1).astype(np.float32)
