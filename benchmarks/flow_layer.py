"""The flow layer beside OpenCV: how near, how fast.

    python benchmarks/flow_layer.py [--sizes 112x112 …] [--batches 1 8 64]
    python benchmarks/flow_layer.py --agreement FOLDER [--clips 40]

The first prints pairs of frames a second, of OpenCV on one core and on all, and of the layer on the device in use, on
the same frames in turn within one run; set KERAS_BACKEND for another backend. On an accelerator it also prints the
bytes of memory traffic that a pair needs at least, and what share of a bandwidth (--bandwidth, GB/s) that is. The
second prints how far the layer is from OpenCV on the videos of a folder, at five sizes and three sets of parameters,
and how far OpenCV is from itself when all frames are brighter by the same.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

import cv2
import keras
import numpy as np
import pandas as pd
import psutil

from models import FarnebackFlow
from src.flow import compute_flow, farneback_steps
from src.progress import progress
from src.video import VideoError, read_frames

SIZES = ["112x112", "224x224", "256x340"]
AGREEMENT_SIZES = ["112x112", "97x131", "128x171", "171x128", "224x224"]
SETTINGS = {
    "as the store's": {},
    "fine pyramid, wide window": dict(pyr_scale=0.7, levels=5, winsize=21, iterations=2, poly_n=7, poly_sigma=1.5),
    "Gaussian window": dict(winsize=24, gaussian_window=True),
}
DEFAULTS = dict(pyr_scale=0.5, levels=3, winsize=15, iterations=3, poly_n=5, poly_sigma=1.2)
FRAMES = 11
ROUNDS = 3
BYTES = 450  # of memory for a pixel of a frame, as seen on the CPU
BRIGHTER = (-3, 1, 100)  # grey levels
FAR, DECIDED = 0.05, 0.005  # px


def main():
    """One of the two parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="HxW")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 64], help="clips of 11 frames")
    parser.add_argument("--bandwidth", type=float, help="of the accelerator's memory, GB/s")
    parser.add_argument("--agreement", metavar="FOLDER", help="the second part, on these videos")
    parser.add_argument("--clips", type=int, default=40, help="videos of the second part")
    arguments = parser.parse_args()
    if arguments.agreement:
        print(measure_agreement(Path(arguments.agreement), arguments.clips).to_string(index=False))
        return
    print(f"{keras.backend.backend()} on {keras.distribution.list_devices()}, {os.cpu_count()} cores; pairs/s\n")
    rows = []
    for size in arguments.sizes:
        for row in measure_speed(_size(size), arguments):
            print(row, file=sys.stderr, flush=True)  # a batch too large for the memory ends the process
            rows.append(row)
    print(pd.DataFrame(rows).to_string(index=False))


def measure_speed(size, arguments):
    """A row for each batch size that the memory has room for."""
    for batch in arguments.batches:
        if BYTES * batch * FRAMES * size[0] * size[1] > psutil.virtual_memory().available:
            print(f"{size} at batch {batch}: not measured, the memory has no room for it", flush=True)
            continue
        frames = moving_noise(batch, *size)
        pairs = batch * (FRAMES - 1)
        ways = {"layer": compiled_layer(frames.shape[1:])}
        ways |= {
            "OpenCV, one core": lambda clips: opencv_flow(clips[0]),
            "OpenCV, all cores": opencv_on_all_cores,
            "numba, one core": lambda clips: compute_flow(clips[0]),
        }
        rates = {name: [] for name in ways}
        for way in ways.values():
            way(frames)  # compiles
        for _ in range(ROUNDS):
            for name, way in ways.items():
                start = time.perf_counter()
                way(frames)
                done = FRAMES - 1 if "one core" in name else pairs
                rates[name].append(done / (time.perf_counter() - start))
        best = {name: round(max(found), 1) for name, found in rates.items()}
        ratios = {f"layer ÷ {name}": best["layer"] / best[name] for name in best if name.startswith("OpenCV")}
        row = (
            {"size": "{} x {}".format(*size), "batch": batch} | best | {name: f"{r:.2f}" for name, r in ratios.items()}
        )
        if arguments.bandwidth:
            moved = bytes_per_pair(*size)
            row |= {"MB a pair": moved / 1e6, "of bandwidth": moved * best["layer"] / (1e9 * arguments.bandwidth)}
        yield row


