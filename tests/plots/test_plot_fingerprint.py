"""Figures of a subset before anything is extracted."""

import numpy as np
import pandas as pd
import pytest
from figures import MANY, PUSHES, assert_inside, drawn_and_closed, make_frames, tick_names  # noqa: F401

from src import plots

pytestmark = pytest.mark.filterwarnings("error")


def make_facts(seconds, rate=25.0, sizes=((320, 240),), labels=PUSHES):
    """(fingerprint, subset) of clips of these lengths; sizes and labels repeat."""
    count = len(seconds)
    rows = {"video_id": [f"v{n}" for n in range(count)], "label": [labels[n % len(labels)] for n in range(count)]}
    subset = pd.DataFrame(rows).assign(split="train", group=[f"g{n // 2}" for n in range(count)])
    width, height = np.array([sizes[n % len(sizes)] for n in range(count)], float).T
    facts = subset.assign(seconds=seconds, rate=rate, width=width, height=height)
    return facts.assign(frames=facts.seconds * facts.rate), subset


def heights(ax):
    return [bar.get_height() for bar in ax.patches]


def test_few_values_are_a_bar_each_and_groups_are_counted():
    facts, subset = make_facts([2.0, 2.0, 4.0, 2.0], rate=12, sizes=[(320, 240), (240, 320)])
    classes, lengths, rates, sizes = plots.plot_fingerprint(facts, subset)
    assert classes.get_xlabel() == "clips, of 2 groups" and tick_names(classes.yaxis) == PUSHES[::-1]
    assert (heights(lengths), tick_names(lengths.xaxis)) == ([3, 1], ["2", "4"])
    assert lengths.get_title() == "median length 2 s"
    assert (heights(rates), tick_names(rates.xaxis)) == ([4], ["12"])
    assert (heights(sizes), tick_names(sizes.xaxis)) == ([2, 2], ["240 × 320", "320 × 240"])


def test_many_values_are_histograms_and_far_longer_clips_are_seen():
    lengths = [*np.linspace(1, 3, 60), 600.0]
    facts, subset = make_facts(lengths, sizes=[(300 + n, 200) for n in range(20)])
    _, ax, _, sizes = plots.plot_fingerprint(facts, subset)
    assert ax.get_xscale() == "log" and sum(heights(ax)) == 61 and heights(ax)[-1] == 1
    assert sizes.get_title() == "20 sizes, 300 × 200 to 319 × 200 px" and sum(heights(sizes)) == 61


@pytest.mark.parametrize("seconds", [[1.0], [np.nan, np.nan]])
def test_one_clip_and_videos_that_cannot_be_opened(seconds):
    facts, subset = make_facts(seconds)
    unknown = facts.seconds.isna()
    facts.loc[unknown, ["rate", "width", "height", "frames"]] = np.nan
    axes = plots.plot_fingerprint(facts, subset)
    assert [ax.get_title() == "" for ax in axes[2:]] == [True, True]


def test_many_classes_are_not_named():
    facts, subset = make_facts([1.0] * 174, labels=MANY)
    assert tick_names(plots.plot_fingerprint(facts, subset)[0].yaxis) == []


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (2, (1, 2)), (4, (2, 3)), (12, (4, 3))])
def test_strips_show_each_class_under_its_name(count, shape):
    strips = {f"class {n}": make_frames(3, 24, 32 if n % 2 else 12) for n in range(count)}
    axes = plots.plot_class_strips(strips, count + 5)
    assert axes.shape == shape and axes[0, 0].get_title() == "class 0"
    np.testing.assert_array_equal(axes[0, 0].images[0].get_array(), np.concatenate(list(strips["class 0"]), axis=1))
    assert axes[0, 0].figure.get_supxlabel() == "5 more classes are not shown."
    assert sum(bool(ax.images) for ax in axes.flat) == count


def test_strips_of_all_classes_say_nothing_about_others():
    assert plots.plot_class_strips({MANY[0]: make_frames(3)}, 1)[0, 0].figure.get_supxlabel() == ""
