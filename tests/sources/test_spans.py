import pytest
from source_folders import rows, write_csv

from src.sources.csv_table import read_csv
from src.sources.spans import add_background_clips

TEXT = (
    "path,label,split,start,end\nl.mp4,run,train,5,8\nl.mp4,walk,train,7,9.5\nl.mp4,run,train,20,\nw.mp4,walk,test,,\n"
)


@pytest.fixture
def table(tmp_path):
    with pytest.warns(UserWarning, match="overlap"):
        return read_csv(write_csv(tmp_path / "c.csv", TEXT, ["l.mp4", "w.mp4"])).table


def test_background_clips_lie_between_the_others(table):
    more = add_background_clips(table, seconds=3, seed=1)
    assert list(more.columns) == list(table.columns)
    new = more[more.label == "background"]
    assert len(new) == 2 and set(new.group) == {"l"} and set(new.split) == {"train"} and more.video_id.is_unique
    for (start, end), (low, high) in zip(sorted(rows(new, "start", "end")), [(0, 5), (9.5, 20)], strict=True):
        assert low <= start and end <= high and end - start == pytest.approx(3)
    assert more.groupby("label").class_index.first().to_dict() == {"background": 0, "run": 1, "walk": 2}
    assert more[more.label != "background"].video_id.tolist() == table.video_id.tolist()
    assert add_background_clips(table, seconds=3, seed=1).equals(more)
    assert not add_background_clips(table, seconds=3, seed=2).equals(more)


def test_background_needs_a_gap_and_a_length(table):
    with pytest.raises(ValueError, match="No gap of 30 s"):
        add_background_clips(table, seconds=30)
    for wrong in (0, -1, float("inf"), "2"):
        with pytest.raises(ValueError, match="seconds must be"):
            add_background_clips(table, seconds=wrong)
