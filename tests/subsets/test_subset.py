import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import FIGHTS

from src.sources import COLUMNS, SPLITS, check_disjoint, read_source
from src.subsets.splits import complete_splits
from src.subsets.subset import choose_subset, count_clips

pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def make_table(sizes: dict[str, dict[str, int]]) -> pd.DataFrame:
    """A table with numbers of clips by label and split; each clip is a group of its own."""
    clips = [(label, split) for label in sorted(sizes) for split, n in sizes[label].items() for _ in range(n)]
    table = pd.DataFrame(clips, columns=["label", "split"])
    table["video_id"] = [f"v{index:04d}" for index in table.index]
    table["path"] = "videos/" + table["video_id"] + ".mp4"
    table["class_index"] = table["label"].rank(method="dense").astype(int) + 99
    return table.assign(group=table["video_id"]).reindex(columns=COLUMNS)


def with_splits(classes="abcdefgh", train=20, validation=6, test=8) -> pd.DataFrame:
    return make_table({label: {"train": train, "validation": validation, "test": test} for label in classes})


def without_splits(**sizes: int) -> pd.DataFrame:
    return make_table({label: {"": count} for label, count in sizes.items()})


def in_groups(seed: int, groups=40, classes="abc") -> pd.DataFrame:
    """A table without splits whose groups differ in size and hold several classes."""
    rng = np.random.default_rng(seed)
    table = without_splits(**{label: 100 for label in classes})
    return table.assign(group=[f"g{number}" for number in rng.geometric(0.08, len(table)) % groups])


def ids(subset: pd.DataFrame, label: str, split: str) -> set[str]:
    return set(subset.video_id[(subset.label == label) & (subset.split == split)])


def counts(subset: pd.DataFrame) -> dict[str, tuple]:
    return {label: tuple(numbers) for label, *numbers in count_clips(subset).itertuples()}


def test_rows_are_sorted_and_classes_renumbered():
    table = with_splits()
    assert set(choose_subset(table).video_id) == set(table.video_id)  # everything by default
    subset = choose_subset(table, ["g", "b", "d"], 3, 2, 2)
    assert list(subset.columns) == COLUMNS and subset.index.tolist() == list(range(21))
    assert subset.groupby("label").class_index.unique().explode().to_dict() == {"b": 0, "d": 1, "g": 2}
    order = [(SPLITS.index(row.split), row.class_index, row.video_id) for row in subset.itertuples()]
    assert order == sorted(order)


def test_counts_per_class_and_split():
    subset = choose_subset(with_splits(), 3, 5, 4, 3)
    assert list(counts(subset).values()) == [(5, 4, 3)] * 3
    assert counts(choose_subset(with_splits("ab"), None, None, 4, None)) == {"a": (20, 4, 8), "b": (20, 4, 8)}
    assert counts(choose_subset(with_splits("ab"), None, 5, 0, 2)) == {"a": (5, 0, 2), "b": (5, 0, 2)}
    assert counts(choose_subset(with_splits("ab"), None, np.int64(5), 2, 0)) == {"a": (5, 2, 0), "b": (5, 2, 0)}


def test_classes_and_videos_are_drawn_at_random():
    drawn = [tuple(choose_subset(with_splits(), 3, seed=seed).label.unique()) for seed in range(20)]
    assert len(set(drawn)) > 10 and drawn.count(("a", "b", "c")) < 5
    assert set().union(*drawn) == set("abcdefgh")
    table = with_splits("a", train=200)
    drawn = [ids(choose_subset(table, None, 20, seed=seed), "a", "train") for seed in range(20)]
    overlap = [len(set(table.video_id[:20]) & part) for part in drawn]
    assert len(set(map(frozenset, drawn))) == 20 and max(overlap) < 10
    assert np.mean(overlap) == pytest.approx(2, abs=1)  # 20 of 200 at random


def test_same_seed_same_subset_whatever_the_row_order():
    for table in (with_splits(), in_groups(1)):
        before = table.copy()
        for seed in range(5):
            shuffled = table.sample(frac=1, random_state=seed)
            first = choose_subset(table, 2, 9, 2, 3, seed=7)
            pd.testing.assert_frame_equal(choose_subset(shuffled, 2, 9, 2, 3, seed=7), first)
        assert not choose_subset(table, 2, 9, 2, 3, seed=8).equals(first)
        pd.testing.assert_frame_equal(table, before)


