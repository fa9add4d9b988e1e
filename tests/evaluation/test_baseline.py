"""Baselines without a network: their statistics against known flow and frames, their scores on moving textures."""

import numpy as np
import pandas as pd
import pytest
from conftest import TINY_NAMES

from src.evaluation import baseline, baseline_scores, describe_baselines
from src.evaluation.baseline import FLOW_STATISTICS, FRAME_STATISTICS, flow_statistics, frame_statistics
from src.inputs import read_clips
from src.metrics import compute_metrics

CELLS = 16  # of the grid


def test_flow_statistics_of_a_uniform_translation():
    """u = 3, v = -4, so the speed is 5 px/frame everywhere and at all times."""
    statistics = flow_statistics(np.tile(np.float32([3, -4]), (2, 32, 48, 1)))
    assert statistics.shape == (97 + 3 * 2,) and statistics.dtype == np.float32
    np.testing.assert_allclose(statistics[: 4 * CELLS].reshape(CELLS, 4), np.tile([3, -4, 5, 0], (CELLS, 1)), atol=1e-5)
    fields, rest = statistics[4 * CELLS : 4 * CELLS + 6], statistics[4 * CELLS + 6 :]
    np.testing.assert_allclose(fields, [3, -4, 3, -4, 5, 5], rtol=1e-5)
    np.testing.assert_allclose(rest[:6], [5, 5, 5, 5, 0, 0], atol=1e-5)  # quantiles, spatial deviations
    np.testing.assert_allclose(rest[6:15], [0, 0, 0, 0, 0, 0, 1, 0, 0])  # 4 to 8 px/frame
    np.testing.assert_allclose(rest[15:], 0, atol=1e-5)  # no change, no divergence, no curl


def test_divergence_tells_zooms_and_curl_tells_rotations():
    """u = x/100, v = y/100: a zoom in. With 16 cells of 4 pixels each, a cell differs from the next by 0.04."""
    y, x = np.mgrid[:64, :64].astype(np.float32) / 100
    zoom, rotation = (np.stack(parts, axis=-1)[None] for parts in ((x, y), (-y, x)))
    np.testing.assert_allclose(flow_statistics(zoom)[-2:], [0.08, 0], atol=1e-5)
    np.testing.assert_allclose(flow_statistics(rotation)[-2:], [0, 0.08], atol=1e-5)
    np.testing.assert_allclose(flow_statistics(-zoom)[-2:], [-0.08, 0], atol=1e-5)


def test_flow_statistics_of_flow_that_stops():
    """Speed 2, then 0: mean 1, standard deviation 1, and a change by 2 in each cell."""
    statistics = flow_statistics(
        np.stack([np.full((16, 16, 2), (2, 0), np.float32), np.zeros((16, 16, 2), np.float32)])
    )
    np.testing.assert_allclose(statistics[:4], [1, 0, 1, 1], atol=1e-6)
    np.testing.assert_allclose(statistics[-2 - CELLS : -2], 2, atol=1e-6)
    assert np.isfinite(flow_statistics(np.zeros((1, 16, 16, 2), np.float32))).all()  # one field has no change


def test_frame_statistics_of_two_halves():
    """Red above, black below: the colour of the cells, the histogram's two bins, gradients along y alone."""
    frame = np.zeros((32, 32, 3), np.uint8)
    frame[:16, :, 0] = 255
    statistics = frame_statistics(frame)
    assert statistics.shape == (3 * CELLS + 2 * CELLS + 64,) and statistics.dtype == np.float32
    np.testing.assert_allclose(statistics[:48].reshape(CELLS, 3)[:, 0], np.repeat([1, 0], 8), atol=1e-6)
    along_x, along_y = statistics[48:80].reshape(CELLS, 2).T
    assert not along_x.any() and along_y[4:12].all() and not along_y[:4].any()
    assert statistics[80] == 0.5 and statistics[80 + 3 * 16] == 0.5 and statistics[80:].sum() == 1


