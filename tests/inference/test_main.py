"""The command `python -m src.inference`."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY_CONFIG, TINY_NAMES, TINY_TRAINING, moving_texture, write_video

from src.inference import __main__ as command
from src.inference.sliding_window import Moment
from src.training import start_run


@pytest.fixture
def call(two_stream, monkeypatch):
    """Runs the command on these arguments, with the networks that can be read."""
    trained = (two_stream, TINY_NAMES, TINY_CONFIG, TINY_TRAINING)
    monkeypatch.setattr(command, "load_run", {"runs/tiny": trained}.__getitem__)
    monkeypatch.setattr(command, "read_spacing", {"runs/tiny": 4}.__getitem__)
    monkeypatch.setattr(command, "read_threshold", {"runs/tiny": 0.4}.__getitem__)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["src.inference", *arguments])
        command.main()

    return run


def make_moments(*classes, interrupt=False):
    """Moments of windows 0.1 s apart, whose scores are sure of these classes; Ctrl-C may come after them."""
    for n, leader in enumerate(classes):
        scores = np.full(len(TINY_NAMES), 0.05, np.float32)
        scores[leader] = 0.9
        yield Moment(n, n / 10, None, {"fused": scores}, n / 20)
    if interrupt:
        raise KeyboardInterrupt


def test_a_line_is_printed_for_each_event(call, tmp_path, capsys):
    there = moving_texture(25, 2, 0, 48, 64)
    video = write_video(tmp_path / "turning.webm", np.concatenate([there, there[-2::-1]]), fps=12)
    call("runs/tiny", str(video), "--step", "1")
    out, err = capsys.readouterr()
    *lines, end = out.splitlines()
    assert end == "The source has ended: 2 events." and err == ""  # no line of progress, where that is no terminal
    pattern = r" +([0-9.]+) s to +([0-9.]+) s  0\.\d\d  Pushing something from (left to right|right to left)"
    (start, turn, first), (turned, finish, second) = (re.fullmatch(pattern, line).groups() for line in lines)
    assert (first, second) == ("left to right", "right to left")
    assert float(start) < 0.2 and turn == turned and abs(float(turn) - 24 / 12) < 0.4 and 3.7 < float(finish) < 4.1


def test_a_table_is_written_as_the_events_end(call, tmp_path, monkeypatch, capsys):
    table, seen = tmp_path / "events.csv", []

    def moments(*_):
        yield from make_moments(*[1] * 20, *[2] * 20)
        seen.append(table.read_text())

    monkeypatch.setattr(command, "predict_stream", moments)
    call("runs/tiny", "0", "--csv", str(table))
    head, first = "class,start,end,first_frame,last_frame,score\n", f"{TINY_NAMES[1]},0.000,1.950,0,19,"
    assert seen[0].startswith(head + first) and seen[0].count("\n") == 2
    assert table.read_text().startswith(seen[0] + f"{TINY_NAMES[2]},1.950,3.900,20,39,")
    assert capsys.readouterr().out.endswith("The source has ended: 2 events.\n")


def test_a_file_of_the_user_is_not_written_over(call, tmp_path, capsys):
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(SystemExit, match="1"):
        call("runs/tiny", "63", "--csv", str(tmp_path / "mine.csv"))
    assert "mine.csv: --csv must be a new file" in capsys.readouterr().err
    assert (tmp_path / "mine.csv").read_text() == "mine"
    with pytest.raises(SystemExit, match="1"):  # a source that cannot be opened leaves no table
        call("runs/tiny", "63", "--csv", str(tmp_path / "new.csv"))
    assert not (tmp_path / "new.csv").exists()


def test_the_newest_window_is_shown_in_a_terminal(call, monkeypatch, capsys):
    monkeypatch.setattr(command, "predict_stream", lambda *_: make_moments(*[1] * 9))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    call("runs/tiny", "0", "--step", "3")
    shown = capsys.readouterr().err.split("\r\033[K")
    assert shown[9].startswith("     0.8 s, 60 frames/s: 0.90  Pushing something from") and shown[-1] == ""


def test_the_windows_of_a_clip_are_as_far_apart_as_in_training(call, monkeypatch):
    given = []
    monkeypatch.setattr(command, "predict_stream", lambda *arguments: given.append(arguments) or make_moments(1))
    call("runs/tiny", "0", "--step", "3")
    assert given[0][-2:] == (3, 4)


def test_errors_are_a_line_without_a_traceback(call, capsys):
    for arguments, message in (
        (["runs/tiny", "63"], "camera 63: must be a camera"),
        (["runs/tiny", "63", "--step", "0"], "step must be a whole number"),
    ):
        with pytest.raises(SystemExit, match="1"):
            call(*arguments)
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["-right.webm"], ["--step", "12", "--", "-right.webm"], ["--right.webm", "--step=12"]]
)
def test_a_name_may_begin_with_a_dash(call, tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    for name in ("-right.webm", "--right.webm"):
        write_video(tmp_path / name, moving_texture(25, 2, 0, 48, 64))
    if "--" in words:
        call(*words[:2], "--", "runs/tiny", words[-1])
    else:
        call("runs/tiny", *words)
    assert capsys.readouterr().out.endswith("from left to right\nThe source has ended: 1 event.\n")


def test_what_is_missing_is_a_line_with_its_name(monkeypatch, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    for run, message in (
        ("nope", "nope: must be the folder of a run"),
        ("other", "other/config.json: must be the rec"),
    ):
        monkeypatch.setattr("sys.argv", ["src.inference", run, "-5KQ66BBWC4_900.mp4"])
        with pytest.raises(SystemExit, match="1"):
            command.main()
        error = capsys.readouterr().err
        assert error.startswith(message) and error.count("\n") == 1


def test_a_video_that_is_missing_is_a_line_with_its_name(call, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="1"):
        call("runs/tiny", "-5KQ66BBWC4_900.mp4")
    error = capsys.readouterr().err
    assert "-5KQ66BBWC4_900.mp4" in error and error.count("\n") == 1


def test_ctrl_c_prints_the_event_that_goes_on(call, monkeypatch, capsys):
    monkeypatch.setattr(command, "predict_stream", lambda *_: make_moments(*[1] * 20, interrupt=True))
    with pytest.raises(SystemExit, match="130"):
        call("runs/tiny", "0")
    out, err = capsys.readouterr()
    assert out.endswith(f"0.0 s to    1.9 s  0.90  {TINY_NAMES[1]}\nInterrupted: 1 event.\n") and err == ""


def test_ctrl_c_before_the_first_window_is_no_traceback(call, monkeypatch, capsys):
    monkeypatch.setattr(command, "predict_stream", lambda *_: make_moments(interrupt=True))
    with pytest.raises(SystemExit, match="130"):
        call("runs/tiny", "0")
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_a_reader_that_has_read_enough_ends_it(two_stream, tmp_path):
    """With class names that are not UTF-8 and an output that is ASCII."""
    names = [os.fsdecode(b"caf\xe9")] * 3
    run = start_run("tiny", "data", "0123456789ab", TINY_CONFIG, TINY_TRAINING, names, root=tmp_path)
    two_stream.save(run.folder / "two_stream.keras")
    video = write_video(tmp_path / "long.webm", moving_texture(150, 2, 0, 48, 64))
    words = [sys.executable, "-m", "src.inference", str(run.folder), str(video), "--step", "1"]
    line = f"{shlex.join(words)} | head -n 1; echo ${{PIPESTATUS[0]}}"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True)
    assert done.stdout.endswith("caf\\udce9\n0\n") and "Error" not in done.stderr, done


def test_help_shows_the_command_as_it_is_called(call, capsys):
    with pytest.raises(SystemExit, match="0"):
        call("--help")
    printed = capsys.readouterr().out
    assert printed.startswith("usage: python -m src.inference [-h] [--step N] [--csv FILE] RUN SOURCE\n")
    assert "python -m src.inference runs/NAME 0 " in printed
