"""Reads a folder of images as a video: `FileReader`, for frames that are files."""

import io
import warnings
from collections.abc import Iterator
from math import ceil, isnan
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from src.image_folder import list_images
from src.video.excerpt import FRAME_RATE, Excerpt
from src.video.picture import Picture
from src.video.rules import VideoError, check_size

ROUNDING = 1e-6  # frames


class FolderReader:
    """The images of a folder in natural order, or those of an excerpt at `rate` frames/s, upright by their EXIF.

    Attributes:
        num_frames: number of images.

    Raises:
        VideoError: the excerpt starts after the last image.
    """

    def __init__(self, excerpt: Excerpt):
        self._rate = FRAME_RATE if isnan(excerpt.rate) else excerpt.rate
        images = list_images(excerpt.path)
        first = 0 if isnan(excerpt.start) else self._number(excerpt.start)
        last = len(images) if isnan(excerpt.end) else self._number(excerpt.end)
        self._images = images[first:last]
        self.num_frames = len(self._images)
        if not self._images:
            raise VideoError(
                f"{excerpt}: an excerpt must hold at least one frame; the folder has {len(images)} images, which take "
                f"{len(images) / self._rate:g} s at {self._rate:g} frames/s. Correct start, end or rate."
            )

    def _number(self, seconds):
        return max(0, ceil(seconds * self._rate - ROUNDING))

    def estimate(self) -> int:
        """The number of images."""
        return self.num_frames

    def pictures(self, wanted: np.ndarray | None = None) -> Iterator[Picture]:
        """Yields the images, or those that are `wanted`, bool (T,).

        Raises:
            VideoError: an image cannot be read, or is not of the size of the first.
        """
        size = None
        for index, path in enumerate(self._images):
            if wanted is not None and not (index < len(wanted) and wanted[index]):
                continue
            image = _read_image(path)
            size = size or image.shape[:2]
            if image.shape[:2] != size:
                raise VideoError(
                    f"{path}: the images of a clip must be of one size, {size[1]} × {size[0]} pixels as before it; "
                    f"this one is {image.shape[1]} × {image.shape[0]}. Resize it, or leave it out."
                )
            yield Picture(index, index / self._rate, image, size)


def _read_image(path: Path) -> np.ndarray:
    """uint8 (H, W, 3), BGR."""
    try:
        content = path.read_bytes()
        with warnings.catch_warnings(action="ignore"), PIL.Image.open(io.BytesIO(content)) as header:
            check_size(path, header.height, header.width)  # large images are refused before they fill the memory
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except VideoError:
        raise
    except PIL.UnidentifiedImageError as error:
        raise _broken(path, f"it begins with {content[:20]!r}" if content else "the file has 0 bytes") from error
    except Exception as error:  # Pillow's and OpenCV's errors for broken images are of many types
        raise _broken(path, error) from error
    if image is None:
        raise _broken(path, "OpenCV cannot decode it")
    return image


def _broken(path, reason):
    reason = str(reason).rstrip(".")
    return VideoError(f"{path}: must be an image that can be decoded; {reason}. Download it again, or leave it out.")
