import json
from pathlib import Path

import pandas as pd
import pytest
from source_folders import HOLD, PUSH, entry, only_warning, rows, touch, write_ssv2

from src.sample import VIDEO_FOLDER
from src.sources.ssv2 import read_ssv2
from src.sources.video_table import COLUMNS, OBJECTS

pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def many(start: int, count: int, template: str) -> list[dict]:
    return [entry(str(index), template) for index in range(start, start + count)]


@pytest.mark.parametrize("place", ["", "labels"])
@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
def test_naming_schemes(tmp_path, place, prefix):
    table = read_ssv2(write_ssv2(tmp_path, place, prefix))
    assert list(table.columns) == [*COLUMNS, OBJECTS]
    assert rows(table, "video_id", "label", "class_index", "split", "group") == [
        ("1", HOLD, 0, "train", "1"),
        ("3", HOLD, 0, "validation", "3"),
        ("2", PUSH, 1, "train", "2"),
        ("4", PUSH, 1, "test", "4"),
    ]
    assert all(Path(path).is_file() for path in table.path)


def test_brackets_are_removed_and_classes_without_video_left_out(tmp_path):
    classes = (HOLD, "Never", "Turning part of something", "Not once", PUSH)
    folder = write_ssv2(tmp_path, train=[entry("1", HOLD), entry(9, "Turning part of something")], classes=classes)
    with pytest.warns(UserWarning) as record:
        table = read_ssv2(folder).set_index("video_id")
    assert "2 classes" in only_warning(record) and "Never, Not once" in only_warning(record)
    assert "[part] of [something]" in (folder / "labels/train.json").read_text()
    assert table.loc["9", "label"] == "Turning part of something"
    assert table.class_index.to_dict() == {"1": 0, "3": 0, "4": 4, "9": 2}


@pytest.mark.parametrize("place", ["", "20bn-something-something-v2", "20bn-something-something-v2/" * 2])
def test_videos_may_be_nested_or_re_encoded(tmp_path, place):
    write_ssv2(tmp_path)
    for video in (tmp_path / VIDEO_FOLDER).iterdir():
        video.unlink()
    touch(*(tmp_path / place / name for name in ("1.mp4", "2.webm", "2.mp4", "3.MP4", "4.webm", "readme.txt")))
    names = {row.video_id: Path(row.path).name for row in read_ssv2(tmp_path).itertuples()}
    assert names == {"1": "1.mp4", "2": "2.webm", "3": "3.MP4", "4": "4.webm"}


def test_without_answers_the_official_validation_is_the_test(tmp_path):
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


def test_placeholders_are_the_objects(tmp_path):
    """The test answers have none, nor have copies of the labels without them; those are read as before."""
    odd = [entry("5", HOLD) | {"placeholders": value} for value in (None, "cup", [], [3, "red pen"])]
    train = [entry("1", HOLD) | {"placeholders": ["a cup", "two pens"]}, entry("2", PUSH)]
    train += [item | {"id": str(number)} for number, item in enumerate(odd, 5)]
    repeated = entry("2", PUSH) | {"placeholders": ["vase"]}
    with pytest.warns(UserWarning, match="1 repeated row"):
        table = read_ssv2(write_ssv2(tmp_path, train=[*train, repeated])).set_index("video_id")
    expected = {"1": "a cup; two pens", "2": "cup", "3": "cup", "4": "", "5": "", "6": "", "7": "", "8": "red pen"}
    assert table.objects.sort_index().to_dict() == expected
    bare = [{name: value for name, value in entry("1", HOLD).items() if name != "placeholders"}]
    table = read_ssv2(write_ssv2(tmp_path / "bare", train=bare, validation=[bare[0] | {"id": "3"}]))
    assert list(table.columns) == COLUMNS


