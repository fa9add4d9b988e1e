"""Speed of the extraction, compared with earlier two-stream code and with the ideal.

    python benchmarks/preprocessing.py SOURCE [--clips 200] [--short-side 128] [--workers 2] [--ways a b c d e]

SOURCE is anything that the first notebook takes. Every way extracts the same clips, each in a process of its own, in
rounds of a third of the clips, so that changes of the machine's load affect all ways alike:

(a) earlier code: every frame is decoded, one process, OpenCV's Farneback with the threads that it takes, pair by pair
    at the stored size, float32 arrays saved;
(b) this project, one worker;  (c) this project, all workers;  (d) as (c), with DIS;
(e) all workers decode, and flow is computed in batches on the device that Keras uses, without compilation time.

The wall time is that of the extraction; starting processes, loading compiled code and hashing take a few seconds before
it, whatever the number of clips. flow MP/s counts the computed flow fields, in megapixels. "of the ideal" compares (c)
with the work of (b), summed over its stages and divided by the number of workers.
"""

import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import command
import cv2
import joblib
import numpy as np
import pandas as pd
from joblib.externals.loky import get_reusable_executor
from tables import write_table

from src.config import ClipConfig
from src.flow import compute_flow
from src.preprocessing import choose_extraction, plan_preprocessing, preprocess
from src.sources import read_source
from src.store import read_prepared
from src.subsets import choose_subset
from src.video import stored_size

ROUNDS = 3
STAGES = ("decode", "flow", "encode")


def main():
    """Prints and writes one table: a row for each way."""
    parser = command.make_parser(__doc__)
    parser.add_argument("source")
    parser.add_argument("--short-side", type=int, default=ClipConfig.short_side)
    parser.add_argument("--workers", type=int, default=joblib.cpu_count())
    parser.add_argument("--clips", type=int, default=200, help="number of clips, drawn by a fixed seed")
    parser.add_argument("--ways", nargs="+", choices="abcde", default=list("abcde"))
    arguments = parser.parse_args()
    config = ClipConfig(short_side=arguments.short_side)
    subset = choose_subset(read_source(arguments.source))
    subset = subset.sample(min(arguments.clips, len(subset)), random_state=0)
    ways = choose_ways(arguments.ways, config, arguments.workers)
    results = {way: [] for way in ways}
    for part in [subset[start::ROUNDS] for start in range(ROUNDS)]:
        for way, (_, function, parameters, workers) in ways.items():
            results[way].append(alone(function, part, parameters, workers))
    table = summarize(ways, results, len(subset))
    print(f"\n{len(subset)} clips of {arguments.source}, {config}, OpenCV {cv2.__version__}")
    print(table.to_string(index=False, float_format="{:.3g}".format))
    write_table(arguments.table, table, keys=["way"])


def choose_ways(letters, config, workers):
    """Letter → (name, function, parameters, workers) of the ways to measure."""
    ways = {
        "a": ("earlier code", earlier_code, config, 1),
        "b": ("one worker", ours, config, 1),
        "c": (f"{workers} workers", ours, config, workers),
        "d": (f"{workers} workers, DIS", ours, replace(config, flow_algorithm="dis"), workers),
    }
    if "e" in letters:
        ways["e"] = (f"{workers} workers, {alone(device)}", ours_on_device, config, workers)
    return {letter: ways[letter] for letter in letters}


def summarize(ways, results, num_clips):
    """The table: a row for each way, over all rounds."""
    rows, work, walls = [], {}, {}
    for way, (name, _, _, workers) in ways.items():
        seconds, wall, pixels, sizes, memory = zip(*results[way], strict=True)
        stages = {stage: sum(round_[stage] for round_ in seconds) for stage in STAGES}
        work[way], walls[way], megapixels = sum(stages.values()), sum(wall), sum(pixels)
        rows.append({
            "way": f"({way}) {name}",
            "clips": num_clips,
            "clips/s": num_clips / walls[way],
            "flow MP/s": megapixels / walls[way],
            "flow MP/s, in flow alone": megapixels / stages["flow"],
            "KB a clip": sum(sizes) / num_clips / 1e3,
            "peak MB a process": max(memory),
            **{f"{stage}, % of wall": 100 * spent / walls[way] / workers for stage, spent in stages.items()},
        })  # fmt: skip
    table = pd.DataFrame(rows)
    if "a" in ways:
        table["flow MP/s ÷ (a)"] = table["flow MP/s"] / table["flow MP/s"][list(ways).index("a")]
    if {"b", "c"} <= set(ways):
        table["of the ideal"] = [work["b"] / ways["c"][-1] / walls["c"] if way == "c" else np.nan for way in ways]
    return table


def earlier_code(subset, config, workers, folder):
    """(seconds by stage, wall, megapixels of flow, bytes, peak memory in MB) of earlier code."""
    seconds, pixels, num_bytes = dict.fromkeys(STAGES, 0.0), 0, 0
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
    return seconds, wall, pixels / 1e6, num_bytes, peak_memory(resource.RUSAGE_SELF)


def ours(subset, config, workers, folder, accelerator=False):
    """The same values for this project's job."""
    compute_flow(np.zeros((2, 16, 16), np.uint8))  # loads the compiled code, which no clip should pay for
    extract = choose_extraction(accelerator)
    report = preprocess(plan_preprocessing(subset, folder, config, workers, extract=extract))
    pixels, num_bytes = count_pixels(folder)
    if workers > 1:
        get_reusable_executor().shutdown(wait=True)  # the memory of children counts when they have ended
    memory = peak_memory(resource.RUSAGE_CHILDREN if workers > 1 else resource.RUSAGE_SELF)
    return report.stage_seconds, report.seconds, pixels / 1e6, num_bytes, memory


def count_pixels(folder):
    """(pixels of flow, bytes) of the clips in a store; the flow of a pair of frames counts once."""
    table, store = read_prepared(folder)
    pixels = num_bytes = 0
    for clip in table.clip_name[table.stored]:
        info = store.read_info(clip)
        pairs = {pair for window in info["indices"] for pair in zip(window, window[1:], strict=False)}
        pixels += len(pairs) * info["height"] * info["width"]
        num_bytes += store.num_bytes(clip)
    return pixels, num_bytes


def ours_on_device(subset, config, workers, folder):
    """The same with flow on the device, after a first job that compiles for each size of frames."""
    extract = choose_extraction(accelerator=True)
    preprocess(plan_preprocessing(subset, folder / "first", config, workers, extract=extract))
    *rest, memory = ours(subset, config, workers, folder / "second", accelerator=True)
    return *rest, max(memory, peak_memory(resource.RUSAGE_SELF))  # Keras is in this process


def peak_memory(who):
    """MB."""
    return resource.getrusage(who).ru_maxrss / 1e3


def alone(function, *arguments):
    """The result of a function in a new process; its last argument is a temporary folder."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(function, *arguments, Path(folder)).result()


def device(folder):
    """The device that computes flow in (e), in words."""
    import keras  # in a process of its own: the peak memory of other ways would start at that of this process

    name = str(keras.ops.zeros(()).device).rpartition("device:")[2]  # TensorFlow's has a path before it
    return f"flow on {name.lower()} ({keras.backend.backend()})"


if __name__ == "__main__":
    main()
