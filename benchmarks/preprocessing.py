"""How fast is the extraction, beside the way that earlier two-stream code goes, and beside the ideal?

    python benchmarks/preprocessing.py SOURCE [--clips 200] [--short-side 128] [--workers 2]

SOURCE is anything that the first notebook takes. The same clips are done in each way, each in a process of its own, in
rounds of a third of the clips, so that a machine that slows down meanwhile slows all of them:

(a) earlier code: every frame is decoded, one process, OpenCV's Farneback, with the threads it takes, pair by pair at
    the stored size, float32 arrays saved;
(b) ours, one worker;  (c) ours, all workers;  (d) as (c), with DIS;
(e) all workers decode, and flow is computed in batches on the device that Keras uses; compiling is left out.

Wall is that of the extraction; starting processes, loading compiled code and hashing come before it, in some seconds
whatever the number of clips. flow MP/s counts the flow fields that were computed. The ideal of (c) is the work of (b),
summed over its stages, by the number of workers. Below, the error of both algorithms against the sample's true flow.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import joblib
import numpy as np
import pandas as pd
from joblib.externals.loky import get_reusable_executor

sys.path.insert(0, str(Path(__file__).parents[1]))
from src.config import ClipConfig
from src.flow import compute_flow
from src.preprocessing import choose_extraction, measure_flow_error, preprocess
from src.sources import read_source
from src.store import read_prepared
from src.subsets import choose_subset
from src.video import stored_size

ROUNDS = 3


def earlier_code(subset, config, workers, folder):
    """(seconds by stage, wall, megapixels of flow, bytes, peak memory in MB) of the naive way."""
    seconds, pixels, num_bytes = dict.fromkeys(("decode", "flow", "encode"), 0.0), 0, 0
    begin = time.perf_counter()
    for number, path in enumerate(subset.path):
        start = time.perf_counter()
        frames, capture = [], cv2.VideoCapture(path)
        while (read := capture.read())[0]:
            height, width = stored_size(*read[1].shape[:2], config.short_side)
            frame = cv2.resize(read[1], (width, height), interpolation=cv2.INTER_AREA)
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))
        decoded = time.perf_counter()
        pairs = zip(frames, frames[1:], strict=False)
        flow = [cv2.calcOpticalFlowFarneback(*pair, None, 0.5, 3, 15, 3, 5, 1.2, 0) for pair in pairs]
        computed = time.perf_counter()
        np.save(folder / f"{number}.npy", np.array(flow, np.float32))
        stages = {"decode": decoded - start, "flow": computed - decoded, "encode": time.perf_counter() - computed}
        seconds = {stage: seconds[stage] + spent for stage, spent in stages.items()}
        pixels += sum(field.shape[0] * field.shape[1] for field in flow)
        num_bytes += (folder / f"{number}.npy").stat().st_size
        (folder / f"{number}.npy").unlink()
    wall = time.perf_counter() - begin
    return seconds, wall, pixels / 1e6, num_bytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def ours_on_device(subset, config, workers, folder):
    """The same with flow on the device, after a first run that compiles for each size of frames."""
    extract_on_device = choose_extraction(accelerator=True)
    preprocess(subset, folder / "first", config, workers, extract=extract_on_device)
    seconds, *rest, memory = ours(subset, config, workers, folder / "second", extract_on_device)
    memory = max(memory, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)  # Keras is in this process
    return seconds | {"flow": seconds["flow"] / workers}, *rest, memory


def ours(subset, config, workers, folder, extract=choose_extraction(accelerator=False)):
    """The same of this project's job."""
    compute_flow(np.zeros((2, 16, 16), np.uint8))  # compiled once, not a clip's cost
    report = preprocess(subset, folder, config, workers, extract=extract)
    table, store = read_prepared(folder)
    pixels = num_bytes = 0
    for clip in table.clip_name[table.stored]:
        info = store.read_info(clip)
        pairs = {pair for window in info["indices"] for pair in zip(window, window[1:], strict=False)}
        pixels += len(pairs) * info["height"] * info["width"]
        num_bytes += store.num_bytes(clip)
    if workers > 1:
        get_reusable_executor().shutdown(wait=True)
    who = resource.RUSAGE_CHILDREN if workers > 1 else resource.RUSAGE_SELF
    return report.stage_seconds, report.seconds, pixels / 1e6, num_bytes, resource.getrusage(who).ru_maxrss / 1e3


def alone(function, *arguments):
    """The result of a function in a fresh process, given a folder that is removed afterwards, too."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(function, *arguments, Path(folder)).result()


def device(folder):
    """The name of the device that computes flow in (e)."""
    import keras  # in a process of its own: the others' peak of memory begins at that of this one

    return f"flow on {keras.distribution.list_devices()[0]} ({keras.backend.backend()})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--short-side", type=int, default=ClipConfig.short_side)
    parser.add_argument("--workers", type=int, default=joblib.cpu_count())
    parser.add_argument("--clips", type=int, default=200, help="so many, drawn by a fixed seed")
    arguments = parser.parse_args()
    config, dis = (ClipConfig(short_side=arguments.short_side, flow_algorithm=name) for name in ("farneback", "dis"))
    subset = choose_subset(read_source(arguments.source))
    subset = subset.sample(min(arguments.clips, len(subset)), random_state=0)
    n = arguments.workers
    ways = {
        "(a) earlier code": (earlier_code, config, 1),
        "(b) one worker": (ours, config, 1),
        f"(c) {n} workers": (ours, config, n),
        f"(d) {n} workers, DIS": (ours, dis, n),
        f"(e) {n} workers, {alone(device)}": (ours_on_device, config, n),
    }
    parts = [subset[start::ROUNDS] for start in range(ROUNDS)]
    results = {name: [] for name in ways}
    for part in parts:
        for name, (function, parameters, workers) in ways.items():
            results[name].append(alone(function, part, parameters, workers))
    rows, totals = {}, {}
    for name, (_, _, workers) in ways.items():
        seconds, walls, pixels, sizes, memory = zip(*results[name], strict=True)
        work = {stage: sum(round_[stage] for round_ in seconds) for stage in ("decode", "flow", "encode")}
        wall, megapixels = sum(walls), sum(pixels)
        totals[name[:3]] = (sum(work.values()), wall, megapixels / wall)
        rows[name] = {
            "clips/s": len(subset) / wall,
            "flow MP/s": megapixels / wall,
            "MP/s of flow alone": megapixels / work["flow"],
            "KB a clip": sum(sizes) / len(subset) / 1e3,
            "peak MB a process": max(memory),
            **{f"{stage} %": 100 * spent / wall / workers for stage, spent in work.items()},
        }
    table = pd.DataFrame(rows).T
    print(f"\n{len(subset)} clips of {arguments.source}, {config}, OpenCV {cv2.__version__}")
    print(table.to_string(float_format=lambda value: f"{value:.3g}"))
    print(f"flow MP/s of (c) over (a): {totals['(c)'][2] / totals['(a)'][2]:.2f}")
    print(f"ideal over wall of (c): {totals['(b)'][0] / n / totals['(c)'][1]:.2f}")
    print("\nError against the sample's true flow, px, by displacement, px/frame:")
    errors = measure_flow_error(config)
    print(errors.pivot(index="displacement", columns="algorithm", values=["median", "mean"]).round(2).to_string())


if __name__ == "__main__":
    main()
