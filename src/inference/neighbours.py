"""Which clips a stream sees as alike."""

import numpy as np
from sklearn.neighbors import NearestNeighbors


def find_neighbours(queries: np.ndarray, clips: np.ndarray, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Finds the clips whose features are nearest to those of each query, by cosine distance.

    Args:
        queries: float (Q, F), a vector per clip, such as the mean over segments, `features["spatial"].mean(axis=1)`.
        clips: float (N, F), of the clips to choose from. A query that is among them is its own nearest neighbour.
        count: K, at most N.

    Returns:
        (distances float (Q, K), indices int64 (Q, K)): 1 − cos, 0 … 2, and rows of `clips`; the nearest first.

    Raises:
        ValueError: `count` is larger than the number of clips.
    """
    if count > len(clips):
        raise ValueError(f"count must be at most {len(clips)}, the number of clips to choose from. Received: {count}")
    return NearestNeighbors(n_neighbors=count, metric="cosine").fit(clips).kneighbors(queries)
