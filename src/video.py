"""A video file → frames, uint8 RGB. Each file is decoded once, and only as far as its last segment."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from src.sampling import MAX_REPEATS, drop_repeats, segment_centers, segment_windows

# Two frames are the same picture when no grey value differs by more; a codec moves a repeated frame that much.
REPEAT_TOLERANCE = 2
# A file with a smaller share of the frames its header announces is called truncated.
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
    """Frames in the file by its packets: nothing is decoded, and no header is believed.

    Raises:
        VideoError: no video, or cut off: the header announces clearly more than the file holds.
    """
    capture = _open(path)
    announced, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    capture.set(cv2.CAP_PROP_FORMAT, -1)  # packets as they are; where unsupported, grab() decodes, and counts too
    count = 0
    while capture.grab():
        count += 1
    capture.release()
    if count == 0:
        raise VideoError(f"{path}: a video must hold at least one frame; none could be read.")
    plausible = 1 <= rate <= 240 and 0 < announced < 1e9  # WebM headers read -9.2e18 frames, or 1000 frames/s
    if plausible and count < COMPLETE_SHARE * announced - 1:
        raise VideoError(
            f"{path}: truncated: the header announces {announced:.0f} frames, the file holds {count}. "
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
    """Yields (index, whether it repeats the frame before), and leaves the last `keep` frames in `recent`."""
    previous_index, previous = None, None
    for index, frame in decoded:
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        follows = previous_index == index - 1
        repeated = follows and cv2.absdiff(gray, previous).max() <= REPEAT_TOLERANCE
        previous_index, previous = index, gray
        recent[index] = frame
        recent.pop(index - keep, None)
        yield index, repeated
