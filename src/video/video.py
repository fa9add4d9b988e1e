"""A video file → frames, uint8 RGB. Each file is decoded once, and only as far as its last segment."""

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from src.video.sampling import MAX_REPEATS, drop_repeats, segment_centers, segment_windows

# A frame repeats the one before it when none of its blocks (pixels) changes by more than this, the mean in grey levels,
# or none by more than this share of the largest change a few frames back: a codec alters what it repeats, a little in
# many places. In real clips of 25 and 30 frames/s the share has two peaks, with the valley at 0.10 to 0.125; in the
# sample, which has no repeats, one frame in a thousand is below it.
REPEAT_BLOCK = 16
REPEAT_CHANGE = 1.0
REPEAT_SHARE = 0.12
# A file that ends before this share of the time its header announces is called truncated.
COMPLETE_SHARE = 0.9
# A file of which a smaller share of packets becomes frames is called damaged. (Not 1: VP8 has hidden frames.)
DECODED_SHARE = 0.75
HELD_BYTES = 1 << 20  # an image up to this size is held as decoded: up to 640 × 540
# Beyond these a frame is no picture of an action, and a few of them fill the memory.
MAX_PIXELS = 8192 * 8192
MAX_ASPECT = 16
CONVERT_INTERLACED = "it is interlaced: deinterlace it (ffmpeg -i IN -vf yadif OUT.mp4)"
STREAM_TIMEOUT = 10_000  # ms that a stream may take to open, and to send its next frame
BLACK = 1  # grey levels: a clip of a mean below this is black


class VideoError(ValueError):
    """A video that cannot be used; the message names the file, the rule, and what was found."""


