import pandas as pd
import pytest

from src.sources.video_table import check_disjoint, check_ids, in_two_splits

CLIPS = [("1", "b", "train"), ("2", "b", "test"), ("3", "a", "train"), ("3", "a", "validation"), ("4", "c", "test")]


def test_videos_and_groups_in_two_splits_are_found_and_refused():
    table = pd.DataFrame(CLIPS, columns=["video_id", "group", "split"])
    table["path"] = table.video_id
    assert in_two_splits(table, "group") == ["a", "b"]
    assert in_two_splits(table, "video_id") == ["3"]
    with pytest.raises(ValueError, match="A video_id must be in one split only.*1 are in several: 3"):
        check_disjoint(table)
    with pytest.raises(ValueError, match="A group must be in one split only.*1 are in several: b"):
        check_disjoint(table[table.video_id != "3"])
    check_disjoint(table[table.group == "c"])


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "../../../escaped", "a\0b", "a\nb", "x" * 256, "\udce9"]
)
def test_ids_that_are_no_folder_names_are_refused(name):
    with pytest.raises(ValueError, match=r"list\.csv: a video id becomes a folder name"):
        check_ids(pd.Series(["good", name]), "list.csv")


def test_ids_that_are_folder_names():
    check_ids(pd.Series(["1", "a b.mp4", "跳", "-x", "$", "x" * 255]), "list.csv")


def test_tables_hold_names_that_are_not_utf8_also_beside_pyarrow():
    assert pd.Series(["caf\udce9"]).dtype.storage == "python"