def test_a_class_is_drawn_alike_whatever_else_is_chosen():
    for table in (with_splits("abc"), without_splits(a=50, b=60, c=70), in_groups(2)):
        alone = choose_subset(table, ["a"], 9, 2, 3)
        for others in ("ab", "ac", "cba"):
            beside = choose_subset(table, list(others), 9, 2, 3)
            for split in SPLITS:
                assert ids(beside, "a", split) == ids(alone, "a", split)


def test_ids_need_not_be_utf8():
    """As Python gives the names of files in an older encoding."""
    table = with_splits("a")
    table["video_id"] = table["group"] = [f"caf\udce9 {index}" for index in table.index]
    assert counts(choose_subset(table, None, 5, 4, 3)) == {"a": (5, 4, 3)}


@pytest.mark.parametrize("table", [with_splits("ab", 60, 18, 24), without_splits(a=300, b=280), in_groups(3)])
def test_more_videos_in_proportion_keep_those_chosen_before(table):
    """Also in any other proportion where the source has splits."""
    small, large = (choose_subset(table, None, 6 * n, 2 * n, 2 * n) for n in (1, 4))
    for label, split in itertools.product("ab", SPLITS):
        assert ids(small, label, split) < ids(large, label, split)
    if table.split.any():
        assert ids(choose_subset(table, None, 6, 9, 2), "a", "train") == ids(small, "a", "train")


def test_more_classes_keep_those_chosen_before():
    small, large = (set(choose_subset(with_splits(), count, seed=4).label) for count in (2, 5))
    assert small < large


def test_classes_by_label_and_source_index():
    table = with_splits()
    by_label = choose_subset(table, ["c", "a"])
    pd.testing.assert_frame_equal(choose_subset(table, [102, 100]), by_label)
    for same in (["a", np.int64(102), "a"], ["c", 100, "a"], ("a", "c"), np.array(["c", "a"]), {"a", "c"}):
        pd.testing.assert_frame_equal(choose_subset(table, same), by_label)
    assert set(choose_subset(table, "a").label) == {"a"}
    # A number as label is not an index.
    table = make_table({label: {"train": 3, "validation": 2, "test": 2} for label in ("100", "200")})
    assert set(choose_subset(table, ["200"]).label) == {"200"}
    assert set(choose_subset(table, [100]).label) == {"100"}  # its class_index is 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": ["Holding somethin"]}, r"Unknown: \['Holding somethin'\]\. Close: \['Holding something'\]"),
        ({"classes": ["zzz", "Moving up"]}, r"Unknown: \['zzz'\]\. The source has 2 classes"),
        ({"classes": [7]}, r"Unknown: \[7\]"),
        ({"classes": []}, "the list is empty"),
        ({"classes": 3}, "classes must be 1 to 2.*Received: 3"),
        ({"classes": 0}, "classes must be 1 to 2"),
        ({"classes": "7"}, r"Unknown: \['7'\].*Numbers are written without quotes"),
        ({"classes": [True]}, r"Unknown: \[True\]"),
        ({"classes": [100.0]}, r"Unknown: \[100.0\]"),
        ({"classes": [["Moving up"]]}, r"Unknown: \[\['Moving up'\]\]"),
        ({"classes": 2.0}, "classes must be None for all, an integer.*Received: 2.0"),
        ({"classes": True}, "classes must be None for all, an integer.*Received: True"),
        ({"train_per_class": 0}, "train_per_class is a number of clips.* an integer, 1 or more.*Received: 0"),
        ({"train_per_class": 0.7}, "Received: 0.7. Shares such as 0.7 are not supported"),
        ({"validation_per_class": "3"}, "validation_per_class is a number of clips.* 0 or more.*Received: '3'"),
        ({"test_per_class": True}, "test_per_class is a number of clips.*Received: True"),
        ({"test_per_class": -2}, "test_per_class is a number of clips.*Received: -2"),
        ({"test_per_class": 0, "validation_per_class": 0}, "must not both be 0"),
    ],
)
def test_unknown_classes_and_impossible_numbers_are_refused(arguments, message):
    sizes = {"train": 2, "validation": 1, "test": 1}
    table = make_table({"Holding something": sizes, "Moving up": sizes})
    with pytest.raises(ValueError, match=message):
        choose_subset(table, **arguments)


