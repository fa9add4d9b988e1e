from pathlib import Path

import pytest
from source_folders import only_warning, rows, touch, write_csv

from src.sources.csv_table import read_csv
from src.sources.video_table import COLUMNS

pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def test_path_and_label_are_enough(tmp_path):
    csv = write_csv(tmp_path / "clips.csv", "path,label\nv/b.mp4,walk\nv/a.mp4,run\n", ["v/a.mp4", "v/b.mp4"])
    table = read_csv(csv)
    assert list(table.columns) == COLUMNS
    assert rows(table, "video_id", "label", "class_index", "split", "group") == [
        ("a", "run", 0, "", "a"),
        ("b", "walk", 1, "", "b"),
    ]
    assert all(Path(path).is_file() for path in table.path)


def test_paths_are_absolute_or_relative_to_the_csv(tmp_path, monkeypatch):
    touch(tmp_path / "elsewhere/b.mp4")
    write_csv(tmp_path / "data/clips.csv", f"path,label\na.mp4,x\n{tmp_path}/elsewhere/b.mp4,y\n", ["a.mp4"])
    monkeypatch.chdir(tmp_path)
    table = read_csv("data/clips.csv")
    assert table.path.tolist() == [str(Path("data/a.mp4")), str(tmp_path / "elsewhere/b.mp4")]


def test_all_columns_with_bom_and_whitespace(tmp_path):
    text = (
        "\ufeff path , label ,split,group,note\n a.mp4 , run , Train ,g 1,x\nb.mp4,run,val,g2,\n\n , ,,,\n"
        'c.mp4,"walk, slowly",valid,,\nd.mp4,run,test,007,\n'
    )
    table = read_csv(write_csv(tmp_path / "c.csv", text, [f"{name}.mp4" for name in "abcd"]))
    assert rows(table, "video_id", "label", "split", "group") == [
        ("a", "run", "train", "g 1"),
        ("b", "run", "validation", "g2"),
        ("d", "run", "test", "007"),
        ("c", "walk, slowly", "validation", "c"),
    ]


def test_labels_and_groups_stay_text(tmp_path):
    names = ["01", "1", "1.0", "NA", "None", "nan"]
    text = "path,label,group\n" + "".join(f"{index}.mp4,{name},{name}\n" for index, name in enumerate(names))
    table = read_csv(write_csv(tmp_path / "c.csv", text, [f"{index}.mp4" for index in range(6)]))
    assert table.label.tolist() == table.group.tolist() == sorted(names)


def test_ids_are_unique_stems_or_given(tmp_path):
    names = ["a/1.mp4", "b/1.mp4", "b/2.mp4", "../up.mp4"]
    csv = write_csv(tmp_path / "d/c.csv", "path,label\n" + "".join(f"{name},x\n" for name in names), names)
    assert read_csv(csv).video_id.tolist() == ["2", "a__1", "b__1", "up"]
    given = write_csv(tmp_path / "d/given.csv", "path,label,video_id\na/1.mp4,x,00017\n")
    assert read_csv(given).video_id.tolist() == ["00017"]
    # Joined paths can meet too: b/2 and ../b/2.
    more = write_csv(tmp_path / "d/more.csv", "path,label\nb/2.mp4,x\n../b/2.mp4,x\n", ["../b/2.mp4"])
    assert read_csv(more).video_id.is_unique


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,class\na.mp4,x\n", r"c\.csv: the first line must be path,label.*path,class"),
        ("", r"c\.csv: not a CSV"),
        ("path,label\na.mp4,caf\udce9\n", r"c\.csv: not a CSV in UTF-8"),  # the byte E9: Latin-1
        ("path,label\n", r"c\.csv: no video is listed"),
        ("path,label\na.mp4,x\nb.mp4,x,y\n", r"c\.csv: .*line 3"),
        ("path,label\na.mp4,walk, slowly\n", r"c\.csv: line 2 has more values"),
        ("path,label\na.mp4,x\n,x\nb.mp4,\n", r"c\.csv: path and label.*2 break.*line 3 .*line 4"),
        ("path,label,split\na.mp4,x,train\nb.mp4,x,tset\n", r"c\.csv: split must be one of train, .*line 3.*tset"),
        ("path,label,split\na.mp4,x,train\nb.mp4,x,\n", r"c\.csv: either all rows have a split.*line 3"),
        ("path,label,split,group\na.mp4,x,train,g\nb.mp4,x,test,g\n", r"c\.csv: all clips of a group.*g\."),
        ("path,label,video_id\na.mp4,x,u/v\n", r"c\.csv: .*folder name.*'u/v'"),
        ("path,label,video_id\na.mp4,x,..\n", r"c\.csv: .*folder name.*'\.\.'"),
        ("path,label,video_id\na.mp4,x,\n", r"c\.csv: .*folder name.*''"),
        ("path,label,video_id\na.mp4,x,1\nb.mp4,y,1\n", r"c\.csv: '1' is listed with different.*'x', 'y'"),
        ("path,label\na.mp4,x\nsub/../a.mp4,y\n", r"c\.csv: .*a\.mp4' is listed with different.*'x', 'y'"),
        ("path,label,split\na.mp4,x,train\na.mp4,x,test\n", r"c\.csv: .*a\.mp4' is listed with.*'train', 'test'"),
    ],
)
def test_errors_name_the_file_and_the_line(tmp_path, text, message):
    csv = write_csv(tmp_path / "c.csv", text, ["a.mp4", "b.mp4", "sub/c.mp4"])
    with pytest.raises(ValueError, match=message):
        read_csv(csv)


def test_a_repeated_file_counts_once(tmp_path):
    text = "path,label\na.mp4,x\nsub/../a.mp4,x\nb.mp4,x\nb.mp4,x\n"
    with pytest.warns(UserWarning) as record:
        table = read_csv(write_csv(tmp_path / "c.csv", text, ["a.mp4", "b.mp4", "sub/c.mp4"]))
    assert "2 rows" in only_warning(record)
    assert table.video_id.tolist() == ["a", "b"]


def test_absent_videos_and_their_classes_are_left_out_and_counted(tmp_path):
    csv = write_csv(tmp_path / "c.csv", "path,label\na.mp4,x\ngone.mp4,y\n", ["a.mp4"])
    with pytest.warns(UserWarning) as record:
        table = read_csv(csv)
    absent, empty = (str(item.message) for item in record)
    assert "1 of 2 videos" in absent and "gone.mp4" in absent and "1 classes" in empty
    assert rows(table, "video_id", "label", "class_index") == [("a", "x", 0)]
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(FileNotFoundError, match="2 of 2 videos.*a.mp4"):
        read_csv(csv)
