"""A folder with one folder of videos per class → the annotation table."""

import warnings
from collections import Counter
from pathlib import Path, PurePath

import pandas as pd

from src.files import expand
from src.image_folder import VIDEO_SUFFIXES
from src.ownership import read_stamp
from src.sources.csv_text import is_list
from src.sources.groups import find_groups, separate_splits
from src.sources.layout import Layout, find_layout
from src.sources.names import few, make_id, nfc, printable
from src.sources.video_table import Reading, check_ids, compose_labels, in_two_splits, refuse, tidy
from src.sources.walking import FolderTree, walk

IMAGES = "A video of images is a folder of its own: <class>/<video>/*.jpg"


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
        ValueError: no class folder holds a video, there is one class only, the classes look like splits, or the folder
            is what this project wrote.
    """
    folder = expand(folder)
    stamp = read_stamp(folder)
    if stamp:
        raise ValueError(
            f"{printable(folder)}: must be a folder of videos, but holds what this project wrote: {stamp['kind']}. "
            "Give the folder of the videos."
        )
    tree = walk(folder)
    videos = sorted([path for path in tree.files if is_video(path)] + tree.image_folders)
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
    left_aside = _left_aside(folder, tree, layout)
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


def _check_classes(folder: Path, tree: FolderTree, layout: Layout) -> None:
    """Raises ValueError unless there are two classes or more."""
    classes = sorted({nfc(place.label) for place in layout.places})
    if len(classes) > 1:
        return
    tops = [path for path in tree.folders if len(path.parts) == 1]
    found = f"the folders {few(tops) or '(none)'} and {len(tree.files)} files"
    if tree.image_folders:
        found += f", and images in {len(tree.image_folders)} folders such as {few(tree.image_folders, 1)}"
    advice = "Give a folder with one folder of videos per class"
    if tree.image_folders and set(layout.others) & set(tree.image_folders):
        advice += f". {IMAGES}"
    lists = [path for path in tree.files if path.suffix.lower() == ".csv"]
    if lists:
        advice += f", or the CSV that lists the videos, such as {few(lists, 1).removesuffix(', ...')}"
    if tree.repeats:
        found += f"; {len(tree.repeats)} paths were not read, such as {few(_repeats(tree), 1)}"
    rule = f"one class only, {few(classes)}; at least two are needed" if classes else "no class folder holds a video"
    raise ValueError(
        f"{printable(folder)}: {rule}. Looked for <class>/<video> ending in {' '.join(VIDEO_SUFFIXES)}, or folders of "
        f"images <class>/<video>/*.jpg; found {found}. {advice}."
    )


def _left_aside(folder: Path, tree: FolderTree, layout: Layout) -> list[str]:
    """Sentences about all that is not used; each is a warning, too."""
    sentences = []
    level, frames = layout.where.count("/"), set(tree.image_folders)
    used = {parent for place in layout.places for parent in place.path.parents}
    empty = [path for path in tree.folders if path not in used and path.parent in used and len(path.parts) <= level + 1]
    empty = [path for path in empty if path not in frames]
    images = [path for path in layout.others if path in frames]
    others = sorted([path for path in tree.files if not is_video(path)] + sorted(set(layout.others) - frames))
    lists = [path.name for path in others if len(path.parts) == 1 and is_list(folder / path)]
    if lists:
        sentences.append(
            f"{few(lists)} lists videos: give the CSV as source, if its labels, splits or groups are wanted"
        )
    unused, inside = set(empty), Counter(parent for path in others for parent in path.parents)
    others = [path for path in others if unused.isdisjoint(path.parents)]
    if others:
        sentences.append(f"{len(others)} files are not videos of a class: {few(others)}")
    if empty:
        named = few(f"{path} ({inside[path]} files)" if inside[path] else f"{path} (empty)" for path in empty)
        lists = ". For lists of splits, give a CSV" if any(inside[path] for path in empty) else ""
        sentences.append(f"{len(empty)} folders hold no video of a class: {named}{lists}")
    if images:
        sentences.append(f"{len(images)} folders hold images where classes hold videos: {few(images)}. {IMAGES}")
    if tree.repeats:
        sentences.append(f"{len(tree.repeats)} paths are not read: {few(_repeats(tree))}")
    for sentence in sentences:
        warnings.warn(f"{printable(folder)}: {sentence}. They are ignored.", stacklevel=3)
    return sentences


def _repeats(tree: FolderTree) -> list[str]:
    return [f"{path} ({why})" for path, why in tree.repeats]
