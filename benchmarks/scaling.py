"""Does the job stay as cheap with thousands of clips, and as small with a long video?

    python benchmarks/scaling.py [--clips 100 1000 5000]

Copies of the sample's videos (links to them, with ids of their own) are extracted by all cores: time per clip, memory
of the largest worker, and the time of a second run that finds nothing to do. Then a video of ten minutes at 1080p.
"""

import argparse
import contextlib
import io
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
from joblib.externals.loky import get_reusable_executor

sys.path.insert(0, str(Path(__file__).parents[1]))
from src.config import ClipConfig
from src.preprocessing import preprocess
from src.sources import read_source


def link_copies(table, count, folder):
    """A subset of `count` videos, each a link to one of the sample's."""
    rows = table.iloc[np.arange(count) % len(table)].reset_index(drop=True)
    ids = [f"{number:06d}" for number in range(count)]
    paths = [str(folder / f"{name}.webm") for name in ids]
    for source, path in zip(rows.path, paths, strict=True):
        os.link(source, path)
    return rows.assign(video_id=ids, path=paths, group=ids, split="train")


def write_long_video(path, seconds=600, rate=30):
    """1920 × 1080 H.264: ten seconds of moving texture, encoded once and repeated."""
    texture = np.random.default_rng(0).integers(0, 256, (135, 240, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        packets = []
        for number in range(10 * rate):
            frame = av.VideoFrame.from_ndarray(np.roll(texture, 4 * number, axis=1), format="rgb24")
            packets += stream.encode(frame)
        packets += stream.encode()
        for number in range(seconds * rate):
            packet = av.Packet(bytes(packets[number % len(packets)]))
            packet.stream, packet.time_base = stream, Fraction(1, rate)
            packet.pts = packet.dts = number
            packet.is_keyframe = packets[number % len(packets)].is_keyframe
            container.mux(packet)


def run(subset, folder):
    """(report, seconds of a second run that finds nothing to do); the plan that each prints is passed over."""
    with contextlib.redirect_stdout(io.StringIO()):
        report = preprocess(subset, folder, ClipConfig())
        start = time.perf_counter()
        assert preprocess(subset, folder, ClipConfig()).found == report.computed
        return report, time.perf_counter() - start


def largest_worker():
    """Peak memory, MB, of the largest process so far, the writer of the long video among them; ends the workers."""
    get_reusable_executor().shutdown(wait=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[100, 1000, 5000])
    arguments = parser.parse_args()
    table, rows = read_source("sample").sample(frac=1, random_state=0), {}
    for count in arguments.clips:
        with tempfile.TemporaryDirectory(dir="datasets") as folder:
            (Path(folder) / "videos").mkdir()
            report, again = run(link_copies(table, count, Path(folder) / "videos"), Path(folder) / "prepared")
        rows[f"{count:,} clips"] = {
            "ms a clip": 1000 * report.seconds / count,
            "MB of the largest process so far": largest_worker(),
            "nothing to do, s": again,
        }
        print(pd.DataFrame(rows).T.round(2).to_string(), flush=True)
    with tempfile.TemporaryDirectory(dir="datasets") as folder:
        path = Path(folder) / "long.mp4"
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            process.submit(write_long_video, path).result()
        long = table[:1].assign(path=str(path), split="train")
        report, again = run(long, Path(folder) / "prepared")
        rows[f"ten minutes of 1080p, {path.stat().st_size / 1e6:.0f} MB"] = {
            "ms a clip": 1000 * report.seconds,
            "MB of the largest process so far": largest_worker(),
            "nothing to do, s": again,
        }
    print(pd.DataFrame(rows).T.round(2).to_string())


if __name__ == "__main__":
    main()
