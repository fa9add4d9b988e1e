"""Reads a video file: its frames in order, turned and deinterlaced as a player shows them, or those of an excerpt."""

from collections import deque
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from heapq import heappop, heappush
from itertools import chain
from math import inf, isnan
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from src.video.completeness import missing_bytes
from src.video.container import decode_packet, read_packets, seconds_of, seek_back
from src.video.deinterlacing import deinterlace
from src.video.excerpt import FRAME_RATE, Excerpt
from src.video.rules import VideoError, check_size, displayed_size

DECODED_SHARE = 0.75  # a file of which a smaller share of packets decodes is damaged; not 1, as VP8 has hidden frames
MAX_PIXEL_ASPECT = 4  # a larger one is an error in the header
TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
ROUNDING = 0.001  # seconds: timestamps of WebM and MKV are rounded to it
FAR = 1.0  # seconds: an excerpt that starts so much after the last packet is not looked for by decoding
KEPT_BYTES = 1 << 23  # a file up to this size is read once, for the number of its packets and for its frames
SWAPPED = 2  # frames whose times are sorted
MARGINS = (0.0, 2.0, 10.0, 60.0)  # seconds before the start of an excerpt where a key frame is looked for


class Picture(NamedTuple):
    """A frame as decoded.

    Attributes:
        index: number of frames before it in the excerpt.
        seconds: since the first frame of the excerpt.
        image: uint8 (H, W, 3), BGR.
        display_size: (height, width) with square pixels.
        again: gives `image` once more, from what the codec decoded, which takes half of its memory; None if there is
            only the image.
    """

    index: int
    seconds: float
    image: np.ndarray
    display_size: tuple[int, int]
    again: Callable[[], np.ndarray] | None = None


