"""The score below which a clip is none of the classes, learned on validation."""

import numpy as np

from src.fusion.late_fusion import out_of_fold_scores

LOST = 0.05  # share of the right predictions that may fall below the threshold


def fit_threshold(
    kind: str, scores: dict[str, np.ndarray], labels: np.ndarray, groups: np.ndarray | None = None
) -> float | None:
    """The largest threshold of the highest fused score that keeps a new right prediction with a probability of 95 %.

    Of n right predictions on validation it is the k-th smallest score, k = ⌊0.05 (n + 1)⌋: a new one is as likely to
    fall into each of the n + 1 gaps between them (split conformal prediction, Vovk et al. 2005). With fewer than 19,
    even the smallest score is no such threshold.

    The highest softmax score is higher for right predictions than for wrong ones and for clips of no known class
    (Hendrycks & Gimpel 2017). That a share of what is known is kept, not that a share of what is unknown is refused,
    is what validation can decide: it holds no unknown clips.

    Args:
        kind: of fusion, one of `KINDS`; one that learns is learned on the other folds for each clip.
        scores, labels, groups: of validation, as for `fit_fusion`.

    Returns:
        0 … 1; a prediction is kept if its score is at least that. None if fewer than 19 are right, or if the kind
        learns and the clips cannot be divided into folds.

    Raises:
        ValueError: as for `fit_fusion`.
    """
    fused = out_of_fold_scores(kind, scores, labels, groups)
    if fused is None:
        return None
    right = np.sort(fused.max(axis=1)[fused.argmax(axis=1) == labels])
    rank = int(LOST * (len(right) + 1) + 1e-9)
    return float(right[rank - 1]) if rank else None
