"""Writes the sample data set: synthetic clips in the layout of a Something-Something V2 download.

    labels/{labels,train,validation,test}.json    labels/test-answers.csv
    20bn-something-something-v2/<id>.webm         VP8, 240 px high, 12 frames per second
    sample.json                                   the parameters, and the seed of each clip; written last

Its eight templates are SSv2's, chosen so that neither stream alone can tell all of them apart (see `src.sample.specs`).
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path

import cv2
import numpy as np
from joblib import Parallel, cpu_count, delayed

from src.files import PARTIAL, atomic_path, write_json
from src.progress import progress
from src.sample import drawing, motion, rendering, specs, textures
from src.sample.rendering import render_clip
from src.sample.specs import ACTIONS, ClipSpec, clip_spec

VIDEO_FOLDER = "20bn-something-something-v2"
STAMP, UNFINISHED = "sample.json", "sample-unfinished.json"
FRAMES_PER_SECOND = 12
LARGEST_ID = 220_847  # of SSv2
DRAWING = (drawing, motion, rendering, specs, textures)  # the modules that decide the frames


def write_sample(
    folder: Path = Path("datasets/sample"),
    train_per_class: int = 50,
    validation_per_class: int = 10,
    test_per_class: int = 20,
    seed: int = 0,
    workers: int | None = None,
) -> Path:
    """Writes the sample data set, or its missing videos; does nothing if it is complete.

    Each video is written to a temporary file that is then renamed, so writing can be stopped and repeated. A
    sample with other parameters, or of another version of the drawing code, is replaced.

    Args:
        folder: where the sample is written.
        train_per_class: training clips of each of the eight classes.
        validation_per_class: validation clips of each class.
        test_per_class: test clips of each class.
        seed: 0 or more. Equal seeds give equal frames.
        workers: processes; None starts one per core.

    Returns:
        The folder.

    Raises:
        ValueError: the folder holds videos or labels that are not a sample, such as an SSv2 download.
        OSError: OpenCV cannot write VP8.
    """
    folder = Path(folder)
    counts = {"train": train_per_class, "validation": validation_per_class, "test": test_per_class}
    stamp = _plan(counts, seed)
    missing = _prepare_folder(folder, stamp)
    if not missing and (folder / STAMP).exists():
        return folder
    _write_labels(folder / "labels", stamp["videos"])
    jobs = (delayed(_write_video)(folder, video_id, stamp["videos"][video_id]) for video_id in missing)
    written = Parallel(n_jobs=workers or cpu_count(), return_as="generator_unordered")(jobs)
    for _ in progress(written, len(missing), "writing the sample"):
        pass
    os.replace(folder / UNFINISHED, folder / STAMP)
    return folder


def _plan(counts: dict[str, int], seed: int) -> dict:
    """The content of sample.json: the parameters; and, by video id, the split, template and seed of each clip."""
    code = hashlib.sha256(b"".join(Path(module.__file__).read_bytes() for module in DRAWING))
    clips = [(split, template) for split in counts for template in ACTIONS for _ in range(counts[split])]
    ids = np.random.default_rng(seed).choice(LARGEST_ID, len(clips), replace=False) + 1
    videos = {
        str(video_id): {"split": split, "template": template, "seed": seed * LARGEST_ID + number}
        for number, (video_id, (split, template)) in enumerate(zip(ids, clips, strict=True))
    }
    parameters = counts | {"seed": seed, "drawing": code.hexdigest()}
    return {"parameters": parameters, "videos": dict(sorted(videos.items()))}


def _spec(video: dict) -> ClipSpec:
    return clip_spec(video["template"], video["seed"])


def _prepare_folder(folder: Path, stamp: dict) -> list[str]:
    """Removes another sample, marks this one as unfinished unless it is complete, and returns the ids to write."""
    stamps = [path for path in (folder / STAMP, folder / UNFINISHED) if path.exists()]
    others = [path for path in (folder / VIDEO_FOLDER, folder / "labels") if path.exists()]
    if others and not stamps:
        raise ValueError(
            f"{folder}: the sample needs a new folder, or that of an earlier sample, which holds {STAMP}. "
            f"Found: {others[0].name}/ without {STAMP}. Choose another folder."
        )
    for path in stamps:
        _remove_if_other(path, stamp)
    missing = [video_id for video_id in stamp["videos"] if not _video_path(folder, video_id).exists()]
    if missing or not (folder / STAMP).exists():
        (folder / VIDEO_FOLDER).mkdir(parents=True, exist_ok=True)
        write_json(folder / UNFINISHED, stamp)
        (folder / STAMP).unlink(missing_ok=True)
    return missing


def _remove_if_other(path: Path, stamp: dict) -> None:
    """Removes another sample: its videos, then the stamp that lists them, so that a kill leaves no unlisted video."""
    earlier = json.loads(path.read_text())
    if earlier == stamp:
        return
    for video_id in earlier["videos"]:
        _video_path(path.parent, video_id).unlink(missing_ok=True)
    for partial in (path.parent / VIDEO_FOLDER).glob(f"{PARTIAL}*"):  # left by a kill
        partial.unlink(missing_ok=True)
    path.unlink()


def _write_labels(folder: Path, videos: dict[str, dict]) -> None:
    folder.mkdir(exist_ok=True)
    write_json(folder / "labels.json", {name: str(index) for index, name in enumerate(sorted(ACTIONS))})
    for split in ("train", "validation"):
        entries = [_annotation(*item) for item in videos.items() if item[1]["split"] == split]
        write_json(folder / f"{split}.json", entries)
    test = {video_id: video["template"] for video_id, video in videos.items() if video["split"] == "test"}
    write_json(folder / "test.json", [{"id": video_id} for video_id in test])
    answers = [f"{video_id};{template}\n" for video_id, template in test.items()]
    (folder / "test-answers.csv").write_text("".join(answers))


def _annotation(video_id: str, video: dict) -> dict:
    """An entry of train.json or validation.json, with the keys of SSv2's entries."""
    spec = _spec(video)
    pebbles = [(spec.object_colour, spec.object_pattern), (spec.neighbour_colour, spec.neighbour_pattern)]
    names = [f"{colour} {pattern} pebble" for colour, pattern in pebbles][: spec.template.count("something")]
    label = reduce(lambda text, name: text.replace("something", name, 1), names, spec.template)
    return {
        "id": video_id,
        "label": label[0].lower() + label[1:],
        "template": spec.template.replace("something", "[something]"),
        "placeholders": names,
    }


def _write_video(folder: Path, video_id: str, video: dict) -> None:
    cv2.setNumThreads(1)  # the worker processes already use all cores
    frames = render_clip(_spec(video))
    path, size = _video_path(folder, video_id), frames.shape[2:0:-1]
    with atomic_path(path) as temporary:
        with _no_stderr():
            writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter_fourcc(*"VP80"), FRAMES_PER_SECOND, size)
        if not writer.isOpened():
            raise OSError(f"{path}: OpenCV cannot write VP8 here. Install opencv-python-headless from PyPI.")
        for frame in frames:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        writer.release()


@contextmanager
def _no_stderr() -> Iterator[None]:
    """Silences the C library: for each VP8 file, at any log level, OpenCV reports a tag that WebM does not need."""
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)


def _video_path(folder: Path, video_id: str) -> Path:
    return folder / VIDEO_FOLDER / f"{video_id}.webm"
