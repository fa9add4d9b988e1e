import numpy as np
import pytest

from src.fusion import calibration_error, reliability_table

# Confidences 0.95, 0.95, 0.65, 0.65 and 0.5; of the first two both are right, of the next two one, the last is wrong.
SCORES = np.array([[0.95, 0.05], [0.05, 0.95], [0.65, 0.35], [0.65, 0.35], [0.5, 0.5]])
LABELS = np.array([0, 1, 0, 1, 1])


def test_clips_are_counted_by_confidence():
    table = reliability_table(SCORES, LABELS)
    assert table.index.tolist() == [4, 6, 9]  # 0.5 belongs to 0.4 … 0.5
    assert table.clips.tolist() == [1, 2, 2] and table.accuracy.tolist() == [0, 0.5, 1]
    assert table.confidence.tolist() == pytest.approx([0.5, 0.65, 0.95])
    assert table.low[6] < 0.5 < table.high[6] and table.high[9] == 1


def test_the_calibration_error_is_the_mean_distance_by_clips():
    assert calibration_error(reliability_table(SCORES, LABELS)) == pytest.approx((0.5 + 2 * 0.15 + 2 * 0.05) / 5)


def test_certain_scores_are_in_the_last_bin():
    assert reliability_table(np.eye(2), np.array([0, 1])).index.tolist() == [9]
    assert calibration_error(reliability_table(np.eye(2), np.array([0, 1]))) == 0
