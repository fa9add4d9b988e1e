"""The check says yes to what can be learned, and no to what cannot."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import TINY_CONFIG

from src.config import ClipConfig, TrainConfig
from src.inputs.data_set import read_clips
from src.store.clip_store import Clip, ClipStore
from src.training.learning_check import LearningCheck, check_learning
from src.training.runs import start_run

CONFIG = TrainConfig(crop_size=32, batch_size=8, subtract_mean=False)


@pytest.fixture
def run(tmp_path):
    return start_run("first", "tiny", "0123456789ab", TINY_CONFIG, CONFIG, root=tmp_path)


def test_clips_that_differ_are_learned_by_heart(tiny_store, run):
    """Also: nothing is left behind, and only training clips are looked at."""
    before = {path: path.read_bytes() for path in run.folder.iterdir()}
    check = check_learning(run, *read_clips(tiny_store[0]), CONFIG)
    assert check.passed and check.accuracy == 1 and check.clips == 12
    assert str(check).startswith("It can learn: 12 training clips to 100 % after ")
    assert {path: path.read_bytes() for path in run.folder.iterdir()} == before


def test_the_same_pictures_with_other_labels_cannot_be_learned_and_it_says_so(tmp_path, run):
    store = ClipStore(tmp_path / "same", ClipConfig(short_side=40, num_segments=1, flow_length=3))
    store.prepare()
    clip = Clip(np.zeros((1, 40, 40, 3), np.uint8), np.full((1, 40, 40, 6), 140, np.uint8), [(0, 1, 2, 3)])
    for index in range(8):
        store.write(f"{index}-x", clip, "x", store.make_staging())
    rows = [(f"{index}-x", index % 2, "train") for index in range(8)]
    clips = pd.DataFrame(rows, columns=["clip_name", "class_index", "split"])
    check = check_learning(run, clips, store, ["a", "b"], CONFIG, seconds=2)
    assert not check.passed and check.accuracy == 0.5 and 2 <= check.seconds < 20
    assert "50% of 8 training clips" in str(check)


def test_the_clips_are_of_all_classes_in_turn(tiny_store, run, monkeypatch):
    clips, store, names = read_clips(tiny_store[0])
    monkeypatch.setattr("src.training.learning_check.CLIPS", 5)
    seen, read = [], ClipStore.read_stack

    def watched(store, clip, segment):
        seen.append(clip)
        return read(store, clip, segment)

    monkeypatch.setattr(ClipStore, "read_stack", watched)
    check = check_learning(run, clips, store, names, dataclasses.replace(CONFIG, batch_size=3), seconds=0.1)
    found = clips[clips.clip_name.isin(seen)]
    assert check.clips == 5 and set(found.split) == {"train"} and sorted(found.class_index) == [0, 0, 1, 1, 2]


def test_it_has_learned_only_where_it_knows_all():
    assert not LearningCheck(0.99, 32, 9, 60.0).passed
    assert "DOES NOT LEARN: 97% of 32 training clips" in str(LearningCheck(31 / 32, 32, 30, 60.0))


def test_a_few_epochs_in_the_time_there_was_say_nothing():
    assert str(LearningCheck(0.5, 32, 9, 60.0)).startswith("Too few epochs to tell: 50% of 32 training clips")
