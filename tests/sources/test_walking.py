import os

import pytest
from source_folders import touch

from src.sources.walking import walk


def names(paths):
    return [path.as_posix() for path in paths]


def test_files_folders_and_folders_of_images(tmp_path):
    touch(
        tmp_path / "a/v/1.jpg",
        tmp_path / "a/v/2.PNG",
        tmp_path / "a/one/1.jpg",
        tmp_path / ".x/1.mp4",
        tmp_path / "__MACOSX/a/2.mp4",
        tmp_path / "a/Thumbs.db",
        tmp_path / "a/desktop.ini",
    )
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
    assert len(tree.skipped) == 7


def test_folders_that_this_project_wrote_are_skipped(tmp_path):
    touch(tmp_path / "a/1.mp4", tmp_path / "out/clips/1/a.jpg", tmp_path / "out/clips/1/b.jpg", tmp_path / "b/2.mp4")
    (tmp_path / "out/two-stream.json").write_text('{"written_by": "two-stream", "kind": "prepared data"}')
    (tmp_path / "b/two-stream.json").write_text("{}")
    tree = walk(tmp_path)
    assert names(tree.files) == ["a/1.mp4", "b/2.mp4", "b/two-stream.json"] and tree.image_folders == []
    assert [(str(path), why) for path, why in tree.skipped] == [("out", "prepared data, written by this project")]


def test_special_files_are_left_aside(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    assert names(path for path, _ in walk(tmp_path).skipped) == ["pipe.mp4"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_folders_are_named(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    assert "cannot be read" in walk(tmp_path).skipped[0][1]
