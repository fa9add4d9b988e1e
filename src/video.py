"""A video file → frames, uint8 RGB. Each file is decoded once, and only as far as its last segment."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from src.sampling import MAX_REPEATS, drop_repeats, segment_centers, segment_windows

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


class VideoError(ValueError):
    """A video that cannot be used; the message names the file, the rule, and what was found."""


def stored_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """(height, width) in pixels with the shorter side at `short_side` and the aspect kept."""
    scale = short_side / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def count_frames(path: str | Path) -> int:
    """Frames in the file by its packets: nothing is decoded, and the header's count is not believed.

    Raises:
        VideoError: no video, or cut off: the header announces a clearly longer time than the file holds.
    """
    capture = _open(path)
    announced, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    capture.set(cv2.CAP_PROP_FORMAT, -1)  # packets as they are; where unsupported, grab() decodes, and counts too
    count, last = 0, 0.0
    while capture.grab():
        count, last = count + 1, max(last, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    capture.release()
    if count == 0:
        raise VideoError(f"{path}: a video must hold at least one frame; none could be read.")
    if rate > 0 and 0 < announced < 1e9:  # a WebM without a duration reads as -9.2e18 frames
        seconds = announced / rate  # right even where the rate is not: WebM headers read 1000 frames/s, or a guess
        step = last / (count - 1) if count > 1 else 1 / rate
        if last + step < COMPLETE_SHARE * seconds - step:
            raise VideoError(
                f"{path}: truncated: the header announces {seconds:.2f} s, the file holds {last + step:.2f} s. "
                "Download it again."
            )
    return count


def read_frames(path: str | Path, short_side: int | None = None) -> np.ndarray:
    """All frames of a video.

    Args:
        path: the file.
        short_side: length of the shorter side of the result, pixels; None keeps the size in the file.

    Returns:
        uint8 (T, H, W, 3), RGB.

    Raises:
        VideoError: missing, empty, or no video.
    """
    frames = [frame for _, frame in _decode(path, short_side)]
    if not frames:
        raise VideoError(f"{path}: a video must hold at least one frame; none could be decoded.")
    return np.stack(frames)


def read_segments(
    path: str | Path, num_segments: int, window_length: int, short_side: int
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Runs of consecutive frames around evenly spread places of a clip, one at a time.

    Frames that only repeat the one before (a raised frame rate) are left out first. A clip with too few frames for a
    window gives all it has, and its last frame is held until the window is full: motion that is not there is zero.

    Returns:
        for each segment (indices, frames): which frames of the file, and uint8 (window_length, H, W, 3), RGB.

    Raises:
        VideoError: unreadable, empty, truncated, or a single frame.
    """
    planned = count_frames(path)
    if planned < 2:
        raise VideoError(f"{path}: too short: motion needs 2 frames or more; the file holds {planned}.")
    centers = segment_centers(planned, num_segments)
    # So many frames hold a window's worth of different ones. Others are decoded, as codecs need, but not converted.
    reach = window_length * (MAX_REPEATS + 1)
    recent: dict[int, np.ndarray] = {}
    near = _near(centers, reach, planned)
    marked = _mark_repeats(_decode(path, short_side, near, planned), recent, reach)
    for indices in segment_windows(drop_repeats(marked), centers, window_length):
        if not indices or not near[indices[0] : indices[-1]].all():
            raise VideoError(f"{path}: damaged: frames that a segment needs cannot be decoded.")
        frames = [recent[index] for index in indices]
        yield indices, np.stack(frames + frames[-1:] * (window_length - len(frames)))


def _open(path):
    path = Path(path).absolute()  # so that FFmpeg takes no part of the name for a protocol
    if not path.is_file():
        found = "it is a folder" if path.is_dir() else "there is no regular file of that name"
        raise VideoError(f"{path}: must be a video file; {found}.")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: empty: the file has 0 bytes. Download it again.")
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise VideoError(f"{path}: must be a video that OpenCV can open; no video stream was found in it.")
    return capture


def _near(centers, reach, num_frames):
    """bool (num_frames,): whether a frame can be part of a window."""
    near = np.zeros(num_frames, bool)
    for center in centers:
        near[max(0, center - reach) : center + reach] = True
    return near


def _decode(path, short_side, wanted=None, planned=None):
    """Yields (index, uint8 RGB frame) for the wanted frames; all of the size of the first."""
    capture = _open(path)
    size, index = None, 0
    try:
        while capture.grab():
            if wanted is None or (index < len(wanted) and wanted[index]):
                readable, image = capture.retrieve()
                if readable and image is not None:
                    if size is None:
                        height, width = image.shape[:2]
                        size = stored_size(height, width, short_side) if short_side else (height, width)
                    yield index, _to_rgb(image, size)
            index += 1
    finally:
        capture.release()
    if planned and index < DECODED_SHARE * planned:
        raise VideoError(f"{path}: damaged: it holds {planned} frames, of which only {index} can be decoded.")


def _to_rgb(image, size):
    height, width = size
    if image.shape[:2] != size:
        shrinks = image.shape[0] > height
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _mark_repeats(decoded, recent, keep):
    """Yields (index, whether it repeats the frame before), and holds the frames of the last `keep` in `recent`."""
    previous_index, previous = None, None
    changes = deque(maxlen=MAX_REPEATS + 1)
    for index, frame in decoded:
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        repeated = False
        if previous_index == index - 1:
            changes.append(_largest_change(previous, gray))
            repeated = changes[-1] <= max(REPEAT_CHANGE, REPEAT_SHARE * max(changes))
        previous_index, previous = index, gray
        recent[index] = frame
        while next(iter(recent)) <= index - keep:
            recent.pop(next(iter(recent)))
        yield index, repeated


def _largest_change(before, after):
    """Mean absolute difference, grey levels, in the block where it is largest."""
    difference = cv2.absdiff(before, after).astype(np.float32)
    size = [max(1, side // REPEAT_BLOCK) for side in difference.shape[::-1]]
    return float(cv2.resize(difference, size, interpolation=cv2.INTER_AREA).max())
