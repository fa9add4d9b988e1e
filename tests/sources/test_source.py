import pytest
from source_folders import HOLD, PUSH, rows, touch, write_csv, write_ssv2

from src.sample import VIDEO_FOLDER
from src.sources import source
from src.sources.source import read_source


def test_the_content_of_a_path_decides_what_it_is(tmp_path):
    write_ssv2(tmp_path / "ssv2")
    touch(tmp_path / "folders/run/a.mp4", tmp_path / "folders/walk/b.mp4")
    csv = write_csv(tmp_path / "clips.CSV", "path,label\nfolders/run/a.mp4,jog\n")
    assert set(read_source(tmp_path / "ssv2").label) == {HOLD, PUSH}
    assert set(read_source(str(tmp_path / "folders")).label) == {"run", "walk"}
    assert set(read_source(csv).label) == {"jog"}


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


def test_the_video_folder_of_ssv2_without_label_files_is_not_a_class(tmp_path):
    touch(tmp_path / VIDEO_FOLDER / "1.webm")
    with pytest.raises(FileNotFoundError, match="something-something-v2-labels.json"):
        read_source(tmp_path)
