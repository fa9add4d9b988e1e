"""Examples of stored segments and of network inputs, for plots."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from src.config import STREAMS, TrainConfig
from src.flow import mean_flow
from src.inputs.batches import TrainingBatches
from src.inputs.input_format import compute_stacks
from src.store import ClipStore


class Draw(NamedTuple):
    """An augmented clip: its middle segment, frame uint8 (h, w, 3) and stack uint8 (h, w, 2L); its class, and why."""

    frame: np.ndarray
    stack: np.ndarray
    label: str
    flipped: bool
    backwards: bool


def read_examples(clips: pd.DataFrame, store: ClipStore) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Reads the segment of each clip that moves most, so that there is something to see: the largest mean speed.

    Returns:
        (frames, flows), one entry per clip: uint8 (H, W, 3), RGB; float32 (H, W, 2), px/frame, the mean over the stack.
    """
    frames, flows = [], []
    for clip in clips.clip_name:
        stacks = (store.read_stack(clip, segment) for segment in range(store.config.num_segments))
        motion = [mean_flow(stack, store.config.flow_bound) for stack in stacks]
        most = int(np.argmax([np.hypot(flow[..., 0], flow[..., 1]).mean() for flow in motion]))
        frames.append(store.read_frame(clip, most))
        flows.append(motion[most])
    return frames, flows


def read_draws(
    clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig, count: int = 2, draws: int = 4
) -> list[tuple[str, np.ndarray, np.ndarray, list[Draw]]]:
    """Reads `count` training clips as they are stored, and the first draws that the networks are given of them.

    The clips are of different classes; the first is of one that a horizontal flip exchanges, if there is one.

    Returns:
        A clip each: (its class, frame uint8 (H, W, 3), stack uint8 (H, W, 2L), draws), of the middle segment. If the
        temporal network computes flow itself, the stacks hold that flow, quantized with `flow_bound`.
    """
    streams = [TrainingBatches(clips, store, stream, class_names, config) for stream in STREAMS]
    for batches in streams:
        batches.num_segments = store.config.num_segments  # all, so that frames and stacks are of the same segments
    middle, some = store.config.num_segments // 2, []
    for index in _choose_clips(streams[0], count):
        name, label = streams[0].clips[index], streams[0].labels[index]
        drawn = []
        for number in streams[0].find_samples(index, draws):
            (frames, new), (motion, _) = (batches.sample(number) for batches in streams)
            _, *changes = streams[0].draw(streams[0].make_generator(number), index)
            backwards, flipped = changes if config.augment else (False, False)
            stack = _as_stack(motion[middle], store)
            drawn.append(Draw(frames[middle], stack, class_names[new], flipped, backwards))
        some.append((class_names[label], store.read_frame(name, middle), store.read_stack(name, middle), drawn))
    return some


def _choose_clips(batches, count):
    """Indices of clips of different classes, classes that a flip exchanges first and then in turn."""
    classes = np.unique(batches.labels)
    exchanged = np.isin(batches.flipped_class[classes], classes) & (batches.flipped_class[classes] != classes)
    groups = [classes[exchanged], classes[~exchanged]]
    turns = sorted((place, which, label) for which, group in enumerate(groups) for place, label in enumerate(group))
    return [int(np.flatnonzero(batches.labels == label)[0]) for *_, label in turns[:count]]


def _as_stack(motion, store):
    """A stack, or that of a window of frames."""
    return compute_stacks(motion[None], store.config.flow_bound)[0] if store.config.flow_source == "layer" else motion
