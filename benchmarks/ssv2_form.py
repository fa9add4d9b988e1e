"""Writes copies of any videos in the form of Something-Something V2: VP9, 240 px high, 12 frames/s, 48 frames.

    python benchmarks/ssv2_form.py SOURCE FOLDER [--clips 24]
    python benchmarks/preprocessing.py FOLDER

The second command then measures the cost of clips of that form. SOURCE is anything that the first notebook takes.
Videos that are too short are played forwards and backwards.
"""

from pathlib import Path

import av
import command
import numpy as np

from src.progress import progress
from src.sources import read_source
from src.video import count_frames, read_frames

HEIGHT, RATE, FRAMES = 240, 12, 48


def main():
    parser = command.make_parser(__doc__, writes_table=False)
    parser.add_argument("source")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=24)
    arguments = parser.parse_args()
    table = read_source(arguments.source)
    for row in progress(table.sample(min(arguments.clips, len(table)), random_state=0).itertuples(), label="writing"):
        folder = arguments.folder / row.label
        folder.mkdir(parents=True, exist_ok=True)
        write_copy(row.path, folder / f"{row.video_id}.webm")


def write_copy(source, path):
    every_second = range(0, min(count_frames(source), 2 * FRAMES), 2)  # of 24 or 25 frames/s
    frames = read_frames(source, HEIGHT, every_second)
    there_and_back = np.concatenate([frames, frames[-2:0:-1]])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=RATE, options={"cpu-used": "5", "deadline": "realtime"})
        stream.height, stream.width = (side - side % 2 for side in frames.shape[1:3])
        stream.pix_fmt = "yuv420p"
        for number in range(FRAMES):
            frame = there_and_back[number % len(there_and_back), : stream.height, : stream.width]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
