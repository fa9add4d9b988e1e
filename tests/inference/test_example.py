"""The video on which a notebook shows a prediction, found before a training begins."""

import pandas as pd
import pytest
from conftest import moving_texture, write_video

from src.inference import find_video
from src.video import VideoError


@pytest.fixture
def clips(tmp_path):
    """One training clip and three test clips, of which the file of the first is missing."""
    names = ["train.webm", "gone.webm", "b.webm", "c.webm"]
    for name in (names[0], *names[2:]):
        write_video(tmp_path / name, moving_texture(4, 2, 0, 48, 64))
    paths = [str(tmp_path / name) for name in names]
    return pd.DataFrame({"path": paths, "split": ["train", "test", "test", "test"]})


def test_it_is_the_first_test_clip_whose_file_plays(clips, tmp_path, capsys):
    (tmp_path / "b.webm").write_bytes(b"replaced")
    assert find_video(clips).path == str(tmp_path / "c.webm")
    write_video(tmp_path / "b.webm", moving_texture(4, 2, 0, 48, 64))
    assert find_video(clips).path == str(tmp_path / "b.webm")
    assert capsys.readouterr().out == ""


def test_videos_that_are_elsewhere_are_left_out_with_a_sentence(clips, tmp_path, capsys):
    for name in ("b.webm", "c.webm"):
        (tmp_path / name).rename(tmp_path / f"moved {name}")
    assert find_video(clips) is None
    printed = capsys.readouterr().out
    assert printed.startswith("None of the 3 test clips has its video any more") and "gone.webm" in printed


def test_a_video_of_the_user_is_checked_at_once(clips, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_video(clips, "~/train.webm") == tmp_path / "train.webm"
    (tmp_path / "text.webm").write_text("no video")
    for name in ("text.webm", "nowhere.webm"):
        with pytest.raises(VideoError, match=name):
            find_video(clips, tmp_path / name)
    with pytest.raises(ValueError, match="Write it without quotes: None"):
        find_video(clips, "None")
    with pytest.raises(ValueError, match="must be a video file, or None. Received: 0"):
        find_video(clips, 0)


def test_a_video_that_was_found_is_found_again(clips):
    assert find_video(clips, find_video(clips)) == find_video(clips)


def test_the_sentence_names_the_split(clips, capsys):
    validation = clips[1:2].assign(split="validation")
    assert find_video(validation) is None
    assert capsys.readouterr().out.startswith("None of the 1 validation clips has its video")
