"""The video on which a notebook shows a prediction, found before a training begins."""

from pathlib import Path

import pandas as pd
import pytest
from conftest import moving_texture, write_video

from src.inference import find_scenes, find_video
from src.video import Excerpt, VideoError

SPEEDS = {
    "train.webm": 2,
    "still.webm": 0,
    "gone.webm": 9,
    "slow.webm": 1,
    "fast.webm": 4,
    "slower.webm": 0.5,
}  # px/frame


@pytest.fixture
def clips(tmp_path):
    """A training clip and test clips of five classes, of which the file of the third is missing."""
    for name, speed in SPEEDS.items():
        write_video(tmp_path / name, moving_texture(6, speed, 0, 48, 64))
    (tmp_path / "gone.webm").unlink()
    paths = [str(tmp_path / name) for name in SPEEDS]
    return pd.DataFrame({"path": paths, "split": ["train", *["test"] * 5], "label": [name[:-5] for name in SPEEDS]})


def test_it_is_the_test_clip_that_moves_most_of_those_that_play(clips, tmp_path, capsys):
    assert find_video(clips) == Excerpt(str(tmp_path / "fast.webm"))
    (tmp_path / "fast.webm").write_bytes(b"replaced")
    assert find_video(clips) == Excerpt(str(tmp_path / "slow.webm"))
    assert capsys.readouterr().out == ""


def test_a_class_whose_first_clip_is_gone_is_shown_by_another(clips, tmp_path):
    clips.loc[clips.label == "gone", "label"] = "fast"
    assert find_video(clips) == Excerpt(str(tmp_path / "fast.webm"))


def test_scenes_are_clips_of_several_classes_that_move(clips, tmp_path):
    videos, labels = find_scenes(clips, find_video(clips), count=3)
    assert labels == ["fast", "slow", "slower"]
    assert videos == [Excerpt(str(tmp_path / f"{label}.webm")) for label in labels]
    assert find_scenes(clips, videos[1])[1] == ["slow", "fast", "slower", "still"]
    assert find_scenes(clips, None) == ([], [])


def test_a_video_of_the_user_stays_alone_with_its_true_class_if_it_is_a_clip(clips, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_scenes(clips, find_video(clips, "train.webm")) == ([Path("train.webm")], ["train"])
    write_video(tmp_path / "mine.webm", moving_texture(4, 2, 0, 48, 64))
    assert find_scenes(clips, find_video(clips, "mine.webm")) == ([Path("mine.webm")], [None])


def test_videos_that_are_elsewhere_are_left_out_with_a_sentence(clips, tmp_path, capsys):
    for name in ("still.webm", "slow.webm", "fast.webm", "slower.webm"):
        (tmp_path / name).rename(tmp_path / f"moved {name}")
    assert find_video(clips) is None
    printed = capsys.readouterr().out
    assert printed.startswith("None of the 5 test clips has its video any more") and "still.webm" in printed


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
    validation = clips[2:3].assign(split="validation")
    assert find_video(validation) is None
    assert capsys.readouterr().out.startswith("None of the 1 validation clips has its video")
