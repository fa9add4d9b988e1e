import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from src.sources import COLUMNS, OBJECTS, SPLITS, check_disjoint
from src.subsets.objects import find_objects, is_by_objects
from src.subsets.subset import choose_subset, count_clips

pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def make_table(clips=300, names=60, things=1, seed=0, classes="ab", first=0):
    """Clips with up to `things` objects each; the source's splits put the same objects everywhere."""
    rng = np.random.default_rng(seed)
    ids = [f"v{first + index:04d}" for index in range(clips)]
    table = pd.DataFrame({"video_id": ids, "group": ids})
    table["label"] = [classes[index % len(classes)] for index in range(clips)]
    table["class_index"] = table["label"].map(classes.index)
    table["split"] = [SPLITS[index % 3] for index in range(clips)]
    table["path"] = "videos/" + table["video_id"]
    table = table.reindex(columns=COLUMNS)
    numbers = rng.integers(0, names, (clips, things))
    return table.assign(**{OBJECTS: ["; ".join(f"a thing q{number}x" for number in row) for row in numbers]})


def objects_by_split(subset, table):
    """The objects of each split, from the source's own text."""
    texts = table.set_index("video_id")[OBJECTS]
    return {
        split: {name for video_id in rows.video_id for name in find_objects(texts[video_id])}
        for split, rows in subset.groupby("split")
    }


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ("Pen", ["pen"]),
        ("a red pen; the Pens", ["pen"]),
        ("two pens", ["pen"]),
        ("piece of paper", ["paper", "piece"]),
        ("cup full of water; 3; Cookies", ["cookie", "cup", "water"]),
        ("vicks vaporub bottle", ["bottle"]),
        ("glasses; boxes; dishes; batteries; vases", ["battery", "box", "dish", "glass", "vase"]),
        ("bus; buses; knife; knives", ["bus", "knife"]),
        ("cup 2", ["cup"]),
        ("Bu\u0308cher", ["bücher"]),
        ("something", []),
        ("; ,", []),
    ],
)
def test_spellings_of_one_object(text, objects):
    assert find_objects(text) == objects


@pytest.mark.parametrize("things", [1, 2])
def test_no_object_is_in_two_splits(things):
    table = make_table(2000, 300, things)
    before = table.copy()
    for seed in range(5):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of clips with two objects, some seeds keep less than half
            subset = choose_subset(table, seed=seed, split_by="objects")
        assert list(subset.columns) == COLUMNS and set(subset.split) == set(SPLITS)
        for one, other in combinations(objects_by_split(subset, table).values(), 2):
            assert not one & other
        check_disjoint(subset)
        assert is_by_objects(subset) and not is_by_objects(table)
        assert (count_clips(subset) > 0).all(axis=None)
    pd.testing.assert_frame_equal(table, before)


def test_the_seed_decides_and_the_order_does_not():
    table = make_table()
    first = choose_subset(table, seed=1, split_by="objects")
    shuffled = table.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(choose_subset(shuffled, seed=1, split_by="objects"), first)
    assert objects_by_split(first, table) != objects_by_split(choose_subset(table, seed=2, split_by="objects"), table)


def test_clips_that_are_added_move_no_others():
    table, more = make_table(600, 300, 2), make_table(200, 400, 2, seed=1, first=600)
    before = choose_subset(table, split_by="objects").set_index("video_id").split
    after = choose_subset(pd.concat([table, more]), split_by="objects").set_index("video_id").split
    assert len(after) > len(before) and after[before.index].equals(before)


def test_single_objects_keep_all_clips_and_pairs_about_half(capsys):
    subset = choose_subset(make_table(3000, 1000), split_by="objects")
    assert len(subset) == 3000
    for split, share in zip(SPLITS, (0.7, 0.15, 0.15), strict=True):
        assert (subset.split == split).mean() == pytest.approx(share, abs=0.05)
    assert "3000 of 3000 clips are kept. Left out: 0 clips" in capsys.readouterr().out
    subset = choose_subset(make_table(3000, 1000, 2), split_by="objects")
    assert len(subset) / 3000 == pytest.approx(0.7**2 + 2 * 0.15**2, abs=0.05)
    assert f"{len(subset)} of 3000 clips are kept" in capsys.readouterr().out


def test_a_warning_says_if_more_than_half_is_left_out():
    with pytest.warns(UserWarning, match=r"of 3000 clips are kept\. Left out: \d+ clips with objects of two splits"):
        choose_subset(make_table(3000, 1000, 3), split_by="objects")


def test_numbers_of_clips_are_those_asked_for():
    subset = choose_subset(make_table(3000, 1000), None, 30, 10, 0, split_by="objects")
    assert count_clips(subset).loc["a"].tolist() == [30, 10, 0]


def test_clips_without_objects_are_left_out(capsys):
    """As the official test of Something-Something V2, whose answers name none."""
    table = make_table()
    table.loc[table.split == "test", OBJECTS] = ""
    subset = choose_subset(table, split_by="objects")
    assert set(subset.split) == set(SPLITS) and not set(subset.video_id) & set(table.video_id[table.split == "test"])
    assert "and 100 clips whose objects the source does not name" in capsys.readouterr().out


def test_groups_of_several_clips_stay_together_too():
    table = make_table(600, 300).assign(split="")
    table["group"] = [f"person {index % 40}" for index in table.index]
    subset = choose_subset(table, split_by="objects")
    persons = subset.assign(group=subset.video_id.map(table.set_index("video_id").group))
    check_disjoint(persons)
    assert set(subset.split) == set(SPLITS)


def test_a_class_that_lacks_a_split_is_refused():
    table = make_table()
    table.loc[table.label == "b", OBJECTS] = "vase"
    message = "Class 'b' has no .* video; it has 150 videos whose objects are all in one split.*try another seed"
    with pytest.raises(ValueError, match=message):
        choose_subset(table, split_by="objects")
    table.loc[table.label == "b", OBJECTS] = ""
    with pytest.raises(ValueError, match="Class 'b' has no train video; it has 0 videos"):
        choose_subset(table, split_by="objects")


@pytest.mark.parametrize("table", [make_table().drop(columns=OBJECTS), make_table().assign(objects="something")])
def test_a_source_without_objects_is_refused(table):
    with pytest.raises(ValueError, match=r'needs a source that names the objects.*Use split_by="groups"'):
        choose_subset(table, split_by="objects")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(choose_subset(table)) == 300


def test_other_ways_to_split_are_refused():
    with pytest.raises(ValueError, match="split_by must be one of 'groups', 'objects'. Received: 'things'"):
        choose_subset(make_table(), split_by="things")
