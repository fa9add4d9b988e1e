"""Reads frames from a video file: opening, counting, decoding and resizing, with a reason for each unusable file."""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

COMPLETE_SHARE = 0.9  # a file that ends before this share of the duration in its header is truncated
DECODED_SHARE = 0.75  # a file of which a smaller share of packets decodes is damaged; not 1, as VP8 has hidden frames
# Larger frames do not show an action, and a few of them fill the memory.
MAX_PIXELS = 8192 * 8192
MAX_ASPECT = 16  # longer side / shorter side


class VideoError(ValueError):
    """A video that cannot be used. The message names the file, the rule, and what was found."""


def stored_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """(height, width) in pixels with the shorter side at `short_side` and the aspect ratio kept."""
    scale = short_side / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def count_frames(path: str | Path) -> int:
    """Number of frames in a file, counted by packets without decoding; the count in the header is unreliable.

    Raises:
        VideoError: not a video, damaged, or truncated (clearly shorter than its header announces).
    """
    capture = open_video(path)
    announced, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    capture.set(cv2.CAP_PROP_FORMAT, -1)  # raw packets; where this is unsupported, grab() decodes, which counts too
    count, start, last = 0, 0.0, 0.0
    while capture.grab():
        if count == 0 and rate > 0:
            start = capture.get(cv2.CAP_PROP_PTS) / rate  # positions are relative to it
        if count == 0 and not capture.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME):
            raise VideoError(
                f"{path}: damaged: the first frame must be a key frame; it is coded as changes to an earlier frame, "
                "which is missing. Download it again."
            )
        count, last = count + 1, max(last, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    capture.release()
    if count == 0:
        raise VideoError(f"{path}: a video must hold at least one frame; none could be read. Download it again.")
    if count > 1 and rate > 0 and 0 < announced < 1e9:  # a WebM without a duration announces -9.2e18 frames
        duration = announced / rate  # correct even where the rate is not (WebM headers give 1000 frames/s, or a guess)
        _check_complete(path, duration - (start if 0 < start < duration else 0), last, last / (count - 1))
    return count


def _check_complete(path, duration, last, step):
    """Compares the announced duration, without the start offset that WebM includes, to the last frame's time, in s."""
    if last + step < COMPLETE_SHARE * duration - step:
        raise VideoError(
            f"{path}: truncated: the header announces {duration:.2f} s, the file holds {last + step:.2f} s. "
            "Download it again."
        )


def read_frames(path: str | Path, short_side: int | None = None, indices: Sequence[int] | None = None) -> np.ndarray:
    """Reads frames of a video into memory.

    Args:
        path: a video file.
        short_side: shorter side of the result, pixels; None keeps the size in the file.
        indices: frames to read, ascending; None reads all, which a long video does not allow.

    Returns:
        uint8 (T, H, W, 3), RGB, all of the size of the first.

    Raises:
        VideoError: not a video, or no frame can be decoded.
    """
    wanted = None if indices is None else np.isin(np.arange(max(indices) + 1), indices)
    frames: list[np.ndarray] = []
    for _, image in decode(path, wanted):
        size = frames[0].shape[:2] if frames else stored_size(*image.shape[:2], short_side or min(image.shape[:2]))
        frames.append(to_rgb(image, size))
    if not frames:
        raise VideoError(f"{path}: a video must hold at least one frame; none could be decoded. Download it again.")
    return np.stack(frames)


def open_video(path: str | Path) -> cv2.VideoCapture:
    """Opens a video file.

    Raises:
        VideoError: no readable file, empty, not a video, or frames too large or too elongated.
    """
    path = Path(path).absolute()  # otherwise FFmpeg takes a name such as "http:x" for a protocol
    start = _read_start(path)
    # One thread per decoder: clips are decoded in parallel, and frame threads hold more frames. The name is given as
    # bytes: OpenCV crashes on a str of bytes that are not UTF-8.
    capture = cv2.VideoCapture(os.fsencode(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise VideoError(
            f"{path}: must be a video that OpenCV can open; no video stream was found in it. "
            f"It begins with {start!r}. Download it again, or convert it to MP4 or WebM."
        )
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if max(width, height) > MAX_ASPECT * min(width, height) or width * height > MAX_PIXELS:
        raise VideoError(
            f"{path}: frames must have at most {MAX_PIXELS:,} pixels and an aspect ratio of at most {MAX_ASPECT}; "
            f"they are {width:.0f} × {height:.0f} pixels. Crop or scale the video, or leave it out."
        )
    return capture


def _read_start(path):
    """The first bytes of a regular file."""
    try:
        if not path.is_file():
            found = "it is a folder" if path.is_dir() else "there is no regular file of that name"
            raise VideoError(f"{path}: must be a video file; {found}. Correct the path, or download it again.")
        with path.open("rb") as file:
            start = file.read(20)
    except OSError as error:
        raise VideoError(
            f"{path}: must be a readable file; {error.strerror}. Correct its name or permissions."
        ) from error
    if not start:
        raise VideoError(f"{path}: empty: the file has 0 bytes. Download it again.")
    return start


def decode(
    path: str | Path,
    wanted: np.ndarray | None = None,
    num_packets: int | None = None,
    capture: cv2.VideoCapture | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (index, uint8 (H, W, 3), BGR, of the size in the file) of a video, or of a `capture` that is already open.

    Args:
        wanted: bool (T,), frames to convert and yield; the others are only decoded, as codecs need. None is all.
        num_packets: from `count_frames`; if clearly fewer frames decode, VideoError is raised at the end.
    """
    capture = capture or open_video(path)
    index = 0
    try:
        while capture.grab():
            if wanted is None or (index < len(wanted) and wanted[index]):
                readable, image = capture.retrieve()
                if readable and image is not None:
                    yield index, image
            index += 1
    finally:
        capture.release()
    if num_packets and index < DECODED_SHARE * num_packets:
        raise VideoError(
            f"{path}: damaged: it holds {num_packets} frames, of which only {index} can be decoded. Download it "
            "again; if a player shows it, it was cut without re-encoding: encode it (ffmpeg -i IN OUT.mp4)."
        )


def check_conversion(path: str | Path, images: Iterable[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray]]:
    """Passes (index, image) pairs of `decode` on, and raises VideoError if OpenCV cannot convert the frames.

    OpenCV does not convert interlaced frames, and does not say so: each frame is the same uninitialized memory (OpenCV
    4.13 and 5.0). So where the first two frames are equal, PyAV is asked whether they are interlaced.
    """
    first = None
    for number, (index, image) in enumerate(images):
        if number == 1 and np.array_equal(image, first) and _is_interlaced(path, index + 1):
            raise VideoError(
                f"{path}: must have frames that OpenCV can convert; it is interlaced: deinterlace it "
                "(ffmpeg -i IN -vf yadif OUT.mp4)."
            )
        first = image if number == 0 else None
        yield index, image


def _is_interlaced(path, num_frames):
    """Whether one of the first `num_frames` frames is marked as interlaced."""
    try:
        with av.open(str(Path(path).absolute())) as container:  # absolute, as in `open_video`
            return any(frame.interlaced_frame for frame in islice(container.decode(video=0), num_frames))
    except av.FFmpegError:  # OpenCV could decode it, so what PyAV cannot decode is not known to be interlaced
        return False


def check_length(source: str | Path | int, num_frames: int) -> None:
    """Raises VideoError if there are fewer than two frames."""
    if num_frames < 2:
        raise VideoError(
            f"{source}: too short: optical flow needs at least 2 frames; the file holds {num_frames}. Leave it out if "
            "it is a still image or an audio file with cover art; download it again if it was cut off."
        )


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes an image of any channels to (height, width): first by whole blocks, which is fast, then the rest."""
    height, width = size
    blocks = min(image.shape[0] // height, image.shape[1] // width)
    if blocks > 1:
        between = (image.shape[1] // blocks, image.shape[0] // blocks)
        image = cv2.resize(image, between, interpolation=cv2.INTER_AREA)
    if image.shape[:2] == size:
        return image
    shrinks = image.shape[0] > height
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def to_rgb(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes a BGR image to (height, width) and converts it to RGB."""
    return cv2.cvtColor(resize(image, size), cv2.COLOR_BGR2RGB)
