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
from src.training.transfer import build_from_run, check_unchanged, describe_source, is_run

SCALE_CLIPS = 64  # training clips, at most, from which the scale of flow is measured


def build_spatial(run: Run, store: ClipStore, class_names: list[str], config: TrainConfig) -> tuple[keras.Model, bool]:
    """Builds the spatial network of a run: (model, whether its backbone is pretrained)."""
    network = _resolve_once(run, "spatial", store, config)
    if config.temporal_weights != "scratch":  # what is missing is known now, not after hours of the spatial stream
        _resolve_once(run, "temporal", store, config)
    keras.utils.set_random_seed(config.seed)
    if "run" in network:
        return _build_from_run(network, "spatial", store, class_names, config), network["pretrained"]
    model = build_finetuned_resnet(
        len(class_names), config.crop_size, network["weights"], network["backbone"], config.backbone_preprocessing,
        config.dropout, *_segments(store, config),
    )  # fmt: skip
    return model, network["pretrained"]


def build_temporal(
    run: Run, clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig
) -> tuple[keras.Model, float]:
    """Builds the temporal network of a run: (model, peak learning rate)."""
    network = None if config.temporal_weights == "scratch" else _resolve_once(run, "temporal", store, config)
    keras.utils.set_random_seed(config.seed + 1)
    if network and "run" in network:
        return _build_from_run(network, "temporal", store, class_names, config), network["learning_rate"]
    length, size = config.flow_length or store.config.flow_length, config.crop_size_of("temporal")
    inputs = StreamInputs(store, "temporal", config, cache=False)
    stacks = _sample_stacks(inputs, clips, store)
    if network is None:
        scale = measure_flow_scale(stacks, config.subtract_mean)
        model = build_temporal_cnn(
            len(class_names), size, length, config.temporal_network, config.temporal_head, config.subtract_mean,
            inputs.frames_bound, scale, config.dropout, *_segments(store, config),
        )  # fmt: skip
        return model, config.temporal_learning_rate
    scale = measure_flow_scale(stacks, config.subtract_mean, average=True)
    model = build_cross_modality(
        len(class_names), size, length, scale, network["backbone"], network["weights"], config.backbone_preprocessing,
        config.subtract_mean, inputs.frames_bound, config.dropout, *_segments(store, config),
    )  # fmt: skip
    return model, config.fine_tune_learning_rate if network["pretrained"] else config.temporal_learning_rate


def _segments(store, config):
    """The arguments num_segments, consensus and temporal_shift of a stream."""
    return store.config.num_segments if config.fixed_segments else None, config.consensus, config.temporal_shift


def _build_from_run(network, stream, store, class_names, config):
    """A stream on the body of another run's, from what `_resolve_once` gives."""
    return build_from_run(network, stream, len(class_names), _segments(store, config)[0], config)


def _resolve_once(run, stream, store, config):
    """The backbone that the run recorded; otherwise the one that its weights give now, recorded ("auto" may change).

    Another run, whose stream it starts from, must still be as it was recorded.
    """
    name, weights = f"{stream}_network", getattr(config, f"{stream}_weights")
    network = run.record.get("notes", {}).get(name)
    if is_run(weights) or "run" in (network or {}):
        source = describe_source(weights, stream, store.config, config)
        check_unchanged(network, source, stream)
        network = source
    network = network or resolve_weights(weights, stream)
    run.record_facts(**{name: network})
    return network


def _sample_stacks(inputs, clips, store):
    """Quantized stacks of the middle segments of some training clips: uint8 (N, s, s, 2L)."""
    train = clips[clips.split == "train"].clip_name
    some = train.iloc[:: -(-len(train) // SCALE_CLIPS)]  # evenly spaced: the clips are sorted by class
    middle = store.config.num_segments // 2
    stacks = np.concatenate([inputs.crop_scored(inputs.read(clip, middle), 1) for clip in some])
    return compute_stacks(stacks, inputs.frames_bound) if inputs.frames_bound else stacks
