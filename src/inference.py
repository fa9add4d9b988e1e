"""A video file → a prediction, through the same code as training."""

from pathlib import Path

import keras
import numpy as np

from src.augmentation import cut_frame, cut_stack, scored_views
from src.clip_store import Clip
from src.config import STREAMS, ClipConfig, TrainConfig
from src.evaluation import average_views
from src.extraction import extract_clip
from src.flow_input import make_flow_input
from src.fusion import average_scores
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
    views = scored_views(*clip.frames.shape[1:3], config.test_crops, config.keep_aspect)
    sizes = {stream: config.crop_size_of(stream) for stream in STREAMS}
    length = config.flow_length or clip_config.flow_length
    stacks = [
        make_flow_input(stack, length, config.flow_input, clip_config.flow_bound) for stack in clip.stacks[places]
    ]
    pictures = {
        "spatial": [cut_frame(frame, view, sizes["spatial"]) for frame in clip.frames[places] for view in views],
        "temporal": [
            cut_stack(stack, view, sizes["temporal"], config.keep_aspect) for stack in stacks for view in views
        ],
    }
    scores = {}
    for stream, seen in pictures.items():
        by_view = np.asarray(two_stream.get_layer(stream).predict_on_batch(np.stack(seen)))
        scores[stream] = average_views(by_view, len(places), class_names, config)
    scores["fused"] = average_scores(scores["spatial"], scores["temporal"])
    return {name: found[0] for name, found in scores.items()}, clip
