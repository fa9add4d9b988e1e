"""What the size and the length of a clip tell about its class, without its pixels: Gaussian naive Bayes.

    python benchmarks/clip_size.py datasets/ut-interaction --table clip_size_ut

Each clip is answered once, by the clips of other groups. A class that is known from sizes is no action that was seen.
"""

import command
import numpy as np
import pandas as pd
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.naive_bayes import GaussianNB
from tables import write_table

from src.store import read_prepared
from src.video import Excerpt, probe_video

FEATURES = {
    "width, height, number of frames": lambda width, height, frames: [width, height, frames],
    "their logarithms": lambda width, height, frames: np.log([width, height, frames]),
    "width, height": lambda width, height, frames: [width, height],
    "width ÷ height": lambda width, height, frames: [width / height],
}


def main():
    """Prints and writes one table: a row for each set of features."""
    parser = command.make_parser(__doc__)
    parser.add_argument("data", help="a prepared data folder")
    arguments = parser.parse_args()
    clips, _ = read_prepared(arguments.data)
    probes = [probe_video(Excerpt.of(row)) for row in clips.itertuples()]
    sizes = np.array([[probe.width, probe.height, probe.frames] for probe in probes], float)
    rows = [
        {
            "features": name,
            "clips": len(clips),
            "accuracy": measure(np.stack([describe(*size) for size in sizes]), clips),
        }
        for name, describe in FEATURES.items()
    ]
    table = pd.DataFrame(rows).assign(chance=1 / clips.label.nunique())
    print(table.round(3).to_string(index=False))
    write_table(arguments.table, table, keys=["features"])


def measure(features, clips) -> float:
    """The accuracy over all clips, one group left out at a time."""
    folds = {"groups": clips.group, "cv": LeaveOneGroupOut()}
    right = cross_val_score(GaussianNB(), features, clips.label, **folds)
    return np.average(right, weights=clips.groupby("group", sort=True).size())


if __name__ == "__main__":
    main()
