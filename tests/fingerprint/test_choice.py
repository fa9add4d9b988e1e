"""What is chosen from a fingerprint, and what is said about values that are given."""

import numpy as np
import pandas as pd
import pytest
from test_flow_error import make_errors
from test_oddities import make_fingerprint

from src.config import ClipConfig
from src.fingerprint import Choice, Motion, choose_parameters, choose_short_side
from src.fingerprint.motion import BINS

ERRORS = make_errors(farneback=[0.1] * 10 + [20], dis=[0.1] * 11 + [20])  # they follow up to 16 and 22.6 px/frame


def make_motion(p99, most, repeated=0.0, short_side=128):
    speeds = [p99 / 4, p99 / 2, p99, most]
    bins = pd.DataFrame({"low": BINS[:-1], "high": BINS[1:], "share": 1 / (len(BINS) - 1)})
    percentiles = pd.DataFrame({"farneback": speeds, "dis": speeds}, index=[50, 90, 99, 99.9])
    return Motion(bins, percentiles, 0.4, repeated, 8, short_side)


def choose(fingerprint=None, motion=None, errors=ERRORS, **given):
    fingerprint = make_fingerprint(frames=80.0) if fingerprint is None else fingerprint
    return choose_parameters(fingerprint, motion or make_motion(6, 9), errors, **given)


def test_the_defaults_are_chosen_where_they_were_measured():
    choice = choose()
    assert choice.config == ClipConfig()
    assert choice.reasons.parameter.tolist() == ["short_side", "num_segments", "flow_algorithm", "flow_bound"]
    assert (choice.reasons.origin == "chosen").all()
    lines = str(choice).splitlines()
    assert lines[0].startswith("short_side = 128 (chosen): the largest size, at most 128 px, ")
    assert sum(not line.startswith("    ") for line in lines) == 4 and max(map(len, lines)) <= 100


@pytest.mark.parametrize(("sides", "chosen"), [([240], 128), ([120], 112), ([100], 96), ([10], 16), ([500, 50], 48)])
def test_stored_frames_are_not_larger_than_the_videos(sides, chosen):
    fingerprint = make_fingerprint(10 * len(sides), width=900.0, height=np.repeat(sides, 10).astype(float))
    assert choose_short_side(fingerprint) == chosen
    assert choose_short_side(fingerprint, 256) == 256


def test_one_tiny_video_in_fifty_does_not_decide():
    assert choose_short_side(make_fingerprint(50, height=[20.0] + [240.0] * 49)) == 128


@pytest.mark.parametrize(
    ("frames", "repeated", "chosen", "reason"),
    [
        (74, 0, 6, "neighbouring windows of 11 frames share at most half of them, and all together are at least a "),
        (33, 0, 6, "neighbouring windows of 11 frames share at most half"),
        (32, 0, 4, "with 6, neighbouring windows of 11 frames would share more than half of them; "),
        (265, 0, 8, "with 6, all windows of 11 frames would be less than a quarter of a clip; "),
        (60, 0.5, 4, "with 6, neighbouring windows of 11 frames would share more than half of them; "),
    ],
)
def test_segments_follow_the_frames_of_a_clip(frames, repeated, chosen, reason):
    choice = choose(make_fingerprint(frames=float(frames)), make_motion(6, 9, repeated))
    assert choice.config.num_segments == chosen
    assert choice.reasons.set_index("parameter").reason["num_segments"].startswith(reason)


@pytest.mark.parametrize(("p99", "chosen"), [(15, "farneback"), (17, "dis"), (40, "dis")])
def test_dis_where_it_alone_follows_more(p99, chosen):
    assert choose(motion=make_motion(p99, 50)).config.flow_algorithm == chosen
    assert choose(motion=make_motion(p99, 50), flow_source="layer").config.flow_algorithm == "farneback"
    equal = make_errors(farneback=[0.1] * 10 + [20], dis=[0.1] * 10 + [20])
    assert choose(motion=make_motion(p99, 50), errors=equal).config.flow_algorithm == "farneback"


