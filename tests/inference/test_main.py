"""The command `python -m src.inference`."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY_CONFIG, TINY_NAMES, TINY_TRAINING, moving_texture, write_video

from src.inference import __main__ as command
from src.training import start_run


@pytest.fixture
def call(two_stream, monkeypatch):
    """Runs the command on these arguments, with the networks that can be read."""
    trained = (two_stream, TINY_NAMES, TINY_CONFIG, TINY_TRAINING)
    monkeypatch.setattr(command, "load_run", {"runs/tiny": trained}.__getitem__)
    monkeypatch.setattr(command, "read_spacing", {"runs/tiny": 4}.__getitem__)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["src.inference", *arguments])
        command.main()

    return run


def test_a_line_is_printed_for_each_window(call, tmp_path, monkeypatch, capsys):
    clock = iter([10.0, 11.0, 13.0])
    monkeypatch.setattr("src.inference.sliding_window.time.perf_counter", lambda: next(clock))
    video = write_video(tmp_path / "right.webm", moving_texture(28, 2, 0, 48, 64), fps=12)
    call("runs/tiny", str(video), "--step", "12")
    *lines, end = capsys.readouterr().out.splitlines()
    assert end == "The source has ended."
    assert [line[:28] for line in lines] == [
        "     0.1 s     nan frames/s ",
        "     1.1 s    12.0 frames/s ",
        "     2.1 s     8.0 frames/s ",
    ]
    assert all(line.endswith("Pushing something from left to right") for line in lines)


def test_the_windows_of_a_clip_are_as_far_apart_as_in_training(call, monkeypatch):
    given = []
    monkeypatch.setattr(command, "predict_stream", lambda *arguments: given.append(arguments) or [])
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
        write_video(tmp_path / name, moving_texture(5, 2, 0, 48, 64))
    if "--" in words:
        call(*words[:2], "--", "runs/tiny", words[-1])
    else:
        call("runs/tiny", *words)
    assert capsys.readouterr().out.endswith("from left to right\nThe source has ended.\n")


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


def test_ctrl_c_ends_it_without_a_traceback(call, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "predict_stream", interrupt)
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
    assert printed.startswith("usage: python -m src.inference [-h] [--step N] RUN SOURCE\n")
    assert "python -m src.inference runs/NAME 0 " in printed
