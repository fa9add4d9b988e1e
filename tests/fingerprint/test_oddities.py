"""The sentences about what is odd."""

import numpy as np
import pandas as pd

from src.fingerprint import describe_oddities


def make_fingerprint(count=10, **columns):
    rows = {"frames": 50.0, "seconds": 2.0, "rate": 25.0, "width": 320.0, "height": 240.0, "reason": ""} | columns
    names = [f"v{number}" for number in range(count)]
    return pd.DataFrame({"video_id": names, "label": "a", "split": "train"}).assign(**rows)


def test_nothing_is_odd():
    assert describe_oddities(make_fingerprint()) == []
    assert describe_oddities(make_fingerprint(1)) == []
    assert describe_oddities(make_fingerprint(rate=[29.97, 30] * 5)) == []


def test_videos_that_cannot_be_read_are_named_with_their_reason():
    broken = [np.nan] * 6 + [50.0] * 4
    table = make_fingerprint(frames=broken, reason=["x.mp4: empty"] * 6 + [""] * 4)
    lines = describe_oddities(table)
    assert lines == [
        "6 videos cannot be read:", *(f"  v{number}: x.mp4: empty" for number in range(5)), "  and 1 more",
    ]  # fmt: skip
    reason = f"/videos/{'long/' * 50}a.mp4: must be a video. " + "Download it again, or convert it to MP4 or WebM. " * 3
    first, *rest = describe_oddities(make_fingerprint(2, frames=np.nan, reason=reason))
    assert first == "2 videos cannot be read:" and len(rest) == 2
    assert rest[1].split() == f"v1: {reason}".split()  # whole, in lines
    assert all(line.startswith("    ") for line in rest[1].split("\n")[1:])


def test_classes_without_a_readable_clip():
    table = make_fingerprint(4, frames=[np.nan, 50, 50, 50], reason=["gone", "", "", ""])
    assert describe_oddities(table.assign(label=list("bacc")))[-1] == "No video can be read of: b (train)."


def test_sizes_rates_and_lengths():
    table = make_fingerprint(
        width=[320.0] * 8 + [240.0] * 2,
        height=[240.0] * 8 + [320.0] * 2,
        rate=[25.0] * 9 + [60.0],
        seconds=[2.0] * 8 + [9.0, 30.0],
        frames=[50.0] * 7 + [8.0] * 3,
    )
    sizes, rates, far, short = describe_oddities(table)
    assert sizes == "Sizes differ: 320 × 240 (8), 240 × 320 (2) px. Some are upright, some are wide."
    assert rates.startswith("Frame rates differ: 25 (9), 60 (1) frames/s.")
    assert far.startswith("2 videos are more than 4 times as long as the median of 2.0 s: v9 (30.0 s), v8 (9.0 s).")
    many = describe_oddities(make_fingerprint(20, seconds=[2.0] * 13 + [20.0] * 7))[-1].replace("\n    ", " ")
    assert "v17 (20.0 s) and 2 more. Cut to the action" in many
    assert short.startswith("3 videos have fewer frames than a window of 11") and "v7 (8 frames)" in short
