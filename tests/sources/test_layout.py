from pathlib import PurePath

import pytest

from src.sources.layout import find_layout


def layout_of(text):
    """{path: (split, label)} and the paths of the other videos."""
    found = find_layout([PurePath(name) for name in text.split()])
    return {str(place.path): (place.split, place.label) for place in found.places}, [str(path) for path in found.others]


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "validation", "test"), ("Train", "val", "TEST"), ("training", "dev", "testing"),
        ("train_set", "valid", "eval"), ("Training Videos", "validation-data", "test_split"), ("train", "eval", "test"),
        ("TRAIN", "val1", "Test_01"), ("ucf_train", "ucf_val", "ucf_test"), ("train", "validation", "holdout"),
    ],
)  # fmt: skip
def test_names_of_splits(train, validation, test):
    names = {train: "train", validation: "validation", test: "test"}
    paths = [PurePath(name, label, "1.mp4") for name in names for label in ("run", "walk")]
    found = find_layout(paths)
    assert [(place.split, place.label) for place in found.places] == [
        (split, label) for split in names.values() for label in ("run", "walk")
    ]


def test_splits_are_above_or_below_classes_and_wrappers_are_passed():
    above = layout_of("w/x/train/run/1 w/x/train/walk/g/2 w/x/test/run/3")
    assert above == (
        {
            "w/x/train/run/1": ("train", "run"),
            "w/x/train/walk/g/2": ("train", "walk"),
            "w/x/test/run/3": ("test", "run"),
        },
        [],
    )
    below = layout_of("w/run/train/1 w/run/test/2 w/walk/train/3")
    assert set(below[0].values()) == {("train", "run"), ("test", "run"), ("train", "walk")}
    inside = layout_of("train/videos/run/1 train/videos/walk/2 test/videos/run/3")
    assert set(inside[0].values()) == {("train", "run"), ("train", "walk"), ("test", "run")}
    twice = layout_of("train/train/run/1 train/train/walk/2 test/test/run/3 test/test/walk/4")
    assert set(twice[0].values()) == {(split, label) for split in ("train", "test") for label in ("run", "walk")}


def test_videos_beside_splits_are_left_aside():
    places, others = layout_of("train/run/1 train/walk/2 test/run/3 samples/demo intro train/4")
    assert len(places) == 3 and set(others) == {"samples/demo", "intro", "train/4"}


def test_a_single_split_is_no_split():
    assert set(layout_of("train/run/1 train/walk/2")[0].values()) == {("", "run"), ("", "walk")}
    places, others = layout_of("train/run/1 train/walk/2 test/3 test/4")  # without labels
    assert set(places.values()) == {("", "run"), ("", "walk")} and others == ["test/3", "test/4"]


def test_a_split_name_among_classes_is_a_class():
    assert set(layout_of("car/1 plane/2 train/3")[0].values()) == {("", "car"), ("", "plane"), ("", "train")}


def test_folders_below_the_class_are_kept():
    found = find_layout([PurePath("run/p1/a/1"), PurePath("walk/2")])
    assert [place.within for place in found.places] == [("p1", "a"), ()]


@pytest.mark.parametrize("paths", ["train/1 test/2", "train/1 val/2 other/3", "w/train/1 w/test/2"])
def test_classes_that_look_like_splits_are_refused(paths):
    with pytest.raises(ValueError, match="look like splits.*without a folder per class"):
        layout_of(paths)


def test_videos_beside_splits_below_classes_are_refused():
    with pytest.raises(ValueError, match="1 of 3 videos are in none of them: walk/3"):
        layout_of("run/train/1 run/test/2 walk/3")


@pytest.mark.parametrize(
    "paths",
    [
        "videos/run/1 videos/walk/2 frames/run/1",
        "w/person01/run/1 w/person02/run/2",
        "rgb/train/run/1 rgb/test/run/2 flow/train/run/1",
    ],
)
def test_parts_of_a_data_set_are_no_classes(paths):
    with pytest.raises(ValueError, match=r"look like parts of a data set.*several of them hold run\."):
        layout_of(paths)


def test_numbered_sets_are_no_classes():
    with pytest.raises(ValueError, match="ut-interaction_set1, ut-interaction_set2 look like parts of a data set"):
        layout_of("ut-interaction_set1/0_1_4 ut-interaction_set2/20_11_4")


def test_one_split_beside_a_folder_of_the_same_classes_is_refused():
    with pytest.raises(ValueError, match="look like splits, not like classes: both hold run, walk"):
        layout_of("train/run/1 train/walk/2 unseen/run/3 unseen/walk/4")


def test_class_names_with_words_of_splits_are_classes():
    for names in ("test_drive/1 train_ride/2", "train/day/1 bus/day/2", "test/1 bus/2"):
        assert {label for _, label in layout_of(names)[0].values()} == {name.split("/")[0] for name in names.split()}


def test_folders_of_persons_within_classes_are_no_classes():
    assert set(layout_of("run/person01/1 run/person02/2 walk/person01/3")[0].values()) == {("", "run"), ("", "walk")}
    assert set(layout_of("p1/1 p2/2")[0].values()) == {("", "p1"), ("", "p2")}
