"""Which files of a folder are its frames, in which order, and which folders are clips."""

import os

import pytest

from src.image_folder import is_image_folder, list_images


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_images_come_in_natural_order(tmp_path):
    names = ["img_10.jpg", "img_2.JPG", "img_1.png", "img_02.jpeg", ".img_3.jpg", "notes.txt", "img_4.jpg/inside"]
    touch(tmp_path, *names)
    assert [path.name for path in list_images(tmp_path)] == ["img_1.png", "img_02.jpeg", "img_2.JPG", "img_10.jpg"]


def test_any_name_is_listed(tmp_path):
    names = ["影片 10.png", "影片 9.png", "²5.png", os.fsdecode(b"\xff 1.png"), "1" * 200 + ".png"]
    assert {path.name for path in list_images(touch(tmp_path, *names))} == set(names)


@pytest.mark.parametrize(
    "names, expected",
    [
        (["1.jpg", "2.jpg"], True),
        (["1.jpg", "2.jpg", "notes.txt", "empty/notes.txt"], True),
        (["1.jpg"], False),
        ([], False),
        (["1.jpg", "2.jpg", "clip.MP4"], False),
        (["1.jpg", "2.jpg", "a/1.png"], False),
    ],
)
def test_a_folder_of_two_images_and_nothing_else_to_watch_is_a_clip(tmp_path, names, expected):
    assert is_image_folder(touch(tmp_path, *names)) is expected


def test_neither_a_file_nor_nothing_is_a_clip(tmp_path):
    assert not is_image_folder(touch(tmp_path, "1.jpg") / "1.jpg")
    assert not is_image_folder(tmp_path / "absent")
