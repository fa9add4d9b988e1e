"""Any videos, or a prepared data set → the network inputs of whole clips, one clip at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from src.config import STREAMS, ClipConfig, TrainConfig, differences
from src.files import check_path
from src.image_folder import VIDEO_SUFFIXES, is_image_folder
from src.inputs import StreamInputs, scored_inputs
from src.preprocessing import extract_clip, extract_windows
from src.sources import COLUMNS, printable, read_source
from src.store import ClipStore, read_prepared
from src.video import Excerpt, VideoError


@dataclass(frozen=True)
class ClipInputs:
    """The inputs of both networks for one clip.

    Attributes:
        streams: {"spatial", "temporal"}: uint8 (V, S, …), V crops of each of the S segments.
        frames: int64 (S,), the middle frame of each segment's window, counted from the start of the clip.
    """

    streams: dict[str, np.ndarray]
    frames: np.ndarray


def open_source(
    source: str | Path, clip_config: ClipConfig, config: TrainConfig, subset: str | None = None
) -> tuple[pd.DataFrame, Callable[[object], ClipInputs]]:
    """Lists the clips of a source, and tells how each of them is read.

    Args:
        source: a video file, a folder of images that is a video, a folder with videos directly in it, any source of
            `src.sources.read_source`, or a prepared folder.
        clip_config, config: of the networks. All `num_segments` segments of a clip are read, in `test_crops` crops.
        subset: the name of a subset of a prepared folder; None is the one that was prepared last.

    Returns:
        (table, read): the annotation table, "" as the label and the split of what has none; and row (of
        `table.itertuples()`) → `ClipInputs`, which raises ValueError or OSError for a clip that cannot be used.

    Raises:
        ValueError: the source has no videos; a prepared folder was prepared with other parameters than those of the
            networks; or `subset` is given for videos.
        FileNotFoundError: there is no such subset.
    """
    path = check_path(source, "source")
    if (path / "config.json").is_file() and (path / "clips").is_dir():
        return _open_prepared(path, clip_config, config, subset)
    if subset is not None:
        raise ValueError(f"{printable(path)}: only a prepared folder has subsets, so subset must be None: {subset!r}")
    return _list_videos(source, path), partial(_read_video, clip_config=clip_config, config=config)


def _open_prepared(path, clip_config, config, subset):
    table, store = read_prepared(path, subset)
    if store.config != clip_config:
        changed = "; ".join(differences(clip_config.to_dict(), store.config.to_dict()))
        raise ValueError(
            f"{path}: prepared with other parameters than the clips of the run ({changed}). Give the videos "
            "themselves, which are then extracted as for the run, or prepare them with its parameters."
        )
    inputs = [StreamInputs(store, stream, config, cache=False) for stream in STREAMS]
    return table, partial(_read_stored, store=store, inputs=inputs)


def _list_videos(source, path):
    """The annotation table of any source, also of videos without classes."""
    is_video = is_image_folder(path) or (path.is_file() and path.suffix.lower() != ".csv")
    videos = [path] if is_video else _unlabelled(path)
    if not videos:
        return read_source(source)
    table = pd.DataFrame({"video_id": [video.name for video in videos], "path": list(map(str, videos))})
    return table.reindex(columns=COLUMNS).assign(label="", split="")


def _unlabelled(folder):
    """The videos directly in a folder that has no folders; none otherwise."""
    if not folder.is_dir():
        return []
    visible = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    if any(entry.is_dir() for entry in visible):
        return []
    return [entry for entry in visible if entry.suffix.lower() in VIDEO_SUFFIXES]


def _read_video(row, clip_config: ClipConfig, config: TrainConfig) -> ClipInputs:
    stores_flow = clip_config.flow_source == "store"
    clip = (extract_clip if stores_flow else extract_windows)(Excerpt.of(row), clip_config)
    length = clip_config.window_length
    motion = clip.stacks if stores_flow else np.stack([clip.window(n, length) for n in range(len(clip.frames))])
    streams = {
        stream: scored_inputs(segments, stream, clip_config, config)
        for stream, segments in zip(STREAMS, (clip.frames, motion), strict=True)
    }
    return ClipInputs(streams, _middle_frames(clip.indices))


def _read_stored(row, store: ClipStore, inputs: list[StreamInputs]) -> ClipInputs:
    if not row.stored:
        raise VideoError(f"{row.path}: has no clip in {store.root}, whose failures.csv may say why. Prepare it again.")
    streams, segments = {}, range(store.config.num_segments)
    for stream in inputs:
        crops = [stream.crop_scored(stream.read(row.clip_name, n), stream.config.test_crops) for n in segments]
        streams[stream.stream] = np.stack(crops, axis=1)
    return ClipInputs(streams, _middle_frames(store.read_info(row.clip_name)["indices"]))


def _middle_frames(windows):
    return np.array([window[(len(window) - 1) // 2] for window in windows])
