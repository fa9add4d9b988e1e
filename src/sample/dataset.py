"""Writes the sample data set: synthetic clips in the layout of a Something-Something V2 download.

    two-stream.json                               says that the folder is ours (see `src.ownership`)
    labels/{labels,train,validation,test}.json    labels/test-answers.csv
    20bn-something-something-v2/<id>.webm         VP8, 240 px high, 12 frames per second
    sample.json                                   the parameters, and the seed of each clip; written last

Its twelve templates are SSv2's, chosen so that neither stream alone can tell all of them apart, and that for two of
them order decides (see `src.sample.specs`).
"""

import hashlib
import os
from functools import reduce
from pathlib import Path

import cv2
import numpy as np
from joblib import Parallel, cpu_count, delayed

from src.files import expand, read_json, write_json, write_text
from src.ownership import claim, discard, is_abandoned, list_staging, make_staging, read_stamp
from src.progress import progress
from src.sample import drawing, encoding, motion, rendering, specs, textures
from src.sample.encoding import write_webm
from src.sample.rendering import render_frames
from src.sample.specs import ACTIONS, ClipSpec, clip_spec

VIDEO_FOLDER = "20bn-something-something-v2"
PLAN, UNFINISHED = "sample.json", "sample-unfinished.json"
KIND = "the sample"  # of folder
PLAN_BYTES = 64 << 20  # at most; that of the largest sample has 30 MB
LARGEST_ID = 220_847  # of SSv2
DRAWING = (drawing, encoding, motion, rendering, specs, textures)  # the modules that decide the frames


def write_sample(
    folder: Path = Path("datasets/sample"),
    train_per_class: int = 36,
    validation_per_class: int = 6,
    test_per_class: int = 12,
    seed: int = 0,
    workers: int | None = None,
) -> Path:
    """Writes the sample data set, or its missing videos; does nothing if it is complete.

    Each video is written to a staging directory and then renamed, so writing can be stopped and repeated. A sample
    with other parameters, or of another version of the drawing code, is replaced. Nothing else is removed.

    Args:
        folder: where the sample is written.
        train_per_class: training clips of each of the twelve classes.
        validation_per_class: validation clips of each class.
        test_per_class: test clips of each class.
        seed: 0 or more. Equal seeds give equal frames.
        workers: processes; None starts one per core.

    Returns:
        The folder.

    Raises:
        ValueError: the folder holds files that are not a sample, such as an SSv2 download, or another process is
            writing another sample there; or more clips are wanted than there are ids.
    """
    folder = expand(folder)
    plan = _plan({"train": train_per_class, "validation": validation_per_class, "test": test_per_class}, seed)
    claim(folder, KIND, recognises=_is_sample)
    _check_folders(folder)
    if read_json(folder / PLAN, PLAN_BYTES) == plan and not _list_missing(folder, plan):
        return folder
    staging = make_staging(folder)
    try:
        _replace_other(folder, plan, staging)
        _write_labels(folder / "labels", plan["videos"])
        missing = _list_missing(folder, plan)
        jobs = (delayed(_write_video)(folder, video_id, plan["videos"][video_id], staging) for video_id in missing)
        written = Parallel(n_jobs=workers or cpu_count(), return_as="generator_unordered")(jobs)
        for _ in progress(written, len(missing), "writing the sample"):
            pass
        write_json(folder / PLAN, plan)
        (folder / UNFINISHED).unlink(missing_ok=True)
    finally:
        discard(staging)
    return folder


def _plan(counts: dict[str, int], seed: int) -> dict:
    """The content of sample.json: the parameters; and, by video id, the split, template and seed of each clip."""
    code = hashlib.sha256(b"".join(Path(module.__file__).read_bytes() for module in DRAWING))
    clips = [(split, template) for split in counts for template in ACTIONS for _ in range(counts[split])]
    if len(clips) > LARGEST_ID:
        raise ValueError(
            f"The sample has at most {LARGEST_ID:,} clips. {len(clips):,} are wanted. Choose fewer per class."
        )
    videos = {
        video_id: {"split": split, "template": template, "seed": seed * LARGEST_ID + number}
        for number, (video_id, (split, template)) in enumerate(zip(_draw_ids(seed, len(clips)), clips, strict=True))
    }
    parameters = counts | {"seed": seed, "drawing": code.hexdigest()}
    return {"parameters": parameters, "videos": dict(sorted(videos.items()))}


def _draw_ids(seed: int, count: int) -> list[str]:
    ids = np.random.default_rng(seed).choice(LARGEST_ID, count, replace=False) + 1
    return [str(video_id) for video_id in ids]


def _spec(video: dict) -> ClipSpec:
    return clip_spec(video["template"], video["seed"])


def _list_missing(folder: Path, plan: dict) -> list[str]:
    return [video_id for video_id in plan["videos"] if not _video_path(folder, video_id).exists()]


def _is_sample(folder: Path) -> bool:
    """Whether a folder without a stamp is a sample, as older versions wrote it."""
    plans = [path for path in (folder / PLAN, folder / UNFINISHED) if os.path.lexists(path)]
    return bool(plans) and all(_read_plan(path) for path in plans)


def is_sample(folder: Path) -> bool:
    """Whether a folder holds the sample, complete."""
    return _read_plan(folder / PLAN) is not None


