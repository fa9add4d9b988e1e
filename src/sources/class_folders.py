"""A folder with one folder of videos per class → the annotation table."""

import re
import warnings
from collections import Counter
from pathlib import Path, PurePath

import pandas as pd

from src.files import expand
from src.image_folder import VIDEO_SUFFIXES
from src.sources.csv_text import is_list
from src.sources.groups import find_groups, separate_splits
from src.sources.layout import Layout, find_layout
from src.sources.names import counted, few, make_id, nfc, printable
from src.sources.video_table import Reading, check_ids, compose_labels, in_two_splits, refuse, tidy
from src.sources.walking import FolderTree, walk

IMAGES = "a video of images is a folder of its own, <class>/<video>/*.jpg"
NO_FRAMES = re.compile(r"(optical[-_ ]?)?flow([-_ ]?[xyuv])?|depth", re.IGNORECASE)  # folders beside those of frames
LISTS = {".txt", ".csv", ".json"}
ARCHIVES = {".zip", ".rar", ".7z", ".tar", ".tgz", ".gz"}


def read_class_folders(folder: str | Path, group_pattern: str | None = None, frame_rate: float = 25.0) -> Reading:
    """Reads a folder with one folder of videos per class, nested to any depth, into the annotation table.

    A video is a file, or a folder of at least two images. Which folders are classes and which are splits is found (see
    `src.sources.layout`); without splits, split is "". Hidden files and folders are ignored, and each real file counts
    once. The video_id is the path below `folder`, joined by "__" (see `make_id`).

    Args:
        folder: the source.
        group_pattern: see `src.sources.groups.find_groups`.
        frame_rate: of folders of images, frames/s.

    Raises:
        ValueError: no class folder holds a video, there is one class only, or the classes look like splits.
    """
    folder = expand(folder)
    tree = walk(folder)
    beside = _beside_frames(tree.image_folders)
    videos = sorted({path for path in tree.files if is_video(path)} | set(tree.image_folders) - beside)
    try:
        layout = find_layout(videos)
    except ValueError as error:
        raise ValueError(f"{printable(folder)}: {error}.") from None
    _check_classes(folder, tree, layout)
    table = pd.DataFrame(layout.places)
    table["label"] = compose_labels(table["label"], folder)
    table["video_id"] = table["path"].map(make_id)
    check_ids(table["video_id"], folder)
    refuse(
        table.loc[table["video_id"].duplicated(), "video_id"].tolist(), folder, "ids must differ: rename these videos"
    )
    grouping = find_groups(table["path"], table["label"], table["within"], group_pattern)
    table["group"] = fill_groups(grouping.groups, table["path"])
    if group_pattern is None:
        tell(separate_splits(table))
    refuse(in_two_splits(table, "group"), folder, "all videos of a group (group_pattern) must be in one split")
    tell(describe_copies(table["path"]))
    left_aside = _left_aside(folder, tree, layout, beside)
    frames = set(tree.image_folders)
    table["rate"] = [frame_rate if path in frames else float("nan") for path in table["path"]]
    table["path"] = [str(folder / path) for path in table["path"]]
    return Reading(tidy(table, (), folder), f"class folders, {layout.where}/<video>", grouping.how, left_aside)


