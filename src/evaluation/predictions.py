"""The answers of the streams for each video, as a table to sort and to filter."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def predictions_table(clips: pd.DataFrame, scores: dict[str, np.ndarray], class_names: Sequence[str]) -> pd.DataFrame:
    """What each stream answers for each video.

    Args:
        clips: N rows of the annotation table.
        scores: stream → float (N, C), after softmax, a row per clip in the order of `clips`.
        class_names: C names.

    Returns:
        A row per video: "video_id", "path", "group", "label" (the true class); and for each of `scores`, such as
        "fused": "fused" (the answered class), "fused_score" (its score, to four decimals), "fused_score_of_label" (that
        of the true class) and "fused_right" (bool).

    Raises:
        ValueError: there are not as many scores as clips.
    """
    names, truth, rows = np.array(class_names, dtype=object), clips.class_index.to_numpy(), np.arange(len(clips))
    table = clips[["video_id", "path", "group", "label"]].reset_index(drop=True)
    for stream, values in scores.items():
        if values.shape != (len(clips), len(names)):
            raise ValueError(
                f"the {stream} scores must be ({len(clips)}, {len(names)}): a row per clip, a column per class. "
                f"Received: {values.shape}. Give the clips of the split that was scored."
            )
        answers = values.argmax(axis=1)
        table[stream] = names[answers]
        table[f"{stream}_score"] = values[rows, answers].astype(float).round(4)
        table[f"{stream}_score_of_label"] = values[rows, truth].astype(float).round(4)
        table[f"{stream}_right"] = answers == truth
    return table