def test_the_reason_of_the_algorithm_is_the_case_that_applied():
    equal = make_errors(farneback=[0.1] * 10 + [20], dis=[0.1] * 10 + [20])
    fast = "the fastest 1 % of the moving pixels move by"
    cases = [
        (6.4, equal, "both follow 16 px/frame, and 99 % of the moving pixels move by at most 6.4"),
        (40, equal, f'both follow 16 px/frame; {fast} 40.0 or more, and "dis" follows no more of them'),
        (17, ERRORS, f'"farneback" follows 16 px/frame, "dis" 22.6, and {fast} 17.0 or more'),
    ]
    for p99, errors, reason in cases:
        choice = choose(motion=make_motion(p99, 50), errors=errors)
        assert choice.reasons.set_index("parameter").reason["flow_algorithm"] == reason


@pytest.mark.parametrize(
    ("p99", "most", "chosen"), [(1, 2, 2.5), (4, 4.2, 5), (2, 9.9, 5), (6, 10.6, 10), (12, 50, 20), (60, 64, 40)]
)
def test_the_bound_holds_99_percent_and_halves_one_in_a_thousand(p99, most, chosen):
    assert choose(motion=make_motion(p99, most), flow_algorithm="dis").config.flow_bound == chosen


def test_given_values_stay_and_warn_where_motion_exceeds_them():
    choice = choose(short_side=128, num_segments=8, flow_algorithm="farneback", flow_bound=2)
    assert choice.config == ClipConfig(128, 8, 10, "farneback", 2)
    reasons = choice.reasons.set_index("parameter")
    assert (reasons.origin == "given").all()
    assert reasons.reason["short_side"].startswith("the largest size") and "Warning" not in reasons.reason["short_side"]
    assert reasons.reason["num_segments"].startswith("6 would be chosen: ")
    assert reasons.reason["flow_bound"].endswith("Warning: up to 50 % of the moving pixels are faster, and are clipped")
    fast = choose(motion=make_motion(20, 30), flow_algorithm="farneback").reasons.set_index("parameter").reason
    assert "Warning: " in fast["flow_algorithm"] and fast["flow_algorithm"].endswith("of the moving pixels are faster")
    large = choose(motion=make_motion(6, 9, short_side=256), short_side=256).reasons.reason[0]
    assert large.endswith("Warning: 100 % of the videos are smaller, and are enlarged")


def test_a_recorded_choice_takes_the_place_of_none():
    earlier = Choice(ClipConfig(96, 4, 10, "dis", 20), pd.DataFrame(columns=["parameter", "value", "origin", "reason"]))
    assert choose_short_side(make_fingerprint(), recorded=earlier) == 96
    choice = choose(motion=make_motion(6, 9, short_side=96), recorded=earlier, flow_bound=5)
    assert choice.config == ClipConfig(96, 4, 10, "dis", 5)
    assert choice.reasons.origin.tolist() == ["recorded", "recorded", "recorded", "given"]
    again = choose(motion=make_motion(6, 9, short_side=128), recorded=choose())
    assert again.reasons.reason.tolist() == choose().reasons.reason.tolist()


def test_nothing_that_can_be_read_leaves_the_defaults():
    fingerprint, motion = make_fingerprint(1, frames=np.nan), make_motion(np.nan, np.nan)
    choice = choose(fingerprint, motion)
    assert choice.config == ClipConfig() and choice.reasons.reason.str.startswith("the default; no ").all()


def test_only_training_clips_count_where_there_are_any():
    table = make_fingerprint(10, height=[240.0] * 5 + [64.0] * 5)
    assert choose_short_side(table.assign(split=["train"] * 5 + ["test"] * 5)) == 128
    assert choose_short_side(table.assign(split="test")) == 64


def test_motion_of_another_size_is_refused():
    with pytest.raises(ValueError, match="short_side=128 .* Received: motion at 64"):
        choose(motion=make_motion(6, 9, short_side=64))


@pytest.mark.parametrize(
    "given",
    [{"flow_algorithm": "Dis"}, {"flow_bound": 0}, {"num_segments": "6"}, {"flow_length": 0}],
)
def test_an_invalid_value_is_named(given):
    (name,) = given
    with pytest.raises(ValueError, match=f"{name} must be .* Received: "):
        choose(**given)


def test_an_invalid_side_is_named_before_motion_is_measured_at_it():
    with pytest.raises(ValueError, match="short_side must be .* Received: '128'"):
        choose_short_side(make_fingerprint(), "128")
