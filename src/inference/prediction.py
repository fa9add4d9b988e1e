"""A video file → scores, with the code that makes the inputs and scores of training and evaluation."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from src.config import STREAMS, ClipConfig, TrainConfig
from src.evaluation import average_crops
from src.inputs import compute_stacks, fill_places, scored_inputs
from src.preprocessing import extract_clip
from src.store import Clip
from src.video import Excerpt, segment_centers


def predict_video(
    path: str | Path | Excerpt,
    two_stream: keras.Model,
    class_names: list[str],
    clip_config: ClipConfig,
    config: TrainConfig,
) -> tuple[dict, Clip]:
    """Scores one video.

    Args:
        path: a video file, a folder of images, or an `Excerpt` of them.
        two_stream: from `models.build_two_stream`, or loaded from a run's two_stream.keras.
        class_names: by class index.
        clip_config: how the training clips were extracted.
        config: how the networks were trained, and which segments and crops are scored.

    Returns:
        (scores, clip): scores is {"spatial", "temporal", "fused"}, each float32 (C,): the streams' are averaged over
        crops, then fused by the layer "fused" of `two_stream`.
        clip holds the frames and stacks before cropping; if the temporal network computes flow itself, its stacks are
        computed here, at the stored size. Frames and flow are not compressed as in the store, which changes scores a
        little.

    Raises:
        VideoError: the video cannot be used.
    """
    clip = extract_clip(path, clip_config)
    stored = clip_config.num_segments
    places = fill_places(segment_centers(stored, config.test_segments or stored), stored, config)
    motion = clip.stacks
    if clip_config.flow_source == "layer":
        motion = np.stack([clip.window(segment, clip_config.window_length) for segment in range(len(clip.frames))])
        clip = replace(clip, stacks=compute_stacks(motion, clip_config.flow_bound))
    return score_clip(clip.frames[places], motion[places], two_stream, class_names, clip_config, config), clip


def score_clip(
    frames: np.ndarray, motion: np.ndarray, two_stream: keras.Model, class_names: list[str],
    clip_config: ClipConfig, config: TrainConfig,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Scores the segments of one clip.

    Args:
        frames: uint8 (S, H, W, 3), RGB, all of one size.
        motion: uint8; quantized flow stacks as in the store, (S, H, W, 2L), or, for a temporal network that computes
            flow itself, windows of grey frames, (S, L + 1, H, W).
        two_stream, class_names, clip_config, config: as for `predict_video`.

    Returns:
        {"spatial", "temporal", "fused"}: float32 (C,), averaged over crops; they sum to 1.
    """
    by_crop = {}
    for stream, segments in zip(STREAMS, (frames, motion), strict=True):
        inputs = scored_inputs(segments, stream, clip_config, config)
        by_crop[stream] = two_stream.get_layer(stream).predict_on_batch(inputs)
    return fuse_crops(by_crop, two_stream, class_names, config)


def fuse_crops(
    by_crop: dict[str, np.ndarray], two_stream: keras.Model, class_names: list[str], config: TrainConfig
) -> dict[str, np.ndarray]:
    """The scores of the crops of one clip, each stream's (test_crops, C) → those of the clip, as by `score_clip`."""
    scores = [average_crops(np.asarray(by_crop[stream]), class_names, config) for stream in STREAMS]
    fused = keras.ops.convert_to_numpy(two_stream.get_layer("fused")(scores))
    return {name: by_clip[0] for name, by_clip in zip((*STREAMS, "fused"), (*scores, fused), strict=True)}
