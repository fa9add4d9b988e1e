from pathlib import Path

import pandas as pd
import pytest
from test_ssv2 import HOLD, PUSH, only_warning, read_quietly, rows, touch, write_ssv2

from src.sources import annotations
from src.sources.annotations import read_class_folders, read_csv, read_source
from src.sources.ssv2 import VIDEO_FOLDER
from src.sources.video_table import COLUMNS


def write_csv(path: Path, text: str, videos=()) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    touch(*(path.parent / name for name in videos))
    return path


# Which source


def test_source_is_recognised(tmp_path):
    write_ssv2(tmp_path / "ssv2")
    touch(tmp_path / "folders/run/a.mp4", tmp_path / "folders/walk/b.mp4")
    csv = write_csv(tmp_path / "clips.CSV", "path,label\nfolders/run/a.mp4,jog\n")
    assert set(read_source(tmp_path / "ssv2").label) == {HOLD, PUSH}
    assert set(read_source(str(tmp_path / "folders")).label) == {"run", "walk"}
    assert set(read_source(csv).label) == {"jog"}


def test_sample_is_written_first(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(annotations, "write_sample", lambda folder: asked.append(folder) or write_ssv2(tmp_path))
    assert rows(read_source("sample"), "video_id") == [("1",), ("3",), ("2",), ("4",)]
    assert asked == [Path("datasets/sample")]


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: None, "no such path"),
        (lambda path: path.mkdir(), "an empty folder"),
        (lambda path: path.touch(), "another file"),
        (lambda path: touch(path / "one.mp4", path / "two.mp4"), "one.mp4, two.mp4"),
    ],
)
def test_nothing_fits(tmp_path, make, found):
    make(tmp_path / "data")
    with pytest.raises(ValueError, match=rf"data: no source.*\.csv.*labels\.json.*folder per class.*{found}"):
        read_source(tmp_path / "data")


def test_ssv2_videos_without_label_files_are_no_class(tmp_path):
    touch(tmp_path / VIDEO_FOLDER / "1.webm")
    with pytest.raises(FileNotFoundError, match="something-something-v2-labels.json"):
        read_source(tmp_path)


# Folder per class


def test_class_folders(tmp_path):
    touch(tmp_path / "walk/b.AVI", tmp_path / "run/deep/er/a.mp4", tmp_path / "run/c.webm", tmp_path / ".git/x.mp4")
    touch(tmp_path / "run/.hidden.mp4", tmp_path / "run/._c.webm", tmp_path / "run/.cache/z.mp4")
    table = read_quietly(read_class_folders, tmp_path)
    assert list(table.columns) == COLUMNS
    assert rows(table, "video_id", "label", "class_index", "split", "group") == [
        ("a", "run", 0, "", "a"),
        ("c", "run", 0, "", "c"),
        ("b", "walk", 1, "", "b"),
    ]
    assert all(Path(path).is_file() for path in table.path)


def test_class_folders_keep_numeric_names_as_text(tmp_path):
    touch(*(tmp_path / label / f"{label}.mp4" for label in ("10", "9", "NA", "None")))
    assert rows(read_class_folders(tmp_path), "label", "class_index") == [("10", 0), ("9", 1), ("NA", 2), ("None", 3)]


def test_class_folders_make_unique_ids(tmp_path):
    names = ["a/1.mp4", "b/1.mp4", "b/x/1.mp4", "a/same.mp4", "a/same.avi", "a/Case.mp4", "b/case.mp4", "a/own.mp4"]
    touch(*(tmp_path / name for name in names))
    ids = {Path(row.path).relative_to(tmp_path).as_posix(): row.video_id for row in read_source(tmp_path).itertuples()}
    assert ids == {
        "a/1.mp4": "a__1",
        "b/1.mp4": "b__1",
        "b/x/1.mp4": "b__x__1",
        "a/own.mp4": "own",
        "a/same.mp4": "a__same__mp4",
        "a/same.avi": "a__same__avi",
        "a/Case.mp4": "a__Case",
        "b/case.mp4": "b__case",
    }


def test_ids_are_folder_names_on_any_file_system(tmp_path):
    names = ["a/what?.mp4", "a/what*.mp4", "a/dot. .mp4", "b/a__1.mp4", "a/1.mp4", "b/1.mp4", "a/X.mp4", "a/x.mp4"]
    touch(*(tmp_path / name for name in names))
    ids = read_class_folders(tmp_path).video_id
    assert ids.str.casefold().is_unique and not ids.str.contains(r'[<>:"|?*/\\]|[. ]$').any()


def test_class_folders_ignore_other_files_with_one_warning(tmp_path):
    touch(tmp_path / "run/a.mp4", tmp_path / "run/notes.txt", tmp_path / "run/a.jpg", tmp_path / "README.md")
    with pytest.warns(UserWarning) as record:
        table = read_class_folders(tmp_path)
    assert "3 files" in only_warning(record) and "README.md" in only_warning(record)
    assert len(table) == 1


def test_class_folders_without_video(tmp_path):
    touch(tmp_path / "run/a.mp4")
    (tmp_path / "swim").mkdir()
    with pytest.warns(UserWarning) as record:
        table = read_class_folders(tmp_path)
    assert "1 classes" in only_warning(record) and "swim" in only_warning(record)
    assert rows(table, "label", "class_index") == [("run", 0)]


def test_class_folders_all_empty(tmp_path):
    touch(tmp_path / "run/notes.txt")
    with pytest.raises(ValueError, match=r"no class folder holds a video.*\.mp4.*run"):
        read_source(tmp_path)


