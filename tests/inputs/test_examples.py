import numpy as np
import pytest
from conftest import TINY_CONFIG

from src.config import TrainConfig
from src.inputs.data_set import read_clips
from src.inputs.examples import read_batches, read_examples

TO_LEFT = 2


def test_examples_are_the_middle_segment_and_its_mean_motion(tiny_store):
    clips, store, _ = read_clips(tiny_store[0])
    rows = clips[(clips.split == "test") & (clips.class_index == TO_LEFT)]
    frames, flows = read_examples(rows, store)
    np.testing.assert_array_equal(frames[1], store.read_frame(rows.clip_name.iloc[1], 1))
    assert flows[0].shape == (48, 64, 2) and np.median(flows[0][..., 0]) == pytest.approx(-2, abs=0.3)


def test_the_first_batch_shows_the_same_clips_in_both_streams(tiny_store):
    config = TrainConfig(crop_size=32, temporal_crop_size=32)
    frames, stacks, labels = read_batches(*read_clips(tiny_store[0]), config, 5)
    assert frames.shape == (5, 32, 32, 3) and stacks.shape == (5, 32, 32, TINY_CONFIG.stack_channels)
    u = np.median(stacks[..., 0::2].astype(int) - 128, axis=(1, 2, 3))
    assert np.sign(u).tolist() == [(0, 1, -1)[label] for label in labels]
