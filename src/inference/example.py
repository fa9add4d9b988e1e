"""The video on which a notebook shows a prediction: the user's, or a test clip whose file is still there."""

from pathlib import Path

import pandas as pd

from src.files import expand
from src.video import Excerpt, FrameStream, VideoError

SMALL = 32  # pixels, of a frame that is read only to see whether it can be


def find_video(clips: pd.DataFrame, video: str | Path | Excerpt | None = None) -> Path | Excerpt | None:
    """Finds the video to classify at the end of a training, before it begins.

    Args:
        clips: from `src.inputs.read_clips`.
        video: a video file or folder of images of the user's, or what this function found before; None takes the first
            test clip whose file is there and plays, or a validation clip where there is no test.

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
        _read_first_frame(video)
        return video
    split = "test" if (clips.split == "test").any() else "validation"
    scored = clips[clips.split == split]
    videos = [Excerpt.of(row) for row in scored.itertuples()]
    found = next((excerpt for excerpt in videos if _plays(excerpt)), None)
    if found is None:
        print(
            f"None of the {len(videos):,} {split} clips has its video any more; the first was {videos[0]}. Training "
            "needs the prepared clips alone; the predictions for a video at the end are left out. To see them, set "
            "video to any video file."
        )
    return found


def _plays(video):
    try:
        _read_first_frame(video)
    except VideoError:
        return False
    return True


def _read_first_frame(video):
    next(iter(FrameStream(video, SMALL)), None)
