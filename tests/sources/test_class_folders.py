import os
from pathlib import Path

import pytest
from source_folders import only_warning, rows, touch

from src.sources.class_folders import read_class_folders
from src.sources.video_table import COLUMNS

pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def read(folder, **options):
    return read_class_folders(folder, **options).table


def ids_by_path(folder):
    return {Path(row.path).relative_to(folder).as_posix(): row.video_id for row in read(folder).itertuples()}


def make_images(*folders, count=3):
    for folder in folders:
        touch(*(folder / f"img_{index:03d}.jpg" for index in range(count)))


def test_the_folder_is_the_class(tmp_path):
    touch(tmp_path / "walk/b.AVI", tmp_path / "run/deep/er/a.mp4", tmp_path / "run/c.webm", tmp_path / ".git/x.mp4")
    touch(tmp_path / "run/.hidden.mp4", tmp_path / "run/._c.webm", tmp_path / "run/.cache/z.mp4")
    table = read(tmp_path)
    assert list(table.columns) == COLUMNS
    assert rows(table, "video_id", "label", "class_index", "split", "group") == [
        ("run__c.webm", "run", 0, "", "run__c"),
        ("run__deep__er__a.mp4", "run", 0, "", "run__deep__er__a"),
        ("walk__b.AVI", "walk", 1, "", "walk__b"),
    ]
    assert all(Path(path).is_file() for path in table.path)
    spans = table[["start", "end", "rate"]]
    assert spans.isna().all(axis=None) and spans.dtypes.eq("float64").all()


def test_an_id_depends_on_its_own_path_alone(tmp_path):
    touch(tmp_path / "a/1.mp4", tmp_path / "a/what?.mp4", tmp_path / "b/1.mp4", tmp_path / "b/a__1.mp4")
    before = ids_by_path(tmp_path)
    assert before["a/1.mp4"] == "a__1.mp4" and before["b/1.mp4"] == "b__1.mp4"
    more = ["a/1.avi", "a/1/1.mp4", "a/what*.mp4", "b/a/1.mp4", "b/A__1.mp4", "c/1.mp4", "b/what?.mp4"]
    touch(*(tmp_path / name for name in more))
    with pytest.warns(UserWarning, match="only in the suffix"):
        after = ids_by_path(tmp_path)
    assert before.items() <= after.items() and len(set(after.values())) == len(after) == 11
    # Also where a wrapper turns out to be no wrapper.
    touch(tmp_path / "w/data/run/1.mp4", tmp_path / "w/data/walk/1.mp4")
    wrapped = ids_by_path(tmp_path / "w")
    assert set(wrapped.values()) == {"data__run__1.mp4", "data__walk__1.mp4"}
    touch(tmp_path / "w/more/run/1.mp4")
    assert wrapped.items() <= ids_by_path(tmp_path / "w").items()


def test_other_files_and_empty_folders_are_left_out_with_a_warning_each(tmp_path):
    touch(tmp_path / "run/a.mp4", tmp_path / "run/notes.txt", tmp_path / "run/a.jpg", tmp_path / "README.md")
    touch(tmp_path / "walk/b.mp4", tmp_path / "ucfTrainTestlist/trainlist01.txt")
    (tmp_path / "swim").mkdir()
    with pytest.warns(UserWarning) as record:
        table = read(tmp_path)
    others, empty = (str(item.message) for item in record)
    assert "3 files" in others and "README.md" in others
    assert "2 folders hold no video" in empty and "swim (empty)" in empty and "ucfTrainTestlist (1 files)" in empty
    assert rows(table, "label", "class_index") == [("run", 0), ("walk", 1)]


def test_folders_without_any_video_are_refused(tmp_path):
    touch(tmp_path / "run/notes.txt")
    with pytest.raises(ValueError, match=r"no class folder holds a video.*\.mp4.*run"):
        read(tmp_path)


def test_one_class_is_refused_and_says_what_was_found(tmp_path):
    touch(tmp_path / "data/set1/a.mp4", tmp_path / "data/set1/b.mp4", tmp_path / "data/clips.csv")
    with pytest.raises(ValueError, match=r"one class only, set1;.*the folders data and 3 files.*data/clips\.csv"):
        read(tmp_path)


