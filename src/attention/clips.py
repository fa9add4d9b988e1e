"""Where the streams look in clips of the store, with the images to lay the maps over."""

import dataclasses
from collections.abc import Iterable
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
        images: uint8 (N, S, s, s, 3), RGB frames, or float32 (N, S, s, s, 2), flow, the mean over each stack, px/frame.
        classes: int (N, 2), the true class of each clip, and the one with the highest score.
        maps: float32 (N, 2, S, s, s), the evidence for these classes, from `find_attention`.
    """

    images: np.ndarray
    classes: np.ndarray
    maps: np.ndarray


def attend_clips(
    streams: Iterable[keras.Model], clips: pd.DataFrame, store: ClipStore, config: TrainConfig,
    scores: dict[str, np.ndarray],
) -> dict[str, ClipAttention]:  # fmt: skip
    """Finds where streams look in clips of the store: for the true class, and for the class that they predict.

    Args:
        streams: models called "spatial" or "temporal".
        clips: rows of the clips table, one or more.
        store, config: those that the streams were trained with.
        scores: by the name of the stream, float (N, C): the scores of these clips, which say what was predicted.

    Returns:
        a `ClipAttention` by the name of the stream. A stream whose network has no maps has maps of zeros, and a
        sentence that says so is printed.

    Raises:
        ValueError: no clips.
    """
    if not len(clips):
        raise ValueError("clips must have one row or more. Received: none")
    return {stream.name: _attend(stream, clips, store, config, scores[stream.name]) for stream in streams}


def _attend(stream, clips, store, config, scores):
    inputs = _read_crops(StreamInputs(store, stream.name, config, cache=False), clips)
    classes = np.stack([clips.class_index.to_numpy(), np.argmax(scores, axis=1)], axis=1)
    images = _images(stream.name, inputs, clips, store, config)
    try:
        maps = _find_maps(stream, inputs, classes)
    except ValueError as error:
        print(f"Where the {stream.name} stream looks is not shown. {error}")
        maps = np.zeros((len(images), 2, *images.shape[1:4]), np.float32)
    return ClipAttention(images, classes, maps)


def _find_maps(stream, inputs, classes):
    true, predicted = classes.T
    wrong = true != predicted
    maps = np.repeat(find_attention(stream, inputs, true)[:, None], 2, axis=1)
    if wrong.any():
        maps[wrong, 1] = find_attention(stream, inputs[wrong], predicted[wrong])
    return maps


def _images(stream, inputs, clips, store, config):
    if stream == "spatial":
        return inputs
    # The channels of other flow inputs are not consecutive fields, whose mean is shown.
    plain = StreamInputs(store, stream, dataclasses.replace(config, flow_input="stack"), cache=False)
    stacks = inputs if config.flow_input == "stack" else _read_crops(plain, clips)
    if plain.takes_windows:
        stacks = np.stack([compute_stacks(windows, store.config.flow_bound) for windows in stacks])
    return mean_flow(stacks, store.config.flow_bound)


def _read_crops(inputs, clips):
    """The scored segments of clips in the centre crop: uint8 (N, S, …)."""
    segments = [int(segment) for segment in scored_segments(inputs.store, inputs.config)]
    read = ([inputs.read(clip, segment) for segment in segments] for clip in clips.clip_name)
    return np.stack([[inputs.crop_scored(segment, 1)[0] for segment in clip] for clip in read])
