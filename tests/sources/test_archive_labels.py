import shutil

import pytest
from archives import LABELS, make_zip, write_label_zip, write_parts

from src.sources.archive_labels import find_label_zip, unpack_labels


def written(folder):
    """The texts of the label files by name."""
    return {path.name: path.read_text() for path in (folder / "labels").iterdir()}


@pytest.mark.parametrize("start", ["", "package/labels/"])
@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
def test_labels(tmp_path, start, prefix):
    path = tmp_path / "labels (1).zip"
    write_label_zip(tmp_path, start, prefix, path.name)
    assert find_label_zip(tmp_path) == path
    unpack_labels(tmp_path)
    assert written(tmp_path) == LABELS
    (tmp_path / "labels/train.json").unlink()
    unpack_labels(tmp_path)  # incomplete labels are completed
    assert written(tmp_path) == LABELS
    path.unlink()
    unpack_labels(tmp_path)  # all label files exist: the zip is not needed


def test_label_files_that_exist_are_kept(tmp_path):
    write_label_zip(tmp_path)
    labels = tmp_path / "labels"
    labels.mkdir()
    mine = {"train.json": "mine", "test.json": "mine", "notes.txt": "mine", ".partial-1-train.json": "mine"}
    for name, text in mine.items():
        (labels / name).write_text(text)
    unpack_labels(tmp_path)
    assert written(tmp_path) == LABELS | mine


def test_a_zip_of_something_else_is_not_unpacked(tmp_path):
    write_parts(tmp_path)
    (tmp_path / "annotations.zip").write_bytes(make_zip({"labels.json": "{}", "boxes.csv": ""}))
    assert find_label_zip(tmp_path) is None
    with pytest.raises(FileNotFoundError, match="no labels"):
        unpack_labels(tmp_path)
    assert not (tmp_path / "labels").exists()


def test_the_disk_is_checked(tmp_path, monkeypatch):
    write_label_zip(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 0))
    with pytest.raises(OSError, match="labels'"):
        unpack_labels(tmp_path)
    assert written(tmp_path) == {}


def test_missing_and_broken_labels_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no labels.*20bn\S*-00.*Download the labels zip"):
        unpack_labels(write_parts(tmp_path))
    path = next(write_label_zip(tmp_path).glob("*labels.zip"))
    path.write_bytes(path.read_bytes().replace(b"Holding [something]", b"Folding [something]", 1))
    with pytest.raises(ValueError, match=r"labels\.zip: train\.json in it is broken.*Download it again"):
        unpack_labels(tmp_path)
    assert not (tmp_path / "labels/labels.json").exists()


def test_a_member_without_a_name_is_passed_over(tmp_path):
    (tmp_path / "odd.zip").write_bytes(make_zip({"x": ""}).replace(b"x", b"\0"))
    assert find_label_zip(tmp_path) is None
