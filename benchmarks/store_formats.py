"""Which picture format should the store use? Bytes, read time and error of the candidates, on your videos.

python benchmarks/store_formats.py FOLDER_OF_VIDEOS [--clips 40] [--short-side 256]

First of flow stacks; then of the grey frames that are kept instead with flow_source="layer": what their flow loses.
"""

import argparse
import io
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from src.config import ClipConfig
from src.flow import compute_flow
from src.preprocessing import extract_clip, extract_windows
from src.store import encode_frame, join_tiles, split_tiles

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


def measure(name, stack, bound):
    """One row: bytes, write and read milliseconds, and the error of one stack (H, W, 2L) in one format."""
    height, width, channels = stack.shape
    start = time.perf_counter()
    if name == "npz":
        buffer = io.BytesIO()
        np.savez_compressed(buffer, stack=stack)
        data = buffer.getvalue()
    else:
        extension, options = ENCODINGS[name]
        data = cv2.imencode(extension, join_tiles(stack), options)[1]
    written = time.perf_counter()
    if name == "npz":
        back = np.load(io.BytesIO(data))["stack"]
    else:
        back = split_tiles(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), channels // 2, height, width)
    read = time.perf_counter()
    error = np.abs(back.astype(np.float32) - stack) * bound / 127
    still = stack == 128
    return {
        "format": name,
        "KB / stack": len(data) / 1e3,
        "write ms": (written - start) * 1e3,
        "read ms": (read - written) * 1e3,
        "mean error px": error.mean(),
        "99 % error px": np.percentile(error, 99),
        "still values kept exactly": (back[still] == 128).mean() if still.any() else np.nan,
    }


def measure_gray(name, window):
    """The same of grey frames (L + 1, H, W): bytes of one, and the error of their flow."""
    extension, options = ENCODINGS[name]
    coded = [cv2.imencode(extension, frame, options)[1] for frame in window]
    back = np.stack([cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) for data in coded])
    error = np.linalg.norm(compute_flow(back) - compute_flow(window), axis=-1)
    size = np.mean([len(data) for data in coded]) / 1e3
    return {
        "format": name,
        "KB / frame": size,
        "mean error px": error.mean(),
        "99 % error px": np.percentile(error, 99),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
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
        frame_bytes += [len(encode_frame(frame)) for frame in clip.frames]
        window = extract_windows(videos[index], config).window(0, config.window_length)
        gray_rows += [measure_gray(name, window) for name in ENCODINGS]
        rows += [measure(name, stack, config.flow_bound) for name in [*ENCODINGS, "npz"] for stack in clip.stacks]
    print(f"{len(chosen)} clips, {config}, OpenCV {cv2.__version__}, one thread; means over stacks")
    table = pd.DataFrame(rows).groupby("format", sort=False).mean()
    table["KB / clip"] = config.num_segments * (table["KB / stack"] + np.mean(frame_bytes) / 1e3)
    print(f"RGB frames: {np.mean(frame_bytes) / 1e3:.1f} KB each as written by the store")
    print(table.round(3).to_string())
    print("\nGrey frames:")
    print(pd.DataFrame(gray_rows).groupby("format", sort=False).mean().round(3).to_string())


if __name__ == "__main__":
    main()
