"""Writes the sample data set: a small synthetic twin of Something-Something V2, in its own layout.

    labels/{labels,train,validation,test}.json    labels/test-answers.csv
    20bn-something-something-v2/<id>.webm         VP8, 240 px high, 12 frames per second
    sample.json                                   what was asked for, and the seed of each clip; written last

It has eight real templates, chosen so that neither stream alone can tell all of them apart.
`src.sample.rendering` says how, and knows the true flow.
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
from src.sample import rendering, textures
from src.sample.rendering import ACTIONS, ClipSpec, clip_spec, render_clip, true_flow

VIDEO_FOLDER = "20bn-something-something-v2"
STAMP, UNFINISHED = "sample.json", "sample-unfinished.json"
FRAMES_PER_SECOND = 12
LARGEST_ID = 220_847  # that of SSv2


def write_sample(
    folder: Path = Path("datasets/sample"),
    train_per_class: int = 50,
    validation_per_class: int = 10,
    test_per_class: int = 20,
    seed: int = 0,
    workers: int | None = None,
) -> Path:
    """Writes the sample data set, or what is missing of it; nothing if it is complete.

    A video is written under a temporary name and renamed, so a run that was stopped can be repeated. A sample
    that was made with other parameters, or by other drawing code, is replaced.

    Args:
        folder: Where it goes.
        train_per_class: Clips of each of the eight classes, for training.
        validation_per_class: The same, for validation.
        test_per_class: The same, for the test.
        seed: Not negative. The same seed gives the same frames.
        workers: Processes; None for one per core.

    Returns:
        The folder.

    Raises:
        ValueError: The folder holds videos or labels that are not a sample, such as a download of SSv2.
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


def read_sample_spec(folder: Path, video_id: str) -> ClipSpec:
    """How a clip of a written sample was drawn.

    Args:
        folder: As given to `write_sample`.
        video_id: The name of its video, without `.webm`.

    Raises:
        FileNotFoundError: There is no complete sample in the folder.
        ValueError: It has no such video.
    """
    path = Path(folder) / STAMP
    if not path.exists():
        raise FileNotFoundError(f"{path}: no complete sample here. Run write_sample({str(folder)!r}) first.")
    videos = json.loads(path.read_text())["videos"]
    if video_id not in videos:
        raise ValueError(f"{path}: the id must be one of its {len(videos)} videos. Received: {video_id!r}.")
    return _spec(videos[video_id])


def sample_true_flow(folder: Path, video_id: str) -> np.ndarray:
    """The true flow of a clip of a written sample, from each frame to the next; `true_flow` of its spec.

    Returns:
        float32 (T-1, H, W, 2), px/frame; [..., 0] is u, + is right; [..., 1] is v, + is down.

    Raises:
        FileNotFoundError: There is no complete sample in the folder.
        ValueError: It has no such video.
    """
    return true_flow(read_sample_spec(folder, video_id))


def _plan(counts: dict[str, int], seed: int) -> dict:
    """The stamp: the parameters, and of each video, by id, its split, template and seed."""
    drawing = hashlib.sha256()
    for module in (rendering, textures):
        drawing.update(Path(module.__file__).read_bytes())
    clips = [(split, template) for split in counts for template in ACTIONS for _ in range(counts[split])]
    ids = np.random.default_rng(seed).choice(LARGEST_ID, len(clips), replace=False) + 1
    videos = {
        str(video_id): {"split": split, "template": template, "seed": seed * LARGEST_ID + number}
        for number, (video_id, (split, template)) in enumerate(zip(ids, clips, strict=True))
    }
    parameters = counts | {"seed": seed, "drawing": drawing.hexdigest()}
    return {"parameters": parameters, "videos": dict(sorted(videos.items()))}


def _spec(video: dict) -> ClipSpec:
    return clip_spec(video["template"], video["seed"])


def _prepare_folder(folder: Path, stamp: dict) -> list[str]:
    """Clears another sample away; stamps this one unfinished unless it is whole; the ids still to write."""
    stamps = [path for path in (folder / STAMP, folder / UNFINISHED) if path.exists()]
    others = [path for path in (folder / VIDEO_FOLDER, folder / "labels") if path.exists()]
    if others and not stamps:
        raise ValueError(
            f"{folder}: must be a new folder or hold an earlier sample, which has a {STAMP}. "
            f"Found: {others[0].name}/ without one. Choose another folder."
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
    """Removes the videos that another stamp lists, and it last: a kill meanwhile leaves no video unlisted."""
    earlier = json.loads(path.read_text())
    if earlier == stamp:
        return
    for video_id in earlier["videos"]:
        _video_path(path.parent, video_id).unlink(missing_ok=True)
    for partial in (path.parent / VIDEO_FOLDER).glob(f"{PARTIAL}*"):  # of a kill
        partial.unlink(missing_ok=True)
    path.unlink()


def _write_labels(folder: Path, videos: dict[str, dict]) -> None:
    folder.mkdir(exist_ok=True)
    write_json(folder / "labels.json", {name: str(index) for index, name in enumerate(sorted(ACTIONS))})
    of_split = {split: {} for split in ("train", "validation", "test")}
    for video_id, video in videos.items():
        of_split[video["split"]][video_id] = video
    for split in ("train", "validation"):
        write_json(folder / f"{split}.json", [_annotation(*item) for item in of_split[split].items()])
    write_json(folder / "test.json", [{"id": video_id} for video_id in of_split["test"]])
    answers = [f"{video_id};{video['template']}\n" for video_id, video in of_split["test"].items()]
    (folder / "test-answers.csv").write_text("".join(answers))


def _annotation(video_id: str, video: dict) -> dict:
    """An entry of train.json, as SSv2 has them."""
    spec = _spec(video)
    names = [
        f"{spec.object_colour} {spec.object_pattern} pebble",
        f"{spec.neighbour_colour} {spec.neighbour_pattern} pebble",
    ]
    names = names[: spec.template.count("something")]
    label = reduce(lambda text, name: text.replace("something", name, 1), names, spec.template)
    return {
        "id": video_id,
        "label": label[0].lower() + label[1:],
        "template": spec.template.replace("something", "[something]"),
        "placeholders": names,
    }


def _write_video(folder: Path, video_id: str, video: dict) -> None:
    cv2.setNumThreads(1)  # the processes already fill the cores
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
    """OpenCV reports a tag that WebM does not need, for each VP8 file, from C and whatever the log level."""
    stderr, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nothing)


def _video_path(folder: Path, video_id: str) -> Path:
    return folder / VIDEO_FOLDER / f"{video_id}.webm"