def stored_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """(height, width) in pixels with the shorter side at `short_side` and the aspect kept."""
    scale = short_side / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def count_frames(path: str | Path) -> int:
    """Frames in the file by its packets: nothing is decoded, and the header's count is not believed.

    Raises:
        VideoError: no video, or damaged, or cut off: the header announces a clearly longer time than the file holds.
    """
    capture = _open(path)
    announced, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    capture.set(cv2.CAP_PROP_FORMAT, -1)  # packets as they are; where unsupported, grab() decodes, and counts too
    count, start, last = 0, 0.0, 0.0
    while capture.grab():
        if count == 0 and rate > 0:
            start = capture.get(cv2.CAP_PROP_PTS) / rate  # positions count from it
        if count == 0 and not capture.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME):
            raise VideoError(
                f"{path}: damaged: a video must begin with a whole frame; the first one is coded as changes to one "
                "before it, which is not there. Download it again."
            )
        count, last = count + 1, max(last, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    capture.release()
    if count == 0:
        raise VideoError(f"{path}: a video must hold at least one frame; none could be read. Download it again.")
    if count > 1 and rate > 0 and 0 < announced < 1e9:  # a WebM without a duration reads as -9.2e18 frames
        seconds = announced / rate  # right even where the rate is not: WebM headers read 1000 frames/s, or a guess
        seconds -= start if 0 < start < seconds else 0  # a WebM header counts from zero
        step = last / (count - 1)
        if last + step < COMPLETE_SHARE * seconds - step:
            raise VideoError(
                f"{path}: truncated: the header announces {seconds:.2f} s, the file holds {last + step:.2f} s. "
                "Download it again."
            )
    return count


def read_frames(path: str | Path, short_side: int | None = None, indices: Sequence[int] | None = None) -> np.ndarray:
    """Frames of a video.

    Args:
        path: the file.
        short_side: length of the shorter side of the result, pixels; None keeps the size in the file.
        indices: which, ascending; None takes all. A long video does not fit into memory.

    Returns:
        uint8 (T, H, W, 3), RGB, all of the size of the first.

    Raises:
        VideoError: missing, empty, or no video.
    """
    wanted = None if indices is None else np.isin(np.arange(max(indices) + 1), indices)
    frames: list[np.ndarray] = []
    for _, image in _decode(path, wanted):
        size = frames[0].shape[:2] if frames else stored_size(*image.shape[:2], short_side or min(image.shape[:2]))
        frames.append(_to_rgb(image, size))
    if not frames:
        raise VideoError(f"{path}: a video must hold at least one frame; none could be decoded. Download it again.")
    return np.stack(frames)


class Segment(NamedTuple):
    """Consecutive frames of a clip.

    Attributes:
        indices: which frames of the file, ascending.
        gray: uint8 (T, H, W), these frames.
        frame: uint8 (H, W, 3), RGB, the middle one of its window.
        start: where in them its window begins.
    """

    indices: tuple[int, ...]
    gray: np.ndarray
    frame: np.ndarray
    start: int


def read_segments(
    path: str | Path, num_segments: int, window_length: int, short_side: int, run_length: int | None = None
) -> Iterator[Segment]:
    """Runs of consecutive frames around evenly spread places of a clip, one at a time.

    Frames that only repeat the one before (a raised frame rate) are left out first. A clip with too few frames for a
    run gives all it has: T is at most `run_length`.

    Args:
        path: a video file.
        num_segments: S, places.
        window_length: frames of a window, which is as well in the middle of its place as the clip allows.
        short_side: length of the shorter side of the frames, pixels.
        run_length: frames around each place, `window_length` or more; None gives the windows alone.

    Raises:
        VideoError: unreadable, empty, truncated, damaged, a single frame, interlaced, black, or of an unusable size.
    """
    planned = count_frames(path)
    if planned < 2:
        raise _too_short(path, planned)
    centers = segment_centers(planned, num_segments)
    # So many frames hold a window's worth of different ones. Others are decoded, as codecs need, but not converted.
    run_length = run_length or window_length
    reach = run_length * (MAX_REPEATS + 1)
    recent: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    near, brightest = _near(centers, reach, planned), 0.0
    images = _check_conversion(path, _decode(path, near, planned))
    marked = _mark_repeats(images, short_side, recent, reach)
    runs = segment_windows(drop_repeats(marked), centers, run_length)
    for center, indices in zip(centers, runs, strict=True):
        if len(indices) == 1 and indices[0] + 1 in recent:  # what follows repeats it: a still clip, one repeat is kept
            indices += (indices[0] + 1,)
        if len(indices) < 2 or not near[indices[0] : indices[-1]].all():
            raise VideoError(f"{path}: damaged: frames that a segment needs cannot be decoded. Download it again.")
        gray = np.stack([recent[index][0] for index in indices])
        (window,) = segment_windows(indices, [center], window_length)
        middle = window[min((window_length - 1) // 2, len(window) - 1)]
        brightest = max(brightest, gray.mean())
        yield Segment(indices, gray, _to_rgb(recent[middle][1], gray.shape[1:]), indices.index(window[0]))
    if brightest < BLACK:
        raise VideoError(f"{path}: black: all its segments are. If players show more, {CONVERT_INTERLACED}.")


class Frame(NamedTuple):
    """One frame, as it comes.

    Attributes:
        index: how many came before it, repeats counted.
        seconds: since the first: in the file, or, of a live source, on the clock of this machine.
        gray: uint8 (H, W).
        rgb: uint8 (H, W, 3).
    """

    index: int
    seconds: float
    gray: np.ndarray
    rgb: np.ndarray


class FrameStream:
    """The frames of a video of any length, one at a time, without those that only repeat the one before.

    They are converted as those of `read_segments` are. Iterate once.

    Args:
        source: a video file, the number of a camera, or the URL of a stream.
        short_side: length of the shorter side of the frames, pixels.

    Attributes:
        live: whether the source goes on while it is not read: a camera, or a stream whose header announces no length.

    Raises:
        VideoError: it cannot be opened; of a file also, and maybe at its end, that it is truncated or damaged.
    """

    def __init__(self, source: str | Path | int, short_side: int):
        self.source, self.short_side = source, short_side
        self._is_file = not isinstance(source, int) and "://" not in str(source)
        self._planned = count_frames(source) if self._is_file else None
        self._capture = _open(source) if self._is_file else _open_stream(source)
        self.live = not self._is_file and not 0 < self._capture.get(cv2.CAP_PROP_FRAME_COUNT) < 1e9

    def __iter__(self) -> Iterator[Frame]:
        recent: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        images = _decode(self.source, planned=self._planned, capture=self._capture)
        images = _check_conversion(self.source, images) if self._is_file else images
        start = None
        for index in drop_repeats(_mark_repeats(images, self.short_side, recent, 1)):
            seconds = self._seconds()  # of this frame: nothing reads ahead
            start = seconds if start is None else start
            gray, image = recent[index]
            yield Frame(index, seconds - start, gray, _to_rgb(image, gray.shape))
        received = max(recent, default=-1) + 1
        if received < 2:
            raise _too_short(self.source, received)

    def _seconds(self):
        return time.monotonic() if self.live else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000


def _too_short(source, count):
    return VideoError(
        f"{source}: too short: motion needs 2 frames or more; the file holds {count}. "
        "A picture or the cover of a song is no video: leave it out. A video was cut off: download it again."
    )


def _open_stream(source):
    """Of a camera (int) or a URL."""
    if isinstance(source, int):
        capture, name = cv2.VideoCapture(source), f"camera {source}"
    else:
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, STREAM_TIMEOUT, cv2.CAP_PROP_READ_TIMEOUT_MSEC, STREAM_TIMEOUT]
        capture, name = cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits), source
    if not capture.isOpened():
        raise VideoError(
            f"{name}: must be a camera or a stream that OpenCV can open; it could not be opened. "
            "Is it connected, its number or address right, and no other program using it?"
        )
    return capture


def read_window(path: str | Path, length: int, height: int, width: int) -> np.ndarray:
    """Consecutive frames from the middle of a video, repeats left out, as `read_segments` chooses those of one segment.

    Args:
        path: a video file.
        length: frames, L + 1; in a clip of fewer the last one is held.
        height, width: of the result, pixels.

    Returns:
        uint8 (length, height, width, 3), RGB.

    Raises:
        VideoError: as of `read_segments`.
    """
    (segment,) = read_segments(path, 1, length, min(height, width))  # to its end: there it is seen whether all is black
    frames = read_frames(path, indices=segment.indices)
    return hold_last([_resize(frame, (height, width)) for frame in frames], length)


def hold_last(frames: Sequence[np.ndarray], length: int) -> np.ndarray:
    """A window of `length` frames from at most as many: what is missing at the end does not move."""
    return np.stack([*frames, *[frames[-1]] * (length - len(frames))])


def _open(path):
    path = Path(path).absolute()  # so that FFmpeg takes no part of the name for a protocol
    start = _read_start(path)
    # One thread a decoder: the clips are decoded side by side, and frame threads hold more frames. The name is given
    # as bytes: OpenCV crashes on a str of bytes that are not UTF-8.
    capture = cv2.VideoCapture(os.fsencode(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise VideoError(
            f"{path}: must be a video that OpenCV can open; no video stream was found in it. "
            f"It begins with {start!r}. Download it again, or convert it to MP4 or WebM."
        )
    short, long = sorted(capture.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if long > MAX_ASPECT * short or short * long > MAX_PIXELS:
        raise VideoError(
            f"{path}: frames must have at most {MAX_PIXELS:,} pixels, and sides of at most {MAX_ASPECT} to 1; "
            f"the sides are {long:.0f} and {short:.0f} pixels. Crop or scale it, or leave it out."
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
        raise VideoError(f"{path}: must be a readable file; {error.strerror}. Correct its name or rights.") from error
    if not start:
        raise VideoError(f"{path}: empty: the file has 0 bytes. Download it again.")
    return start


def _near(centers, reach, num_frames):
    """bool (num_frames,): whether a frame can be part of a window."""
    near = np.zeros(num_frames, bool)
    for center in centers:
        near[max(0, center - reach) : center + reach] = True
    return near


def _decode(path, wanted=None, planned=None, capture=None):
    """Yields (index, uint8 BGR image of the size in the file) for the wanted frames."""
    capture = capture or _open(path)
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
    if planned and index < DECODED_SHARE * planned:
        raise VideoError(
            f"{path}: damaged: it holds {planned} frames, of which only {index} can be decoded. Download it again; "
            "if players show it, it was cut without encoding: encode it (ffmpeg -i IN OUT.mp4)."
        )


def _check_conversion(path, images):
    """Passes (index, image) on.

    OpenCV does not convert interlaced frames; it then gives what was in the memory before, the same for each frame and
    another for each capture (OpenCV 4.13 and 5.0).
    """
    first = None
    for number, (index, image) in enumerate(images):
        if number == 1 and np.array_equal(image, first):
            _, again = next(_decode(path, np.arange(index + 1) == index), (index, None))
            if not np.array_equal(image, again):
                raise VideoError(f"{path}: must have frames that OpenCV can convert; {CONVERT_INTERLACED}.")
        first = image if number == 0 else None
        yield index, image


def _resize(image, size):
    """An image of any channels at (height, width). First by whole blocks, which is fast, then by what is left."""
    height, width = size
    blocks = min(image.shape[0] // height, image.shape[1] // width)
    if blocks > 1:
        between = (image.shape[1] // blocks, image.shape[0] // blocks)
        image = cv2.resize(image, between, interpolation=cv2.INTER_AREA)
    if image.shape[:2] == size:
        return image
    shrinks = image.shape[0] > height
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _to_rgb(image, size):
    return cv2.cvtColor(_resize(image, size), cv2.COLOR_BGR2RGB)


def _mark_repeats(decoded, short_side, recent, keep):
    """Yields (index, whether it repeats the frame before), and holds the last `keep` frames in `recent`.

    They are held as (uint8 (H, W), grey, at the stored size; uint8 image, BGR). Few are needed in colour, so a small
    image is held as it is; a large one would fill the memory.
    """
    size, previous_index, previous = None, None, None
    changes = deque(maxlen=MAX_REPEATS + 1)
    for index, image in decoded:
        size = size or stored_size(*image.shape[:2], short_side)
        gray = _resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), size)
        repeated = False
        if previous_index == index - 1:
            changes.append(_largest_change(previous, gray))
            repeated = changes[-1] <= max(REPEAT_CHANGE, REPEAT_SHARE * max(changes))
        previous_index, previous = index, gray
        recent[index] = gray, image if image.nbytes <= HELD_BYTES else _resize(image, size)
        while next(iter(recent)) <= index - keep:
            recent.pop(next(iter(recent)))
        yield index, repeated


def _largest_change(before, after):
    """Mean absolute difference, grey levels, in the block where it is largest."""
    difference = cv2.absdiff(before, after).astype(np.float32)
    size = [max(1, side // REPEAT_BLOCK) for side in difference.shape[::-1]]
    return float(cv2.resize(difference, size, interpolation=cv2.INTER_AREA).max())
