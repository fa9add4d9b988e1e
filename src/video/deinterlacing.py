"""Deinterlaces frames with FFmpeg's filter bwdif, as players do."""

from collections import deque
from collections.abc import Iterable, Iterator

import av
from av.filter import Graph

FILTER = ("bwdif", "mode=send_frame:deint=interlaced")  # a frame for each frame; progressive ones stay as they are
SMALLEST = 16  # pixels: the filter needs some lines


def deinterlace(frames: Iterable[av.VideoFrame], stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Yields each frame with its timestamp, deinterlaced from the first one on that is marked as interlaced."""
    graph, kind, timestamps = None, None, deque()
    for frame in frames:
        new = (frame.width, frame.height, frame.format)
        if graph and str(new) != str(kind):
            yield from _finish(graph, timestamps)
            graph = None
        if not graph and frame.interlaced_frame and min(new[:2]) >= SMALLEST:
            graph, kind = _make_graph(*new, stream.time_base), new
        if not graph:
            yield frame
            continue
        timestamps.append(frame.pts)
        graph.vpush(frame)
        yield from _pull(graph, timestamps)
    if graph:
        yield from _finish(graph, timestamps)


def _make_graph(width, height, pixel_format, time_base):
    graph = Graph()
    source = graph.add_buffer(width=width, height=height, format=pixel_format, time_base=time_base)
    graph.link_nodes(source, graph.add(*FILTER), graph.add("buffersink")).configure()
    return graph


def _pull(graph, timestamps):
    """Yields the frames that are ready. The filter changes the unit of timestamps, so they are kept beside it."""
    while timestamps:
        try:
            frame = graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
        frame.pts = timestamps.popleft()
        yield frame


def _finish(graph, timestamps):
    graph.vpush(None)
    yield from _pull(graph, timestamps)
