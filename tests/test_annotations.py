import json
import warnings
from pathlib import Path

import pandas as pd
import pytest

from src import annotations
from src.annotations import COLUMNS, read_class_folders, read_csv, read_source, read_ssv2

HOLD, PUSH, TURN = "Holding something", "Pushing something from left to right", "Turning [part] of something"


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def entry(video_id, template: str) -> dict:
    written = template.replace("something", "[something]").replace("part", "[part]")
    return {"id": video_id, "label": "free text", "template": written, "placeholders": ["cup"]}


def write_ssv2(
    folder: Path, place="labels", prefix="", train=None, validation=None, answers=None, classes=(HOLD, PUSH)
) -> Path:
    """An SSv2 download; by default two training, one validation, one test video, all there."""
    train = [entry("1", HOLD), entry("2", PUSH)] if train is None else train
    validation = [entry("3", HOLD)] if validation is None else validation
    labels = folder / place
    labels.mkdir(parents=True, exist_ok=True)
    contents = {
        "labels": {name: str(index) for index, name in enumerate(classes)},
        "train": train,
        "validation": validation,
        "test": [{"id": "4"}, {"id": "5"}],
    }
    for name, content in contents.items():
        (labels / f"{prefix}{name}.json").write_text(json.dumps(content), encoding="utf-8")
    if answers is None or answers:
        (labels / "test-answers.csv").write_text(answers or f"4;{PUSH}\n", encoding="utf-8")
    listed = [item["id"] for item in train + validation] + ["4"]
    usable = [str(name) for name in listed if name and "/" not in str(name)]
    touch(*(folder / annotations.SSV2_VIDEO_FOLDER / f"{name}.webm" for name in usable))
    return folder


def write_csv(path: Path, text: str, videos=()) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    touch(*(path.parent / name for name in videos))
    return path


def rows(table: pd.DataFrame, *columns: str) -> list[tuple]:
    return list(table[list(columns)].itertuples(index=False, name=None))


