"""The command `python -m src.inference`."""

import pytest
from conftest import TINY_CONFIG, TINY_NAMES, TINY_TRAINING, moving_texture, write_video

from src.inference import __main__ as command


@pytest.fixture
def call(two_stream, monkeypatch):
    """Runs the command on these arguments, with the networks that can be read."""
    trained = (two_stream, TINY_NAMES, TINY_CONFIG, TINY_TRAINING)
    monkeypatch.setattr(command, "load_run", {"runs/tiny": trained}.__getitem__)

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


def test_errors_are_a_line_without_a_traceback(call, capsys):
    for arguments, message in (
        (["runs/tiny", "63"], "camera 63: must be a camera"),
        (["runs/tiny", "63", "--step", "0"], "step must be a whole number"),
    ):
        with pytest.raises(SystemExit, match="1"):
            call(*arguments)
        assert message in capsys.readouterr().err


def test_help_shows_the_command_as_it_is_called(call, capsys):
    with pytest.raises(SystemExit, match="0"):
        call("--help")
    printed = capsys.readouterr().out
    assert printed.startswith("usage: python -m src.inference [-h] [--step N] RUN SOURCE\n")
    assert "python -m src.inference runs/NAME 0 " in printed
