"""A video file → a prediction, through the same code as training."""

from pathlib import Path

import keras
import numpy as np

from src.clip_store import Clip
from src.config import ClipConfig, TrainConfig
from src.evaluation import average_views
from src.extraction import extract_clip
from src.fusion import average_scores
from src.pictures import cut_views, see_stack
from src.sampling import segment_centers


def predict_video(
    path: str | Path, two_stream: keras.Model, class_names: list[str], clip_config: ClipConfig, config: TrainConfig
) -> tuple[dict, Clip]:
    """What happens in one video.

    Args:
        path: a video file.
        two_stream: from `models.two_stream.build_two_stream`, or loaded from a run's two_stream.keras.
        class_names: by class index.
        clip_config: how its training clips were extracted.
        config: how it was trained and is scored.

    Returns:
        (scores, clip): scores is {"spatial", "temporal", "fused"}, each float32 (C,), averaged over segments and views;
        clip is what the networks saw, before cropping. The frames and flow are not compressed as the store's are,
        which moves scores a little.

    Raises:
        VideoError: the video cannot be used.
    """
    clip = extract_clip(path, clip_config)
    places = segment_centers(clip_config.num_segments, config.test_segments or clip_config.num_segments)
    pictures = {
        "spatial": clip.frames[places],
        "temporal": [see_stack(stack, clip_config, config) for stack in clip.stacks[places]],
    }
    scores = {}
    for stream, seen in pictures.items():
        views = np.concatenate([cut_views(picture, stream, config, config.test_crops) for picture in seen])
        by_view = np.asarray(two_stream.get_layer(stream).predict_on_batch(views))
        scores[stream] = average_views(by_view, len(places), class_names, config)
    scores["fused"] = average_scores(scores["spatial"], scores["temporal"])
    return {name: found[0] for name, found in scores.items()}, clip
