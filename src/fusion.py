"""Late fusion: two streams' scores → one."""

import numpy as np


def average_scores(spatial: np.ndarray, temporal: np.ndarray) -> np.ndarray:
    """The mean of two streams' softmax scores (Simonyan & Zisserman 2014, section 2).

    Args:
        spatial, temporal: float (N, C), probabilities: each row sums to 1.

    Returns:
        float (N, C), probabilities.

    Raises:
        ValueError: different shapes, or values that are not probabilities. Logits of two networks have no common
            scale, and their sum is not an average of anything.
    """
    if spatial.shape != temporal.shape:
        raise ValueError(f"Both streams must score the same videos. Received: {spatial.shape} and {temporal.shape}")
    for name, scores in (("spatial", spatial), ("temporal", temporal)):
        if scores.min() < 0 or not np.allclose(scores.sum(axis=-1), 1, atol=1e-3):
            sums = scores.sum(axis=-1)[:3]
            raise ValueError(f"{name} scores must be probabilities, after softmax. Received: rows summing to {sums}")
    return (spatial + temporal) / 2
