import zipfile

import pytest
from source_folders import HOLD, PUSH, rows, touch, write_csv, write_ssv2

from src.sample import VIDEO_FOLDER, write_sample
from src.sources import source
from src.sources.source import default_output, read_source


def test_the_content_of_a_path_decides_what_it_is(tmp_path):
    write_ssv2(tmp_path / "ssv2")
    touch(tmp_path / "folders/run/a.mp4", tmp_path / "folders/walk/b.mp4", tmp_path / "x.csv/hop/a.mp4")
    touch(tmp_path / "x.csv/jump/a.mp4")
    csv = write_csv(tmp_path / "clips.CSV", "path,label\nfolders/run/a.mp4,jog\nfolders/walk/b.mp4,stroll\n")
    assert set(read_source(tmp_path / "ssv2").label) == {HOLD, PUSH}
    assert set(read_source(str(tmp_path / "folders")).label) == {"run", "walk"}
    assert set(read_source(tmp_path / "x.csv").label) == {"hop", "jump"}
    assert set(read_source(csv).label) == {"jog", "stroll"}


def test_home_and_relative_paths(tmp_path, monkeypatch):
    touch(tmp_path / "folders/run/a.mp4", tmp_path / "folders/walk/b.mp4")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    home, relative = read_source("~/folders"), read_source("folders")
    assert home.path.tolist() == [str(tmp_path / "folders/run/a.mp4"), str(tmp_path / "folders/walk/b.mp4")]
    assert relative.path.tolist() == ["folders/run/a.mp4", "folders/walk/b.mp4"]
    assert home.drop(columns="path").equals(relative.drop(columns="path"))


def test_the_sample_is_written_first(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "write_sample", lambda: write_ssv2(tmp_path))
    assert rows(read_source("sample"), "video_id") == [("1",), ("3",), ("2",), ("4",)]


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: None, "no such path"),
        (lambda path: path.mkdir(), "an empty folder"),
        (lambda path: path.touch(), "another file"),
        (lambda path: touch(path / "one.mp4", path / "two.mp4"), "one.mp4, two.mp4"),
    ],
)
def test_what_is_no_source_is_refused(tmp_path, make, found):
    make(tmp_path / "data")
    with pytest.raises(ValueError, match=rf"data: not a source.*\.csv.*labels\.json.*folder per class.*{found}"):
        read_source(tmp_path / "data")


@pytest.mark.parametrize("wrong", ["", " ", None, 3])
def test_a_source_is_a_path(wrong):
    with pytest.raises(ValueError, match="source must be"):
        read_source(wrong)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), "25", None])
def test_a_rate_is_a_positive_number(tmp_path, rate):
    with pytest.raises(ValueError, match="frame_rate must be a positive number"):
        read_source(tmp_path, frame_rate=rate)


def test_the_video_folder_of_ssv2_without_label_files_is_not_a_class(tmp_path):
    touch(tmp_path / VIDEO_FOLDER / "1.webm")
    with pytest.raises(FileNotFoundError, match="something-something-v2-labels.json"):
        read_source(tmp_path)


def test_an_ssv2_download_in_a_wrapper_is_named(tmp_path):
    write_ssv2(tmp_path / "data/ssv2")
    with pytest.raises(ValueError, match=r"SSv2 download in a folder of its own. Give .*data/ssv2\."):
        read_source(tmp_path / "data")


@pytest.mark.parametrize("place", ["", "labels"])
def test_a_labels_json_among_class_folders_is_not_ssv2(tmp_path, place, capsys):
    touch(tmp_path / "run/a.mp4", tmp_path / "walk/b.mp4")
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "labels.json").write_text('{"0": "run", "1": "walk"}')
    for name in ("train", "validation"):
        (tmp_path / place / f"{name}.json").write_text('["run/a.mp4"]')
    assert set(read_source(tmp_path).label) == {"run", "walk"}
    assert "labels" in capsys.readouterr().out


def test_a_zip_with_a_labels_json_is_not_ssv2(tmp_path):
    touch(tmp_path / "run/a.mp4", tmp_path / "walk/b.mp4")
    with zipfile.ZipFile(tmp_path / "backup.zip", "w") as archive:
        archive.writestr("old/labels.json", "{}")
    assert len(read_source(tmp_path)) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.zip", "run", "walk"]


def test_one_class_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"c\.csv: only one class has videos, run; at least two"):
        read_source(write_csv(tmp_path / "c.csv", "path,label\na.mp4,run\n", ["a.mp4"]))


def test_what_this_project_wrote_is_no_source(tmp_path):
    touch(tmp_path / "clips/1/a.mp4", tmp_path / "clips/2/b.mp4")
    (tmp_path / "two-stream.json").write_text('{"written_by": "two-stream", "kind": "prepared data"}')
    with pytest.raises(ValueError, match=r"this project wrote this folder \(prepared data\)"):
        read_source(tmp_path)


def test_a_csv_beside_class_folders_is_named(tmp_path, capsys):
    touch(tmp_path / "run/a.mp4", tmp_path / "walk/b.mp4")
    write_csv(tmp_path / "clips.csv", "path,label,group\nrun/a.mp4,run,g\n")
    read_source(tmp_path)
    assert "left aside: clips.csv: give it as source" in capsys.readouterr().out


def test_what_was_understood_is_printed(tmp_path, capsys):
    names = [f"{split}/caf\udce9/{split}.mp4" for split in ("train", "test")] + ["train/walk/3.mp4", "test/walk/4.mp4"]
    touch(*(tmp_path / name for name in names), tmp_path / "notes/README")
    read_source(tmp_path, group_pattern=r"\w+\.mp4")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"{tmp_path}: class folders, <split>/<class>/<video>",
        r"  ├─ 4 videos in 2 classes: caf\xe9 (2), walk (2)",
        "  ├─ splits: train (2), test (2)",
        r"  ├─ groups: 4, by group_pattern \\w+\\.mp4, such as 3.mp4".replace(r"\\", "\\"),
        "  └─ left aside: 1 folder without a video of a class: notes (1 file)",
    ]


def test_the_default_output_is_named_after_the_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fights").mkdir()
    (tmp_path / "download").mkdir()
    write_ssv2(tmp_path / "download")
    outputs = {
        "sample": "sample", "fights": "fights", "fights/": "fights", tmp_path / "fights": "fights",
        "fights/../fights/": "fights", "download/": "ssv2", "lists/My clips.CSV": "My-clips",
        "no/such place/": "such-place", "caf\udce9": "caf",
    }  # fmt: skip
    for source_path, name in outputs.items():
        assert default_output(source_path) == f"datasets/{name}-mini"


def test_the_sample_is_known_wherever_it_is(tmp_path):
    write_sample(tmp_path / "download", 1, 0, 0, workers=1)
    assert default_output(tmp_path / "download") == "datasets/sample-mini"


@pytest.mark.parametrize("wrong", [None, "", " ", 7])
def test_the_default_output_needs_a_source(wrong):
    with pytest.raises(ValueError, match="source must be"):
        default_output(wrong)
