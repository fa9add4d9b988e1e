import numpy as np
import pytest
from figures import STREAMS, drawn_and_closed, make_scores  # noqa: F401

from src.fusion import reliability_table
from src.plots import plot_reliability

pytestmark = pytest.mark.filterwarnings("error")


def test_accuracy_is_drawn_by_confidence_above_the_numbers_of_clips():
    table = reliability_table(make_scores([0, 1, 1, 1], 2), np.array([0, 1, 1, 0]))  # all 0.7 sure, three are right
    axes = plot_reliability(dict.fromkeys(STREAMS, table), "validation")
    assert axes.shape == (2, 3)
    for (above, below), stream in zip(axes.T, STREAMS, strict=True):
        diagonal, dots = above.lines
        assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
        assert dots.get_xydata().tolist() == [[pytest.approx(0.7), 0.75]]
        assert above.collections[0].get_segments()[0][:, 1].tolist() == table[["low", "high"]].iloc[0].tolist()
        assert above.get_title() == f"{stream}: ECE 0.050"
        (bar,) = below.patches
        assert bar.get_height() == 4 and bar.get_x() + bar.get_width() / 2 == pytest.approx(0.65)
    assert axes[1, 0].get_ylabel() == "validation clips"
