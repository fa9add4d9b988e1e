import pandas as pd
import pytest
from conftest import moving_texture, write_video

from src.config import ClipConfig
from src.preprocessing.flow_accuracy import (
    BINS,
    bin_names,
    describe_limit,
    find_limit,
    measure_flow_error,
    measure_motion,
)


@pytest.fixture(scope="module")
def errors():
    return measure_flow_error(ClipConfig(), num_clips=4)


def subset_of(*paths):
    return pd.DataFrame({"path": [str(path) for path in paths], "split": "train"})


def make_errors(**medians):
    rows = [(name, *row) for name, values in medians.items() for row in zip(bin_names(), values, strict=True)]
    return pd.DataFrame(rows, columns=["algorithm", "displacement", "median"])


def test_slow_motion_is_followed_and_fast_motion_is_not(errors):
    """At 240 px Farneback is accurate to 16 px/frame (three levels), at 128 px with one level less."""
    assert len(errors) == 2 * len(bin_names()) and set(errors.displacement) == set(bin_names())
    median = errors.set_index(["algorithm", "displacement"])["median"]
    assert median["farneback", "4-8"] < 0.35 and median["dis", "4-8"] < 0.5
    assert median["farneback", "32+"] > 5
    assert (errors["values"] > 1000).all()
    assert find_limit(errors, "farneback") in (8, 16) and find_limit(errors, "dis") >= find_limit(errors, "farneback")


def test_the_limit_is_the_end_of_the_last_bin_before_the_error_is_large():
    table = make_errors(farneback=[0.1, 0.1, 2, 0.1, 9], dis=[0.1, 0.1, 0.1, 0.1, 0.1])
    assert find_limit(table, "farneback") == 8
    assert find_limit(table, "dis") == BINS[-1]


def test_shares_of_motion(tmp_path):
    (tmp_path / "bad.avi").write_bytes(b"no video")
    still, slow, fast = (
        write_video(tmp_path / f"{u}.avi", moving_texture(14, u, 0, 64, 80), fourcc="MJPG") for u in (0, 2, 6)
    )
    config = ClipConfig(short_side=64)
    motion = measure_motion(subset_of(still, slow, fast, tmp_path / "bad.avi"), config)
    assert motion.index.tolist() == bin_names()
    assert motion.sum() == pytest.approx(1)
    assert motion["0-4"] == pytest.approx(0.5, abs=0.1) and motion["4-8"] == pytest.approx(0.5, abs=0.1)
    assert (measure_motion(subset_of(still), config) == 0).all()


def test_the_description_names_limit_and_share():
    table = make_errors(farneback=[0.1, 0.1, 0.1, 20, 20], dis=[0.1] * 5)
    motion = pd.Series([0.5, 0.2, 0.1, 0.15, 0.05], index=bin_names())
    followed = (
        "farneback at short side 128 follows motion up to 16 px/frame; 20.0% of this subset's moving pixels are faster."
    )
    assert describe_limit(table, motion, ClipConfig(flow_bound=16)) == followed
    stored = f"{followed} flow_bound stores up to 10 px/frame."
    assert describe_limit(table, motion, ClipConfig(flow_bound=10)) == stored
