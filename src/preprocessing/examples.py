"""Clips to look at before anything is extracted: one example, and a few frames of each class."""

from dataclasses import dataclass, replace
from difflib import get_close_matches

import cv2
import numpy as np
import pandas as pd

from src.config import ClipConfig
from src.flow import ZERO
from src.preprocessing.extraction import extract_clip
from src.sources import few
from src.store import Clip
from src.video import Excerpt, VideoError, count_frames, read_frames, read_segments

EXAMPLE_CLASSES = 8
NEAR = 5  # names that an error suggests
PLAYED = 48  # frames of an example that are played
NO_CLIP = "A subset needs a training clip to show an example of. Received: none"


@dataclass(frozen=True)
class Example:
    """One clip of a subset, for display: its entries in the table and its extracted `Clip`."""

    video_id: str
    video: Excerpt
    label: str
    clip: Clip

    @property
    def segment(self) -> int:
        """The segment in which parts of the picture move most differently, as an object does before a background."""
        return int(self._spread.max(axis=1).argmax())

    @property
    def pair(self) -> tuple[int, int]:
        """The numbers of the two consecutive frames between which they do."""
        window = self.clip.indices[self.segment]
        padded = (self._spread.shape[1] + 1 - len(window)) // 2
        place = int(np.clip(self._spread[self.segment].argmax() - padded, 0, len(window) - 2))
        return window[place], window[place + 1]

    def read_frames(self, short_side: int = 128) -> np.ndarray:
        """Frames that are evenly spread over the clip, at most 48 of them: a long one does not fit into memory.

        Returns:
            uint8 (T, short_side, W, 3) or (T, H, short_side, 3), RGB.
        """
        last = count_frames(self.video) - 1
        return read_frames(self.video, short_side, np.unique(np.linspace(0, last, PLAYED).astype(int)).tolist())

    @property
    def _spread(self) -> np.ndarray:
        """Standard deviation of each flow field over its pixels, in codes: (S, L)."""
        spread = self.clip.stacks.std(axis=(1, 2))
        return np.hypot(spread[:, 0::2], spread[:, 1::2])


def find_example(subset: pd.DataFrame, config: ClipConfig, clip: str | int | None = None) -> Example:
    """Extracts one clip to look at.

    Args:
        subset: from `src.subsets.choose_subset`.
        config: what to extract.
        clip: a `video_id`, or a label: the first usable clip of the class, of training if there is one. None extracts
            the first usable training clip of each of the first `EXAMPLE_CLASSES` classes, and takes the one with the
            fastest mean motion.

    Raises:
        ValueError: no clip has this id or label; the message names near ones.
        VideoError: no clip can be used; the message is that of the last one tried.
    """
    config = replace(config, flow_source="store")  # flow is displayed, even if it is not stored
    if clip is not None:
        return next(_extract_usable(_find_rows(subset, clip), config))
    first = _extract_usable(subset[subset.split == "train"], config, EXAMPLE_CLASSES)
    return max(first, key=lambda example: np.abs(example.clip.stacks.astype(np.int16) - ZERO).mean())


def read_strips(subset: pd.DataFrame, num_frames: int = 3, short_side: int = 64, most: int = 12) -> dict:
    """Reads a few frames of a training clip of each class, evenly spread in time.

    Args:
        subset: from `src.subsets.choose_subset`.
        num_frames: of each clip.
        short_side: of the frames, pixels.
        most: classes; of more, the first ones that have a clip which can be used.

    Returns:
        label → uint8 (num_frames, H, W, 3), RGB; a class of which no training clip can be used is missing.

    Raises:
        VideoError: no clip can be used; the message is that of the last one tried.
    """
    training, strips, error = subset[subset.split == "train"], {}, VideoError(NO_CLIP)
    for label in subset.label.unique():
        if len(strips) == most:
            break
        for row in training[training.label == label].itertuples():
            try:
                segments = list(read_segments(Excerpt.of(row), num_frames, 2, short_side))
            except (VideoError, cv2.error) as reason:
                error = reason
                continue
            strips[label] = np.stack([segment.frame for segment in segments])
            break
    if not strips:
        raise error
    return strips


def _find_rows(subset, clip):
    """The rows of the id or, if there is none, of the label."""
    name = str(clip)
    for column in ("video_id", "label"):
        rows = subset[subset[column] == name]
        if len(rows):
            return rows
    names = [*subset.label.unique(), *subset.video_id]
    near = [other for other in names if name and name.casefold() in other.casefold()]
    near = near or get_close_matches(name, names, NEAR)
    hint = f"Near it: {few(map(repr, near), NEAR)}." if near else f"Labels: {few(map(repr, names), NEAR)}."
    raise ValueError(f"clip must be a video_id or a label of the subset, or None. Received: {clip!r}. {hint}")


def _extract_usable(rows, config, classes=1):
    """Yields the first usable clip of each class, of so many classes."""
    seen, error = set(), VideoError(NO_CLIP)
    for row in rows.itertuples():
        if row.label in seen or len(seen) == classes:
            continue
        try:
            video = Excerpt.of(row)
            example = Example(row.video_id, video, row.label, extract_clip(video, config))
        except (VideoError, cv2.error) as reason:
            error = reason
            continue
        seen.add(row.label)
        yield example
    if not seen:
        raise error
