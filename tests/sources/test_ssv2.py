import json
import warnings
from pathlib import Path

import pandas as pd
import pytest

from src.sources.ssv2 import VIDEO_FOLDER, read_ssv2
from src.sources.video_table import COLUMNS

HOLD, PUSH = "Holding something", "Pushing something from left to right"


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
    touch(*(folder / VIDEO_FOLDER / f"{name}.webm" for name in usable))
    return folder


def rows(table: pd.DataFrame, *columns: str) -> list[tuple]:
    return list(table[list(columns)].itertuples(index=False, name=None))


def read_quietly(reader, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return reader(*args)


def only_warning(record) -> str:
    assert len(record) == 1, [str(item.message) for item in record]
    return str(record[0].message)


def many(start: int, count: int, template: str) -> list[dict]:
    return [entry(str(index), template) for index in range(start, start + count)]


@pytest.mark.parametrize("place", ["", "labels"])
@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
def test_naming_schemes(tmp_path, place, prefix):
    table = read_quietly(read_ssv2, write_ssv2(tmp_path, place, prefix))
    assert list(table.columns) == COLUMNS
    assert rows(table, "video_id", "label", "class_index", "split", "group") == [
        ("1", HOLD, 0, "train", "1"),
        ("3", HOLD, 0, "validation", "3"),
        ("2", PUSH, 1, "train", "2"),
        ("4", PUSH, 1, "test", "4"),  # 5 is in test.json but has no answer
    ]
    assert all(Path(path).is_file() for path in table.path)


def test_brackets_and_class_index(tmp_path):
    classes = (HOLD, "Turning part of something", PUSH)
    folder = write_ssv2(tmp_path, train=[entry("1", HOLD), entry("9", "Turning part of something")], classes=classes)
    table = read_ssv2(folder).set_index("video_id")
    assert "[part] of [something]" in (folder / "labels/train.json").read_text()
    assert table.loc["9", "label"] == "Turning part of something"
    assert table.class_index.to_dict() == {"1": 0, "3": 0, "4": 2, "9": 1}


def test_integer_ids_are_strings(tmp_path):
    table = read_ssv2(write_ssv2(tmp_path, train=[entry(78687, HOLD)]))
    assert "78687" in set(table.video_id)


@pytest.mark.parametrize("place", ["", "20bn-something-something-v2", "20bn-something-something-v2/" * 2])
def test_video_places_and_mirrors(tmp_path, place):
    write_ssv2(tmp_path)
    for video in (tmp_path / VIDEO_FOLDER).iterdir():
        video.unlink()
    touch(*(tmp_path / place / name for name in ("1.mp4", "2.webm", "2.mp4", "3.MP4", "4.webm", "readme.txt")))
    names = {row.video_id: Path(row.path).name for row in read_quietly(read_ssv2, tmp_path).itertuples()}
    assert names == {"1": "1.mp4", "2": "2.webm", "3": "3.MP4", "4": "4.webm"}


def test_without_answers(tmp_path):
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


def test_missing_label_file(tmp_path):
    (write_ssv2(tmp_path) / "labels/train.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"labels/train\.json"):
        read_ssv2(tmp_path)


def test_absent_videos(tmp_path):
    train = many(10, 8, HOLD) + many(30, 2, PUSH)
    write_ssv2(tmp_path, train=train)
    for name in (10, 11, 12, 13):
        (tmp_path / VIDEO_FOLDER / f"{name}.webm").unlink()
    with pytest.warns(UserWarning) as record:
        table = read_ssv2(tmp_path)
    message = only_warning(record)
    assert "4 of 12 videos" in message and "10, 11, 12, ..." in message and "train.json" in message
    assert len(table) == 8 and "10" not in set(table.video_id)


def test_all_absent(tmp_path):
    write_ssv2(tmp_path)
    for video in (tmp_path / VIDEO_FOLDER).iterdir():
        video.unlink()
    with pytest.raises(FileNotFoundError, match="4 of 4 videos.*20bn-something-something-v2 or"):
        read_ssv2(tmp_path)


def test_repeated_rows_count_once(tmp_path):
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
def test_refuses(tmp_path, train, message):
    write_ssv2(tmp_path)
    (tmp_path / "labels/train.json").write_text(json.dumps(train))
    with pytest.raises(ValueError, match=message):
        read_ssv2(tmp_path)


@pytest.mark.parametrize("name", ["labels", "train", "validation"])
def test_broken_json_names_file_and_line(tmp_path, name):
    (write_ssv2(tmp_path) / f"labels/{name}.json").write_text('{\n"a": 1,\n oops}')
    with pytest.raises(ValueError, match=rf"{name}\.json: broken JSON.*line 3"):
        read_ssv2(tmp_path)


def test_labels_must_be_a_mapping_to_numbers(tmp_path):
    for content in ('["a"]', '{"a": "x"}'):
        (write_ssv2(tmp_path) / "labels/labels.json").write_text(content)
        with pytest.raises(ValueError, match=r"labels\.json: must be"):
            read_ssv2(tmp_path)


def test_test_answers_are_checked(tmp_path):
    with pytest.raises(ValueError, match=r"test-answers\.csv: every template.*'Eating something' \(1"):
        read_ssv2(write_ssv2(tmp_path, answers="4;Eating something\n"))
    with pytest.raises(ValueError, match=r"test-answers\.csv: must be a list of id;template"):
        read_ssv2(write_ssv2(tmp_path, answers="4\n"))


def test_empty_classes(tmp_path):
    with pytest.warns(UserWarning) as record:
        table = read_ssv2(write_ssv2(tmp_path, classes=(HOLD, "Never", "Not once", PUSH)))
    assert "2 classes" in only_warning(record) and "Never, Not once" in only_warning(record)
    assert set(table.class_index) == {0, 3}


def test_absent_videos_are_kept_where_they_will_be_extracted(tmp_path):
    write_ssv2(tmp_path)
    videos = tmp_path / VIDEO_FOLDER
    (videos / "1.webm").unlink()
    (videos / "2.webm").rename(videos / "2.mp4")
    table = read_quietly(read_ssv2, tmp_path, 0, True)
    paths = {row.video_id: Path(row.path) for row in table.itertuples()}
    assert paths == {name: videos / f"{name}.{'mp4' if name == '2' else 'webm'}" for name in "1234"}


def test_no_video_is_there_yet(tmp_path):
    write_ssv2(tmp_path)
    expected = read_quietly(read_ssv2, tmp_path)
    for video in (tmp_path / VIDEO_FOLDER).iterdir():
        video.unlink()
    (tmp_path / VIDEO_FOLDER).rmdir()
    pd.testing.assert_frame_equal(read_quietly(read_ssv2, tmp_path, 0, True), expected)
