"""The videos on which a notebook shows predictions: the user's, or test clips whose files are still there and move."""

import os
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from src.files import expand
from src.video import Excerpt, FrameStream, VideoError

SMALL = 32  # pixels, of frames that are read only to see whether they can be, and how much they change
LOOKED_AT = 48  # frames of a clip
TRIED = 12  # clips that play, of which those that move most are shown


def find_video(clips: pd.DataFrame, video: str | Path | Excerpt | None = None) -> Path | Excerpt | None:
    """Finds the video to classify at the end of a training, before it begins.

    Args:
        clips: from `src.inputs.read_clips`.
        video: a video file or folder of images of the user's, or what this function found before; None takes a test
            clip whose file is there, plays and moves, or a validation clip where there is no test.

    Returns:
        The video; None, with a printed sentence, if there is none: training needs the store alone.

    Raises:
        VideoError: `video` is given, and there is no such file or it cannot be used.
        ValueError: `video` is not a path, or None in quotes.
    """
    if video is not None:
        if video == "None" or not isinstance(video, str | Path | Excerpt):
            hint = ". Write it without quotes: None" if video == "None" else ""
            raise ValueError(f"video must be a video file, or None. Received: {video!r}{hint}")
        video = video if isinstance(video, Excerpt) else expand(video)
        _measure_change(video, frames=1)
        return video
    moving = _find_moving(clips)
    if not moving:
        videos = [Excerpt.of(row) for row in _last_split(clips).itertuples()]
        print(
            f"None of the {len(videos):,} {_last_split(clips).split.iloc[0]} clips has its video any more; the first "
            f"was {videos[0]}. Training needs the prepared clips alone; the predictions for a video at the end are "
            "left out. To see them, set video to any video file."
        )
        return None
    return next(iter(moving.values()))


def find_scenes(
    clips: pd.DataFrame, video: Path | Excerpt | None, count: int = 4
) -> tuple[list[Path | Excerpt], list[str | None]]:
    """The videos that a timeline joins, and their true classes.

    Args:
        clips: from `src.inputs.read_clips`.
        video: from `find_video`. A clip that it has found comes first, and clips of other classes that move follow; a
            video of the user's stays alone.
        count: how many clips, at most.

    Returns:
        (videos, labels): the label of a video that is no clip is None. Both are empty if `video` is None.
    """
    if video is None:
        return [], []
    label = _find_label(clips, video)
    scenes = {label: video}
    if label is not None and isinstance(video, Excerpt):
        scenes |= {name: clip for name, clip in _find_moving(clips).items() if name != label}
    names = list(scenes)[:count]
    return [scenes[name] for name in names], names


def _find_label(clips, video):
    wanted = _identify(video)
    return next((row.label for row in clips.itertuples() if _identify(row) == wanted), None)


def _identify(video):
    excerpt = Excerpt.of(video)
    return str(excerpt._replace(path=os.path.abspath(excerpt.path)))


def _last_split(clips):
    return clips[clips.split == ("test" if (clips.split == "test").any() else "validation")]


def _find_moving(clips: pd.DataFrame) -> dict[str, Excerpt]:
    """Class → its first clip that plays, for twelve classes at most; the clip that moves most first."""
    scored = _last_split(clips)
    order = np.argsort(scored.groupby("label").cumcount().to_numpy(), kind="stable")  # a clip of each class, and so on
    found = {}
    for row in scored.iloc[order].itertuples():
        if len(found) == TRIED:
            break
        if row.label not in found:
            with suppress(VideoError):
                found[row.label] = _measure_change(Excerpt.of(row)), Excerpt.of(row)
    return {label: found[label][1] for label in sorted(found, key=lambda label: -found[label][0])}


def _measure_change(video: str | Path | Excerpt, frames: int = LOOKED_AT) -> float:
    """How much the first frames of a video change: the mean absolute difference of grey from one to the next."""
    gray = [frame.gray.astype(float) for frame in islice(FrameStream(video, SMALL), frames)]
    return float(np.abs(np.diff(gray, axis=0)).mean()) if len(gray) > 1 else 0.0
