"""Temperatures computed by hand, and folds that keep groups whole."""

import numpy as np
import pytest
from scipy.special import softmax

from src.fusion.calibration import apply_temperature, fit_temperature, helpful_temperatures, split_folds


def test_temperature_by_hand():
    """softmax(log(p) / T) = p^(1/T), normalised: 0.8 and 0.2 at T = 1/2 are 64 and 4 of 68; at T = 2, 2 and 1 of 3."""
    np.testing.assert_allclose(apply_temperature(np.array([[0.8, 0.2]]), 0.5), [[64 / 68, 4 / 68]])
    np.testing.assert_allclose(apply_temperature(np.array([[0.8, 0.2]]), 2), [[2 / 3, 1 / 3]])


def test_fitted_temperature_by_hand():
    """All scores are 0.9 for class 0, the class of 6 in 8 clips and of half of the pseudo-clip: the best score is
    6.5 / 9, so 9^(1/T) = 6.5 / 2.5."""
    scores = np.tile([0.9, 0.1], (8, 1))
    assert fit_temperature(scores, np.array([0, 0, 0, 1] * 2)) == pytest.approx(np.log(9) / np.log(2.6))


@pytest.mark.parametrize("true", [0.013, 0.5, 1.0, 3.0])
def test_temperature_is_recovered_from_labels_drawn_by_the_calibrated_scores(true):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, size=(20_000, 5))
    labels = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    scores = softmax(true * logits, axis=1).astype(np.float32)
    assert fit_temperature(scores, labels) == pytest.approx(true, rel=0.05)


def test_temperature_of_scores_that_are_exactly_zero_is_finite():
    scores = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    assert 1 < fit_temperature(scores, np.array([0, 0, 1, 1])) < 100
    assert np.isfinite(apply_temperature(scores, 2.0)).all()


@pytest.mark.parametrize("sharp", [1.0, 1e-3])
def test_where_all_clips_are_right_one_error_in_as_many_clips_is_expected(sharp):
    """By hand: the target of class 0 is 99.5 of 100, with the pseudo-clip; so is the score, however sharp it was."""
    scores = softmax(sharp * np.tile([1.0, 0.0], (99, 1)), axis=1)
    calibrated = apply_temperature(scores, fit_temperature(scores, np.zeros(99, int)))
    np.testing.assert_allclose(calibrated[0], [0.995, 0.005], rtol=1e-5)


@pytest.mark.parametrize("wrong", [softmax(np.eye(3)[[1, 2, 0]], axis=1), np.full((3, 3), 1 / 3)])
def test_scores_that_tell_nothing_get_an_infinite_temperature(wrong):
    assert fit_temperature(wrong, np.arange(3)) == np.inf
    np.testing.assert_allclose(apply_temperature(wrong, np.inf), 1 / 3)


def test_a_temperature_helps_only_uncalibrated_scores():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1, size=(60, 3))
    labels = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((60, 1))).argmax(axis=1)
    calibrated, sure = softmax(logits, axis=1), softmax(4 * logits, axis=1)
    assert helpful_temperatures({"spatial": calibrated, "temporal": sure}, labels) == {
        "temporal": pytest.approx(4, rel=0.3)
    }
    assert helpful_temperatures({"spatial": calibrated[:3]}, np.arange(3)) == {}  # too few to tell
    assert helpful_temperatures({"spatial": sure}, labels, np.zeros(60)) == {}  # one group does not tell


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
