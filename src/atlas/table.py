"""The scores of all clips as the JSON of the page."""

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd

from src.sources import printable
from src.video import Excerpt

BEST = 3  # classes listed for each stream
DECIMALS = 4  # as in the tables of predictions, so that both show the same scores


def tabulate(
    clips: pd.DataFrame, scores: dict[str, np.ndarray], class_names: Sequence[str]
) -> dict[str, list | dict | str]:
    """What the page knows of each clip, by columns, without pictures; ready for JSON.

    Args:
        clips: rows of the annotation table.
        scores: stream → float (N, C), after softmax.
        class_names: C names.

    Returns:
        "classes", names by class index; "ids", "paths" (below "folder"), "groups", "truth" (class indices), a value per
        clip; and "streams": name → {"best": class indices of the best three, "scores": theirs, "truth": the score of
        the true class}.
    """
    paths = [printable(Excerpt.of(row)) for row in clips.itertuples()]
    folder = _common_folder(paths)
    return {
        "classes": [printable(name) for name in class_names],
        "ids": [printable(name) for name in clips.video_id],
        "folder": folder,
        "paths": [path[len(folder) :] for path in paths],
        "groups": [printable(name) for name in clips.group],
        "truth": clips.class_index.tolist(),
        "streams": {stream: _list_best(values, clips.class_index.to_numpy()) for stream, values in scores.items()},
    }


def _list_best(scores, truth):
    best = np.argsort(-scores, axis=1, kind="stable")[:, :BEST]
    of_truth = np.take_along_axis(scores, truth[:, None], axis=1)[:, 0]
    return {
        "best": best.tolist(),
        "scores": _round(np.take_along_axis(scores, best, axis=1)),
        "truth": _round(of_truth),
    }


def _round(values):
    return values.astype(np.float64).round(DECIMALS).tolist()


def _common_folder(paths):
    """The beginning of all paths, up to a separator; "" if there is none."""
    start = os.path.commonprefix(paths)
    return start[: max(start.rfind("/"), start.rfind(os.sep)) + 1]