class FileReader:
    """The frames of a video file, or of a part of it.

    Attributes:
        num_frames: frames decoded so far; the true number once `pictures` has ended.

    Its methods raise VideoError: no readable file, empty, not a video, no decoder, or frames too large or elongated.
    """

    def __init__(self, excerpt: Excerpt):
        self.excerpt = excerpt
        self.path = Path(excerpt.path).absolute()
        self.num_frames = self._num_decoded = self._num_packets = 0
        self._kept = None

    def _open_near(self, seconds):
        """Yields (packets, stream, whether it was moved) as `seek_back`; at first those that `estimate` has kept."""
        if self._kept:
            (_, *opened), self._kept = self._kept, None
            yield *opened, False
            return
        for container, stream, moved in seek_back(self.path, seconds, MARGINS):
            self._pixel_aspect = pixel_aspect(stream)
            size = stream.codec_context.height, stream.codec_context.width
            check_size(self.path, *displayed_size(*size, self._pixel_aspect))
            yield read_packets(container, stream), stream, moved

    def estimate(self) -> int:
        """Number of frames, counted by packets without decoding: of most files the true one, of all near it.

        Raises:
            VideoError: no frame; no key frame first; truncated, which means that declared bytes are missing; or an
                excerpt that starts after the end.
        """
        begin, end = self._bounds
        opening = self._open_near(begin)
        for packets, stream, moved in opening:
            keeps = self.excerpt.is_whole and self.path.stat().st_size <= KEPT_BYTES
            packets = list(packets) if keeps else packets
            first, last, count, at_end, skipped = self._count_packets(packets, stream, begin, end)
            if first and (not moved or seconds_of(first.dts, stream, inf) <= begin):
                break
        if first is None and skipped == 0:
            raise VideoError(
                f"{self.path}: a video must hold at least one frame; none could be read. Download it again."
            )
        if first is None or (self.excerpt.is_whole and skipped > (1 - DECODED_SHARE) * (skipped + count)):
            raise VideoError(
                f"{self.path}: damaged: the first frame must be a key frame; it is coded as changes to an earlier "
                "frame, which is missing. Download it again."
            )
        if at_end and (missing := missing_bytes(self.path)):
            raise VideoError(
                f"{self.path}: truncated: it announces {missing[1]:,} bytes, the file holds {missing[0]:,} of them. "
                "Download it again."
            )
        if at_end and last < begin - FAR:
            raise _nothing_in(self.excerpt)
        if keeps:
            self._kept = opening, packets, stream  # the file is open for as long as `opening` lives
        return max(count, 1)

    def _count_packets(self, packets, stream, begin, end):
        """Counts the packets from the first key frame on.

        Returns:
            (first packet, time of the last, number from `begin` to `end`, whether the file was read to its end, number
            before the first).
        """
        first, seconds, count, skipped = None, inf, 0, 0
        for packet in packets:
            if packet.size == 0 or packet.is_corrupt:  # the end, or a part of a packet
                continue
            if first is None and not packet.is_keyframe:
                skipped += 1
                continue
            first = first or packet
            if seconds_of(packet.dts, stream, -inf) >= end:  # no frame is shown before it is decoded
                return first, seconds, count, False, skipped
            seconds = seconds_of(packet.dts if packet.pts is None else packet.pts, stream, begin)
            count += begin <= seconds < end and _is_shown(packet)
        return first, seconds, count, True, skipped

    def pictures(self, wanted: np.ndarray | None = None) -> Iterator[Picture]:
        """Decodes the frames, and converts and yields those that are wanted.

        Args:
            wanted: bool (T,); None is all.

        Raises:
            VideoError: clearly fewer frames decode than the file holds, which is known at its end; or frames cannot be
                converted.
        """
        begin, end = self._bounds
        self.num_frames = self._num_decoded = self._num_packets = 0
        reformatter, zero = VideoReformatter(), None
        for seconds, frame in self._frames(begin):
            if seconds < begin:
                continue
            if seconds >= end:
                return
            zero = seconds if zero is None else zero
            index, self.num_frames = self.num_frames, self.num_frames + 1
            if wanted is None or (index < len(wanted) and wanted[index]):
                convert = partial(self._convert, frame, reformatter)
                yield Picture(index, seconds - zero, convert(), self._size_of(frame), convert)
        if self.excerpt.is_whole and self._num_decoded < DECODED_SHARE * self._num_packets:
            raise VideoError(
                f"{self.path}: damaged: it holds {self._num_packets} frames, of which only {self._num_decoded} can be "
                "decoded. Download it again; if a player shows it, encode it (ffmpeg -i IN OUT.mp4)."
            )
        if self.num_frames == 0 and not self.excerpt.is_whole:
            raise _nothing_in(self.excerpt)

    @cached_property
    def _bounds(self):
        """(begin, end) of the excerpt by the clock of the file, seconds; infinite where it has no bound."""
        start, end = self.excerpt.start, self.excerpt.end
        if self.excerpt.is_whole:
            return -inf, inf
        zero, _ = next(self._frames(-inf), (0.0, None))
        begin = zero + start - ROUNDING if start > 0 else -inf
        return begin, inf if isnan(end) else zero + end - ROUNDING

    def _frames(self, begin):
        """Yields (seconds, frame), from the key frame before `begin` on, or from the first frame."""
        for packets, stream, moved in self._open_near(begin):
            frames = deinterlace(self._decode(packets, moved), stream)
            first = next(frames, None)
            if moved and (first is None or seconds_of(first.pts, stream, inf) > begin):
                continue
            frames = chain([first], frames) if first else ()
            rate = float(stream.average_rate or FRAME_RATE)
            yield from _sort_times((seconds_of(frame.pts, stream, n / rate), frame) for n, frame in enumerate(frames))
            return

    def _decode(self, packets, begins_late):
        """Yields the frames from the first key frame on, as a recording of television begins anywhere."""
        self._num_decoded = self._num_packets = 0
        key_found = False
        for packet in packets:
            key_found |= packet.is_keyframe
            if not key_found:
                begins_late = True
                continue
            self._num_packets += _is_shown(packet)
            for frame in decode_packet(packet):
                self._num_decoded += 1 + frame.interlaced_frame  # whose fields may be a packet each
                if begins_late and not frame.key_frame:  # shown before the key frame, and changes to a missing one
                    continue
                begins_late = False
                yield frame

    def _convert(self, frame, reformatter):
        """uint8 (H, W, 3), BGR, turned as a player does."""
        try:
            image = _view(reformatter.reformat(frame, format="bgr24", threads=1))
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(
                f"{self.path}: must have frames that FFmpeg can convert; those of the format {frame.format.name} "
                f"cannot be: {error}. Encode it where it plays (ffmpeg -i IN OUT.mp4)."
            ) from error
        turn = frame.rotation % 360
        return cv2.rotate(image, TURNS[turn]) if turn in TURNS else image

    def _size_of(self, frame):
        """(height, width) of a frame as displayed."""
        size = displayed_size(frame.height, frame.width, self._pixel_aspect)
        return size[::-1] if frame.rotation % 180 == 90 else size


def _view(frame):
    """A BGR frame as an array (H, W, 3), without a copy."""
    (plane,) = frame.planes
    return np.ndarray((frame.height, frame.width, 3), np.uint8, plane, strides=(plane.line_size, 3, 1))


def _is_shown(packet):
    """Whether a packet probably is a frame. XviD marks the place of a frame that comes with another one by a byte."""
    return packet.size > 1 and not packet.is_discard


def _sort_times(pairs):
    """Yields (seconds, frame) with the times in order. The frames are, but XviD in AVI swaps times of neighbours."""
    times, frames = [], deque()
    for seconds, frame in pairs:
        heappush(times, seconds)
        frames.append(frame)
        if len(frames) > SWAPPED:
            yield heappop(times), frames.popleft()
    while frames:
        yield heappop(times), frames.popleft()


def pixel_aspect(stream: av.VideoStream) -> float:
    """Width of a pixel / its height."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if 1 / MAX_PIXEL_ASPECT <= aspect <= MAX_PIXEL_ASPECT else 1.0


def _nothing_in(excerpt):
    return VideoError(
        f"{excerpt}: an excerpt must hold at least one frame; the file shows none in these seconds, or ends before. "
        "Correct start and end."
    )
