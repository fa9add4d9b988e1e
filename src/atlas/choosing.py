"""Which clips get pictures first, where not all fit into the file."""

import numpy as np
import pandas as pd

WRONG_PER_RIGHT = 3  # so that right clips, too, have pictures where most of the room goes to wrong ones
RULE = (
    f"{WRONG_PER_RIGHT} clips that the fusion gets wrong, the surest first, then one that it gets right, evenly over "
    "the classes, the least sure first; and so on"
)


def order_by_interest(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The order in which clips get pictures: `RULE`.

    Args:
        scores: float (N, C), of the fusion.
        truth: int (N,), class indices.

    Returns:
        int64 (N,): row numbers; when clips of one kind run out, the rest are of the other one.
    """
    best, sureness = scores.argmax(axis=1), scores.max(axis=1)
    wrong, right = np.flatnonzero(best != truth), np.flatnonzero(best == truth)
    wrong = wrong[np.argsort(-sureness[wrong], kind="stable")]
    right = right[np.argsort(sureness[right], kind="stable")]
    place_in_class = pd.Series(truth[right]).groupby(truth[right]).cumcount().to_numpy()
    right = right[np.lexsort((truth[right], place_in_class))]
    turns = np.concatenate([np.arange(len(wrong)) // WRONG_PER_RIGHT, np.arange(len(right))])
    return np.concatenate([wrong, right])[np.argsort(turns, kind="stable")]
