"""Prints what happens in a video, a camera or a stream: a line for each event, when it has ended.

    python -m src.inference runs/NAME long.mp4                         a video file
    python -m src.inference runs/NAME long.mp4 --csv events.csv        also as a table
    python -m src.inference runs/NAME 0                                the first camera
    python -m src.inference runs/NAME rtsp://HOST/PATH --step 10       a stream

RUN is a folder that train_models.ipynb has made: runs/ and the run_name, or the time at which it was started. It has
the networks and the names of the classes; the data set is not needed.

An event is a class that leads for half a second or longer: its start and its end in seconds, its mean score, its name.
Scores are averaged over a second. An event begins where its class reaches the threshold that the run has learned on
validation, and goes on down to four fifths of it. Where no class leads, there is no event: it is none of these classes.
In a terminal the newest window is shown below: time, speed, best class.

Ctrl-C ends it, and prints the event that goes on. A name may begin with a dash; to be quite sure, put -- before it.
"""

import csv
import os
import re
import shutil
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

from src.inference.arguments import make_parser, mark_names
from src.inference.events import COLUMNS, describe_event, follow_events, list_windows
from src.inference.loading import load_run, read_spacing, read_threshold
from src.inference.sliding_window import Moment, predict_stream
from src.inference.timeline import frames_per_second

RECENT = 20  # windows over which the rate is measured
INTERRUPTED = 130  # exit status, as of shells


def main():
    """Prints a line for each event."""
    parser = make_parser("python -m src.inference", __doc__)
    parser.add_argument(
        "source", metavar="SOURCE", help="video file, folder of frames, number of a camera, or URL of a stream"
    )
    parser.add_argument(
        "--step", metavar="N", type=int, default=5, help="frames from one window to the next (default: 5)"
    )
    parser.add_argument("--csv", metavar="FILE", help="new file, to which the events are written as well")
    arguments = parser.parse_args(mark_names(sys.argv[1:], r"--(step|csv)(=.*)?|-\d+"))
    try:
        interrupted = _print_events(arguments)
    except BrokenPipeError:  # the reader, such as head, has read enough; Python would complain when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    except (OSError, ValueError) as error:  # of the run, the source, the step or the file: its message says what to do
        parser.exit(1, f"{' '.join(str(error).splitlines())}\n")
    except KeyboardInterrupt:  # before the first window, or while an event is printed
        interrupted = True
    if interrupted:
        parser.exit(INTERRUPTED)


def _print_events(arguments) -> bool:
    """Prints the events of the source; returns whether Ctrl-C has ended it."""
    source = int(arguments.source) if re.fullmatch("[0-9]+", arguments.source) else arguments.source
    _check_new(arguments.csv)
    two_stream, class_names, clip_config, config = load_run(arguments.run)
    spacing = read_spacing(arguments.run)
    moments = predict_stream(source, two_stream, class_names, clip_config, config, arguments.step, spacing)
    moments = chain([next(moments)], moments)  # a source that cannot be opened leaves no empty table
    line, events = _Line(class_names, arguments.step), 0
    found = follow_events(list_windows(line.follow(moments)), read_threshold(arguments.run))
    table = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    with open(arguments.csv or os.devnull, "x" if arguments.csv else "w", **table) as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for event in found:
            events += 1
            line.clear()
            name, start, end, *frames, score = describe_event(event, class_names)
            print(f"{start:8.1f} s to {end:6.1f} s  {score:.2f}  {name}", flush=True)
            rows.writerow([name, f"{start:.3f}", f"{end:.3f}", *frames, f"{score:.4f}"])
            file.flush()
    line.clear()
    reason = "Interrupted" if line.interrupted else "The source has ended"
    print(f"{reason}: {events} event{'s' * (events != 1)}.", flush=True)
    return line.interrupted


class _Line:
    """The line about the newest window, below the events, where standard error is a terminal.

    Attributes:
        interrupted: whether Ctrl-C has ended the moments.
    """

    def __init__(self, class_names: list[str], step: int):
        self.class_names, self.step, self.interrupted = class_names, step, False
        self._scored_at, self._shown = deque(maxlen=RECENT), sys.stderr.isatty()

    def follow(self, moments: Iterable[Moment]) -> Iterator[Moment]:
        """Yields the moments and shows each of them; Ctrl-C ends them as the end of the source does."""
        try:
            for moment in moments:
                self._scored_at.append(moment.scored_at)
                self._show(moment)
                yield moment
        except KeyboardInterrupt:
            self.interrupted = True

    def _show(self, moment):
        if self._shown:
            best, rate = moment.scores["fused"].argmax(), frames_per_second(self._scored_at, self.step)
            name, score = self.class_names[best], moment.scores["fused"][best]
            text = f"{moment.seconds:8.1f} s, {rate:.0f} frames/s: {score:.2f}  {name}"
            print(f"\r\033[K{text[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Removes the line."""
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _check_new(path):
    """Raises FileExistsError if there is a file where the table is to be."""
    if path is not None and os.path.lexists(path):
        raise FileExistsError(f"{path}: --csv must be a new file, but this one exists. Choose another name.")


if __name__ == "__main__":
    main()
