"""Temperatures computed by hand, and folds that keep groups whole."""

import numpy as np
import pytest
from scipy.special import softmax

from src.fusion.calibration import apply_temperature, fit_temperature, helpful_temperature, split_folds


def test_temperature_by_hand():
    """softmax(log(p) / T) = p^(1/T), normalised: 0.8 and 0.2 at T = 1/2 are 64 and 4 of 68; at T = 2, 2 and 1 of 3."""
    np.testing.assert_allclose(apply_temperature(np.array([[0.8, 0.2]]), 0.5), [[64 / 68, 4 / 68]])
    np.testing.assert_allclose(apply_temperature(np.array([[0.8, 0.2]]), 2), [[2 / 3, 1 / 3]])


def test_fitted_temperature_by_hand():
    """All scores are 0.9 for class 0, the class of 3 in 4 clips: the best score is 3/4, so 9^(1/T) = 3, T = 2."""
    scores = np.tile([0.9, 0.1], (8, 1))
    assert fit_temperature(scores, np.array([0, 0, 0, 1] * 2)) == pytest.approx(2, rel=1e-3)


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_temperature_is_recovered_from_labels_drawn_by_the_calibrated_scores(true):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, size=(20_000, 5))
    labels = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    assert fit_temperature(softmax(true * logits, axis=1), labels) == pytest.approx(true, rel=0.05)


def test_temperature_of_scores_that_are_exactly_zero_is_finite():
    scores = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    assert 1 < fit_temperature(scores, np.array([0, 0, 1, 1])) <= 10
    assert np.isfinite(apply_temperature(scores, 2.0)).all()


def test_a_temperature_helps_only_uncalibrated_scores():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1, size=(60, 3))
    labels = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((60, 1))).argmax(axis=1)
    assert helpful_temperature(softmax(logits, axis=1), labels) is None
    assert helpful_temperature(softmax(4 * logits, axis=1), labels) == pytest.approx(4, rel=0.3)
    assert helpful_temperature(softmax(logits, axis=1)[:3], np.arange(3)) is None  # too few to tell


def test_folds_keep_groups_whole_and_hold_every_clip_out_once():
    rng = np.random.default_rng(0)
    groups, labels = np.repeat(np.arange(40), 6), np.repeat(np.arange(40) % 2, 6)
    order = rng.permutation(240)
    folds = list(split_folds(labels[order], groups[order]))
    assert len(folds) == 5 and sorted(np.concatenate([held for _, held in folds])) == list(range(240))
    for seen, held in folds:
        assert not set(groups[order][seen]) & set(groups[order][held])
        assert set(seen) | set(held) == set(range(240))


def test_too_few_clips_or_one_group_give_no_folds():
    assert list(split_folds(np.arange(3))) == []
    assert list(split_folds(np.arange(12) % 2, np.zeros(12))) == []
