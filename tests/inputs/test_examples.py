import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import TINY_CONFIG

from src.config import TrainConfig
from src.flow import stack_fields
from src.inputs.data_set import read_clips
from src.inputs.examples import read_draws, read_examples
from src.store import ClipStore

TO_LEFT = 2


def test_examples_are_a_frame_and_the_mean_motion_of_its_segment(tiny_store):
    clips, store, _ = read_clips(tiny_store[0])
    rows = clips[(clips.split == "test") & (clips.class_index == TO_LEFT)]
    frames, flows = read_examples(rows, store)
    stored = [store.read_frame(rows.clip_name.iloc[1], segment) for segment in range(store.config.num_segments)]
    assert sum(np.array_equal(frames[1], frame) for frame in stored) == 1
    assert flows[0].shape == (48, 64, 2) and np.median(flows[0][..., 0]) == pytest.approx(-2, abs=0.3)


@pytest.mark.parametrize("speeds, shown", [((0, 3, -5, 1), 2), ((2, 1, 1, 1), 0)])
def test_examples_are_of_the_segment_that_moves_most(monkeypatch, tiny_store, speeds, shown):
    _, store, _ = read_clips(tiny_store[0])
    store = ClipStore(store.root, dataclasses.replace(store.config, num_segments=len(speeds), flow_bound=10.0))
    fields = [np.full((store.config.flow_length, 4, 6, 2), (0, speed), np.float32) for speed in speeds]  # up or down
    stacks = [stack_fields(field, store.config.flow_length, 10.0) for field in fields]
    monkeypatch.setattr(store, "read_stack", lambda name, segment: stacks[segment])
    monkeypatch.setattr(store, "read_frame", lambda name, segment: np.full((4, 6, 3), segment, np.uint8))
    (frame,), (flow,) = read_examples(pd.DataFrame({"clip_name": ["a"]}), store)
    assert (frame == shown).all() and flow[..., 1] == pytest.approx(speeds[shown], abs=0.05)


def test_draws_are_what_both_networks_are_given_of_a_clip(tiny_store):
    clips, store, names = read_clips(tiny_store[0])
    config = TrainConfig(crop_size=32, temporal_crop_size=32)
    (label, frame, stack, draws), still = read_draws(clips, store, names, config, count=2, draws=6)
    assert label == names[1] and still[0] == names[0]  # a flip exchanges the first one
    name = clips[(clips.split == "train") & (clips.class_index == 1)].clip_name.iloc[0]
    np.testing.assert_array_equal(frame, store.read_frame(name, 1))
    np.testing.assert_array_equal(stack, store.read_stack(name, 1))
    assert {draw.flipped for draw in draws} == {True, False}
    for draw in draws:
        assert draw.frame.shape == (32, 32, 3) and draw.stack.shape == (32, 32, TINY_CONFIG.stack_channels)
        assert draw.label == names[TO_LEFT if draw.flipped else 1] and not draw.backwards
        assert np.sign(np.median(draw.stack[..., 0::2].astype(int) - 128)) == (-1 if draw.flipped else 1)
    assert {draw.label for draw in still[3]} == {names[0]}


def test_without_augmentation_all_draws_are_alike(tiny_store):
    config = TrainConfig(crop_size=32, temporal_crop_size=32, augment=False)
    (_, _, _, draws), _ = read_draws(*read_clips(tiny_store[0]), config)
    assert not any(draw.flipped for draw in draws)
    assert all(np.array_equal(draw.frame, draws[0].frame) for draw in draws)
