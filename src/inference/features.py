"""Writes the features of both streams of a run, for any videos.

    python -m src.inference.features runs/NAME clip.mp4 OUT              a video file
    python -m src.inference.features runs/NAME videos/ OUT               a folder of videos, with or without classes
    python -m src.inference.features runs/NAME videos.csv OUT            a CSV, or any other source of videos
    python -m src.inference.features runs/NAME datasets/PREPARED OUT     a prepared data set, whose clips are read

RUN is a folder that train_models.ipynb has made: runs/ and the run_name, or the time at which it was started.

OUT becomes a folder of NumPy files, part_00000.npz and so on: spatial and temporal, float32 (clips, segments,
features), with video_id, label, split, path and frame. table.csv has a row for each clip, failures.csv one for each
video that could not be used. Ctrl-C ends it; the same command continues. The name of a file may begin with a dash.
"""

import sys

from src.inference.arguments import make_parser, mark_names
from src.inference.feature_export import export_features


def main():
    """Exports features, and prints how many."""
    parser = make_parser("python -m src.inference.features", __doc__)
    parser.add_argument("source", metavar="SOURCE", help="video file, folder of videos, CSV, or prepared folder")
    parser.add_argument("folder", metavar="OUT", help="new folder, or one that this command made before")
    parser.add_argument("--subset", metavar="NAME", help="subset of a prepared folder (default: the one prepared last)")
    arguments = parser.parse_args(mark_names(sys.argv[1:], "--subset(=.*)?"))
    try:
        table = export_features(arguments.run, arguments.source, arguments.folder, arguments.subset)
    except (OSError, ValueError) as error:  # of the run, the source or the folder: its message says what to do
        parser.exit(1, f"{' '.join(str(error).splitlines())}\n")
    except KeyboardInterrupt:
        parser.exit(130, "\nInterrupted. The same command continues.\n")
    print(f"{arguments.folder}: features of {len(table)} clip{'s' * (len(table) != 1)}.")


if __name__ == "__main__":
    main()