def test_fewer_than_asked_is_one_warning():
    with pytest.warns(UserWarning) as record:
        subset = choose_subset(with_splits("ab"), None, 30, 6, 9)
    assert len(record) == 1
    message = str(record[0].message)
    assert message.startswith("4 of the 6 numbers") and "'a' has 20 of 30 train" in message
    assert "'b' has 8 of 9 test" in message and "validation" not in message
    assert counts(subset) == {"a": (20, 6, 8), "b": (20, 6, 8)}


@pytest.mark.parametrize("split", SPLITS)
def test_a_class_without_a_split_is_refused(split):
    sizes = {"train": 5, "validation": 2, "test": 2} | {split: 0}
    table = make_table({"a": {"train": 5, "validation": 2, "test": 2}, "b": sizes})
    total = sum(sizes.values())
    with pytest.raises(ValueError, match=f"Class 'b' has no {split} video.*{total} videos in {total} groups") as error:
        choose_subset(table)
    assert (f"set {split}_per_class=0" in str(error.value)) == (split != "train")
    assert set(choose_subset(table, ["a"]).label) == {"a"}
    if split != "train":
        assert set(choose_subset(table, **{f"{split}_per_class": 0}).split) == set(SPLITS) - {split}


def test_too_few_groups_are_refused():
    table = without_splits(a=40, b=40)
    table.loc[table.label == "b", "group"] = ["g1"] * 20 + ["g2"] * 20
    with pytest.raises(ValueError, match="'b' has no test video; it has 40 videos in 2 groups"):
        choose_subset(table)
    assert all(count > 0 for count in counts(choose_subset(table, test_per_class=0))["b"][:2])


def test_proportions_follow_the_numbers_if_all_are_given():
    table = without_splits(a=1000, b=2000)
    for arguments, shares in (
        ((), (0.7, 0.15, 0.15)),
        ((60, 20, 20), (0.6, 0.2, 0.2)),
        ((None, 50, 200), (0.7, 0.15, 0.15)),
        ((60, 20, 0), (0.75, 0.25, 0)),
        ((None, 0, None), (0.7 / 0.85, 0, 0.15 / 0.85)),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fewer than asked
            split = complete_splits(table, (*arguments, None, None, None)[:3], 0).split
        for split_name, share in zip(SPLITS, shares, strict=True):
            assert (split == split_name).mean() == pytest.approx(share, abs=0.02 if share else 0)


def test_groups_are_never_split():
    for seed in range(8):
        table = in_groups(seed)
        subset = choose_subset(table, seed=seed)
        assert set(subset.video_id) == set(table.video_id)
        check_disjoint(subset)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fewer than asked
            check_disjoint(choose_subset(table, None, 30, 5, 5, seed=seed))


def test_few_groups_of_unequal_size_cover_all_splits():
    table = without_splits(a=20)
    table["group"] = ["large"] * 10 + ["left"] * 5 + ["right"] * 5
    for seed in range(10):
        assert counts(choose_subset(table, seed=seed)) == {"a": (10, 5, 5)}


def test_a_rare_class_inside_large_groups_reaches_all_splits():
    """`b` lies in three groups that the numbers of `a` alone would put into train."""
    table = without_splits(a=130, b=3)
    table.loc[table.label == "a", "group"] = [f"g{index // 10}" for index in range(130)]
    table.loc[table.label == "b", "group"] = ["g0", "g1", "g2"]
    for seed in range(20):
        assert counts(choose_subset(table, seed=seed))["b"] == (1, 1, 1)


@pytest.mark.skipif(not FIGHTS.is_dir(), reason=f"{FIGHTS} is not there")
def test_real_groups():
    table = read_source(FIGHTS / "clips.csv")
    assert (len(table), table.group.nunique()) == (221, 33)
    for seed in range(10):
        subset = choose_subset(table, seed=seed)
        check_disjoint(subset)
        found = count_clips(subset)
        assert len(subset) == 221 and (found > np.outer(found.sum(axis=1), (0.45, 0.04, 0.04))).all(axis=None)


def test_a_leak_in_the_source_is_refused():
    table = with_splits("ab").assign(group="same")
    with pytest.raises(ValueError, match="A group must be in one split only.*same"):
        choose_subset(table)


def test_count_clips():
    table = make_table({"a": {"train": 3, "test": 1}, "b": {"validation": 2}})
    shown = count_clips(table)
    assert shown.columns.tolist() == list(SPLITS)
    assert shown.loc["a"].tolist() == [3, 0, 1] and shown.loc["b"].tolist() == [0, 2, 0]
    assert count_clips(without_splits(a=3, b=5))["videos"].to_dict() == {"a": 3, "b": 5}
