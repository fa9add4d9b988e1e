"""The flow layer compared with OpenCV: agreement and speed.

    python benchmarks/flow_layer.py [--sizes 112x112 …] [--batches 1 8 64]
    python benchmarks/flow_layer.py --agreement FOLDER [--clips 40]

The first command measures pairs of frames a second: OpenCV on one core and on all, this project's own code on one core,
and the layer on the device that Keras uses; all on the same frames, in turn within one process, whose largest memory so
far is in the last column. KERAS_BACKEND chooses another backend. On an accelerator, --bandwidth (of its memory, GB/s)
adds the least memory traffic of a pair, and the share of the bandwidth that the layer's speed amounts to.
The second measures the distance between the layer and OpenCV on the videos of a folder, at five sizes and with three
sets of parameters, and the distance of OpenCV from itself when all frames are brighter by the same value.
"""

import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import command
import cv2
import keras
import numpy as np
import pandas as pd
from tables import write_table

from models import FarnebackFlow
from src.devices import jit_compile
from src.flow import compute_flow, farneback_steps
from src.progress import progress
from src.video import VideoError, read_frames

SIZES = ["112x112", "224x224", "256x340"]
AGREEMENT_SIZES = ["112x112", "97x131", "128x171", "171x128", "224x224"]
SETTINGS = {
    "defaults: levels 3, window 15, iterations 3, poly 5, 1.2": {},
    "pyr_scale 0.7, levels 5, window 21, iterations 2, poly 7, 1.5": dict(
        pyr_scale=0.7, levels=5, winsize=21, iterations=2, poly_n=7, poly_sigma=1.5
    ),
    "Gaussian window of 24": dict(winsize=24, gaussian_window=True),
}
DEFAULTS = dict(pyr_scale=0.5, levels=3, winsize=15, iterations=3, poly_n=5, poly_sigma=1.2)
FRAMES = 11
ROUNDS, SECONDS = 3, 2  # of a row, at least: in few short calls, other work on the machine decides
CLIPS = 8  # that OpenCV computes on all cores
BRIGHTER = (-3, 1, 100)  # grey levels
FAR, UNSURE = 0.05, 0.005  # px


def main():
    """Prints and writes the table of one of the two parts."""
    parser = command.make_parser(__doc__)
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="HxW")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 64], help="clips of 11 frames")
    parser.add_argument("--bandwidth", type=float, help="of the accelerator's memory, GB/s")
    parser.add_argument("--agreement", metavar="FOLDER", help="measure the second part, on these videos")
    parser.add_argument("--clips", type=int, default=40, help="videos of the second part")
    arguments = parser.parse_args()
    if arguments.agreement:
        rows = measure_agreement(Path(arguments.agreement), arguments.clips)
        keys = ["parameters", "size"]
    else:
        print(f"{keras.backend.backend()} on {keras.ops.zeros(()).device}; pairs/s")
        rows = list(measure_speed([parse_size(size) for size in arguments.sizes], arguments))
        keys = ["size", "clips at a time"]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    write_table(arguments.table, table, keys)


def measure_speed(sizes, arguments):
    """A row for each size and batch size."""
    for size in sizes:
        for batch in arguments.batches:
            row = measure_rates(batch, size)  # a batch too large for the memory ends the process
            if arguments.bandwidth:
                moved = bytes_per_pair(*size)
                row |= {"MB a pair": moved / 1e6, "of bandwidth": moved * row["layer"] / (1e9 * arguments.bandwidth)}
            print(row, file=sys.stderr, flush=True)
            yield row


