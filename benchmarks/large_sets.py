"""Time and memory of what is done once for a whole set, by its number of clips.

    python benchmarks/large_sets.py scores [--clips 1000 10000 25000]
    python benchmarks/large_sets.py fits [--clips 1000 10000]
    python benchmarks/large_sets.py clips [--clips 1000 10000]

"scores" are drawn scores of validation and test, as many of each as `clips`: 174 classes, groups of about three.
"fits" are those of classifiers to drawn numbers: the trees of one baseline, and a head on kept features, 12 classes.
"clips" is a data folder whose videos and clips are links to a few of the sample's, 32 pixels high with one segment, and
networks of one layer: what is measured is the work of the main process, not that of extraction and of networks.

Each stage runs in a process of its own. MB is its peak memory above what it was given. 100,000 clips are extrapolated
from the two largest sets, in parentheses, where they are not measured.
"""

import contextlib
import io
import multiprocessing
import os
import tempfile
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor

import command
import large_sets_stages
import pandas as pd
import psutil
from tables import format_value, write_table

LARGEST = 100_000
CLIPS = {"scores": [1_000, 10_000, 25_000], "fits": [1_000, 10_000], "clips": [1_000, 10_000]}
PRELOADED = ["large_sets_stages", "src.preprocessing", "src.atlas", "src.cross_validation"]  # imported once
INTERVAL = 0.005  # seconds between looks at the memory


def main():
    """Prints and writes one table: a row for each stage, columns for each number of clips."""
    parser = command.make_parser(__doc__)
    parser.add_argument("part", choices=CLIPS)
    parser.add_argument("--clips", type=int, nargs="+")
    parser.add_argument("--stages", nargs="+", help="only these, by the beginning of their names")
    arguments = parser.parse_args()
    sizes = sorted(arguments.clips or CLIPS[arguments.part])
    rows = []
    with tempfile.TemporaryDirectory(dir=command.ROOT / "datasets") as folder:
        for name, stage in large_sets_stages.STAGES[arguments.part].items():
            if arguments.stages and not name.startswith(tuple(arguments.stages)):
                continue
            more = [LARGEST] if name in large_sets_stages.MEASURED and not arguments.clips else []
            found = {count: measure(stage, count, folder) for count in [*sizes, *more]}
            rows.append({"stage": name} | tabulate(found))
            print(pd.DataFrame(rows[-1:]).to_string(index=False), flush=True)
    write_table(arguments.table, pd.DataFrame(rows), keys=["stage"])


def measure(stage, count, folder):
    """(seconds, peak MB above what was given) of a stage, in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(run_stage, stage, count, folder).result()


def run_stage(stage, count, folder):
    """Prepares a stage, which is not measured, and runs it."""
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(io.StringIO()):
        work = stage(count, os.path.join(folder, str(count)))
        process, peak, done = psutil.Process(), [0], threading.Event()
        before, watcher = process.memory_info().rss, threading.Thread(target=_watch, args=(process, peak, done))
        watcher.start()
        start = time.perf_counter()
        work()
        seconds = time.perf_counter() - start
        done.set()
        watcher.join()
    return seconds, (max(peak[0], process.memory_info().rss) - before) / 1e6


def _watch(process, peak, done):
    while not done.wait(INTERVAL):
        peak[0] = max(peak[0], process.memory_info().rss)


def tabulate(found):
    """Columns "1,000: s", "1,000: MB", …, from {clips: (seconds, MB)}."""
    row = {}
    for count, numbers in found.items():
        row |= {f"{count:,}: {unit}": format_value(value) for unit, value in zip(("s", "MB"), numbers, strict=True)}
    if LARGEST not in found and len(found) > 1:
        (first, earlier), (last, later) = list(found.items())[-2:]
        for unit, one, two in zip(("s", "MB"), earlier, later, strict=True):
            guess = max(two, two + (two - one) / (last - first) * (LARGEST - last))
            row[f"{LARGEST:,}: {unit}"] = f"({format_value(float(guess))})"
    return row


if __name__ == "__main__":
    main()