def test_a_missing_label_file_is_named(tmp_path):
    (write_ssv2(tmp_path) / "labels/train.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"labels/train\.json"):
        read_ssv2(tmp_path)


def test_absent_videos_are_counted(tmp_path):
    train = many(10, 8, HOLD) + many(30, 2, PUSH)
    write_ssv2(tmp_path, train=train)
    for name in (10, 11, 12, 13):
        (tmp_path / VIDEO_FOLDER / f"{name}.webm").unlink()
    with pytest.warns(UserWarning) as record:
        table = read_ssv2(tmp_path)
    message = only_warning(record)
    assert "4 of 12 videos" in message and "10, 11, 12, ..." in message and "train.json" in message
    assert len(table) == 8 and "10" not in set(table.video_id)
    for video in (tmp_path / VIDEO_FOLDER).iterdir():
        video.unlink()
    with pytest.raises(FileNotFoundError, match="12 of 12 videos.*20bn-something-something-v2 or"):
        read_ssv2(tmp_path)


def test_repeated_rows_count_once(tmp_path):
    write_ssv2(tmp_path, train=[entry("1", HOLD), entry("2", PUSH), entry("1", HOLD)])
    with pytest.warns(UserWarning) as record:
        table = read_ssv2(tmp_path)
    assert "1 repeated row in" in only_warning(record) and table.video_id.is_unique


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.json", [entry("1", HOLD), entry("1", PUSH)], f"'1'.*different.*{HOLD}.*{PUSH}"),
        ("train.json", [entry("1", HOLD), entry("3", HOLD)], "'3'.*different.*train.*validation"),
        ("train.json", [entry("../1", HOLD)], r"train\.json: .*'\.\./1'"),
        ("train.json", [entry("a\\b", HOLD)], r"train\.json: .*folder name"),
        ("train.json", [entry("", HOLD)], r"train\.json: .*folder name.*''"),
        ("train.json", many(10, 2, "Eating something"), r"train\.json: .*'Eating \[something\]' \(2 videos"),
        ("train.json", [{"id": "1"}], r"train\.json: must be a list of"),
        ("train.json", {"id": "1"}, r"train\.json: must be a list of"),
        ("validation.json", '{\n"a": 1,\n oops}', r"validation\.json: broken JSON.*line 3"),
        ("labels.json", '{\n"a": 1,\n oops}', r"labels\.json: broken JSON.*line 3"),
        ("labels.json", ["a"], r"labels\.json: must be"),
        ("labels.json", {"a": "x"}, r"labels\.json: must be"),
        ("labels.json", {"a": "0", "b": 0}, r"labels\.json: must be.*index of its own"),
        ("labels.json", {"a": 1.5}, r"labels\.json: must be"),
        ("labels.json", {"a": True}, r"labels\.json: must be"),
        ("labels.json", '{"a": NaN}', r"labels\.json: must be"),
        ("labels.json", '{"a": Infinity}', r"labels\.json: must be"),
        ("labels.json", {"a": -1}, r"labels\.json: must be"),
        ("labels.json", {"a": "9" * 5000}, r"labels\.json: must be"),
        ("labels.json", {"a\ud800": "0"}, r"labels\.json: must be"),
        ("labels.json", '{"a": "0", "a": "1"}', r"labels\.json: broken JSON: 'a' is twice"),
        ("labels.json", f'{{"a": {"9" * 5000}}}', r"labels\.json: broken JSON: Exceeds the limit"),
        ("labels.json", "null", r"labels\.json: must be"),
        ("train.json", "[" * 100_000, r"train\.json: broken JSON: .*recursion"),
        ("train.json", "null", r"train\.json: must be a list of"),
        ("train.json", "3", r"train\.json: must be a list of"),
        ("train.json", [None], r"train\.json: must be a list of"),
        ("train.json", ["id"], r"train\.json: must be a list of"),
        ("train.json", [entry(None, HOLD)], r"train\.json: must be a list of"),
        ("train.json", [entry(1.5, HOLD)], r"train\.json: must be a list of"),
        ("train.json", [entry(True, HOLD)], r"train\.json: must be a list of"),
        ("train.json", [entry(["1"], HOLD)], r"train\.json: must be a list of"),
        ("train.json", [{"id": "1", "template": [HOLD]}], r"train\.json: must be a list of"),
        ("train.json", [entry("1\ud800", HOLD)], r"train\.json: must be a list of"),
        ("train.json", [entry("../../../escaped", HOLD)], r"train\.json: .*folder name"),
        ("train.json", [entry("a/b", HOLD)], r"train\.json: .*folder name.*'a/b'"),
        ("train.json", [entry("a\0b", HOLD)], r"train\.json: .*folder name"),
        ("train.json", [entry("a" * 300, HOLD)], r"train\.json: .*1 to 200 bytes.*'aaa"),
        ("train.json", [entry(".", HOLD)], r"train\.json: .*folder name"),
        ("train.json", many(10, 2, "x" * 10**6), r"train\.json: .*'xxx"),
        ("test-answers.csv", f"../4;{PUSH}\n", r"test-answers\.csv: .*folder name"),
        ("test-answers.csv", "4;Eating something\n", r"test-answers\.csv: every template.*'Eating something' \(1"),
        ("test-answers.csv", "4\n", r"test-answers\.csv: must be a list of id;template"),
    ],
)
def test_errors_name_the_file_and_the_entry(tmp_path, name, content, message):
    text = content if isinstance(content, str) else json.dumps(content)
    (write_ssv2(tmp_path) / "labels" / name).write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_ssv2(tmp_path)
    assert len(str(error.value)) < 2000


