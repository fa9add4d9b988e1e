"""Segmental consensus: a stream's network applied to all segments of a clip, one score for the clip."""

import keras
from keras import ops


def build_consensus(network: keras.Model, num_segments: int) -> keras.Model:
    """Builds the network that is trained: it averages the features of a clip's segments before the scores.

    The layer "scores" is linear before its softmax, so this is the average of the segments' logits.

    Args:
        network: a stream, input (N, …) → "scores" (N, C).
        num_segments: S.

    Returns:
        a model, input (N, S, …) → scores float32 (N, C). It shares the layers of `network`.

    Wang et al. 2016 (TSN), section 3.1: average consensus, one loss for each clip.
    """
    shape = network.input.shape[1:]
    scores = network.get_layer("scores")
    features = keras.Model(network.input, scores.input)
    segments = keras.Input((num_segments, *shape), dtype=network.input.dtype, name="segments")
    x = features(ops.reshape(segments, (-1, *shape)))
    x = ops.mean(ops.reshape(x, (-1, num_segments, x.shape[-1])), axis=1)
    return keras.Model(segments, scores(x), name=f"{network.name}_consensus")
