"""Image formats for the store: bytes, time and error of the candidates, on your videos.

    python benchmarks/store_formats.py FOLDER_OF_VIDEOS [--clips 40] [--short-side 256]

The first table is about flow stacks: the error is that against the quantised flow. The second, which --table NAME
writes to NAME_gray.csv, is about the grey frames that are stored instead with flow_source="layer": the error is that of
their flow. "KB a clip" includes the RGB frames.
"""

import io
import time
from pathlib import Path

import command
import cv2
import numpy as np
import pandas as pd
from tables import write_table

from src.config import ClipConfig
from src.flow import ZERO, compute_flow
from src.preprocessing import extract_clip, extract_windows
from src.store import encoding

ENCODINGS = {
    "PNG": (".png", []),
    "WebP lossless": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),
    "WebP 75": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 75]),
    "WebP 90": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 90]),
    "JPEG 75": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 75, cv2.IMWRITE_JPEG_OPTIMIZE, 1]),
    "JPEG 85": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_OPTIMIZE, 1]),
    "JPEG 90": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_OPTIMIZE, 1]),
    "JPEG 95": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_OPTIMIZE, 1]),
}
NPZ = "npz (zlib)"


def main():
    """Prints and writes both tables."""
    parser = command.make_parser(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--short-side", type=int, default=256)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    config = ClipConfig(short_side=arguments.short_side)
    videos = sorted(path for path in arguments.folder.rglob("*") if path.suffix in (".webm", ".mp4", ".avi"))
    chosen = np.random.default_rng(0).permutation(len(videos))[: arguments.clips]
    rows, gray_rows, frame_bytes = [], [], []
    for index in chosen:
        clip = extract_clip(videos[index], config)
        frame_bytes += [len(encoding.encode_frame(frame)) for frame in clip.frames]
        rows += [measure(name, stack, config.flow_bound) for name in (*ENCODINGS, NPZ) for stack in clip.stacks]
        window = extract_windows(videos[index], config).window(0, config.window_length)
        gray_rows += [measure_gray(name, window) for name in ENCODINGS]
    frame_kilobytes = np.mean(frame_bytes) / 1e3
    table = pd.DataFrame(rows).groupby("format", sort=False).mean().reset_index()
    table["KB a clip"] = config.num_segments * (table["KB a stack"] + frame_kilobytes)
    gray = pd.DataFrame(gray_rows).groupby("format", sort=False).mean().reset_index()
    print(f"{len(chosen)} clips, {config}, OpenCV {cv2.__version__}, one thread; means over stacks")
    print(f"RGB frames as the store writes them: {frame_kilobytes:.1f} KB each")
    print(table.round(3).to_string(index=False))
    write_table(arguments.table, table, keys=["format"])
    print(f"\nGrey frames:\n{gray.round(3).to_string(index=False)}")
    write_table(arguments.table and f"{arguments.table}_gray", gray, keys=["format"])


def measure(name, stack, bound):
    """One row: size, times and error of one stack (H, W, 2L) in one format."""
    start = time.perf_counter()
    data = encode(name, stack)
    written = time.perf_counter()
    decoded = decode(name, data, stack.shape)
    read = time.perf_counter()
    error = np.abs(decoded.astype(np.float32) - stack) * bound / 127
    still = stack == ZERO
    return {
        "format": name,
        "KB a stack": len(data) / 1e3,
        "write, ms": (written - start) * 1e3,
        "read, ms": (read - written) * 1e3,
        **describe_error(error),
        "still values kept, %": 100 * (decoded[still] == ZERO).mean() if still.any() else np.nan,
    }


def encode(name, stack):
    if name == NPZ:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, stack=stack)
        return buffer.getvalue()
    extension, options = ENCODINGS[name]
    return cv2.imencode(extension, encoding.join_tiles(stack), options)[1]


def decode(name, data, shape):
    if name == NPZ:
        return np.load(io.BytesIO(data))["stack"]
    height, width, channels = shape
    return encoding.split_tiles(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), channels // 2, height, width)


def measure_gray(name, window):
    """One row: size of a grey frame, and the error of the flow of a window (L + 1, H, W)."""
    extension, options = ENCODINGS[name]
    encoded = [cv2.imencode(extension, frame, options)[1] for frame in window]
    decoded = np.stack([cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) for data in encoded])
    error = np.linalg.norm(compute_flow(decoded) - compute_flow(window), axis=-1)
    return {"format": name, "KB a frame": np.mean([len(data) for data in encoded]) / 1e3, **describe_error(error)}


def describe_error(error):
    return {"mean error, px": float(error.mean()), "99 % error, px": float(np.percentile(error, 99))}


if __name__ == "__main__":
    main()
