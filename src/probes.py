"""What a model uses: its accuracy when time is turned round, mixed up, or taken away."""

import dataclasses
import zlib

import keras
import numpy as np
import pandas as pd

from src.clip_store import ClipStore
from src.config import TrainConfig
from src.evaluation import predict_scores
from src.flow_input import repeat_field, reverse_stack, shuffle_fields
from src.metrics import class_accuracy


def probe_streams(
    spatial: keras.Model, temporal: keras.Model, clips: pd.DataFrame, store: ClipStore, class_names: list[str],
    config: TrainConfig, split: str = "validation",
) -> pd.DataFrame:  # fmt: skip
    """Accuracy per class of both streams, as they are and with what they see changed; labels stay.

    Where the temporal accuracy stays when the clip runs backwards or its fields are shuffled, their order is not used;
    where it stays with one field shown L times, neither is any change of the motion. The spatial stream sees frames one
    by one, whose order cannot matter to it; with "one frame" it sees the middle segment alone.

    Args:
        spatial, temporal: the streams.
        clips, store, class_names: from `input_pipeline.read_clips`.
        config: as for `evaluation.predict_scores`.
        split: validation by default; the test is scored once, for its own number.

    Returns:
        a row per class; columns "spatial", "one frame", "temporal", "backwards", "shuffled", "one field": accuracies
        0 … 1, NaN for a class without clips; and "clips".
    """
    bound, one_frame = store.config.flow_bound, dataclasses.replace(config, test_segments=1)
    changes = {
        "temporal": None,
        "backwards": lambda stack: reverse_stack(stack, bound),
        "shuffled": _shuffle,
        "one field": repeat_field,
    }
    scores = {
        name: predict_scores(spatial, clips, store, "spatial", split, class_names, frames)
        for name, frames in {"spatial": config, "one frame": one_frame}.items()
    }
    scores |= {
        name: predict_scores(temporal, clips, store, "temporal", split, class_names, config, change)
        for name, change in changes.items()
    }
    return class_accuracy(scores, clips[clips.split == split].class_index.to_numpy(), class_names)


def _shuffle(stack):
    """The same order each time for the same stack."""
    return shuffle_fields(stack, np.random.default_rng(zlib.crc32(stack.tobytes())))
