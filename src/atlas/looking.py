"""Where each stream looked: the maps of the evidence for what it answered, laid over the whole frame."""

from collections.abc import Iterator

import cv2
import keras
import numpy as np
import pandas as pd

from src.attention import find_attention
from src.config import TrainConfig
from src.inputs import EvaluationBatches
from src.store import ClipStore
from src.video import crops


def find_maps(
    model: keras.Model, stream: str, clips: pd.DataFrame, store: ClipStore, config: TrainConfig, answers: np.ndarray
) -> Iterator[np.ndarray]:
    """Where a stream looked in the centre crop of each clip, when it gave its answer.

    Args:
        model: the stream.
        stream: "spatial" or "temporal".
        clips: of one split, so few that their inputs fit into memory.
        store, config: as the stream was trained with.
        answers: int (N,), the class that the stream answered, one per clip.

    Yields:
        N maps, float32 (S, H, W), 0 … 1, one per scored segment, over the stored frame; 0 outside of the crop.

    Raises:
        ValueError: the network has no such maps.
    """
    split, num_classes = clips.split.iloc[0], model.output_shape[-1]
    batches = EvaluationBatches(clips, store, stream, split, num_classes, config, num_crops=1)
    inputs = np.concatenate([batches[index][0] for index in range(len(batches))])
    for name, maps in zip(clips.clip_name, find_attention(model, inputs, answers), strict=True):
        info = store.read_info(name)
        yield _lay_over(maps, info["height"], info["width"], config.keep_aspect)


def _lay_over(maps, height, width, keep_aspect):
    """Maps of the centre crop, (S, h, w) → of the frame, (S, height, width)."""
    (crop,) = crops.scored_crops(height, width, 1, keep_aspect)
    whole = np.zeros((len(maps), height, width), np.float32)
    bottom, right = crop.top + crop.height, crop.left + crop.width
    whole[:, crop.top : bottom, crop.left : right] = [cv2.resize(part, (crop.width, crop.height)) for part in maps]
    return whole
