"""The sections "networks" and "other networks" of accelerator.py: training, and the one-file model."""

import keras
import numpy as np
from accelerator_rows import Held, Rows, Sizes, seconds_of, seconds_of_step

from models import (
    build_cross_modality,
    build_end_to_end,
    build_finetuned_resnet,
    build_temporal_cnn,
    build_two_stream,
)
from src.config import ClipConfig, TrainConfig
from src.devices import jit_compile
from src.training import compile_model, on_devices
from src.video import stored_size

CLASSES = 174  # of Something-Something V2
FLOW_LENGTH = 10
BOUND = 10.0  # px/frame, of a network that computes flow itself


def measure(rows: Rows, sizes: Sizes) -> None:
    """Images/s and clips/s of training on batches that stay on the device; latency of the one-file model."""
    images(rows, sizes, "mixed_bfloat16", sizes.batches[:1])
    latency(rows, sizes, sizes.latency[:1])
    for name in (sizes.motion, f"cross-modality {sizes.network}", "small, flow layer"):
        named = {"network": name, "clips": sizes.clip_batch, "segments": sizes.segments, "crop": sizes.crop}
        named |= {"precision": "mixed_bfloat16"}
        rows.measure("training, temporal", named, lambda named=named: measure_temporal(named, sizes))
    images(rows, sizes, "float32", sizes.batches[:1])
    latency(rows, sizes, sizes.latency[1:])
    for precision in ("mixed_bfloat16", "float32"):
        images(rows, sizes, precision, sizes.batches[1:])


def measure_others(rows: Rows, sizes: Sizes) -> None:
    """Training under a second backend."""
    for batches in (sizes.batches[:1], sizes.batches[1:]):
        for precision in ("mixed_bfloat16", "float32"):
            images(rows, sizes, precision, batches)


def images(rows, sizes, precision, batches):
    """Rows of the spatial network."""
    for batch in batches:
        named = {"network": sizes.network, "images": batch, "crop": sizes.crop, "precision": precision}
        rows.measure("training, spatial", named, lambda named=named: measure_spatial(named, sizes))


def latency(rows, sizes, batches):
    """Rows of the one-file model."""
    for batch in batches:
        named = {"short side": sizes.short_side, "clips": batch}
        rows.measure("one-file model", named, lambda batch=batch: measure_latency(batch, sizes))


def build_spatial(network: str, crop: int, classes: int, precision: str) -> keras.Model:
    """A spatial network from scratch, compiled as the product compiles it."""
    with on_devices(precision):
        model = build_finetuned_resnet(classes, crop, None, network)
        compile_model(model, 1e-3, 1000, TrainConfig(precision=precision))
    return model


def measure_spatial(named, sizes):
    """images/s."""
    model = build_spatial(named["network"], named["crop"], CLASSES, named["precision"])
    batch = make_batch((named["images"], 1, named["crop"], named["crop"], 3))
    return {"images/s": named["images"] / seconds_of_step(model, Held(batch, sizes.steps))}


def measure_temporal(named, sizes):
    """clips/s, and inputs/s, one for each segment."""
    crop, network, channels = named["crop"], named["network"], 2 * FLOW_LENGTH
    shape = (crop, crop, channels)
    with on_devices(named["precision"]):
        if network.startswith("cross"):
            model = build_cross_modality(CLASSES, crop, FLOW_LENGTH, 10.0, sizes.network, None)
        elif "layer" in network:
            model = build_temporal_cnn(CLASSES, crop, FLOW_LENGTH, "small", frames_bound=BOUND)
            shape = (FLOW_LENGTH + 1, crop, crop)
        else:
            model = build_temporal_cnn(CLASSES, crop, FLOW_LENGTH, network)
        compile_model(model, 1e-3, 1000, TrainConfig(precision=named["precision"]), xla="layer" in network)
    batch = make_batch((named["clips"], named["segments"], *shape))
    rate = named["clips"] / seconds_of_step(model, Held(batch, sizes.steps))
    return {"clips/s": rate, "inputs/s": rate * named["segments"]}


def make_batch(shape):
    """Random inputs, and their classes."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, shape, np.uint8), np.eye(CLASSES, dtype=np.float32)[np.arange(shape[0]) % CLASSES]


def measure_latency(batch, sizes):
    """Milliseconds from frames in the processor's memory to probabilities there."""
    clip_config = ClipConfig(short_side=sizes.short_side, num_segments=sizes.segments)
    config = TrainConfig()
    streams = {"num_segments": sizes.segments, "consensus": config.consensus}
    spatial = build_finetuned_resnet(CLASSES, config.crop_size, None, sizes.network, **streams)
    temporal = build_temporal_cnn(CLASSES, config.crop_size_of("temporal"), clip_config.flow_length, "small", **streams)
    height, width = stored_size(240, 320, sizes.short_side)
    names = [f"class {number}" for number in range(CLASSES)]
    model = build_end_to_end(build_two_stream(spatial, temporal), names, clip_config, config, height, width)
    model.compile(jit_compile=jit_compile(True))
    shape = batch, sizes.segments, clip_config.window_length, height, width, 3
    frames = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    seconds = seconds_of(lambda: model.predict_on_batch(frames), sizes)
    return {"ms": 1e3 * seconds, "clips/s": batch / seconds}
