import pandas as pd

from src.sources.video_table import in_two_splits, seeded_keys


def test_seeded_keys_depend_on_name_and_seed_only():
    first, second = seeded_keys(["a", "b"], 0)
    assert seeded_keys(["b", "x", "a"], 0)[::2] == [second, first]
    assert seeded_keys(["a"], 1) != [first]


def test_in_two_splits_names_what_is_shared():
    clips = [("1", "b", "train"), ("2", "b", "test"), ("3", "a", "train"), ("3", "a", "validation"), ("4", "c", "test")]
    table = pd.DataFrame(clips, columns=["video_id", "group", "split"])
    assert in_two_splits(table, "group") == ["a", "b"]
    assert in_two_splits(table, "video_id") == ["3"]