@pytest.mark.parametrize("validation", ["validation", "val", "valid", "Val"])
def test_class_folders_in_split_folders(tmp_path, validation):
    touch(tmp_path / "train/run/1.mp4", tmp_path / "train/walk/2.mp4", tmp_path / f"{validation}/run/1.mp4")
    touch(tmp_path / "test/walk/deep/3.mp4")
    table = read_quietly(read_class_folders, tmp_path)
    assert set(rows(table, "video_id", "label", "class_index", "split")) == {
        ("train__run__1", "run", 0, "train"),
        (f"{validation}__run__1", "run", 0, "validation"),
        ("2", "walk", 1, "train"),
        ("3", "walk", 1, "test"),
    }


def test_split_names_may_be_class_names(tmp_path):
    touch(tmp_path / "train/1.mp4", tmp_path / "test/2.mp4")
    assert set(read_class_folders(tmp_path).label) == {"train", "test"}
    touch(tmp_path / "train/old/3.mp4", tmp_path / "plane/4.mp4")
    assert set(read_class_folders(tmp_path).label) == {"train", "test", "plane"}


def test_order_does_not_depend_on_the_file_system(tmp_path, monkeypatch):
    touch(*(tmp_path / label / f"{label}{index}.mp4" for label in "ba" for index in range(5)))
    expected = read_class_folders(tmp_path)
    walk = annotations.os.walk

    def backwards(top, **options):
        for place, folders, files in walk(top, **options):
            folders.reverse()
            yield place, folders, files[::-1]

    monkeypatch.setattr(annotations.os, "walk", backwards)
    pd.testing.assert_frame_equal(read_class_folders(tmp_path), expected)
    assert expected.video_id.is_monotonic_increasing


# CSV


def test_csv_minimal(tmp_path):
    csv = write_csv(tmp_path / "clips.csv", "path,label\nv/b.mp4,walk\nv/a.mp4,run\n", ["v/a.mp4", "v/b.mp4"])
    table = read_quietly(read_csv, csv)
    assert list(table.columns) == COLUMNS
    assert rows(table, "video_id", "label", "class_index", "split", "group") == [
        ("a", "run", 0, "", "a"),
        ("b", "walk", 1, "", "b"),
    ]
    assert all(Path(path).is_file() for path in table.path)


def test_csv_is_relative_to_its_folder_or_absolute(tmp_path, monkeypatch):
    touch(tmp_path / "elsewhere/b.mp4")
    write_csv(tmp_path / "data/clips.csv", f"path,label\na.mp4,x\n{tmp_path}/elsewhere/b.mp4,y\n", ["a.mp4"])
    monkeypatch.chdir(tmp_path)
    table = read_csv("data/clips.csv")
    assert table.path.tolist() == [str(Path("data/a.mp4")), str(tmp_path / "elsewhere/b.mp4")]


def test_csv_all_columns_bom_and_whitespace(tmp_path):
    text = (
        "\ufeff path , label ,split,group,note\n a.mp4 , run , Train ,g 1,x\nb.mp4,run,val,g2,\n\n , ,,,\n"
        'c.mp4,"walk, slowly",valid,,\nd.mp4,run,test,007,\n'
    )
    table = read_quietly(read_csv, write_csv(tmp_path / "c.csv", text, [f"{name}.mp4" for name in "abcd"]))
    assert rows(table, "video_id", "label", "split", "group") == [
        ("a", "run", "train", "g 1"),
        ("b", "run", "validation", "g2"),
        ("d", "run", "test", "007"),
        ("c", "walk, slowly", "validation", "c"),
    ]


def test_csv_labels_stay_text(tmp_path):
    names = ["01", "1", "1.0", "NA", "None", "nan"]
    text = "path,label,group\n" + "".join(f"{index}.mp4,{name},{name}\n" for index, name in enumerate(names))
    table = read_csv(write_csv(tmp_path / "c.csv", text, [f"{index}.mp4" for index in range(6)]))
    assert table.label.tolist() == table.group.tolist() == sorted(names)


def test_csv_ids(tmp_path):
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
def test_csv_refuses(tmp_path, text, message):
    csv = write_csv(tmp_path / "c.csv", text, ["a.mp4", "b.mp4", "sub/c.mp4"])
    with pytest.raises(ValueError, match=message):
        read_csv(csv)


def test_csv_must_be_utf8(tmp_path):
    (tmp_path / "c.csv").write_bytes("path,label\na.mp4,caf\u00e9\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"c\.csv: not a CSV in UTF-8"):
        read_csv(tmp_path / "c.csv")


def test_csv_repeated_file_counts_once(tmp_path):
    text = "path,label\na.mp4,x\nsub/../a.mp4,x\nb.mp4,x\nb.mp4,x\n"
    with pytest.warns(UserWarning) as record:
        table = read_csv(write_csv(tmp_path / "c.csv", text, ["a.mp4", "b.mp4", "sub/c.mp4"]))
    assert "2 rows" in only_warning(record)
    assert table.video_id.tolist() == ["a", "b"]


def test_csv_absent_files(tmp_path):
    csv = write_csv(tmp_path / "c.csv", "path,label\na.mp4,x\ngone.mp4,x\n", ["a.mp4"])
    with pytest.warns(UserWarning) as record:
        table = read_csv(csv)
    assert "1 of 2 videos" in only_warning(record) and "gone.mp4" in only_warning(record)
    assert table.video_id.tolist() == ["a"]
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(FileNotFoundError, match="2 of 2 videos.*a.mp4"):
        read_csv(csv)


def test_csv_class_left_without_video(tmp_path):
    csv = write_csv(tmp_path / "c.csv", "path,label\na.mp4,x\ngone.mp4,y\n", ["a.mp4"])
    with pytest.warns(UserWarning) as record:
        table = read_csv(csv)
    assert [("1 classes" in str(item.message)) for item in record] == [False, True]
    assert rows(table, "label", "class_index") == [("x", 0)]
