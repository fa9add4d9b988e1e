"""Both streams in one model, with their late fusion."""

import keras
from keras import layers

from models.consensus import Consensus, FoldSegments, UnfoldSegments
from models.fusion_layer import Fused
from models.temporal_cnn import takes_frames


def build_two_stream(spatial: keras.Model, temporal: keras.Model, fusion: dict | None = None) -> keras.Model:
    """Builds the two-stream network: two streams, and the fusion of their softmax scores.

    Args:
        spatial: frames (N, S, …) → scores (N, C), for example from `build_finetuned_resnet`.
        temporal: flow stacks or frames (N, S, …) → scores (N, C), for example from `build_temporal_cnn`. A stream of a
            run of an older version, which takes one segment, (N, …), becomes one of clips: the scores of the segments
            are averaged, as that version did.
        fusion: `parameters` of a fusion from `src.fusion.fit_fusion`; None is the average.

    Returns:
        a functional model with the inputs {"frame": uint8 (N, S, h, w, 3), "flow": uint8 (N, S, h, w, 2L)}, or
        "frames": uint8 (N, S, L + 1, h, w) instead of "flow", and the output "fused" float32 (N, C), probabilities. It
        shares the weights of both models. `get_layer("fused")` fuses scores that were averaged over crops.

    Raises:
        ValueError: the streams have different numbers of classes.

    Simonyan & Zisserman 2014, section 2: fusion by averaging.
    """
    if spatial.output_shape[-1] != temporal.output_shape[-1]:
        raise ValueError(
            "Both streams must have the same classes. "
            f"Received: {spatial.output_shape[-1]} and {temporal.output_shape[-1]} classes"
        )
    spatial, temporal = _of_clips(spatial), _of_clips(temporal)
    frame = keras.Input(spatial.input_shape[1:], dtype="uint8", name="frame")
    name = "frames" if takes_frames(temporal) else "flow"
    motion = keras.Input(temporal.input_shape[1:], dtype="uint8", name=name)
    fused = Fused(**(fusion or {}), name="fused")([spatial(frame), temporal(motion)])
    return keras.Model({"frame": frame, name: motion}, fused, name="two_stream")


def _of_clips(stream):
    """A stream for clips; one for single segments, (N, h, w, channels) or (N, L + 1, h, w), is converted."""
    if len(stream.input_shape) == 5:
        return stream
    *_, before, scores = stream.layers
    features = before.input if isinstance(before, layers.Dropout) else scores.input
    body = keras.Model(stream.input, features, name="body")
    segments = keras.Input((None, *stream.input_shape[1:]), dtype="uint8", name=body.input.name)
    x = body(FoldSegments(name="fold_segments")(segments))
    x = UnfoldSegments(name="unfold_segments", dtype="float32")(x, segments)
    by_segment = keras.Input((None, features.shape[-1]), name="features")
    average = Consensus("average", name="consensus")(scores(by_segment))
    head = keras.Model(by_segment, average, name="head")
    return keras.Model(segments, head(x), name=stream.name)
