"""How fast a subset moves: displacements in some training clips, in logarithmic bins, and of their background."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import cv2
import numpy as np
import pandas as pd

from src.config import FLOW_ALGORITHMS
from src.flow import compute_flow
from src.printing import wrap
from src.progress import progress
from src.sources import few, seeded_keys
from src.video import Excerpt, VideoError, read_segments

MOVING = 0.5  # px/frame; slower pixels count as still
OCTAVES = 7  # from MOVING to 64 px/frame
PARTS = 64  # of an octave, in which displacements are counted: percentiles are exact to 1 %
EDGES = np.append(MOVING * 2 ** (np.arange(OCTAVES * PARTS + 1) / PARTS), np.inf)
BINS = np.append(EDGES[:: PARTS // 2], np.inf)  # px/frame: half octaves, and all that is faster
PERCENTILES = (50, 90, 99, 99.9)
BORDER = 8  # the border region is 1 / BORDER of the shorter side wide, on each side of the frame
MAX_CLIPS = 64
LONG = 10  # windows; of a longer clip, only the middle is decoded
SEED = 0  # of the draw of clips
REPEATING = 0.1  # share of repeated frames from which a clip is named: more than one in a window of 11
NAMED = 3  # clips that a sentence names
_EMPTY = np.zeros((len(FLOW_ALGORITHMS), len(EDGES) - 1), int)


@dataclass(frozen=True)
class Motion:
    """How fast the moving pixels of a subset are.

    Attributes:
        bins: DataFrame `low`, `high` (px/frame, half octaves from 0.5; the last `high` is infinite) and `share` of the
            moving pixels, by DIS, which follows faster motion than Farneback; 0 if none moves.
        percentiles: DataFrame of float, px/frame, indexed 50, 90, 99, 99.9, with a column per flow algorithm: as many
            percent of the pixels that move, by that algorithm, are slower. 64 stands for 64 or more; NaN if none moves.
        moving: share of all pixels that move by at least 0.5 px/frame, by DIS.
        repeated: share of the frames that repeat the one before them.
        clips: number of clips that were measured.
        short_side: of the frames, pixels.
        by_clip: DataFrame of float, indexed by `video_id`, a row per measured clip: `background`, its displacement in
            px/frame, and `repeated`, the share of its frames that repeat the one before them. The background is what
            is in the border region of the frame, an eighth of the shorter side wide: its median displacement by DIS,
            over all fields.
    """

    bins: pd.DataFrame
    percentiles: pd.DataFrame
    moving: float
    repeated: float
    clips: int
    short_side: int
    by_clip: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["background", "repeated"], dtype=float))

    @property
    def camera(self) -> pd.Series:
        """px/frame, of the clips whose background moves by at least 0.5 (`MOVING`), by `video_id`, the fastest first.

        What fills the border counts as the background.
        """
        return _largest(self.by_clip.background, MOVING)

    def faster_than(self, limit: float) -> float:
        """Share of the moving pixels that are faster than an edge of a bin, px/frame."""
        return float(self.bins.share[self.bins.low >= limit].sum())

    def describe(self) -> str:
        """Whether the camera moves, and in which clips frames are repeated, if any: sentences, in lines to print."""
        if not self.clips:
            return "No clip could be measured: whether the camera moves is not known."
        return "\n".join(map(wrap, [self._describe_camera(), *self._describe_repeats()]))

    def _describe_camera(self):
        if self.camera.empty:
            clips = "the only clip" if self.clips == 1 else f"all {self.clips} clips"
            return f"The background stands still in {clips}."
        return (
            f"The background moves in {len(self.camera)} of {self.clips} clips, by {self.camera.median():.1f} px/frame "
            f"(median): the camera moves there, {_name(self.camera, '{:.1f} px/frame')}. subtract_mean takes "
            "such motion away where it has nothing to do with the class."
        )

    def _describe_repeats(self):
        repeating = _largest(self.by_clip.repeated, REPEATING)
        if len(repeating):
            yield (
                f"Frames repeat the one before them in {len(repeating)} of {self.clips} clips, "
                f"{_name(repeating, '{:.0%}')}, and are skipped. Was their frame rate raised?"
            )


def measure_motion(
    subset: pd.DataFrame, fingerprint: pd.DataFrame, short_side: int, flow_length: int = 10, max_clips: int = MAX_CLIPS
) -> Motion:
    """Measures displacements in the middle of some training clips, at the stored size.

    The clips are drawn by a hash of their ids: the same on every machine, in any order of the rows. Videos that cannot
    be used are skipped.

    Args:
        subset: the table.
        fingerprint: of it, from `read_fingerprint`; its lengths spare the decoding of all of a long clip.
        short_side: of the stored frames, pixels.
        flow_length: L; L fields of each clip are measured.
        max_clips: number of clips, at most.
    """
    clips = subset.join(fingerprint[["frames", "seconds"]])[(subset.split == "train") & fingerprint.frames.notna()]
    clips = clips.assign(key=seeded_keys(clips.video_id, SEED)).sort_values("key")[:max_clips]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        measured = pool.map(lambda row: _measure(row, short_side, flow_length + 1), clips.itertuples())
        found = [result for result in progress(measured, len(clips), "motion") if result]
    sums, rows = [values for values, _ in found], [row for _, row in found]
    counts, pixels, span, kept = map(sum, zip(*sums, strict=True)) if found else (_EMPTY, 0, 0, 0)
    dis = counts[FLOW_ALGORITHMS.index("dis")]
    moving = int(dis.sum())
    shares = np.append(dis[:-1].reshape(-1, PARTS // 2).sum(axis=1), dis[-1]) / max(moving, 1)
    return Motion(
        bins=pd.DataFrame({"low": BINS[:-1], "high": BINS[1:], "share": shares}),
        percentiles=pd.DataFrame(map(_percentiles, counts), FLOW_ALGORITHMS, PERCENTILES).T,
        moving=moving / max(pixels, 1),
        repeated=1 - kept / span if span else 0.0,
        clips=len(found),
        short_side=short_side,
        by_clip=pd.DataFrame(rows, columns=["video_id", "background", "repeated"]).set_index("video_id").astype(float),
    )


def _measure(row, short_side, window_length):
    """What is summed over clips: moving pixels by algorithm and part of an octave, pixels, frames, and frames that
    repeat none; and its row of `by_clip`. None if the clip is unusable.
    """
    try:
        (segment,) = read_segments(_middle(row, window_length), 1, window_length, short_side)
    except (VideoError, OSError, cv2.error):
        return None
    speeds = {algorithm: _speed(compute_flow(segment.gray, algorithm)) for algorithm in FLOW_ALGORITHMS}
    counts = np.array([np.histogram(speed, EDGES)[0] for speed in speeds.values()])
    span = segment.indices[-1] - segment.indices[0] + 1
    kept = len(segment.indices)
    return (counts, speeds["dis"].size, span, kept), (row.video_id, _background(speeds["dis"]), 1 - kept / span)


def _speed(flow):
    return np.hypot(flow[..., 0], flow[..., 1])


def _background(speed):
    """The median displacement over the border region of all fields, (L, H, W)."""
    width = max(min(speed.shape[1:]) // BORDER, 1)
    is_border = np.ones(speed.shape[1:], bool)
    is_border[width:-width, width:-width] = False
    return np.median(speed[:, is_border])


def _middle(row, window_length):
    """The excerpt of a clip that is decoded: all, or the middle of a long one."""
    whole = Excerpt.of(row)
    if row.frames <= LONG * window_length:
        return whole
    length = row.seconds * LONG * window_length / row.frames
    start = (0.0 if np.isnan(whole.start) else whole.start) + (row.seconds - length) / 2
    return whole._replace(start=start, end=start + length)


def _percentiles(counts):
    """The upper edges of the parts of an octave that hold the percentiles."""
    total = counts.cumsum()
    if not total[-1]:
        return [np.nan] * len(PERCENTILES)
    places = np.searchsorted(total, np.array(PERCENTILES) / 100 * total[-1])
    return np.minimum(EDGES[places + 1], EDGES[-2])


def _largest(values, limit):
    """Those that reach the limit, the largest first."""
    return values[values >= limit].sort_values(ascending=False, kind="stable")


def _name(values, text):
    return ("most in " if len(values) > 1 else "in ") + few(
        f"{name} ({text.format(value)})" for name, value in values[:NAMED].items()
    )
