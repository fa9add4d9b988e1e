"""Builds the networks of a run. The run records its backbones, so that a resumed run builds the same networks."""

import keras
import numpy as np
import pandas as pd

from models import (
    build_cross_modality,
    build_finetuned_resnet,
    build_temporal_cnn,
    measure_flow_scale,
    resolve_weights,
)
from src.config import TrainConfig
from src.inputs import StreamInputs, compute_stacks
from src.store import ClipStore
from src.training.runs import Run

SCALE_CLIPS = 64  # training clips, at most, from which the scale of flow is measured


def build_spatial(run: Run, store: ClipStore, class_names: list[str], config: TrainConfig) -> tuple[keras.Model, bool]:
    """Builds the spatial network of a run: (model, whether its backbone is pretrained)."""
    network = _resolve_once(run, "spatial", config.spatial_weights)
    if config.temporal_weights != "scratch":  # what is missing is known now, not after hours of the spatial stream
        _resolve_once(run, "temporal", config.temporal_weights)
    keras.utils.set_random_seed(config.seed)
    model = build_finetuned_resnet(
        len(class_names), config.crop_size, network["weights"], network["backbone"], config.backbone_preprocessing,
        config.dropout, *_segments(store, config),
    )  # fmt: skip
    return model, network["pretrained"]


def build_temporal(
    run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig
) -> tuple[keras.Model, float]:
    """Builds the temporal network of a run: (model, peak learning rate)."""
    keras.utils.set_random_seed(config.seed + 1)
    length, size = config.flow_length or store.config.flow_length, config.crop_size_of("temporal")
    inputs = StreamInputs(store, "temporal", config, cache=False)
    stacks = _sample_stacks(inputs, clips, store)
    if config.temporal_weights == "scratch":
        scale = measure_flow_scale(stacks, config.subtract_mean)
        model = build_temporal_cnn(
            len(class_names), size, length, config.temporal_network, config.temporal_head, config.subtract_mean,
            inputs.frames_bound, scale, config.dropout, *_segments(store, config),
        )  # fmt: skip
        return model, config.temporal_learning_rate
    network = _resolve_once(run, "temporal", config.temporal_weights)
    scale = measure_flow_scale(stacks, config.subtract_mean, average=True)
    model = build_cross_modality(
        len(class_names), size, length, scale, network["backbone"], network["weights"], config.backbone_preprocessing,
        config.subtract_mean, inputs.frames_bound, config.dropout, *_segments(store, config),
    )  # fmt: skip
    return model, config.fine_tune_learning_rate if network["pretrained"] else config.temporal_learning_rate


def _segments(store, config):
    """The arguments num_segments, consensus and temporal_shift of a stream."""
    return store.config.num_segments if config.fixed_segments else None, config.consensus, config.temporal_shift


def _resolve_once(run, stream, weights):
    """The backbone that the run recorded; otherwise the one that `weights` gives now, recorded ("auto" may change)."""
    name = f"{stream}_network"
    network = run.record.get("notes", {}).get(name) or resolve_weights(weights, stream)
    run.record_facts(**{name: network})
    return network


def _sample_stacks(inputs, clips, store):
    """Quantized stacks of the middle segments of some training clips: uint8 (N, s, s, 2L)."""
    train = clips[clips.split == "train"].clip_name
    some = train.iloc[:: -(-len(train) // SCALE_CLIPS)]  # evenly spaced: the clips are sorted by class
    middle = store.config.num_segments // 2
    stacks = np.concatenate([inputs.crop_scored(inputs.read(clip, middle), 1) for clip in some])
    return compute_stacks(stacks, inputs.frames_bound) if inputs.frames_bound else stacks
