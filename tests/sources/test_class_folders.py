from pathlib import Path

import pytest
from source_folders import rows, touch

from src.sources.class_folders import read_class_folders
from src.sources.video_table import COLUMNS

pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def test_the_folder_is_the_class(tmp_path):
    touch(tmp_path / "walk/b.AVI", tmp_path / "run/deep/er/a.mp4", tmp_path / "run/c.webm", tmp_path / ".git/x.mp4")
    touch(tmp_path / "run/.hidden.mp4", tmp_path / "run/._c.webm", tmp_path / "run/.cache/z.mp4")
    table = read_class_folders(tmp_path)
    assert list(table.columns) == COLUMNS
    assert rows(table, "video_id", "label", "class_index", "split", "group") == [
        ("a", "run", 0, "", "a"),
        ("c", "run", 0, "", "c"),
        ("b", "walk", 1, "", "b"),
    ]
    assert all(Path(path).is_file() for path in table.path)


def test_ids_are_unique(tmp_path):
    names = ["a/1.mp4", "b/1.mp4", "b/x/1.mp4", "a/same.mp4", "a/same.avi", "a/Case.mp4", "b/case.mp4", "a/own.mp4"]
    touch(*(tmp_path / name for name in names))
    table = read_class_folders(tmp_path)
    ids = {Path(row.path).relative_to(tmp_path).as_posix(): row.video_id for row in table.itertuples()}
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


def test_other_files_and_empty_classes_are_left_out_with_a_warning_each(tmp_path):
    touch(tmp_path / "run/a.mp4", tmp_path / "run/notes.txt", tmp_path / "run/a.jpg", tmp_path / "README.md")
    (tmp_path / "swim").mkdir()
    with pytest.warns(UserWarning) as record:
        table = read_class_folders(tmp_path)
    others, empty = (str(item.message) for item in record)
    assert "3 files" in others and "README.md" in others and "1 classes" in empty and "swim" in empty
    assert rows(table, "label", "class_index") == [("run", 0)]


def test_folders_without_any_video_are_refused(tmp_path):
    touch(tmp_path / "run/notes.txt")
    with pytest.raises(ValueError, match=r"no class folder holds a video.*\.mp4.*run"):
        read_class_folders(tmp_path)


@pytest.mark.parametrize("validation", ["validation", "val", "valid", "Val"])
def test_splits_are_read_from_the_top_folders(tmp_path, validation):
    touch(tmp_path / "train/run/1.mp4", tmp_path / "train/walk/2.mp4", tmp_path / f"{validation}/run/1.mp4")
    touch(tmp_path / "test/walk/deep/3.mp4")
    table = read_class_folders(tmp_path)
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