def test_a_wrapper_folder_is_passed(tmp_path):
    touch(tmp_path / "x/UCF-101/Archery/a.avi", tmp_path / "x/UCF-101/Bowling/b.avi", tmp_path / "x/README.txt")
    touch(tmp_path / "x/ucfTrainTestlist/trainlist01.txt", tmp_path / "demo.mp4")
    with pytest.warns(UserWarning):
        reading = read_class_folders(tmp_path)
    assert rows(reading.table, "label", "split") == [("Archery", ""), ("Bowling", "")]
    assert "x/UCF-101/<class>" in reading.kind
    assert any("demo.mp4" in sentence for sentence in reading.left_aside)
    assert any("ucfTrainTestlist (1 files)" in sentence for sentence in reading.left_aside)


def test_symbolic_links_give_each_file_once(tmp_path):
    touch(*(tmp_path / f"source/{name}/{name}{index}.mp4" for name in ("run", "walk") for index in range(4)))
    source = tmp_path / "source"
    expected = read(source)
    (source / "run/all").symlink_to("..")
    (source / "latest").symlink_to("run")
    (source / "run/up").symlink_to(tmp_path)
    (source / "walk/again.mp4").symlink_to("../run/run0.mp4")
    os.link(source / "run/run1.mp4", source / "walk/hard.mp4")
    (source / "walk/gone.mp4").symlink_to("nowhere.mp4")
    with pytest.warns(UserWarning) as record:
        table = read(source)
    assert table.equals(expected)
    assert "6 paths are not read" in only_warning(record) and "latest (a link to run)" in only_warning(record)


def test_links_to_other_places_are_followed(tmp_path):
    touch(tmp_path / "pool/a.mp4", tmp_path / "pool/b.mp4", tmp_path / "more/c.mp4", tmp_path / "source/walk/d.mp4")
    (tmp_path / "source/run").mkdir()
    (tmp_path / "source/run/1.mp4").symlink_to(tmp_path / "pool/a.mp4")
    (tmp_path / "source/jump").symlink_to(tmp_path / "more")
    assert set(read(tmp_path / "source").video_id) == {"run__1.mp4", "jump__c.mp4", "walk__d.mp4"}


def test_names_are_read_as_they_are(tmp_path):
    names = ["US$_A_B$", "_background", "seconds", "1", "12", "跳躍", "x" * 255, 'it\'s "it"', "two\nlines", "tab\tx"]
    names += ["a,b", " space ", "nan", "NA", "True", "1e5", "-", "caf\udce9", "per%cent", "{x}"]
    names += ["gehe\u0301n", "geh\u00e9n"]
    touch(*(tmp_path / name / "a.mp4" for name in names))
    with pytest.warns(UserWarning, match="two Unicode forms: geh\u00e9n"):
        table = read(tmp_path)
    assert set(table.label) == set(names) - {"gehe\u0301n"} and len(table) == len(names)
    assert all(Path(path).is_file() for path in table.path)
    assert table.video_id.is_unique and table.video_id.map(lambda name: len(name.encode())).max() < 150
    assert not table.video_id.str.contains(r"[<>:\"|?*/\\\x00-\x1f\ud800-\udfff]|\.\.|[. ]$").any()


def test_two_unicode_forms_are_one_class_also_between_splits(tmp_path):
    touch(tmp_path / "train/geh\u00e9n/1.mp4", tmp_path / "val/gehe\u0301n/2.mp4", tmp_path / "test/geh\u00e9n/3.mp4")
    touch(*(tmp_path / split / "walk/4.mp4" for split in ("train", "val", "test")))
    with pytest.warns(UserWarning) as record:
        table = read(tmp_path)
    assert "1 class names" in only_warning(record) and "one class" in only_warning(record)
    assert table.groupby("label").split.nunique().to_dict() == {"geh\u00e9n": 3, "walk": 3}


def test_a_transcoded_copy_is_named_and_in_the_same_group(tmp_path):
    touch(tmp_path / "run/x.avi", tmp_path / "run/x.mp4", tmp_path / "run/y.mp4", tmp_path / "walk/x.mp4")
    with pytest.warns(UserWarning) as record:
        table = read(tmp_path)
    assert "2 videos" in only_warning(record) and "run/x.avi, run/x.mp4" in only_warning(record)
    assert table.group.tolist() == ["run__x", "run__x", "run__y", "walk__x"]


