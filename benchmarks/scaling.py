"""Time and memory of the extraction with thousands of clips, and with a long video.

    python benchmarks/scaling.py [--clips 100 1000 5000]

Links to the sample's videos, with ids of their own and in random order, are extracted on all cores: time per clip,
memory of the largest process so far, and the time of a second job that finds nothing to do. The last row is one video
of ten minutes, 1920 × 1080, H.264.
"""

import contextlib
import io
import multiprocessing
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import command
import numpy as np
import pandas as pd
from joblib.externals.loky import get_reusable_executor
from tables import write_table

from src.config import ClipConfig
from src.preprocessing import plan_preprocessing, preprocess
from src.sources import read_source


def main():
    """Prints and writes one table: a row for each number of clips, and one for the long video."""
    parser = command.make_parser(__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[100, 1000, 5000])
    arguments = parser.parse_args()
    table, rows = read_source("sample").sample(frac=1, random_state=0), []
    for count in arguments.clips:
        with tempfile.TemporaryDirectory(dir="datasets") as folder:
            (Path(folder) / "videos").mkdir()
            subset = link_copies(table, count, Path(folder) / "videos")
            rows.append(measure(f"{count:,} clips", subset, Path(folder) / "prepared"))
        print(pd.DataFrame(rows).round(2).to_string(index=False), flush=True)
    with tempfile.TemporaryDirectory(dir="datasets") as folder:
        path = Path(folder) / "long.mp4"
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            process.submit(write_long_video, path).result()
        long = table[:1].assign(path=str(path), split="train")
        rows.append(measure("one video of ten minutes", long, Path(folder) / "prepared"))
    print(pd.DataFrame(rows).round(2).to_string(index=False))
    write_table(arguments.table, pd.DataFrame(rows), keys=["job"])


def link_copies(table, count, folder):
    """A subset of `count` videos, each a link to one of the sample's."""
    rows = table.iloc[np.arange(count) % len(table)].reset_index(drop=True)
    ids = [f"{number:06d}" for number in range(count)]
    paths = [str(folder / f"{name}.webm") for name in ids]
    for source, path in zip(rows.path, paths, strict=True):
        os.link(source, path)
    return rows.assign(video_id=ids, path=paths, group=ids, split="train")


def write_long_video(path, seconds=600, rate=30):
    """1920 × 1080, H.264: ten seconds of a moving texture, encoded once and repeated."""
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


def measure(name, subset, folder):
    """A row: the job, and a second one that finds nothing to do."""
    with contextlib.redirect_stdout(io.StringIO()):
        report = preprocess(plan_preprocessing(subset, folder, ClipConfig()))
        start = time.perf_counter()
        again = preprocess(plan_preprocessing(subset, folder, ClipConfig()))
        seconds = time.perf_counter() - start
    assert again.found == report.computed
    return {
        "job": name,
        "ms a clip": 1000 * report.seconds / len(subset),
        "largest process so far, MB": largest_process(),
        "nothing to do, s": seconds,
    }


def largest_process():
    """Peak memory, MB, of the largest child so far, including the writer of the long video; ends the workers."""
    get_reusable_executor().shutdown(wait=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
