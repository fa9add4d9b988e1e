"""A clip and its files: JPEG images, with the fields of a flow stack as the tiles of one image."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from src.video import pad_window

FRAME_QUALITY = 85  # JPEG
FLOW_QUALITY = 75  # JPEG; benchmarks/store_formats.py measures its error, px, and its size
GRAY_QUALITY = 95  # JPEG; likewise: the flow of these frames loses less than stored flow
AGAIN = "Remove its folder, and run preprocess_data.ipynb again."  # of a clip that cannot be read
BLOCK = 8  # JPEG codes blocks of 8 × 8 pixels: tiles start on block borders, so that no block mixes two fields


@dataclass(frozen=True)
class Clip:
    """What the store holds of one video.

    Attributes:
        frames: uint8 (S, H, W, 3), RGB, the middle frame of each window.
        stacks: uint8 (S, H, W, 2L), quantized flow, channels u1, v1, u2, v2, …; None if grey frames are stored instead.
        indices: per segment, the indices of its window's frames in the file.
        segments: per segment, the indices of its stored grey frames, the window's among them; None if flow is stored.
        gray: the grey frames by index, each uint8 (H, W); None if flow is stored.
    """

    frames: np.ndarray
    stacks: np.ndarray | None
    indices: list[tuple[int, ...]]
    segments: list[tuple[int, ...]] | None = None
    gray: dict[int, np.ndarray] | None = None

    def window(self, segment: int, length: int) -> np.ndarray:
        """The grey frames of a segment's window: uint8 (length, H, W). A shorter clip is extended by `pad_window`."""
        return pad_window([self.gray[index] for index in self.indices[segment]], length)


def encode_clip(clip: Clip, digest: str) -> dict[str, bytes]:
    """The files of a clip: content by file name. `digest` is that of the video."""
    height, width = clip.frames.shape[1:3]
    files = {f"frame_{segment}.jpg": encode_frame(frame) for segment, frame in enumerate(clip.frames)}
    info = {"video": digest, "height": height, "width": width, "indices": clip.indices}
    if clip.stacks is not None:
        files |= {f"flow_{segment}.jpg": encode_stack(stack) for segment, stack in enumerate(clip.stacks)}
    else:
        kept = sorted(clip.gray)
        images = [_encode_image(clip.gray[index], GRAY_QUALITY) for index in kept]
        files["gray.mjpeg"] = b"".join(images)
        info |= {"runs": clip.segments, "kept": kept, "ends": np.cumsum([len(image) for image in images]).tolist()}
    info["sizes"] = {name: len(content) for name, content in files.items()}
    return files | {"clip.json": json.dumps(info).encode()}


def encode_frame(frame: np.ndarray) -> bytes:
    """uint8 (H, W, 3), RGB → JPEG."""
    return _encode_image(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), FRAME_QUALITY)


def encode_stack(stack: np.ndarray) -> bytes:
    """uint8 (H, W, 2L), quantized flow → grey JPEG of tiles. A block without motion stays exactly zero."""
    return _encode_image(join_tiles(stack), FLOW_QUALITY)


def decode_segment(data: bytes, info: dict, segment: int, path: Path) -> list[np.ndarray]:
    """The grey frames of a segment, each uint8 (H, W), from the content of gray.mjpeg and of clip.json."""
    places, bounds, content = np.searchsorted(info["kept"], info["runs"][segment]), [0, *info["ends"]], memoryview(data)
    images = (np.frombuffer(content[bounds[place] : bounds[place + 1]], np.uint8) for place in places)
    return [decode_image(image, cv2.IMREAD_GRAYSCALE, path) for image in images]


def decode_image(data: np.ndarray, flags: int, path: Path) -> np.ndarray:
    """The image in uint8 (num_bytes,), as `cv2.imdecode` gives it.

    Raises:
        ValueError: it cannot be decoded; the message names `path`.
    """
    image = cv2.imdecode(data, flags) if data.size else None
    if image is None:
        raise ValueError(f"{path}: must be a JPEG; it cannot be decoded. {AGAIN}")
    return image


def join_tiles(stack: np.ndarray) -> np.ndarray:
    """(H, W, 2L) → one image (L · H', 2 · W'): a row per field, u left, v right; H', W' rounded up to `BLOCK`."""
    height, width, channels = stack.shape
    tall, wide = height + -height % BLOCK, width + -width % BLOCK
    tiles = np.empty((channels // 2 * tall, 2 * wide), np.uint8)
    for channel, plane in enumerate(cv2.split(stack)):
        top, left = channel // 2 * tall, channel % 2 * wide
        padded = cv2.copyMakeBorder(plane, 0, tall - height, 0, wide - width, cv2.BORDER_REPLICATE)
        tiles[top : top + tall, left : left + wide] = padded
    return tiles


def split_tiles(tiles: np.ndarray, flow_length: int, height: int, width: int) -> np.ndarray:
    """The inverse of `join_tiles`: one image → (height, width, 2L).

    Raises:
        ValueError: the image cannot be divided into as many tiles, or they are smaller.
    """
    tall, wide = tiles.shape[0] // flow_length, tiles.shape[1] // 2
    if tiles.shape != (flow_length * tall, 2 * wide) or tall < height or wide < width:
        raise ValueError(f"An image {tiles.shape} does not have {flow_length} × 2 tiles of {height} × {width} pixels.")
    corners = [(field * tall, left) for field in range(flow_length) for left in (0, wide)]
    return cv2.merge([tiles[top : top + height, left : left + width] for top, left in corners])


def _encode_image(image, quality):
    written, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    if not written:
        raise ValueError(f"OpenCV could not encode an image of shape {image.shape} as JPEG.")
    return data.tobytes()