def read_quietly(reader, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return reader(*args)


def only_warning(record) -> str:
    assert len(record) == 1, [str(item.message) for item in record]
    return str(record[0].message)


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
    monkeypatch.setattr(
        annotations.sample_dataset, "write_sample", lambda folder: asked.append(folder) or write_ssv2(tmp_path)
    )
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
    touch(tmp_path / annotations.SSV2_VIDEO_FOLDER / "1.webm")
    with pytest.raises(FileNotFoundError, match="something-something-v2-labels.json"):
        read_source(tmp_path)


# SSv2


@pytest.mark.parametrize("place", ["", "labels"])
@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
def test_ssv2_naming_schemes(tmp_path, place, prefix):
    table = read_quietly(read_ssv2, write_ssv2(tmp_path, place, prefix))
    assert list(table.columns) == COLUMNS
    assert rows(table, "video_id", "label", "class_index", "split", "group") == [
        ("1", HOLD, 0, "train", "1"),
        ("3", HOLD, 0, "validation", "3"),
        ("2", PUSH, 1, "train", "2"),
        ("4", PUSH, 1, "test", "4"),  # 5 is in test.json but has no answer
    ]
    assert all(Path(path).is_file() for path in table.path)


def test_ssv2_brackets_and_class_index(tmp_path):
    classes = (HOLD, "Turning part of something", PUSH)
    folder = write_ssv2(tmp_path, train=[entry("1", HOLD), entry("9", "Turning part of something")], classes=classes)
    table = read_source(folder).set_index("video_id")
    assert "[part] of [something]" in (folder / "labels/train.json").read_text()
    assert table.loc["9", "label"] == "Turning part of something"
    assert table.class_index.to_dict() == {"1": 0, "3": 0, "4": 2, "9": 1}


def test_ssv2_integer_ids_are_strings(tmp_path):
    table = read_ssv2(write_ssv2(tmp_path, train=[entry(78687, HOLD)]))
    assert "78687" in set(table.video_id)


@pytest.mark.parametrize("place", ["", "20bn-something-something-v2", "20bn-something-something-v2/" * 2])
def test_ssv2_video_places_and_mirrors(tmp_path, place):
    write_ssv2(tmp_path)
    for video in (tmp_path / annotations.SSV2_VIDEO_FOLDER).iterdir():
        video.unlink()
    touch(*(tmp_path / place / name for name in ("1.mp4", "2.webm", "2.mp4", "3.MP4", "4.webm", "readme.txt")))
    names = {row.video_id: Path(row.path).name for row in read_quietly(read_ssv2, tmp_path).itertuples()}
    assert names == {"1": "1.mp4", "2": "2.webm", "3": "3.MP4", "4": "4.webm"}


def many(start: int, count: int, template: str) -> list[dict]:
    return [entry(str(index), template) for index in range(start, start + count)]


def test_ssv2_without_answers(tmp_path):
    train = many(1000, 100, HOLD) + many(2000, 40, PUSH) + many(3000, 2, "A something") + many(4000, 1, "B something")
    validation = many(5000, 10, HOLD) + many(6000, 10, PUSH) + many(7000, 1, "A something")
    classes = ("A something", "B something", HOLD, PUSH)
    write_ssv2(tmp_path, train=train, validation=validation, answers=False, classes=classes)
    with pytest.warns(UserWarning) as record:
        table = read_ssv2(tmp_path, seed=3)
    message = only_warning(record)
    assert "test-answers.csv" in message and "17 training videos" in message and "\n" not in message
    counts = pd.crosstab(table.label, table.split)
    # Of HOLD as many as the official ones, of PUSH 15 % of 40, of A at least one, of B none: it has only one.
    assert counts.validation.to_dict() == {HOLD: 10, PUSH: 6, "A something": 1, "B something": 0}
    assert set(table.video_id[table.split == "test"]) == {item["id"] for item in validation}
    assert counts.train.sum() == len(train) - 17

    def drawn(seed):
        with pytest.warns(UserWarning, match="test-answers"):
            again = read_ssv2(tmp_path, seed)
        return set(again.video_id[again.split == "validation"])

    assert drawn(3) == drawn(3) != drawn(4)
    (tmp_path / "labels/train.json").write_text(json.dumps(train[::-1]))
    assert drawn(3) == set(table.video_id[table.split == "validation"])


def test_ssv2_missing_label_file(tmp_path):
    (write_ssv2(tmp_path) / "labels/train.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"labels/train\.json"):
        read_source(tmp_path)


def test_ssv2_absent_videos(tmp_path):
    train = many(10, 8, HOLD) + many(30, 2, PUSH)
    write_ssv2(tmp_path, train=train)
    for name in (10, 11, 12, 13):
        (tmp_path / annotations.SSV2_VIDEO_FOLDER / f"{name}.webm").unlink()
    with pytest.warns(UserWarning) as record:
        table = read_ssv2(tmp_path)
    message = only_warning(record)
    assert "4 of 12 videos" in message and "10, 11, 12, ..." in message and "train.json" in message
    assert len(table) == 8 and "10" not in set(table.video_id)


def test_ssv2_all_absent(tmp_path):
    write_ssv2(tmp_path)
    for video in (tmp_path / annotations.SSV2_VIDEO_FOLDER).iterdir():
        video.unlink()
    with pytest.raises(FileNotFoundError, match="4 of 4 videos.*20bn-something-something-v2 or"):
        read_ssv2(tmp_path)


def test_ssv2_repeated_rows_count_once(tmp_path):
    write_ssv2(tmp_path, train=[entry("1", HOLD), entry("2", PUSH), entry("1", HOLD)])
    with pytest.warns(UserWarning) as record:
        table = read_ssv2(tmp_path)
    assert "1 rows" in only_warning(record) and table.video_id.is_unique


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ([entry("1", HOLD), entry("1", PUSH)], f"'1'.*different.*{HOLD}.*{PUSH}"),
        ([entry("1", HOLD), entry("3", HOLD)], "'3'.*different.*train.*validation"),
        ([entry("../1", HOLD)], r"train\.json: .*'\.\./1'"),
        ([entry("a\\b", HOLD)], r"train\.json: .*folder name"),
        ([entry("", HOLD)], r"train\.json: .*folder name.*''"),
        ([entry("1", HOLD), *many(10, 2, "Eating something")], r"train\.json: .*'Eating \[something\]' \(2 videos"),
        ([{"id": "1"}], r"train\.json: must be a list of"),
        ({"id": "1"}, r"train\.json: must be a list of"),
    ],
)
def test_ssv2_refuses(tmp_path, train, message):
    write_ssv2(tmp_path)
    (tmp_path / "labels/train.json").write_text(json.dumps(train))
    with pytest.raises(ValueError, match=message):
        read_ssv2(tmp_path)