def is_video(path: PurePath) -> bool:
    """Whether a file is a video, by its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def without_suffix(path: PurePath) -> PurePath:
    """The path without the suffix of a video: equal for a video and its transcoded copy."""
    return path.with_suffix("") if is_video(path) else path


def fill_groups(groups: list[str], paths: pd.Series) -> list[str]:
    """The groups, and for videos without one: the id without suffix, so that a transcoded copy is in the same group."""
    return [nfc(group) or make_id(without_suffix(path)) for group, path in zip(groups, paths, strict=True)]


def describe_copies(paths: pd.Series) -> str:
    """A sentence about videos whose names differ only in their suffix, or ""; frames have none."""
    files = sorted(set(paths))  # several clips may be of one file
    count = Counter(map(without_suffix, files))
    copies = [path for path in files if count[without_suffix(path)] > 1]
    if not copies:
        return ""
    return (
        f"{len(copies)} videos differ from another only in the suffix, such as {few(copies, 2)}: perhaps transcoded "
        "copies. Those are always in one split; remove them."
    )


def tell(sentence: str) -> None:
    """Warns, if there is something to say."""
    if sentence:
        warnings.warn(sentence, stacklevel=4)


def _beside_frames(image_folders: list[PurePath]) -> set[PurePath]:
    """Folders of flow or depth beside the frames of the same video: <class>/<video>/{rgb,flow_x,flow_y}."""
    others = [path for path in image_folders if len(path.parts) > 2 and NO_FRAMES.fullmatch(path.name)]
    with_frames = {path.parent for path in set(image_folders) - set(others)}
    return {path for path in others if path.parent in with_frames}


def _check_classes(folder: Path, tree: FolderTree, layout: Layout) -> None:
    """Raises ValueError unless there are two classes or more."""
    classes = sorted({nfc(place.label) for place in layout.places})
    if len(classes) > 1:
        return
    tops = [path for path in tree.folders if len(path.parts) == 1]
    found = [f"the folders {few(tops) or '(none)'} and {counted(len(tree.files), 'file')}"]
    advice = ["Give a folder with one folder of videos per class"]
    if tree.image_folders:
        found.append(f"images in {counted(len(tree.image_folders), 'folder')} such as {few(tree.image_folders[:1])}")
        advice.append(IMAGES)
    elif not classes:
        advice.append(f"videos end in {' '.join(VIDEO_SUFFIXES)}, or are folders of images <class>/<video>/*.jpg")
    if tree.skipped:
        found.append(f"{counted(len(tree.skipped), 'path')} not followed, such as {few(_skipped(tree)[:1])}")
    archives = [path for path in tree.files if path.suffix.lower() in ARCHIVES]
    if archives:
        advice.append(f"unpack archives such as {few(archives[:1])}")
    lists = [path for path in tree.files if path.suffix.lower() == ".csv"]
    csv = f"such as {few(lists[:1])}" if lists else "with the columns path and label"
    advice.append(f"if the names of files say the class, give a CSV that lists the videos, {csv}")
    rule = f"one class only, {few(classes)}; at least two are needed" if classes else "no class folder holds a video"
    raise ValueError(f"{printable(folder)}: {rule}. Found {', '.join(found)}. {'; '.join(advice)}.")


def _left_aside(folder: Path, tree: FolderTree, layout: Layout, beside: set[PurePath]) -> list[str]:
    """What is not used, and why."""
    used = {parent for place in layout.places for parent in place.path.parents}
    no_folders = used | set(tree.image_folders) | {path for path, _ in tree.skipped}
    unused = [path for path in tree.folders if path not in no_folders and path.parent in used]
    others = [path for path in tree.files if not is_video(path)] + layout.others
    inside = Counter(parent for path in others for parent in path.parents)
    others = [path for path in others if not set(unused) & set(path.parents)]
    files = [path for path in others if not is_video(path) and path not in layout.others]
    lists = [path for path in files if len(path.parts) == 1 and is_list(folder / path)]
    files = [path for path in files if path not in lists]
    images = [path for path in others if path in set(tree.image_folders)]
    videos = [path for path in others if is_video(path) and path not in images]
    sentences = []
    if lists:
        sentences.append(f"{few(lists)}: give it as source, if its labels, splits or groups are wanted")
    if files:
        sentences.append(f"{counted(len(files), 'file')} other than videos: {few(files)}")
    if videos:
        sentences.append(f"{counted(len(videos), 'video')} in no class: {few(videos)}")
    if images:
        sentences.append(f"{counted(len(images), 'folder')} of images in no class: {few(images)}; {IMAGES}")
    if beside:
        sentences.append(f"{counted(len(beside), 'folder')} of flow or depth beside frames: {few(sorted(beside))}")
    if unused:
        named = few(f"{path} ({counted(inside[path], 'file') if inside[path] else 'empty'})" for path in unused)
        has_lists = any(path.suffix.lower() in LISTS and set(unused) & set(path.parents) for path in tree.files)
        hint = "; lists of splits are read from a CSV only" if has_lists else ""
        sentences.append(f"{counted(len(unused), 'folder')} without a video of a class: {named}{hint}")
    if tree.skipped:
        sentences.append(f"{counted(len(tree.skipped), 'path')}: {few(_skipped(tree))}")
    return sentences


def _skipped(tree: FolderTree) -> list[str]:
    return [f"{path} ({why})" for path, why in tree.skipped]
