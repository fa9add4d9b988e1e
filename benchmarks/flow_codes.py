"""Codes of stored flow: linear or companded, and their bound: error, bytes, and what can be told from the flow.

    python benchmarks/flow_codes.py datasets/ut-interaction --clips 12 --table flow_codes_ut
    python benchmarks/flow_codes.py datasets/ut-interaction --folds 5 --seeds 0 1 --table flow_codes_ut_accuracy

The flow of a prepared folder's clips is computed again from their videos, and stored in memory in each code as the
store would write it. Errors are means of |stored - computed|, px/frame: over all values, over those below 1 px/frame,
and over those of 4 px/frame or more; "rounding" is the first of them without JPEG. Every code is exactly zero where
nothing moves, and exactly symmetric. With --seeds, the accuracy is that of the flow statistics with extra trees (see
docs/explanation/numbers.md), mean over seeds, because trees are fitted in seconds and a network in minutes.
"""

import dataclasses
from functools import partial

import command
import cv2
import numpy as np
import pandas as pd
from tables import write_table

from src.flow import STEPS, ZERO, compute_flow
from src.progress import progress
from src.sources import seeded_keys
from src.store import encoding, read_prepared
from src.subsets import make_folds
from src.video import Excerpt, pad_window, read_segments

MU = 15.0  # of the logarithmic code, whose steps near zero are 11 times as fine as at the bound
BOUNDS = (5, 10, 20)  # px/frame


def linear(share):
    return share


def logarithmic(share):
    return np.log1p(MU * share) / np.log1p(MU)


def expanded_logarithm(code):
    return np.expm1(code * np.log1p(MU)) / MU


# name → (share of the bound → share of the largest code, the inverse), both from 0 to 1
CODES = {
    "linear": (linear, linear),
    "logarithmic": (logarithmic, expanded_logarithm),
    "square root": (np.sqrt, np.square),
}


def main():
    """Prints and writes one table: a row for each code and bound."""
    arguments = parse_arguments()
    clips, store = read_prepared(arguments.data)
    clips = clips[clips.stored].assign(key=seeded_keys(clips.video_id[clips.stored], 0))
    clips = clips.sort_values("key")[: arguments.clips].drop(columns="key")
    data = Stored(store, [(code, bound) for code in CODES for bound in BOUNDS])
    for row in progress(clips.itertuples(), len(clips), "computing flow"):
        data.add(row)
    table = pd.DataFrame(
        [{"code": code, "bound": bound} | data.summarize(n) for n, (code, bound) in enumerate(data.codes)]
    )
    if arguments.seeds:
        folds = make_folds(clips, arguments.folds, 0) if arguments.folds else [clips]
        table["accuracy"] = [
            np.mean([score(fold, data.view(n), seed) for fold in folds for seed in arguments.seeds])
            for n in table.index
        ]
    table["clips"] = len(clips)
    print(table.to_string(index=False, float_format="{:.3g}".format))
    write_table(arguments.table, table, keys=["code", "bound"])


def parse_arguments():
    parser = command.make_parser(__doc__)
    parser.add_argument("data", help="a prepared data folder")
    parser.add_argument("--clips", type=int, help="as many clips, drawn by a hash of their ids; without it all")
    parser.add_argument("--seeds", type=int, nargs="+", help="of the trees; without them no accuracy")
    parser.add_argument("--folds", type=int, help="folds by group; without them the splits of the folder")
    return parser.parse_args()


def score(table, store, seed):
    """Share of the test clips that are right, by the flow statistics."""
    from src.evaluation import baseline_scores  # loads Keras, which errors and bytes do not need

    names = list(range(table.class_index.max() + 1))
    scores = baseline_scores(table, store, names, ["test"], seed)["test"]["flow statistics"]
    return (scores.argmax(axis=1) == table.class_index[table.split == "test"].to_numpy()).mean()


class Stored:
    """The clips' flow in every code, as JPEG in memory, and its errors."""

    def __init__(self, store, codes):
        self.store, self.codes, self.sizes = store, codes, {}
        self.images = [{} for _ in codes]
        self.errors = [np.zeros((4, 2)) for _ in codes]  # (sum, count) of: all, slow, fast, rounding alone

    def add(self, row):
        """Computes the flow of a clip, and stores it in every code."""
        config = self.store.config
        segments = read_segments(Excerpt.of(row), config.num_segments, config.window_length, config.short_side)
        for segment, found in enumerate(segments):
            gray = pad_window(list(found.gray), config.window_length)
            flow = compute_flow(gray, config.flow_algorithm)
            self.sizes[row.clip_name] = height, width = flow.shape[1:3]
            flow = flow.transpose(1, 2, 0, 3).reshape(height, width, -1)  # a stack: u1, v1, u2, v2, …
            for number, (code, bound) in enumerate(self.codes):
                codes = encode(flow, code, bound)
                image = encoding.encode_stack(codes)
                self.images[number][row.clip_name, segment] = image
                error = np.abs(self.decode(number, row.clip_name, segment) - flow)
                rounding = np.abs(decode(codes, code, bound) - flow)
                for place, values in enumerate((error, error[np.abs(flow) < 1], error[np.abs(flow) >= 4], rounding)):
                    self.errors[number][place] += values.sum(), values.size

    def decode(self, number, name, segment):
        """float32 (H, W, 2L), px/frame, as it would be read."""
        image = cv2.imdecode(np.frombuffer(self.images[number][name, segment], np.uint8), cv2.IMREAD_GRAYSCALE)
        codes = encoding.split_tiles(image, self.store.config.flow_length, *self.sizes[name])
        return decode(codes, *self.codes[number])

    def view(self, number):
        """What the statistics read: a store of this code."""
        return View(dataclasses.replace(self.store.config, flow_bound=float(STEPS)), partial(self.decode, number))

    def summarize(self, number):
        total, count = self.errors[number].T
        kilobytes = sum(map(len, self.images[number].values())) / len(self.sizes) / 1e3
        names = ("error, px", "below 1 px", "from 4 px", "rounding, px")
        return dict(zip(names, total / np.maximum(count, 1), strict=True)) | {"flow, KB a clip": kilobytes}


@dataclasses.dataclass(frozen=True)
class View:
    """A store whose codes are displacements in px/frame, not rounded: its bound is that of a step a pixel."""

    config: object
    decode: object

    def read_stack(self, name, segment):
        return self.decode(name, segment) + ZERO

    def read_frame(self, name, segment):
        return np.zeros((16, 16, 3), np.uint8)  # frames are not compared


def encode(flow, code, bound):
    """float (…), px/frame → uint8 (…); no motion is 128, and the code of the negative flow is 256 minus the code."""
    compress, _ = CODES[code]
    steps = np.rint(STEPS * compress(np.minimum(np.abs(flow) / bound, 1)))
    return (np.copysign(steps, flow) + ZERO).astype(np.uint8)


def decode(codes, code, bound):
    """The inverse of `encode`: float32 (…), px/frame."""
    _, expand = CODES[code]
    steps = np.arange(256, dtype=np.float32) - ZERO
    table = np.copysign(bound * expand(np.minimum(np.abs(steps) / STEPS, 1)), steps)
    return np.float32(table)[codes]


if __name__ == "__main__":
    main()
