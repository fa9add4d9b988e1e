import os

import pytest
from source_folders import touch

from src.ownership import claim
from src.sources.class_folders import read_class_folders
from src.sources.walking import walk


def names(paths):
    return [path.as_posix() for path in paths]


def test_files_folders_and_folders_of_images(tmp_path):
    touch(tmp_path / "a/v/1.jpg", tmp_path / "a/v/2.PNG", tmp_path / "a/one/1.jpg", tmp_path / ".x/1.mp4")
    touch(tmp_path / "b.mp4", tmp_path / "1.jpg", tmp_path / "2.jpg")
    tree = walk(tmp_path)
    assert names(tree.files) == ["1.jpg", "2.jpg", "a/one/1.jpg", "b.mp4"]
    assert names(tree.image_folders) == ["a/v"] and names(tree.folders) == ["a", "a/one", "a/v"]


def test_loops_end_and_each_file_is_there_once(tmp_path):
    touch(tmp_path / "s/b/1.mp4", tmp_path / "s/c/2.mp4", tmp_path / "far/3.mp4")
    for link, target in [("s/a", "b"), ("s/b/up", ".."), ("s/c/top", tmp_path), ("s/c/far", tmp_path / "far"),
                         ("far/back", tmp_path / "s"), ("far/self", "."), ("s/z", "y"), ("s/y", "z")]:  # fmt: skip
        (tmp_path / link).symlink_to(target)
    tree = walk(tmp_path / "s")
    assert names(tree.files) == ["b/1.mp4", "c/2.mp4", "c/far/3.mp4"]
    assert len(tree.repeats) == 7


def test_what_this_project_wrote_is_left_aside(tmp_path):
    touch(tmp_path / "run/1.mp4", tmp_path / "out/clips/key/1-0123/1.jpg", tmp_path / "out/clips/key/1-0123/2.jpg")
    claim(tmp_path / "stamped", "prepared data")
    (tmp_path / "stamped/two-stream.json").rename(tmp_path / "out/two-stream.json")
    tree = walk(tmp_path)
    assert names(tree.files) == ["run/1.mp4"] and tree.image_folders == [] and names(tree.folders) == ["run", "stamped"]
    assert [(str(path), why) for path, why in tree.repeats] == [("out", "written by this project: prepared data")]
    with pytest.raises(ValueError, match="out: must be a folder of videos, but holds what this project wrote"):
        read_class_folders(tmp_path / "out")


def test_special_files_are_left_aside(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    assert names(path for path, _ in walk(tmp_path).repeats) == ["pipe.mp4"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_folders_are_named(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    assert "cannot be read" in walk(tmp_path).repeats[0][1]