def test_a_video_and_its_frames_are_in_the_same_group(tmp_path):
    make_images(tmp_path / "run/x")
    touch(tmp_path / "run/x.mp4", tmp_path / "walk/y.mp4")
    with pytest.warns(UserWarning, match="2 videos differ from another only in the suffix"):
        assert read(tmp_path).group.tolist() == ["run__x", "run__x", "walk__y"]


def test_class_names_that_look_alike_are_named(tmp_path):
    touch(tmp_path / "train/brush hair/1.mp4", tmp_path / "test/Brush_hair/2.mp4", tmp_path / "train/C/3.mp4")
    touch(tmp_path / "train/C++/4.mp4")
    with pytest.warns(UserWarning) as record:
        assert read(tmp_path).label.nunique() == 4
    assert "2 class names" in only_warning(record) and "Brush_hair, brush hair" in only_warning(record)


def test_what_stands_beside_splits_is_left_aside(tmp_path):
    touch(
        *(tmp_path / split / label / "1.mp4" for split in ("Training", "Dev", "testing") for label in ("run", "walk"))
    )
    touch(tmp_path / "README.md", tmp_path / "annotations/train.json")
    (tmp_path / "empty").mkdir()
    with pytest.warns(UserWarning) as record:
        reading = read_class_folders(tmp_path)
    assert reading.table.groupby("split").size().to_dict() == {"train": 2, "validation": 2, "test": 2}
    assert [str(item.message).split(": ", 1)[1] for item in record] == [
        "1 files are not videos of a class: README.md. They are ignored.",
        "2 folders hold no video of a class: annotations (1 files), empty (empty). For lists of splits, give a CSV. "
        "They are ignored.",
    ]


def test_folders_of_images_are_videos(tmp_path):
    make_images(tmp_path / "run/v1", tmp_path / "run/v2", tmp_path / "walk/v1")
    touch(tmp_path / "walk/b.mp4")
    table = read(tmp_path, frame_rate=10.0).set_index("video_id")
    assert table.rate.to_dict() | {"walk__b.mp4": 0} == {"run__v1": 10, "run__v2": 10, "walk__v1": 10, "walk__b.mp4": 0}
    assert table.loc["run__v2", "path"] == str(tmp_path / "run/v2")


def test_classes_of_images_are_refused(tmp_path):
    make_images(tmp_path / "cats", tmp_path / "dogs")
    with pytest.raises(ValueError, match=r"images in 2 folders such as cats.*<class>/<video>/\*\.jpg"):
        read(tmp_path)


def test_a_folder_of_images_among_classes_is_left_aside(tmp_path):
    make_images(tmp_path / "thumbs", tmp_path / "run/v1", tmp_path / "run/v1/flow")  # which of the two is the video?
    touch(tmp_path / "run/a.mp4", tmp_path / "walk/b.mp4")
    with pytest.warns(UserWarning) as record:
        table = read(tmp_path)
    others, images = (str(item.message) for item in record)
    assert "6 files" in others and "1 folders hold images" in images and "thumbs" in images
    assert table.video_id.tolist() == ["run__a.mp4", "walk__b.mp4"]


def test_ucf101_is_grouped_by_scene(tmp_path):
    for name in ("Archery", "Basketball"):
        touch(*(tmp_path / name / f"v_{name}_g{g:02d}_c{c:02d}.avi" for g in range(1, 4) for c in range(1, 5)))
    reading = read_class_folders(tmp_path)
    assert reading.table.groupby("group").size().to_dict() == {
        f"v_{name}_g{g:02d}": 4 for name in ("Archery", "Basketball") for g in range(1, 4)
    }
    assert reading.groups.startswith("6, by the names of UCF101") and "v_Archery_g01" in reading.groups


def test_recognised_groups_in_two_given_splits_are_named(tmp_path):
    for split, clip in (("train", 1), ("train", 2), ("test", 3)):
        touch(*(tmp_path / split / name / f"v_{name}_g0{g}_c0{clip}.avi" for name in "AB" for g in (1, 2)))
    with pytest.warns(UserWarning) as record:
        table = read(tmp_path)
    assert "4 groups are in two splits" in only_warning(record)
    assert table[table.split == "train"].group.nunique() == 4 and table.groupby("group").split.nunique().max() == 1
    with pytest.raises(ValueError, match="all videos of a group .* must be in one split"):
        read(tmp_path, group_pattern=r"g\d\d")
