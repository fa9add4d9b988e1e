"""Which information a model uses: its accuracy when the order of time is reversed, shuffled, or removed."""

import dataclasses
import zlib

import keras
import numpy as np
import pandas as pd

from models import takes_frames
from src.config import TrainConfig
from src.evaluation.scores import predict_scores
from src.flow import reorder_fields, reverse_stack
from src.metrics import class_accuracy
from src.store import ClipStore


def probe_streams(
    spatial: keras.Model, temporal: keras.Model, clips: pd.DataFrame, store: ClipStore, class_names: list[str],
    config: TrainConfig, split: str = "validation",
) -> pd.DataFrame:  # fmt: skip
    """Accuracy per class of both streams, with the original inputs and with changed ones; labels stay the same.

    If the temporal stream is as accurate on clips played backwards or on shuffled flow fields, it does not use their
    order; if it is as accurate with one field repeated L times, it does not use changes of the motion either. The
    spatial stream classifies single frames, so their order cannot matter; "one frame" scores only the middle segment.

    Args:
        spatial, temporal: the streams.
        clips, store, class_names: from `src.inputs.read_clips`.
        config: as for `predict_scores`.
        split: validation by default, because test is used once, for the result.

    Returns:
        A row per class; columns "spatial", "one frame", "temporal", "backwards", "shuffled", "one field": accuracies
        0 … 1, NaN for a class without clips; and "clips".
    """
    one_frame = dataclasses.replace(config, test_segments=1)
    scores = {
        name: predict_scores(spatial, clips, store, "spatial", split, class_names, scored)
        for name, scored in {"spatial": config, "one frame": one_frame}.items()
    }
    probes = _probe_frames(temporal) if takes_frames(temporal) else _probe_stacks(temporal, store.config.flow_bound)
    scores |= {
        name: predict_scores(model, clips, store, "temporal", split, class_names, config, change)
        for name, (model, change) in probes.items()
    }
    return class_accuracy(scores, clips[clips.split == split].class_index.to_numpy(), class_names)


def _probe_stacks(temporal, bound):
    """Probe → (network, change of each stored stack), for a network that is given flow."""
    return {
        "temporal": (temporal, None),
        "backwards": (temporal, lambda stack: reverse_stack(stack, bound)),
        "shuffled": (temporal, _shuffle),
        "one field": (temporal, _repeat_middle),
    }


def _probe_frames(temporal):
    """Probe → (network, change of each window), for a network that computes flow and reorders its fields."""
    length = temporal.input_shape[1] - 1
    shuffled = np.random.default_rng(0).permutation(length).tolist()
    return {
        "temporal": (temporal, None),
        "backwards": (temporal, lambda window: window[::-1]),
        "shuffled": (_build_with_order(temporal, shuffled), None),
        "one field": (_build_with_order(temporal, [(length - 1) // 2] * length), None),
    }


def _shuffle(stack):
    """Shuffles fields, always in the same order for the same stack."""
    generator = np.random.default_rng(zlib.crc32(stack.tobytes()))
    return reorder_fields(stack, generator.permutation(stack.shape[-1] // 2))


def _repeat_middle(stack):
    """Repeats the middle field L times, which leaves the information of two frames."""
    length = stack.shape[-1] // 2
    return reorder_fields(stack, [(length - 1) // 2] * length)


def _build_with_order(temporal: keras.Model, order: list[int]) -> keras.Model:
    """A network that shares the layers of `temporal`, which takes frames, and puts its L flow fields into `order`."""
    fields = temporal.get_layer("farneback").output
    rest = keras.Model(fields, temporal.output)
    return keras.Model(temporal.input, rest(keras.ops.take(fields, order, axis=1)))
