"""Opens a video file with PyAV, so that it cannot name other files, and reads its packets and frames."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
from av.stream import Disposition

from src.video.rules import MAX_PIXELS, VideoError, read_start

PLAYLISTS = {"concat", "dash", "hls", "imf", "rtp", "rtsp", "sap", "sdp"}  # text that names other files or addresses

UNTIMED = {"mpeg"}  # MPEG program streams time some frames only; the others have no exact times after a seek
NO_OTHER_FILES = {"protocol_whitelist": "none"}


@contextmanager
def open_container(path: Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """Opens a video file, with the video stream that a player shows: not a cover, and by FFmpeg's order of preference.

    FFmpeg is given the content, not the name, which it might take for a protocol or a pattern, and may open nothing
    else. One thread decodes, because clips are decoded in parallel, and threads hold more frames.

    Raises:
        VideoError: no readable file, empty, not a video, or of a codec without a decoder.
    """
    start = read_start(path)
    with open(path, "rb") as file:
        try:
            container = av.open(_Unnamed(file), metadata_errors="replace", container_options=NO_OTHER_FILES)
        except (av.FFmpegError, ValueError) as error:
            raise _no_video(path, start) from error
        with container:
            stream = _choose_stream(container)
            if stream is None or PLAYLISTS & set(container.format.name.split(",")):
                raise _no_video(path, start)
            if stream.codec_context is None:
                raise VideoError(
                    f"{path}: must be of a codec that FFmpeg can decode; there is no decoder for its video stream. "
                    "Convert it where it plays (ffmpeg -i IN OUT.mp4)."
                )
            stream.codec_context.thread_type, stream.codec_context.thread_count = "NONE", 1
            stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
            yield container, stream


class _Unnamed:
    """A file without the attribute `name`, which PyAV would hand on to FFmpeg."""

    def __init__(self, file):
        self._file, self.read, self.tell = file, file.read, file.tell

    def seek(self, offset, whence):
        """The new position, or -1 if the file has no such one: headers can be wrong."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, OverflowError, ValueError):
            return -1


def _choose_stream(container):
    streams = container.streams.video
    films = [stream for stream in streams if not Disposition(stream.disposition) & Disposition.attached_pic]
    best = container.streams.best("video")  # which has several frames, where another one is a still image
    return best if best in films else next(iter([*films, *streams]), None)


def _no_video(path, start):
    return VideoError(
        f"{path}: must be a video that FFmpeg can open; no video stream was found in it. "
        f"It begins with {start!r}. Download it again, or convert it to MP4 or WebM."
    )


def seek_back(path: Path, seconds: float, margins: tuple[float, ...]) -> Iterator[tuple]:
    """Yields (container, stream, whether it was moved): near `seconds`, then ever further before it, then at the start.

    The consumer takes the first of them from which it can read what it needs.
    """
    for margin in margins if seconds > 0 else ():
        with open_container(path) as (container, stream):
            if container.format.name in UNTIMED:
                break
            try:
                container.seek(int((seconds - margin) / stream.time_base), stream=stream)
            except (av.FFmpegError, OverflowError):
                continue
            yield container, stream, True
    with open_container(path) as (container, stream):
        yield container, stream, False


def read_packets(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    """Yields the packets of a stream up to the first that is unreadable, and an empty one at the end."""
    with suppress(av.FFmpegError):
        yield from container.demux(stream)


def decode_packet(packet: av.Packet) -> list[av.VideoFrame]:
    """The frames that a packet completes; none if it cannot be decoded."""
    try:
        return packet.decode()
    except av.FFmpegError:
        return []


def seconds_of(timestamp: int | None, stream: av.VideoStream, default: float | None = None) -> float | None:
    """A timestamp by the clock of the file, seconds; `default` if there is none."""
    if timestamp is None:
        return default
    base = stream.time_base
    return timestamp * base.numerator / base.denominator