def measure_rates(batch, size):
    """A row: the best rate of each way in `ROUNDS` or more rounds, pairs/s, and ratios to OpenCV's."""
    frames = moving_noise(batch, *size)
    ways = {
        "layer": (compiled_layer(frames.shape[1:]), batch),
        "OpenCV, one core": (lambda clips: opencv_flow(clips[0]), 1),
        "OpenCV, all cores": (opencv_on_all_cores, min(batch, CLIPS)),
        "src.flow, one core": (lambda clips: compute_flow(clips[0]), 1),
    }
    memory = {}
    for name, (way, clips) in ways.items():
        way(frames[:clips])  # compiles
        memory[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    rates = {name: [] for name in ways}
    stop = time.perf_counter() + SECONDS
    while len(rates["layer"]) < ROUNDS or time.perf_counter() < stop:
        for name, (way, clips) in ways.items():
            start = time.perf_counter()
            way(frames[:clips])
            rates[name].append(clips * (FRAMES - 1) / (time.perf_counter() - start))
    best = {name: max(found) for name, found in rates.items()}
    ratios = {f"layer ÷ {name}": best["layer"] / best[name] for name in best if name.startswith("OpenCV")}
    named = {"size": "{} × {}".format(*size), "clips at a time": batch}
    return named | best | ratios | {"largest process so far, MB": memory["layer"]}


def bytes_per_pair(height: int, width: int) -> int:
    """The least memory traffic of a pair, if each intermediate result is written and read once.

    Per pixel of each level: a frame read, its five coefficients written; in each iteration ten coefficients and the
    flow read, five equations written, read, averaged along one side, written and read, the flow written.
    """
    floats = 1 + 5 + DEFAULTS["iterations"] * (10 + 2 + 4 * 5 + 2)
    return 4 * floats * sum(level.height * level.width for level in farneback_steps.pyramid(height, width))


def compiled_layer(shape, **settings):
    """A function of uint8 clips (B, *shape), compiled with XLA; PyTorch, which would unroll all loops, is eager."""
    frames = keras.Input(shape, dtype="uint8")
    model = keras.Model(frames, FarnebackFlow(**settings)(frames))
    model.compile(jit_compile=jit_compile(True))
    return model.predict_on_batch


def opencv_flow(frames, **settings):
    """float32 (T-1, H, W, 2), on one core."""
    settings = DEFAULTS | settings
    flags = cv2.OPTFLOW_FARNEBACK_GAUSSIAN if settings.pop("gaussian_window", False) else 0
    cv2.setNumThreads(1)
    pairs = zip(frames, frames[1:], strict=False)
    return np.stack([cv2.calcOpticalFlowFarneback(*pair, None, **settings, flags=flags) for pair in pairs])


def opencv_on_all_cores(clips):
    """One thread per core, each with its own pairs."""
    cv2.setNumThreads(1)
    pairs = [pair for frames in clips for pair in zip(frames, frames[1:], strict=False)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda pair: cv2.calcOpticalFlowFarneback(*pair, None, **DEFAULTS, flags=0), pairs))


def moving_noise(batch, height, width):
    """uint8 (batch, FRAMES, height, width): smooth noise that moves by whole pixels."""
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(batch, height + 2 * FRAMES, width + 2 * FRAMES)).astype(np.float32)
    smooth = [cv2.GaussianBlur(image, (0, 0), 2) for image in noise]
    noise = np.stack([cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX) for image in smooth])
    parts = [noise[:, t : t + height, 2 * t : 2 * t + width] for t in range(FRAMES)]
    return np.stack(parts, axis=1).astype(np.uint8)


def measure_agreement(folder, count):
    """A row for each set of parameters and size: distances in px between the layer and OpenCV."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".mp4", ".webm", ".avi"))
    layers = {
        (name, size): compiled_layer((3, *parse_size(size)), **settings)
        for name, settings in SETTINGS.items()
        for size in AGREEMENT_SIZES
    }
    errors = {key: [] for key in layers}
    for path in progress(paths[:: max(1, len(paths) // count)], label="agreement"):
        try:
            frames = read_frames(path, indices=range(20, 23))
        except VideoError:
            continue
        for (name, size), layer in layers.items():
            errors[name, size].append(compare(frames, parse_size(size), layer, SETTINGS[name]))
    rows = []
    for (name, size), found in errors.items():
        mean, largest, far, unsure = np.array(found).T
        rows.append({
            "parameters": name, "size": size.replace("x", " × "), "clips": len(found),
            "mean of the worst clip, px": mean.max(), "largest, px": largest.max(),
            "clips with a distance above 0.05 px": int((far > 0).sum()), "pixels": int(far.sum()),
            "of these where OpenCV agrees with itself": int((far - unsure).sum()),
        })  # fmt: skip
    return rows


def compare(frames, size, layer, settings):
    """(mean, largest, pixels above `FAR`, those of them where OpenCV differs from itself by more than `UNSURE`)."""
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    grey = np.stack([cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA) for frame in grey])
    expected = opencv_flow(grey, **settings)
    error = np.linalg.norm(layer(grey[None])[0] - expected, axis=-1)
    others = [opencv_flow(grey.astype(np.float32) + by, **settings) for by in BRIGHTER]
    unsure = np.max([np.linalg.norm(other - expected, axis=-1) for other in others], axis=0) > UNSURE
    far = error > FAR
    return float(error.mean()), float(error.max()), far.sum(), (far & unsure).sum()


def parse_size(text):
    """(height, width)."""
    return tuple(int(side) for side in text.split("x"))


if __name__ == "__main__":
    main()
