"""A video file → a prediction, through the same code as training."""

from pathlib import Path

import keras
import numpy as np

from src.clip_store import Clip
from src.config import ClipConfig
from src.extraction import extract_clip
from src.input_pipeline import TEST_CROPS, cut_views


def predict_video(path: str | Path, two_stream: keras.Model, clip_config: ClipConfig) -> tuple[dict, Clip]:
    """What happens in one video.

    Args:
        path: a video file.
        two_stream: from `models.two_stream.build_two_stream`, or loaded from a run's two_stream.keras.
        clip_config: how its training clips were extracted.

    Returns:
        (scores, clip): scores is {"spatial", "temporal", "fused"}, each float32 (C,), averaged over segments and crops;
        clip is what the networks saw, before cropping. The frames and flow are not compressed as the store's are,
        which moves scores a little.

    Raises:
        VideoError: the video cannot be used.
    """
    clip = extract_clip(path, clip_config)
    size = two_stream.get_layer("spatial").input_shape[1]
    frames = np.concatenate([cut_views(frame, size, TEST_CROPS) for frame in clip.frames])
    stacks = np.concatenate([cut_views(stack, size, TEST_CROPS) for stack in clip.stacks])
    outputs = {
        "spatial": two_stream.get_layer("spatial").predict_on_batch(frames),
        "temporal": two_stream.get_layer("temporal").predict_on_batch(stacks),
        "fused": two_stream.predict_on_batch({"frame": frames, "flow": stacks}),
    }
    return {name: np.asarray(scores).mean(axis=0) for name, scores in outputs.items()}, clip
