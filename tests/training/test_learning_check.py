"""The check passes for data that can be learned, and fails for data that cannot."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import TINY_CONFIG
from small_networks import use_small_networks

from src.config import ClipConfig, TrainConfig
from src.inputs import read_clips
from src.store import Clip, ClipStore
from src.training.learning_check import LearningCheck, check_learning
from src.training.runs import start_run

CONFIG = TrainConfig(crop_size=32, batch_size=8, subtract_mean=False, temporal_learning_rate=1e-2)


@pytest.fixture
def run(tmp_path, monkeypatch):
    use_small_networks(monkeypatch)
    return start_run("first", "tiny", "0123456789ab", TINY_CONFIG, CONFIG, root=tmp_path)


def test_different_clips_can_be_learned(tiny_store, run):
    """Also: nothing is written, and only training clips are used."""
    before = {path: path.read_bytes() for path in run.folder.iterdir()}
    check = check_learning(run, *read_clips(tiny_store[0]), CONFIG, seconds=600)
    assert check.passed and check.accuracy == 1 and check.clips == 12
    assert {path: path.read_bytes() for path in run.folder.iterdir()} == before


def test_equal_clips_with_different_labels_cannot_be_learned(tmp_path, run):
    store = ClipStore(tmp_path / "same", ClipConfig(short_side=40, num_segments=1, flow_length=3))
    store.prepare()
    clip = Clip(np.zeros((1, 40, 40, 3), np.uint8), np.full((1, 40, 40, 6), 140, np.uint8), [(0, 1, 2, 3)])
    for index in range(8):
        store.write(f"{index}-x", clip, "x", store.make_staging())
    rows = [(f"{index}-x", index % 2, "train") for index in range(8)]
    clips = pd.DataFrame(rows, columns=["clip_name", "class_index", "split"])
    check = check_learning(run, clips, store, ["a", "b"], CONFIG, seconds=0.5)
    assert not check.passed and check.accuracy == 0.5 and check.clips == 8


def test_the_clips_are_of_all_classes_in_turn(tiny_store, run, monkeypatch):
    clips, store, names = read_clips(tiny_store[0])
    monkeypatch.setattr("src.training.learning_check.CLIPS", 5)
    seen, read = [], ClipStore.read_stack
    monkeypatch.setattr(ClipStore, "read_stack", lambda self, *where: seen.append(where[0]) or read(self, *where))
    check = check_learning(run, clips, store, names, dataclasses.replace(CONFIG, batch_size=3), seconds=0.1)
    found = clips[clips.clip_name.isin(seen)]
    assert check.clips == 5 and set(found.split) == {"train"} and sorted(found.class_index) == [0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    "check, message",
    [
        (LearningCheck(1.0, 32, 9, 60.0), "It can learn: 32 training clips to 100 % after 9 epochs, 60 s."),
        (LearningCheck(31 / 32, 32, 30, 60.0), "IT DOES NOT LEARN: 97% of 32 training clips after 30 epochs"),
        (LearningCheck(0.5, 32, 9, 60.0), "Too few epochs to tell: 50% of 32 training clips"),
    ],
)
def test_the_message_says_what_the_check_shows(check, message):
    assert check.passed == (check.accuracy == 1) and str(check).startswith(message)