def bytes_per_pair(height: int, width: int) -> int:
    """Memory traffic that a pair needs at least if each intermediate result is written and read once.

    Per pixel of each level: a frame read, its five coefficients written; in each iteration ten coefficients and the
    flow read, five equations written, read, averaged along one side, written and read, the flow written.
    """
    floats = 1 + 5 + DEFAULTS["iterations"] * (10 + 2 + 4 * 5 + 2)
    return 4 * floats * sum(level.height * level.width for level in farneback_steps.pyramid(height, width))


def compiled_layer(shape, **settings):
    """A function of uint8 clips (B, *shape)."""
    frames = keras.Input(shape, dtype="uint8")
    model = keras.Model(frames, FarnebackFlow(**settings)(frames))
    model.compile(jit_compile=True)
    return model.predict_on_batch


def opencv_flow(frames, **settings):
    """float32 (T-1, H, W, 2), on one core."""
    settings = DEFAULTS | settings
    flags = cv2.OPTFLOW_FARNEBACK_GAUSSIAN if settings.pop("gaussian_window", False) else 0
    cv2.setNumThreads(1)
    pairs = zip(frames, frames[1:], strict=False)
    return np.stack([cv2.calcOpticalFlowFarneback(*pair, None, **settings, flags=flags) for pair in pairs])


def opencv_on_all_cores(clips):
    """A thread a core, each with pairs of its own."""
    cv2.setNumThreads(1)
    pairs = [pair for frames in clips for pair in zip(frames, frames[1:], strict=False)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda pair: cv2.calcOpticalFlowFarneback(*pair, None, **DEFAULTS, flags=0), pairs))


def moving_noise(batch, height, width):
    """uint8 (batch, FRAMES, height, width): smooth noise, moving by whole pixels."""
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(batch, height + 2 * FRAMES, width + 2 * FRAMES)).astype(np.float32)
    smooth = [cv2.GaussianBlur(picture, (0, 0), 2) for picture in noise]
    noise = np.stack([cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX) for picture in smooth])
    parts = [noise[:, t : t + height, 2 * t : 2 * t + width] for t in range(FRAMES)]
    return np.stack(parts, axis=1).astype(np.uint8)


def measure_agreement(folder, count):
    """A row for each set of parameters and size; distances in px, between the layer and OpenCV."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".mp4", ".webm", ".avi"))
    layers = {
        (name, size): compiled_layer((3, *_size(size)), **settings)
        for name, settings in SETTINGS.items()
        for size in AGREEMENT_SIZES
    }
    errors = {key: [] for key in layers}
    for path in progress(paths[:: max(1, len(paths) // count)], label="agreement"):
        try:
            frames = read_frames(path, indices=range(20, 23))
        except VideoError:
            continue
        for (name, size), way in layers.items():
            errors[name, size].append(_compare(frames, _size(size), way, SETTINGS[name]))
    rows = []
    for (name, size), found in errors.items():
        mean, largest, far, undecided = np.array(found).T
        worst = {"mean, worst clip": f"{mean.max():.1e}", "largest": f"{largest.max():.1e}"}
        share = {"clips with more than 0.05": int((far > 0).sum()), "pixels": int(far.sum())}
        rest = {"of these OpenCV agrees with itself": int((far - undecided).sum())}
        rows.append({"parameters": name, "size": size, "clips": len(found)} | worst | share | rest)
    return pd.DataFrame(rows)


def _compare(frames, size, way, settings):
    """(mean, largest, pixels far off, of these those where OpenCV is not sure itself)."""
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    grey = np.stack([cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA) for frame in grey])
    expected = opencv_flow(grey, **settings)
    error = np.linalg.norm(way(grey[None])[0] - expected, axis=-1)
    others = [opencv_flow(grey.astype(np.float32) + by, **settings) for by in BRIGHTER]
    unsure = np.max([np.linalg.norm(other - expected, axis=-1) for other in others], axis=0) > DECIDED
    far = error > FAR
    return error.mean(), error.max(), far.sum(), (far & unsure).sum()


def _size(text):
    return tuple(int(side) for side in text.split("x"))


if __name__ == "__main__":
    main()
