"""Folds of random tables, and of real clips."""

import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import FIGHTS

from src.sources import read_source
from src.sources.video_table import COLUMNS, SPLITS, check_disjoint
from src.subsets.folds import make_folds

pytestmark = pytest.mark.filterwarnings("error::UserWarning")
SEEDS = range(4)


def make_clips(labels, groups, splits=""):
    """A table of one clip per entry of `labels` and `groups`."""
    ids = [f"v{number:03d}" for number in range(len(labels))]
    index = {label: number for number, label in enumerate(sorted(set(labels)))}
    columns = {"video_id": ids, "path": ids, "label": labels, "class_index": [index[label] for label in labels]}
    return pd.DataFrame(columns | {"split": splits, "group": groups}).reindex(columns=COLUMNS)


def random_clips(seed, classes="abc", groups=30, clips=150):
    """Groups of different sizes with several classes each, rows in random order under an index of their own."""
    rng = np.random.default_rng(seed)
    names = [f"g{number}" for number in rng.geometric(0.06, clips) % groups]
    table = make_clips(rng.choice(list(classes), clips), names, rng.choice(SPLITS, clips))
    return table.sample(frac=1, random_state=seed).set_axis(rng.permutation(1000)[:clips])


def split_of(table):
    return dict(zip(table.video_id, table.split, strict=True))


def quietly(*arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return make_folds(*arguments)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_clip_is_tested_once_and_no_group_is_split(seed):
    clips, folds = random_clips(seed), 3 + seed % 4
    before = clips.copy()
    tables = quietly(clips, folds, seed)
    pd.testing.assert_frame_equal(clips, before)
    assert len(tables) == folds
    times = pd.concat(tables).groupby("video_id").split.value_counts().unstack(fill_value=0)
    assert len(times) == len(clips)
    assert (times.test == 1).all() and (times.validation == 1).all() and (times.train == folds - 2).all()
    for table, following in zip(tables, [*tables[1:], tables[0]], strict=True):
        check_disjoint(table)
        assert set(table.video_id[table.split == "validation"]) == set(following.video_id[following.split == "test"])
        pd.testing.assert_frame_equal(table.drop(columns="split"), before.drop(columns="split"))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_seed_decides_and_the_order_of_rows_does_not(seed):
    clips = random_clips(seed)
    first = [split_of(table) for table in quietly(clips, 4, seed)]
    shuffled = clips.sample(frac=1, random_state=seed + 1).reset_index(drop=True)
    assert [split_of(table) for table in quietly(shuffled, 4, seed)] == first
    assert [split_of(table) for table in quietly(clips.assign(split=""), 4, seed)] == first
    assert [split_of(table) for table in quietly(clips, 4, seed + 100)] != first


def test_labels_are_stratified():
    """100 clips of a, 50 of b, each its own group: five folds test 20 and 10."""
    labels = ["a"] * 100 + ["b"] * 50
    for table in make_folds(make_clips(labels, [f"g{n}" for n in range(150)]), 5, 0):
        assert table.label[table.split == "test"].value_counts().to_dict() == {"a": 20, "b": 10}


def test_labels_and_groups_may_look_like_numbers():
    labels, groups = ["1", "nan", "2.0"] * 10, [name for name in ("1", "nan", "None", "", "2") for _ in range(6)]
    clips = make_clips(labels, groups).assign(start=np.nan, end=np.nan, rate=np.nan)
    tables = make_folds(clips, 5, 0)
    assert sorted(tuple(table.group[table.split == "test"].unique()) for table in tables) == sorted(
        (name,) for name in set(groups)
    )
    assert all(tables[0].columns == clips.columns)


def test_the_number_of_folds_is_limited_by_groups_and_clips():
    clips = make_clips(list("ab" * 3), list("xxyyzz"))
    tested = [set(table.group[table.split == "test"]) for table in make_folds(clips, 3, 0)]
    assert sorted(map(sorted, tested)) == [["x"], ["y"], ["z"]]
    for folds in (0, 2, 4, 3.0, True, "5"):
        with pytest.raises(ValueError, match=rf"at most the number of groups \(3\).*Received: {folds!r}"):
            make_folds(clips, folds, 0)
    with pytest.raises(ValueError, match=r"largest class \(3\)\. Received: 4"):
        make_folds(make_clips(list("ab" * 3), list("uvwxyz")), 4, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_each_group_is_a_fold(seed):
    clips = random_clips(seed, groups=9)
    tested = [table.group[table.split == "test"].unique().tolist() for table in quietly(clips, "groups", seed)]
    assert sorted(tested) == [[group] for group in sorted(clips.group.unique())]
    with pytest.raises(ValueError, match=r"largest class \(3\)\. Received: 'groups', which is 6 folds"):
        make_folds(make_clips(list("ab" * 3), list("uvwxyz")), "groups", 0)


@pytest.mark.parametrize("folds", [2, 5, "groups"])
def test_without_validation_the_same_parts_are_tested(folds):
    clips = random_clips(1, groups=9)
    tables = quietly(clips, folds, 1, False)
    assert all((table.split == "train").sum() + (table.split == "test").sum() == len(clips) for table in tables)
    if folds != 2:
        for table, other in zip(tables, quietly(clips, folds, 1), strict=True):
            assert ((table.split == "test") == (other.split == "test")).all()
    with pytest.raises(ValueError, match="2 or more .one part each for test, the rest"):
        make_folds(clips, 1, 1, validation=False)


def test_a_class_without_training_clips_is_refused_and_named():
    """All clips of b are one group: where it is tested, no clip of b is left for training."""
    clips = make_clips(list("aaaaaabb"), list("uvwxyzss"))
    with pytest.raises(ValueError, match="must have training clips in every fold. None: 'b' in fold .*Leave"):
        make_folds(clips, 3, 0)


def test_a_class_without_test_clips_is_warned_about():
    """b has three groups and there are six folds, so three folds do not test it."""
    clips = make_clips(["a"] * 12 + ["b"] * 3, [f"g{n}" for n in range(15)])
    with pytest.warns(UserWarning) as found:
        tables = make_folds(clips, 6, 0)
    without = [fold for fold, table in enumerate(tables, 1) if "b" not in set(table.label[table.split == "test"])]
    assert without and [str(w.message).split(" clips")[0] for w in found] == [
        "Classes without validation",
        "Classes without test",
    ]
    assert f"'b' in fold {without[0]}" in str(found[1].message)


@pytest.mark.skipif(not FIGHTS.is_dir(), reason=f"{FIGHTS} is not there")
def test_five_folds_of_the_real_clips():
    clips = read_source(FIGHTS / "clips.csv")
    tables = make_folds(clips, 5, 0)
    tests = [set(table.group[table.split == "test"]) for table in tables]
    assert len(set().union(*tests)) == sum(map(len, tests)) == 33
    assert sum((table.split == "test").sum() for table in tables) == len(clips) == 221
    for table in tables:
        check_disjoint(table)
        assert (pd.crosstab(table.label, table.split) > 0).all(axis=None)
