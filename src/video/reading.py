"""Reads frames of a video file or of a folder of images: counting, choosing and resizing."""

from collections.abc import Sequence
from math import isfinite, isnan
from pathlib import Path

import cv2
import numpy as np

from src.image_folder import list_images
from src.video.areas import mean_of_areas
from src.video.excerpt import Excerpt
from src.video.file_reader import FileReader
from src.video.folder_reader import FolderReader
from src.video.rules import VideoError, stored_size


def open_reader(path: str | Path | Excerpt) -> FileReader | FolderReader:
    """The reader of a video file, of a folder of images, or of an excerpt of them.

    Raises:
        VideoError: it cannot be read, or start and end are no times.
    """
    excerpt = Excerpt.of(path)
    start, end, rate = (0.0 if isnan(number) else number for number in excerpt[1:])
    ends_first = not isnan(excerpt.end) and end <= start
    if not all(map(isfinite, (start, end, rate))) or min(start, end, rate) < 0 or excerpt.rate == 0 or ends_first:
        raise VideoError(
            f"{excerpt}: start, end and rate must be numbers with 0 ≤ start < end and rate > 0. Received: "
            f"start {excerpt.start:g}, end {excerpt.end:g}, rate {excerpt.rate:g}. Correct them."
        )
    return FolderReader(excerpt) if _holds_images(excerpt.path) else FileReader(excerpt)


def _holds_images(path):
    try:
        return bool(list_images(path))
    except (OSError, ValueError):  # not a folder, or none that can be read
        return False


def count_frames(path: str | Path | Excerpt) -> int:
    """Number of frames: those that decode. Packets, the count in the header, and the duration are only hints.

    Raises:
        VideoError: not a video, damaged, or truncated: bytes that the file declares are missing.
    """
    reader = open_reader(path)
    estimate = reader.estimate()
    if isinstance(reader, FolderReader):
        return estimate
    for _ in reader.pictures(np.zeros(0, bool)):
        pass
    return reader.num_frames


def read_frames(
    path: str | Path | Excerpt, short_side: int | None = None, indices: Sequence[int] | None = None
) -> np.ndarray:
    """Reads frames into memory.

    Args:
        path: a video file, a folder of images, or an `Excerpt`, in which frames are counted from its start.
        short_side: shorter side of the result, pixels; None keeps the size in the file. Pixels become square.
        indices: frames to read, in any order; a frame may be asked for twice. None reads all, which a long video does
            not allow.

    Returns:
        uint8 (T, H, W, 3), RGB, all of the size of the first: a frame for each of `indices`.

    Raises:
        VideoError: not a video, no frame can be decoded, or a frame of `indices` does not exist.
    """
    wanted = None
    if indices is not None:
        wanted = np.zeros(max(indices, default=-1) + 1, bool)
        wanted[[index for index in indices if index >= 0]] = True
    reader = open_reader(path)
    frames: dict[int, np.ndarray] = {}
    size = None
    for picture in reader.pictures(wanted):
        if size is None:
            size = stored_size(*picture.display_size, short_side or min(picture.display_size))
        frames[picture.index] = to_rgb(picture.image, size)
        if wanted is not None and picture.index == len(wanted) - 1:
            break
    missing = [] if indices is None else [index for index in indices if index not in frames]
    if missing:
        raise VideoError(
            f"{Excerpt.of(path)}: frame {missing[0]} was asked for, counted from 0; {reader.num_frames} frames can be "
            "decoded. Ask for those that exist, see count_frames."
        )
    if not frames:
        raise VideoError(
            f"{Excerpt.of(path)}: a video must hold at least one frame; none could be decoded. Download it again."
        )
    return np.stack([frames[index] for index in (frames if indices is None else indices)])


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes an image of any channels to (height, width): first by whole blocks, which is fast, then the rest."""
    height, width = size
    blocks = min(image.shape[0] // height, image.shape[1] // width)
    if blocks > 1:
        image = _shrink(image, image.shape[0] // blocks, image.shape[1] // blocks)
    if image.shape[:2] == size:
        return image
    if image.shape[0] > height:
        return _shrink(image, height, width)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def _shrink(image, height, width):
    """As by OpenCV, which is faster itself for several channels, and for sides that are divided by whole numbers."""
    whole = image.shape[0] % height == 0 and image.shape[1] % width == 0
    if image.ndim == 3 or whole or image.shape[1] < width:
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.convertScaleAbs(mean_of_areas(image, height, width))  # rounds


def to_rgb(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes a BGR image to (height, width) and converts it to RGB."""
    return cv2.cvtColor(resize(image, size), cv2.COLOR_BGR2RGB)
