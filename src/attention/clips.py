"""Attention maps of clips in the store, with the images to lay them over."""

import dataclasses
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd

from src.attention.maps import find_attention
from src.config import TrainConfig
from src.flow import mean_flow
from src.inputs import StreamInputs, compute_stacks, scored_segments
from src.store import ClipStore


class ClipAttention(NamedTuple):
    """Where a stream looks in some clips: in their scored segments, in the centre crop.

    Attributes:
        images: uint8 (N, S, s, s, 3), RGB frames, or float32 (N, S, s, s, 2), flow, the mean over the stack, px/frame.
        maps: float32 (N, S, s, s), from `find_attention`.
    """

    images: np.ndarray
    maps: np.ndarray


def attend_clips(
    stream: keras.Model, clips: pd.DataFrame, store: ClipStore, config: TrainConfig, classes: np.ndarray
) -> ClipAttention:
    """Finds where a stream looks in clips of the store.

    Args:
        stream: "spatial" or "temporal", by its name.
        clips: rows of the clips table, one or more.
        store, config: as the stream was trained with.
        classes: int (N,), the class whose evidence is mapped, one per clip: the true one, or the predicted one.

    Raises:
        ValueError: no clips, and as for `find_attention`.
    """
    if not len(clips):
        raise ValueError("clips must have one row or more. Received: none")
    inputs = _read_crops(StreamInputs(store, stream.name, config, cache=False), clips)
    maps = find_attention(stream, inputs, classes)
    if stream.name == "spatial":
        return ClipAttention(inputs, maps)
    # Bidirectional and trajectory inputs are no sequence of fields: the plain stack is shown.
    plain = StreamInputs(store, "temporal", dataclasses.replace(config, flow_input="stack"), cache=False)
    stacks = inputs if config.flow_input == "stack" else _read_crops(plain, clips)
    if plain.takes_windows:
        stacks = np.stack([compute_stacks(windows, store.config.flow_bound) for windows in stacks])
    return ClipAttention(mean_flow(stacks, store.config.flow_bound), maps)


def _read_crops(inputs, clips):
    """The inputs of clips in the centre crop: uint8 (N, S, …)."""
    segments = scored_segments(inputs.store, inputs.config)
    return np.stack(
        [
            [inputs.crop_scored(inputs.read(clip, int(segment)), 1)[0] for segment in segments]
            for clip in clips.clip_name
        ]
    )
