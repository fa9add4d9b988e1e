"""Prints the scores of a sliding window over a long video, a camera or a stream.

    python -m src.inference runs/NAME long.mp4                       a video file
    python -m src.inference runs/NAME 0                              the first camera
    python -m src.inference runs/NAME rtsp://HOST/PATH --step 10     a stream

It prints a line for each scored window: its time, the frames per second that are processed, the score of the best class
after fusion, and the class. Ctrl-C ends it. The name of a file may begin with a dash.
"""

import os
import re
import sys
from collections import deque

from src.inference.arguments import make_parser, mark_names
from src.inference.loading import load_run, read_spacing
from src.inference.sliding_window import predict_stream
from src.inference.timeline import frames_per_second

RECENT = 20  # windows over which the rate is measured


def main():
    """Prints a line for each scored window."""
    parser = make_parser("python -m src.inference", __doc__)
    parser.add_argument("source", metavar="SOURCE", help="video file, number of a camera, or URL of a stream")
    parser.add_argument("--step", metavar="N", type=int, default=5, help="frames from one window to the next (5)")
    arguments = parser.parse_args(mark_names(sys.argv[1:], r"--step(=.*)?|-\d+"))
    try:
        _print_scores(arguments)
    except BrokenPipeError:  # the reader, such as head, has read enough; Python would complain when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError) as error:  # of the run, the source or the step: its message says what to do
        parser.exit(1, f"{' '.join(str(error).splitlines())}\n")
    except KeyboardInterrupt:
        pass


def _print_scores(arguments):
    source = int(arguments.source) if re.fullmatch("[0-9]+", arguments.source) else arguments.source
    two_stream, class_names, clip_config, config = load_run(arguments.run)
    scored_at, spacing = deque(maxlen=RECENT), read_spacing(arguments.run)
    for moment in predict_stream(source, two_stream, class_names, clip_config, config, arguments.step, spacing):
        scored_at.append(moment.scored_at)
        fused, fps = moment.scores["fused"], frames_per_second(scored_at, arguments.step)
        best = fused.argmax()
        print(f"{moment.seconds:8.1f} s  {fps:6.1f} frames/s  {fused[best]:.2f}  {class_names[best]}", flush=True)
    print("The source has ended.", flush=True)


if __name__ == "__main__":
    main()