def test_flow_statistics_tell_directions_and_are_the_same_each_time(tiny_store):
    clips, store, names = read_clips(tiny_store[0])
    scores = baseline_scores(clips, store, names, ("validation", "test"), seed=0)
    assert list(scores) == ["validation", "test"] and list(scores["test"]) == [FLOW_STATISTICS, FRAME_STATISTICS]
    for split, by_name in scores.items():
        labels = clips[clips.split == split].class_index.to_numpy()
        assert compute_metrics(by_name[FLOW_STATISTICS], labels)["top1"] == 1
        for values in by_name.values():
            assert values.shape == (len(labels), len(names)) == (6, len(TINY_NAMES)) and values.dtype == np.float32
            np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-6)
    again = baseline_scores(clips, store, names, ["test"], seed=0)["test"]
    np.testing.assert_array_equal(again[FRAME_STATISTICS], scores["test"][FRAME_STATISTICS])


def test_frames_are_averaged_and_flow_is_in_order(tiny_store):
    """The order of frames tells motion, which a single frame does not show, and the spatial stream averages frames."""
    _, store, _ = read_clips(tiny_store[0])
    name, segments = sorted(store.names())[0], range(store.config.num_segments)
    frames = [frame_statistics(store.read_frame(name, segment)) for segment in segments]
    np.testing.assert_allclose(baseline._describe_frames(store, name), sum(frames) / len(frames), rtol=1e-6)
    assert baseline._describe_flow(store, name).shape == (len(segments) * (97 + 3 * store.config.flow_length),)


def test_a_class_without_training_clips_scores_zero(tiny_store):
    clips, store, names = read_clips(tiny_store[0])
    clips = clips[(clips.split != "train") | (clips.class_index != 1)]
    values = baseline_scores(clips, store, names, ["test"], seed=0)["test"][FLOW_STATISTICS]
    assert values.shape == (6, 3) and not values[:, 1].any()


def test_trees_are_fitted_a_few_at_a_time_to_a_part_of_many_clips(tiny_store, monkeypatch):
    """Few trees at a time give the scores of one forest, and clips beyond the limit are left out."""
    clips, store, names = read_clips(tiny_store[0])
    train = clips[clips.split == "train"]
    some = train.sample(len(train) - 2, random_state=0)
    few = pd.concat([some, clips[clips.split == "test"]])
    monkeypatch.setattr(baseline, "TREES", 20)
    monkeypatch.setattr(baseline, "TREES_AT_ONCE", 20)
    at_once = baseline_scores(few, store, names, ["test"], seed=0)["test"]
    monkeypatch.setattr(baseline, "TREES_AT_ONCE", 5)
    monkeypatch.setattr(baseline, "MOST_CLIPS", len(some))
    for name, values in baseline_scores(clips, store, names, ["test"], seed=0)["test"].items():
        np.testing.assert_allclose(values, at_once[name], atol=1e-6)


def make_entry(spatial, temporal, fused, majority_class=0.2):
    streams = {"spatial": spatial, "temporal": temporal, "fused": fused}
    entry = {"n": 100, "majority_class": majority_class} | {name: {"top1": top1} for name, top1 in streams.items()}
    return entry | {"baselines": {FLOW_STATISTICS: {"top1": 0.66}, FRAME_STATISTICS: {"top1": 0.4}}}


def test_a_stream_below_the_baseline_of_its_input_is_named():
    sentence = describe_baselines(make_entry(spatial=0.5, temporal=0.41, fused=0.7))
    assert sentence.startswith("The temporal stream (0.41) is below flow statistics (0.66): ")
    assert "spatial" not in sentence and "fusion" not in sentence  # 0.5 is above frame statistics
    sentence = describe_baselines(make_entry(spatial=0.5, temporal=0.7, fused=0.6))
    assert sentence.startswith("The fusion (0.60) is below flow statistics (0.66): ")


def test_a_stream_below_the_majority_class_is_named():
    sentence = describe_baselines(make_entry(0.5, 0.9, 0.9, majority_class=0.8))
    assert sentence.startswith("The spatial stream (0.50) is below the majority class (0.80): the most frequent")


@pytest.mark.parametrize("values", [(0.4, 0.66, 0.66), (0.9, 0.9, 0.9)])  # equal is not below
def test_streams_at_their_baselines_are_not_named(values):
    assert describe_baselines(make_entry(*values)).startswith("Both streams and their fusion are at least as accurate")
