"""Examples of stored segments and of network inputs, for plots."""

import dataclasses

import numpy as np
import pandas as pd

from src.config import STREAMS, TrainConfig
from src.flow import mean_flow
from src.inputs.batches import TrainingBatches
from src.inputs.input_format import compute_stacks
from src.store import ClipStore


def read_examples(clips: pd.DataFrame, store: ClipStore) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Reads the middle segment of each clip.

    Returns:
        (frames, flows), one entry per clip: uint8 (H, W, 3), RGB; float32 (H, W, 2), px/frame, the mean over the stack.
    """
    middle, bound = store.config.num_segments // 2, store.config.flow_bound
    frames = [store.read_frame(clip, middle) for clip in clips.clip_name]
    return frames, [mean_flow(store.read_stack(clip, middle), bound) for clip in clips.clip_name]


def read_batches(
    clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reads the middle segments of the first `count` training samples of both streams, in the same crops.

    Returns:
        (frames, stacks, labels): uint8 (count, crop_size, crop_size, 3) and (count, crop_size, crop_size, 2L); class
        indices int64 (count,). If the temporal network computes flow itself, the stacks hold that flow, quantized with
        `flow_bound`.
    """
    config = dataclasses.replace(config, batch_size=count)
    streams = [TrainingBatches(clips, store, stream, class_names, config) for stream in STREAMS]
    for batches in streams:
        batches.num_segments = store.config.num_segments  # all, so that frames and stacks are of the same segments
    (frames, classes), (motion, _) = (batches[0] for batches in streams)
    frames, motion = (segments[:, store.config.num_segments // 2] for segments in (frames, motion))
    if store.config.flow_source == "layer":
        motion = compute_stacks(motion, store.config.flow_bound)
    return frames, motion, classes.argmax(axis=1)