@pytest.mark.parametrize("name", ["labels.json", "train.json", "test-answers.csv"])
def test_labels_are_utf_8_with_or_without_its_mark(tmp_path, name):
    path = write_ssv2(tmp_path) / "labels" / name
    text = path.read_text()
    path.write_text(text, encoding="utf-8-sig")
    assert len(read_ssv2(tmp_path)) == 4
    for encoding in ("utf-16", "utf-16-le"):
        path.write_bytes(f"{text}é".encode(encoding))
        with pytest.raises(ValueError, match=rf"{name}: (must be text in UTF-8|broken JSON)"):
            read_ssv2(tmp_path)


def test_a_label_file_that_is_too_large_is_not_read(tmp_path):
    path = write_ssv2(tmp_path) / "labels/train.json"
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # a sparse file
    with pytest.raises(ValueError, match=r"train\.json: .*at most 268,435,456 bytes"):
        read_ssv2(tmp_path)


def test_labels_without_videos_are_refused(tmp_path):
    write_ssv2(tmp_path, answers=False)
    for name in ("train", "validation"):
        (tmp_path / "labels" / f"{name}.json").write_text("[]")
    with pytest.raises(ValueError, match="no video is listed"):
        read_ssv2(tmp_path, keep_absent=True)


def test_whole_labels_are_preferred_to_begun_ones(tmp_path):
    write_ssv2(tmp_path)
    (tmp_path / "something-something-v2-labels.json").write_text("{}")
    assert len(read_ssv2(tmp_path)) == 4


def test_labels_and_videos_may_be_elsewhere(tmp_path):
    write_ssv2(tmp_path / "mine")
    (tmp_path / "source").mkdir()
    pd.testing.assert_frame_equal(
        read_ssv2(tmp_path / "source", unpack_to=tmp_path / "mine"), read_ssv2(tmp_path / "mine")
    )


def test_absent_videos_are_kept_where_they_will_be_extracted(tmp_path):
    write_ssv2(tmp_path)
    expected = read_ssv2(tmp_path)
    videos = tmp_path / VIDEO_FOLDER
    for video in videos.iterdir():
        video.unlink()
    pd.testing.assert_frame_equal(read_ssv2(tmp_path, keep_absent=True), expected)
    touch(videos / "2.mp4")
    paths = read_ssv2(tmp_path, keep_absent=True).set_index("video_id").path.to_dict()
    assert paths == {name: str(videos / f"{name}.{'mp4' if name == '2' else 'webm'}") for name in "1234"}
