"""How fast a subset moves, beside what the algorithms follow."""

import numpy as np
import pandas as pd
import pytest
from figures import assert_inside, drawn_and_closed, texts, tick_names  # noqa: F401

from src import plots
from src.config import ClipConfig
from src.fingerprint import Motion

LOW = np.array([0.5, 1, 2, 4, 8, 16, 32, 64])
HIGH = np.append(LOW[1:], np.inf)
SHARES = [0.6, 0.3, 0.08, 0.0195, 0.0005, 0, 0, 0]

pytestmark = pytest.mark.filterwarnings("error")


def make_errors(lost_from):
    """Errors of two algorithms that lose motion from the bins `lost_from`."""
    medians = [(name, np.where(np.arange(8) < lost, 0.1, 20.0)) for name, lost in lost_from.items()]
    tables = [
        pd.DataFrame({"algorithm": name, "low": LOW, "high": HIGH, "values": 9, "median": median, "mean": median})
        for name, median in medians
    ]
    return pd.concat(tables, ignore_index=True)


def make_motion(shares=SHARES):
    percentiles = pd.DataFrame({"farneback": [0.8, 1.9, 5, 9], "dis": [0.9, 2, 6, 12]}, index=[50, 90, 99, 99.9])
    return Motion(pd.DataFrame({"low": LOW, "high": HIGH, "share": shares}), percentiles, 0.4, 0.0, 24, 128)


def lines_at(ax):
    """label → x of each upright line."""
    return {line.get_label(): line.get_xdata()[0] for line in ax.get_lines() if len(set(line.get_xdata())) == 1}


def test_percentiles_bound_and_limit_are_drawn_over_the_bins():
    errors = make_errors({"farneback": 5, "dis": 6})
    above, below = plots.plot_motion(errors, make_motion(), ClipConfig(flow_algorithm="dis", flow_bound=20))
    assert [line.get_label() for line in above.get_lines()][:2] == ["farneback", "dis (chosen)"]
    assert above.get_lines()[1].get_linewidth() > above.get_lines()[0].get_linewidth()
    assert below.get_xscale() == "log" and tick_names(below.xaxis)[0] == "0.5"
    assert [bar.get_height() for bar in below.patches] == pytest.approx([100 * share for share in SHARES])
    assert [bar.get_x() for bar in below.patches] == LOW.tolist()
    assert lines_at(below) == {
        "50 % are below 0.9 px/frame": 0.9,
        "99 % are below 6 px/frame": 6,
        "99.9 % are below 12 px/frame": 12,
        "dis follows up to 32 px/frame": 32,
        "flow_bound: 20 px/frame": 20,
    }
    assert lines_at(above) == {"dis follows up to 32 px/frame": 32}
    assert [text for text in texts(below) if text] == ["60.0%", "30.0%", "8.0%", "1.9%"]  # others would be 0.0 %
    assert_inside(above.figure, below.get_legend().get_texts())


def test_a_subset_that_does_not_move_has_no_bars():
    motion = make_motion([0.0] * 8)
    motion.percentiles[:] = np.nan
    below = plots.plot_motion(make_errors({"farneback": 5, "dis": 8}), motion, ClipConfig(flow_algorithm="dis"))[1]
    assert not any(bar.get_height() for bar in below.patches)
