"""A video file → a prediction, through the same code as training."""

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

import models  # noqa: F401 (Keras finds the layers of a saved network by what was imported)
from src.config import STREAMS, ClipConfig, TrainConfig, clip_config_from_dict, train_config_from_dict
from src.evaluation import average_crops
from src.fusion import average_scores
from src.inputs import compute_stacks, read_clips, scored_inputs
from src.preprocessing import extract_clip
from src.store import Clip, manifest_digest
from src.video import segment_centers


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
        clip is what the networks saw, before cropping; where the temporal network computes flow itself, its stacks are
        that flow at the stored size. The frames and flow are not compressed as the store's are, which moves scores a
        little.

    Raises:
        VideoError: the video cannot be used.
    """
    clip = extract_clip(path, clip_config)
    places = segment_centers(clip_config.num_segments, config.test_segments or clip_config.num_segments)
    motion = clip.stacks
    if clip_config.flow_source == "layer":
        motion = np.stack([clip.window(segment, clip_config.window_length) for segment in range(len(clip.frames))])
        clip = replace(clip, stacks=compute_stacks(motion, clip_config.flow_bound))
    scores = score_segments(clip.frames[places], motion[places], two_stream, class_names, clip_config, config)
    return {name: by_segment.mean(axis=0) for name, by_segment in scores.items()}, clip


def score_segments(
    frames: np.ndarray, motion: np.ndarray, two_stream: keras.Model, class_names: list[str],
    clip_config: ClipConfig, config: TrainConfig,
) -> dict[str, np.ndarray]:  # fmt: skip
    """The scores of some segments, of one video or of several, each averaged over its views.

    Args:
        frames: uint8 (S, H, W, 3), RGB, all of one size.
        motion: uint8, what the temporal network is to see: quantised flow as it is stored, (S, H, W, 2L), or, where it
            computes that itself, the grey frames of the windows, (S, L + 1, H, W).
        two_stream, class_names, clip_config, config: as for `predict_video`.

    Returns:
        {"spatial", "temporal", "fused"}: float32 (S, C), rows sum to 1.
    """
    scores = {}
    for stream, segments in zip(STREAMS, (frames, motion), strict=True):
        inputs = scored_inputs(segments, stream, clip_config, config)
        by_crop = np.asarray(two_stream.get_layer(stream).predict_on_batch(inputs))
        scores[stream] = average_crops(by_crop, 1, class_names, config)
    scores["fused"] = average_scores(scores["spatial"], scores["temporal"])
    return scores


def load_run(folder: str | Path) -> tuple[keras.Model, list[str], ClipConfig, TrainConfig]:
    """What `predict_video` needs of a finished run, after its path.

    Args:
        folder: runs/<name>/, with two_stream.keras and config.json. Class names are those of the prepared data set
            that config.json names, relative to the current folder.

    Returns:
        (two_stream, class_names, clip_config, config).

    Raises:
        FileNotFoundError: a file of the run, or the data set, is not there.
        ValueError: another subset was prepared there since, whose classes may be others.
    """
    folder = Path(folder)
    record = json.loads((folder / "config.json").read_text())
    clips, _, class_names = read_clips(record["data"])
    if manifest_digest(clips) != record["manifest_digest"]:
        raise ValueError(
            f"{folder}: the names of its classes are in the subset {record['manifest_digest']} of {record['data']}; "
            f"the one prepared there now is {manifest_digest(clips)}. Prepare that of the run again."
        )
    model = folder / "two_stream.keras"
    if not model.exists():
        raise FileNotFoundError(f"{model}: not there. Finish the run: train_models.ipynb saves it at its end.")
    two_stream = keras.models.load_model(model)
    clip_config, config = clip_config_from_dict(record["clips"]), train_config_from_dict(record["training"])
    return two_stream, class_names, clip_config, config
