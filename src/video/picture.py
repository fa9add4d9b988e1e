"""A frame of a reader, and its conversion to colour and to grey."""

from functools import cache
from typing import NamedTuple

import av
import cv2
import numba
import numpy as np
from av.video.reformatter import VideoReformatter

from src.flow import compile_exact
from src.video.rules import VideoError

TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
# Grey from planes of colours takes half the time of grey from pixels. FFmpeg's planes are those of its pixels in these
# formats, of even height, except in the last columns of some widths.
PLANAR = {"yuv420p", "yuvj420p"}
BLOCK = 16  # columns that FFmpeg converts at a time
PLANE = numba.types.Array(numba.uint8, 1, "C", readonly=True)


class Picture(NamedTuple):
    """A frame.

    Attributes:
        index: number of frames before it in the excerpt.
        seconds: since the first frame of the excerpt.
        image: uint8 (H, W, 3), BGR.
        display_size: (height, width) with square pixels.
    """

    index: int
    seconds: float
    image: np.ndarray
    display_size: tuple[int, int]

    @property
    def num_bytes(self) -> int:
        """Memory that it takes."""
        return self.image.nbytes

    def to_gray(self) -> np.ndarray:
        """uint8 (H, W)."""
        return cv2.cvtColor(self.image, cv2.COLOR_BGR2GRAY)


class DecodedPicture(NamedTuple):
    """A `Picture` as a codec gave it, turned as a player does whenever it is converted.

    Converting raises VideoError if FFmpeg cannot.
    """

    index: int
    seconds: float
    frame: av.VideoFrame
    display_size: tuple[int, int]
    path: object
    reformatter: VideoReformatter

    @property
    def num_bytes(self) -> int:
        """As of `Picture`: most codecs halve the resolution of colours."""
        return self.frame.width * self.frame.height * 3 // 2

    @property
    def image(self) -> np.ndarray:
        """uint8 (H, W, 3), BGR, converted anew each time."""
        frame = self._reformat("bgr24")
        (plane,) = frame.planes
        return self._turn(np.ndarray((frame.height, frame.width, 3), np.uint8, plane, strides=(plane.line_size, 3, 1)))

    def to_gray(self) -> np.ndarray:
        """uint8 (H, W): that of `image`."""
        width, height = self.frame.width, self.frame.height
        whole = height % 2 == 0 and not 0 < width % BLOCK <= BLOCK // 2
        if self.frame.format.name in PLANAR and whole and _has_exact_planes():
            return self._turn(_weigh_planes(self._reformat("gbrp")))
        return cv2.cvtColor(self.image, cv2.COLOR_BGR2GRAY)

    def _reformat(self, name):
        try:
            return self.reformatter.reformat(self.frame, format=name, threads=1)
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(
                f"{self.path}: must have frames that FFmpeg can convert; those of the format {self.frame.format.name} "
                f"cannot be: {error}. Encode it where it plays (ffmpeg -i IN OUT.mp4)."
            ) from error

    def _turn(self, image):
        turn = self.frame.rotation % 360
        return cv2.rotate(image, TURNS[turn]) if turn in TURNS else image


@cache
def _has_exact_planes():
    """Whether the FFmpeg and the OpenCV of this machine give the same grey both ways."""
    content = np.random.default_rng(0).integers(0, 256, (96, 128), dtype=np.uint8)  # 64 rows of Y, 16 each of U and V
    frame, reformatter = av.VideoFrame.from_ndarray(content, "yuv420p"), VideoReformatter()
    pixels = reformatter.reformat(frame, format="bgr24", threads=1).to_ndarray()
    planes = _weigh_planes(reformatter.reformat(frame, format="gbrp", threads=1))
    return np.array_equal(planes, cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))


def _weigh_planes(frame):
    """Grey of a frame of the format gbrp: uint8 (H, W)."""
    gray = np.empty((frame.height, frame.planes[0].line_size), np.uint8)
    _weigh(*(np.frombuffer(plane, np.uint8) for plane in frame.planes), gray.reshape(-1))
    return gray[:, : frame.width]


@compile_exact(PLANE, PLANE, PLANE, numba.uint8[::1])
def _weigh(green, blue, red, gray):
    """OpenCV's weights of colours, in 2⁻¹⁵."""
    g, b, r, half, bits = np.int32(19235), np.int32(3735), np.int32(9798), np.int32(1 << 14), np.int32(15)
    for i in range(len(gray)):
        total = np.int32(green[i]) * g + np.int32(blue[i]) * b + np.int32(red[i]) * r + half
        gray[i] = np.uint8(total >> bits)
