import math

import pytest

from src.units import format_bytes, format_seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.04, "0.04 s"), (0.26, "0.3 s"), (0.97, "1 s"), (5.2, "5 s"), (59.4, "59 s"),
        (59.6, "1 min"), (130, "2 min 10 s"), (599.4, "9 min 59 s"), (599.7, "10 min"), (2110, "35 min"),
        (3599, "1 h"), (3900, "1 h 5 min"), (86_400, "24 h"), (2 * 86_400 + 4 * 3600, "2 days 4 h"),
    ],
)  # fmt: skip
def test_seconds_are_in_units_that_a_person_reads(seconds, text):
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0 bytes"), (950, "950 bytes"), (1000, "1 KB"), (1540, "1.5 KB"), (9960, "10 KB"), (150_000, "150 KB"),
        (999_700, "1 MB"), (3_200_000_000, "3.2 GB"), (41e9, "41 GB"), (2.5e12, "2.5 TB"), (4e18, "4000 PB"),
    ],
)  # fmt: skip
def test_bytes_are_in_powers_of_a_thousand(num_bytes, text):
    assert format_bytes(num_bytes) == text


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_what_is_no_time_or_size_is_an_error(value):
    with pytest.raises(ValueError, match="must be 0 or more"):
        format_seconds(value)
    with pytest.raises(ValueError, match="must be 0 or more"):
        format_bytes(value)