def _read_plan(path: Path) -> dict | None:
    """The content of a sample.json; None if this module did not write it.

    The ids must be those that its seed draws, so that no other video is taken for one of the sample.
    """
    plan = read_json(path, PLAN_BYTES)
    if not (isinstance(plan, dict) and plan.keys() == {"parameters", "videos"}):
        return None
    parameters, videos = plan["parameters"], plan["videos"]
    if not (isinstance(parameters, dict) and isinstance(videos, dict) and len(videos) <= LARGEST_ID):
        return None
    seed = parameters.get("seed")
    if type(seed) is not int or seed < 0 or videos.keys() != set(_draw_ids(seed, len(videos))):
        return None
    return plan


def _check_folders(folder: Path) -> None:
    """Raises ValueError if the folders of the sample hold what no sample.json lists, or are links to other places."""
    has_plan = any(os.path.lexists(folder / name) for name in (PLAN, UNFINISHED))
    for place in (folder / VIDEO_FOLDER, folder / "labels"):
        found = "a link" if place.is_symlink() else ""
        if not has_plan and place.is_dir() and (names := sorted(os.listdir(place))):
            found = f"{names[0]!r} without {PLAN}"
        if found:
            raise ValueError(f"{place}: must be a folder of the sample. Found: {found}. Choose another folder.")


def _check_others(folder: Path, plan: dict, staging: Path, has_other: bool) -> None:
    """Discards what killed processes left; raises ValueError if one that is running writes or replaces another sample.

    Each process writes its plan to its staging directory before it looks at those of others.
    """
    for path in list_staging(folder):
        if path != staging and is_abandoned(path):
            discard(path)
        elif path != staging and (has_other or read_json(path / PLAN, PLAN_BYTES) not in (None, plan)):
            raise ValueError(
                f"{folder}: process {(read_stamp(path) or {}).get('pid')} is writing another sample here. Wait until "
                "it ends, or choose another folder."
            )


def _replace_other(folder: Path, plan: dict, staging: Path) -> None:
    """Removes the videos of another sample, and marks this one as unfinished."""
    others = [path for path in (folder / PLAN, folder / UNFINISHED) if _is_other(path, plan)]
    write_json(staging / PLAN, plan)
    _check_others(folder, plan, staging, bool(others))
    for path in others:  # the list of the videos last, so that a kill leaves no unlisted video
        for video_id in (_read_plan(path) or {"videos": ()})["videos"]:
            _video_path(folder, video_id).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    (folder / VIDEO_FOLDER).mkdir(exist_ok=True)
    write_json(folder / UNFINISHED, plan)
    (folder / PLAN).unlink(missing_ok=True)


def _is_other(path: Path, plan: dict) -> bool:
    """Whether a file is the plan of another sample.

    Raises:
        ValueError: the file is no plan of a sample.
    """
    if not os.path.lexists(path) or read_json(path, PLAN_BYTES) == plan:
        return False
    if path.is_symlink() or _read_plan(path) is None:
        raise ValueError(
            f"{path}: must be what this project wrote about its sample: parameters, and videos by id. Found something "
            "else, so nothing was removed. Choose another folder, or remove this one."
        )
    return True


def _write_labels(folder: Path, videos: dict[str, dict]) -> None:
    folder.mkdir(exist_ok=True)
    write_json(folder / "labels.json", {name: str(index) for index, name in enumerate(sorted(ACTIONS))})
    for split in ("train", "validation"):
        entries = [_annotation(*item) for item in videos.items() if item[1]["split"] == split]
        write_json(folder / f"{split}.json", entries)
    test = {video_id: video["template"] for video_id, video in videos.items() if video["split"] == "test"}
    write_json(folder / "test.json", [{"id": video_id} for video_id in test])
    answers = [f"{video_id};{template}\n" for video_id, template in test.items()]
    write_text(folder / "test-answers.csv", "".join(answers))


def _annotation(video_id: str, video: dict) -> dict:
    """An entry of train.json or validation.json, with the keys of SSv2's entries."""
    spec = _spec(video)
    names = _names(spec)
    label = reduce(lambda text, name: text.replace("something", name, 1), names, spec.template)
    return {
        "id": video_id,
        "label": label[0].lower() + label[1:],
        "template": spec.template.replace("something", "[something]"),
        "placeholders": names,
    }


def _names(spec: ClipSpec) -> list[str]:
    """What each "something" of the template is."""
    first = f"{spec.object_colour} {spec.object_pattern} pebble"
    second = f"{spec.neighbour_colour} {spec.neighbour_pattern} pebble"
    if spec.action.takes_cover:
        second = f"{spec.cover_colour} {spec.cover_pattern} cloth"
    return [first, second][: spec.template.count("something")]


def _write_video(folder: Path, video_id: str, video: dict, staging: Path) -> None:
    cv2.setNumThreads(1)  # the worker processes already use all cores
    path = staging / f"{video_id}.webm"
    write_webm(path, render_frames(_spec(video)))
    os.replace(path, _video_path(folder, video_id))


def _video_path(folder: Path, video_id: str) -> Path:
    return folder / VIDEO_FOLDER / f"{video_id}.webm"
