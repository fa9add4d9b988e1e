"""Any videos, or a prepared data set → the features of both streams, in files."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd

from src.config import STREAMS
from src.evaluation import digest_weights
from src.files import check_path, read_json, write_json
from src.inference.clip_inputs import ClipInputs, open_source
from src.inference.feature_files import PART_CLIPS, ROW, read_table, write_part, write_table
from src.inference.loading import load_run
from src.ownership import claim, is_claimed
from src.progress import progress
from src.sources import printable

KIND = "exported features"  # of a folder
RECORD = "features.json"
RECORD_BYTES = 1_000_000  # at most
READERS = 2  # threads that read clips while the networks work


def export_features(run: str | Path, source: str | Path, folder: str | Path, subset: str | None = None) -> pd.DataFrame:
    """Writes the features of both streams for each clip of a source; files: see `src.inference.feature_files`.

    The features of a segment are what the layer "body" of a stream gives, the input of its head, averaged over the
    run's `test_crops` crops. All segments of a clip are given to the network at once, so that a network with temporal
    shift sees the whole clip; `test_segments` is not used.

    Memory holds the features of `PART_CLIPS` clips, however many the source has. Call it again after an interruption,
    or when the source has more videos: it computes what is missing. A video whose bytes were replaced under the same
    path is not computed again.

    Args:
        run: folder of a finished run.
        source: as for `open_source`: a video, a folder of videos, a CSV, or a prepared folder.
        folder: is made; or one that this function made for the same run and source.
        subset: the name of a subset of a prepared folder; None is the one that was prepared last.

    Returns:
        a row per clip, with the columns of table.csv. Videos that cannot be used are listed in failures.csv with their
        reason; they do not stop the export, and are tried again the next time.

    Raises:
        FileNotFoundError: a file of the run is missing.
        ValueError: the run or the source cannot be used, none of its videos can, or the folder holds something else.
    """
    two_stream, _, clip_config, config = load_run(run)
    streams = {stream: two_stream.get_layer(stream) for stream in STREAMS}
    bodies = {name: stream.get_layer("body") for name, stream in streams.items()}
    weights = digest_weights(streams.values())
    table, read = open_source(source, clip_config, config, subset)
    folder = check_path(folder, "the folder of features")
    record = {"weights": weights, "clips": clip_config.to_dict(), "training": config.to_dict()}
    missing = _choose_missing(table, folder, record)
    claim(folder, KIND)
    write_json(folder / RECORD, {"run": str(run)} | record)
    failures = []
    try:
        clips = _compute(missing, read, bodies, failures)
        _write(progress(clips, len(missing), "features"), folder, weights)
    finally:  # an interruption keeps what was computed
        write_table(folder, failures)
    exported = read_table(folder)
    if failures:
        print(f"{len(failures)} of {len(table)} videos failed; {folder / 'failures.csv'} has the reasons.")
    if exported.empty:
        raise ValueError(f"{printable(source)}: none of its videos ({len(table)}) can be used. {failures[0][2]}")
    return exported


def _choose_missing(table: pd.DataFrame, folder: Path, record: dict) -> list:
    """The rows of the source that the folder has no features of.

    Raises:
        ValueError: the folder is the user's, or holds features of other weights or of clips that the source lacks.
    """
    if table.empty:
        raise ValueError("The source has no clips, so there is nothing to export.")
    rows = list(table.itertuples())
    if not is_claimed(folder, KIND):
        return rows
    found = read_json(folder / RECORD, RECORD_BYTES)
    if isinstance(found, dict) and {name: found.get(name) for name in record} != record:
        raise ValueError(
            f"{folder}: holds features of another network or of other parameters: of {found.get('run')}, weights "
            f"{found.get('weights')}; those of this run are {record['weights']}. Choose another folder."
        )
    done, wanted = set(map(_identify, read_table(folder).itertuples())), set(map(_identify, rows))
    if done - wanted:
        video_id, label, split, path, *_ = min(done - wanted)
        raise ValueError(
            f"{folder}: holds features of {len(done - wanted)} clips that the source does not have, or has with "
            f"another label, split or path; first {video_id!r} ({label!r}, {split!r}, {path}). Choose another folder."
        )
    return [row for row in rows if _identify(row) not in done]


def _identify(row) -> tuple[str, ...]:
    return tuple(str(getattr(row, name)) for name in ROW)


def _compute(
    rows: Iterable, read: Callable[[object], ClipInputs], bodies: dict[str, keras.Model], failures: list
) -> Iterator[tuple[object, dict[str, np.ndarray] | None]]:
    """Yields (row, {"spatial", "temporal", "frame"}) of each clip; None, and a failure, for one that cannot be used."""
    for row, future in _read_ahead(read, rows):
        try:
            clip = future.result()
        except (ValueError, OSError, MemoryError, cv2.error) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            failures.append((row.video_id, row.path, reason))
            yield row, None
            continue
        features = {stream: _apply(body, clip.streams[stream]) for stream, body in bodies.items()}
        yield row, features | {"frame": clip.frames}


def _apply(body: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """The features float32 (S, F) of a clip, uint8 (V, S, …), averaged over its crops."""
    features = np.asarray(body.predict_on_batch(inputs.reshape(-1, *inputs.shape[2:])))
    return features.astype(np.float32).reshape(*inputs.shape[:2], -1).mean(axis=0)


def _read_ahead(read: Callable, rows: Iterable) -> Iterator[tuple[object, Future]]:
    """Yields (row, future of `read(row)`) in order; the next rows are read in threads, no more than one each."""
    with ThreadPoolExecutor(READERS) as pool:
        waiting = deque()
        for row in rows:
            waiting.append((row, pool.submit(read, row)))
            if len(waiting) > READERS:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()


def _write(clips: Iterable, folder: Path, weights: str) -> None:
    """Writes parts; what is left when `clips` ends or is interrupted becomes the last one."""
    waiting = []
    try:
        for row, features in clips:
            if features is not None:
                waiting.append((row, features))
            if len(waiting) == PART_CLIPS:
                part, waiting = waiting, []  # first, so that an interruption while it is written writes it only once
                write_part(folder, part, weights)
    finally:
        if waiting:
            write_part(folder, waiting, weights)
