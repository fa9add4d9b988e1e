"""The error of flow by displacement, and the limit that follows from it."""

import numpy as np
import pandas as pd
import pytest

from src.fingerprint import find_limit, measure_flow_error
from src.fingerprint.motion import BINS


@pytest.fixture(scope="module")
def errors():
    return measure_flow_error(128, num_clips=2)


def make_errors(**medians):
    """Errors whose last median holds for all faster bins."""
    tables = []
    for algorithm, values in medians.items():
        values = [*values, *[values[-1]] * (len(BINS) - 1 - len(values))]
        tables.append(pd.DataFrame({"low": BINS[:-1], "high": BINS[1:], "median": values}).assign(algorithm=algorithm))
    return pd.concat(tables, ignore_index=True)


def test_slow_motion_is_followed_and_fast_motion_is_not(errors):
    assert list(errors) == ["algorithm", "low", "high", "values", "median", "mean"]
    assert errors.groupby("algorithm").low.apply(list).tolist() == [BINS[:-1].tolist()] * 2
    median = errors.set_index(["algorithm", "low"])["median"]
    assert median["farneback", 4] < 0.4 and median["dis", 4] < 0.4
    assert median["farneback", 32] > 5
    assert errors["values"][errors.low.between(0.6, 15)].min() > 1000
    assert find_limit(errors, "farneback") >= 8 and find_limit(errors, "dis") >= 8


def test_bins_that_no_pixel_falls_into_tell_nothing(errors):
    empty = errors["values"] == 0
    assert empty.any() and (errors["median"].isna() == empty).all()
    table = make_errors(dis=[np.nan, 0.1, np.nan, 0.1, 9], farneback=[0.1, 0.1, np.nan])
    assert find_limit(table, "dis") == pytest.approx(2) and find_limit(table, "farneback") == pytest.approx(1)


def test_the_limit_is_the_end_of_the_last_bin_before_the_error_is_large():
    table = make_errors(farneback=[0.1, 0.1, 2, 0.1, 9], dis=[0.1])
    assert find_limit(table, "farneback") == 1
    assert find_limit(table, "dis") == np.inf
    assert find_limit(make_errors(dis=[3]), "dis") == 0.5
