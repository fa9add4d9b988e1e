"""How far apart the segments of training clips are: a sliding window must see as much time as the networks did."""

import numpy as np
import pandas as pd

from src.store import ClipStore

MEASURED_CLIPS = 1000  # at most, of the training clips


def measure_spacing(clips: pd.DataFrame, store: ClipStore) -> int:
    """Measures the distance between neighbouring segments of training clips, from middle frame to middle frame.

    Args:
        clips, store: from `src.inputs.read_clips`.

    Returns:
        frames, 1 or more: the median over the segments of at most 1,000 training clips. It is 1 if clips have one
        segment.
    """
    names = clips[clips.split == "train"].clip_name
    some = names.iloc[:: -(-len(names) // MEASURED_CLIPS)]  # evenly spaced: the clips are sorted by class
    windows = [store.read_info(name)["indices"] for name in some]
    middles = [[indices[(len(indices) - 1) // 2] for indices in clip] for clip in windows]
    distances = np.diff(middles, axis=1)
    return max(1, round(float(np.median(distances)))) if distances.size else 1
