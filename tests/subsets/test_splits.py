"""Splits that a source lacks: they stay as they are when videos are added, and serve small classes."""

import itertools

import numpy as np
import pandas as pd
import pytest

from src.sources import SPLITS
from src.subsets.splits import complete_splits, divide_groups
from src.subsets.subset import choose_subset, count_clips

SHARES = (0.7, 0.15, 0.15)
ALL = (None, None, None)


def make_table(sizes, split="", groups=None):
    """A table of `sizes`: label → number of clips, each a group of its own unless `groups` has their groups."""
    ids = [f"{label}{number}" for label, size in sizes.items() for number in range(size)]
    labels = np.repeat(list(sizes), list(sizes.values()))
    columns = {"video_id": ids, "path": ids, "label": labels, "class_index": 0, "split": split}
    return pd.DataFrame(columns | {"group": ids if groups is None else groups, "start": np.nan})


def moved(table, larger, **options):
    """How many rows of `table` have another split in `larger`, which holds them first."""
    before, after = (divide_groups(rows, SHARES, **options) for rows in (table, larger))
    return (before.to_numpy() != after.to_numpy()[: len(table)]).sum()


@pytest.mark.parametrize("seed", range(20))
def test_videos_that_are_added_move_no_others(seed):
    table = make_table({"a": 200, "b": 200})
    assert moved(table, pd.concat([table, make_table({"c": 30, "d": 3, "e": 1})]), seed=seed) == 0
    more = make_table({"a": 3}, groups=["new 1", "new 2", "new 3"])
    assert moved(table, pd.concat([table, more]), seed=seed) == 0
    assert moved(table[:300], table, seed=seed) == 0
    old = make_table({"a": 2}, groups=["a4", "b7"])  # more clips of groups that are there, one of another class
    assert moved(table, pd.concat([table, old]), seed=seed) == 0


def test_small_classes_move_a_clip_at_most_seldom():
    """A class that was repaired may need the repair no more: a fifth of the classes of ten, one or two clips."""
    moves = [moved(make_table({"a": 10}), make_table({"a": 11}), seed=seed) for seed in range(60)]
    assert max(moves) <= 2 and np.mean(moves) < 0.4


@pytest.mark.parametrize("size", [3, 4, 5, 8, 10, 20, 50])
def test_every_class_has_every_split(size):
    for seed in range(30):
        found = divide_groups(make_table({"a": size}), SHARES, seed).value_counts()
        assert set(found.index) == set(SPLITS) and found["train"] >= (size - 1) / 2


def test_groups_of_several_classes_serve_all_classes():
    """Ten scenes, each with a clip of every class; and three scenes, one for each split."""
    for scenes, seed in itertools.product((3, 4, 10), range(10)):
        groups = [f"scene {number}" for _ in range(6) for number in range(scenes)]
        table = make_table(dict.fromkeys("abcdef", scenes), groups=groups)
        table["split"] = divide_groups(table, SHARES, seed)
        assert (table.groupby("group").split.nunique() == 1).all()
        assert (count_clips(table) > 0).all(axis=None)


def test_a_large_group_does_not_take_all_of_train():
    groups = ["large"] * 60 + [f"g{number}" for number in range(40)]
    for seed in range(20):
        split = divide_groups(make_table({"a": 100}, groups=groups), SHARES, seed)
        assert split.value_counts()["train"] >= 49 and split.value_counts().min() >= 4


def test_the_shares_are_reached_on_average():
    found = [divide_groups(make_table({"a": 20}), SHARES, seed).value_counts(normalize=True) for seed in range(50)]
    assert np.mean([shares["train"] for shares in found]) == pytest.approx(0.7, abs=0.04)
    split = divide_groups(make_table({"a": 5000}), (3, 0, 1), 0)
    assert set(split) == {"train", "test"} and (split == "train").mean() == pytest.approx(0.75, abs=0.02)


def test_a_class_of_few_groups_has_the_first_splits():
    table = make_table({"a": 1, "b": 2, "c": 9})
    for seed in range(10):
        split = divide_groups(table, SHARES, seed)
        assert split[0] == "train" and sorted(split[1:3]) == ["train", "validation"]


@pytest.mark.parametrize("seed", range(5))
def test_validation_is_held_out_of_train_by_group(seed):
    train = make_table({"a": 40, "b": 60, "c": 4, "d": 2}, "train", [f"g{number // 2}" for number in range(106)])
    test = make_table({"a": 9, "b": 9, "c": 1, "d": 1}, "test").assign(group="elsewhere")
    source = pd.concat([train, test])
    with pytest.warns(UserWarning, match=f"no validation split. By seed {seed}, [0-9]+ of its 106 training videos"):
        table = complete_splits(source, ALL, seed)
    assert (table.split[len(train) :] == "test").all() and (table.groupby("group").split.nunique() == 1).all()
    found = count_clips(table)
    assert (found.loc[["a", "b", "c"], ["train", "validation"]] > 0).all(axis=None)
    assert found.loc["d"].tolist() == [2, 0, 1]  # one group
    assert 4 <= found.validation.sum() <= 34  # 16 on average, two at a time
    pd.testing.assert_frame_equal(complete_splits(source, (None, 0, None), seed), source)


def test_the_validation_of_a_source_without_test_is_the_test():
    source = pd.concat([make_table({"a": 40}, "train"), make_table({"a": 10}, "validation").assign(group="there")])
    with pytest.warns(UserWarning, match="no test split: its validation split is the test split. By seed 0"):
        table = complete_splits(source, ALL, 0)
    assert (table.split[40:] == "test").all() and set(table.split[:40]) == {"train", "validation"}
    with pytest.warns(UserWarning, match="validation split is the test split.$"):
        assert set(complete_splits(source, (None, 0, None), 0).split) == {"train", "test"}
    pd.testing.assert_frame_equal(complete_splits(source, (None, None, 0), 0), source)


def test_a_source_of_training_videos_is_divided():
    source = make_table({"a": 40, "b": 30}, "train")
    with pytest.warns(UserWarning, match="All videos of the source are in train. By seed 0, they are divided"):
        table = complete_splits(source, ALL, 0)
    pd.testing.assert_series_equal(table.split, divide_groups(source, SHARES, 0), check_names=False)


def test_a_source_with_splits_but_no_training_videos_is_refused():
    source = pd.concat([make_table({"a": 4}, "validation"), make_table({"a": 4}, "test")])
    with pytest.raises(ValueError, match="must have training videos. Received: validation and test only"):
        complete_splits(source, ALL, 0)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_held_out_clips_stay_where_they_are_when_the_source_grows():
    source = pd.concat([make_table({"a": 60}, "train"), make_table({"a": 9}, "test").assign(group="elsewhere")])
    more = pd.concat([source, make_table({"a": 3}, "train", ["new 1", "new 2", "new 3"])])
    for seed in range(20):
        before, after = (complete_splits(table, ALL, seed).split.to_list() for table in (source, more))
        assert after[: len(before)] == before and set(before) == set(SPLITS)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_larger_number_includes_the_clips_of_a_smaller_one():
    table = make_table({"a": 300}).assign(end=np.nan, rate=np.nan)
    for one, other in (((5, 5, 5), (9, 9, 9)), ((5, None, 3), (None, None, 9))):
        small, large = (choose_subset(table, None, *numbers) for numbers in (one, other))
        keys = [set(zip(subset.video_id, subset.split, strict=True)) for subset in (small, large)]
        assert keys[0] < keys[1]
