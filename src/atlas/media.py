"""The pictures of a clip: its frames and its flow, each as one image of tiles side by side, which the page plays."""

import io
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from src.flow import mean_flow
from src.plots import flow_to_rgb, full_colour
from src.store import ClipStore
from src.video import Excerpt, VideoError, read_frames

LONG_SIDE = 192  # pixels, of a tile
MAP_SIDE = 64  # pixels, of a tile of a map
SPREAD = 2.5  # pixels of such a tile: fine maps are of single points, which would be lost in the dark
BRIGHTEST = 97  # percentile of a clip's maps that is shown bright
FRAMES = 16  # about so many of a clip are played
MOST_DECODED = 600  # frames: of a longer video, which takes seconds to decode, only the stored frames are shown
QUALITY, FLOW_QUALITY, MAP_QUALITY = 55, 65, 85  # WebP; smooth images are small, and show blocks early
DIMMED = 0.3  # brightness of what a stream did not look at, of 1


class Film(NamedTuple):
    """The pictures of a clip.

    Attributes:
        frames: WebP, tiles in order of time; the same number for each segment, its own frame in the middle of them.
        flow: WebP, a tile for each segment: the mean of its stack, in colours.
        size: (height, width) of a tile, pixels.
        count: tiles of `frames`.
        full_colour: speed of full colour, px/frame of the stored clip.
    """

    frames: bytes
    flow: bytes
    size: tuple[int, int]
    count: int
    full_colour: float


def make_film(row: object, store: ClipStore, segments: np.ndarray) -> Film:
    """Reads a clip's frames from its video, if it is there and not long, else from the store; its flow from the store.

    Args:
        row: of `clips.itertuples()`.
        store: the prepared clips.
        segments: indices of the segments to show, (S,).
    """
    stored = [store.read_frame(row.clip_name, segment) for segment in segments]
    size = _tile_size(*stored[0].shape[:2])
    stacks = (store.read_stack(row.clip_name, segment) for segment in segments)
    flows = np.stack([_resize(mean_flow(stack, store.config.flow_bound), size) for stack in stacks])
    scale = full_colour(flows)
    frames = _add_frames([_resize(frame, size) for frame in stored], row, store, segments)
    flow = flow_to_rgb(np.concatenate(flows, axis=1), scale)
    return Film(_encode(np.concatenate(frames, axis=1), QUALITY), _encode(flow, FLOW_QUALITY), size, len(frames), scale)


def encode_maps(maps: np.ndarray) -> bytes:
    """Maps of what a stream looked at, as brightness by which its pictures are multiplied: WebP, a tile per segment.

    They are smoothed. The brightest parts of the clip are shown as they are, and where the map is 0, `DIMMED`.

    Args:
        maps: float32 (S, H, W), 0 or more, over the whole frame.
    """
    size = _tile_size(*maps.shape[1:], MAP_SIDE)
    tiles = np.concatenate([cv2.GaussianBlur(_resize(values, size), (0, 0), SPREAD) for values in maps], axis=1)
    tiles = np.minimum(tiles / max(np.percentile(tiles, BRIGHTEST), np.finfo(np.float32).tiny), 1)
    return _encode(np.rint(255 * (DIMMED + (1 - DIMMED) * tiles)).astype(np.uint8), MAP_QUALITY)


def _add_frames(stored, row, store, segments):
    """The stored frames, and frames of the video between them, if it is there: the tiles in order of time."""
    each = round(FRAMES / len(segments))
    windows = [store.read_info(row.clip_name)["indices"][segment] for segment in segments]
    if each < 2 or windows[-1][-1] >= MOST_DECODED:
        return stored
    middles = [window[(len(window) - 1) // 2] for window in windows]
    own = each * np.arange(len(segments)) + each // 2  # places of the stored frames
    last = each * len(segments) - 1
    places = [-1, *own, last + 1]  # the ends lie outside, so that own places are never moved
    indices = np.interp(np.arange(last + 1), places, [windows[0][0], *middles, windows[-1][-1]]).round().astype(int)
    try:
        frames = read_frames(Excerpt.of(row), min(stored[0].shape[:2]), indices.tolist())
    except VideoError:  # it is gone, or another one
        return stored
    tiles = [_resize(frame, stored[0].shape[:2]) for frame in frames]
    for place, frame in zip(own, stored, strict=True):
        tiles[place] = frame
    return tiles


def _tile_size(height, width, long_side=LONG_SIDE):
    """(height, width) with the longer side at `long_side`, or as it is, if it is shorter."""
    scale = min(1, long_side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _resize(image, size):
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)


def _encode(image, quality):
    content = io.BytesIO()
    Image.fromarray(image).save(content, "WEBP", quality=quality, method=0)  # 4 takes four times as long for -10 %
    return content.getvalue()