@pytest.mark.parametrize("name", ["labels", "train", "validation"])
def test_broken_json_names_file_and_line(tmp_path, name):
    (write_ssv2(tmp_path) / f"labels/{name}.json").write_text('{\n"a": 1,\n oops}')
    with pytest.raises(ValueError, match=rf"{name}\.json: broken JSON.*line 3"):
        read_ssv2(tmp_path)


def test_ssv2_labels_must_be_a_mapping_to_numbers(tmp_path):
    for content in ('["a"]', '{"a": "x"}'):
        (write_ssv2(tmp_path) / "labels/labels.json").write_text(content)
        with pytest.raises(ValueError, match=r"labels\.json: must be"):
            read_ssv2(tmp_path)


def test_ssv2_test_answers_are_checked(tmp_path):
    with pytest.raises(ValueError, match=r"test-answers\.csv: every template.*'Eating something' \(1"):
        read_ssv2(write_ssv2(tmp_path, answers="4;Eating something\n"))
    with pytest.raises(ValueError, match=r"test-answers\.csv: must be a list of id;template"):
        read_ssv2(write_ssv2(tmp_path, answers="4\n"))


def test_ssv2_empty_classes(tmp_path):
    with pytest.warns(UserWarning) as record:
        table = read_ssv2(write_ssv2(tmp_path, classes=(HOLD, "Never", "Not once", PUSH)))
    assert "2 classes" in only_warning(record) and "Never, Not once" in only_warning(record)
    assert set(table.class_index) == {0, 3}


# Folder per class


def test_class_folders(tmp_path):
    touch(tmp_path / "walk/b.AVI", tmp_path / "run/deep/er/a.mp4", tmp_path / "run/c.webm", tmp_path / ".git/x.mp4")
    touch(tmp_path / "run/.hidden.mp4", tmp_path / "run/._c.webm", tmp_path / "run/.cache/z.mp4")
    table = read_quietly(read_class_folders, tmp_path)
    assert list(table.columns) == COLUMNS
    assert rows(table, "video_id", "label", "class_index", "split", "group") == [
        ("a", "run", 0, "", "a"), ("c", "run", 0, "", "c"), ("b", "walk", 1, "", "b"),
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
        "a/1.mp4": "a__1", "b/1.mp4": "b__1", "b/x/1.mp4": "b__x__1", "a/own.mp4": "own",
        "a/same.mp4": "a__same__mp4", "a/same.avi": "a__same__avi", "a/Case.mp4": "a__Case", "b/case.mp4": "b__case",
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
        ("a", "run", 0, "", "a"), ("b", "walk", 1, "", "b"),
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
        ("a", "run", "train", "g 1"), ("b", "run", "validation", "g2"), ("d", "run", "test", "007"),
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


def test_seeded_keys_depend_on_name_and_seed_only():
    first, second = annotations.seeded_keys(["a", "b"], 0)
    assert annotations.seeded_keys(["b", "x", "a"], 0)[::2] == [second, first]
    assert annotations.seeded_keys(["a"], 1) != [first]
