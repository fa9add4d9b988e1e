"""How near is the parallel extraction to the ideal, the work of one thread divided by the cores?

    python benchmarks/preprocessing.py SOURCE [--short-side 128] [--workers 2] [--clips 60]

SOURCE is anything that the first notebook takes. The same clips are extracted by one process, whose time in decode,
flow and encode is added up, and then by all workers; both runs start from nothing.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import cv2
import joblib

sys.path.insert(0, str(Path(__file__).parents[1]))
from src.annotations import read_source
from src.config import ClipConfig
from src.preprocessing import preprocess
from src.subset import choose_subset


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--short-side", type=int, default=ClipConfig.short_side)
    parser.add_argument("--workers", type=int, default=joblib.cpu_count())
    parser.add_argument("--clips", type=int, help="this many, drawn by a fixed seed; all when left out")
    arguments = parser.parse_args()
    config = ClipConfig(short_side=arguments.short_side)
    subset = choose_subset(read_source(arguments.source))
    subset = subset.sample(arguments.clips or len(subset), random_state=0)
    reports = {}
    for workers in (1, arguments.workers):
        with tempfile.TemporaryDirectory() as folder:
            reports[workers] = preprocess(subset, folder, config, workers)
    one, many = reports[1], reports[arguments.workers]
    work = sum(one.stage_seconds.values())
    print(f"{len(subset)} clips, {config}, OpenCV {cv2.__version__}")
    for stage, seconds in one.stage_seconds.items():
        print(f"  {stage:8s}{seconds:8.1f} s in one thread, {seconds / work:4.0%}")
    print(f"  wall    {many.seconds:8.1f} s with {arguments.workers} workers, {len(subset) / many.seconds:.1f} clips/s")
    print(f"  work / workers / wall = {work / arguments.workers / many.seconds:.2f}")


if __name__ == "__main__":
    main()
