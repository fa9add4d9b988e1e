"""The distance between the segments of training clips, from what the store recorded."""

import pandas as pd
import pytest
from conftest import TINY_CONFIG

from src.inference.spacing import measure_spacing
from src.inputs import read_clips
from src.store import ClipStore


class Store:
    """Clips by name: the indices of each segment's window."""

    clips = {
        "a": [(0, 1, 2), (7, 8, 9), (16, 17, 18)],  # 7 and 9 frames
        "b": [(0, 1, 2, 4), (20, 21, 22, 23), (28, 29, 30, 32)],  # 20 and 8, of the earlier of both middle frames
        "one": [(0, 1, 2)],
        "still": [(0, 1), (0, 1)],  # a clip shorter than its windows
        "test": [(0, 1, 2), (500, 501, 502), (900, 901, 902)],
    }

    def read_info(self, name):
        return {"indices": self.clips[name]}


@pytest.mark.parametrize("names, spacing", [("a", 8), ("ab", 8), ("b", 14), (["one"], 1), (["still"], 1)])
def test_it_is_the_median_between_the_middle_frames_of_training_clips(names, spacing):
    clips = pd.DataFrame({"clip_name": [*names, "test"], "split": ["train"] * len(names) + ["test"]})
    assert measure_spacing(clips, Store()) == spacing


def test_clips_of_a_store_are_measured(tiny_store):
    """Two segments of nine frames, in windows of four: around frames 2 and 6, of which the middle ones are 1 and 5."""
    clips, store, _ = read_clips(tiny_store[0])
    assert isinstance(store, ClipStore) and store.config == TINY_CONFIG
    assert measure_spacing(clips, store) == 4
