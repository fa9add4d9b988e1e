"""Extracts the videos of a subset from the archives of an SSv2 download, in one pass, and no other videos."""

import os
import warnings
from collections.abc import Collection
from pathlib import Path, PureWindowsPath
from tarfile import TarInfo
from typing import BinaryIO

import pandas as pd

from src.files import expand
from src.ownership import read_stamp
from src.progress import progress
from src.sample import VIDEO_FOLDER
from src.sources.archive_labels import find_label_zip
from src.sources.archive_parts import BROKEN, PART_NAME, PartStream, find_parts, is_gzip, list_files
from src.sources.names import few
from src.sources.ssv2 import ID_BYTES, VIDEO_SUFFIXES, label_files, list_videos
from src.sources.tar_stream import NAME_BYTES, TarStream
from src.sources.unpacking import check_disk, claim_target, place, staging_directory, unpack_target
from src.sources.video_table import check_ids

UNPACKED = "unpacked videos"  # kind of folder
SSV2_VIDEOS = 220_847  # videos in the archive of SSv2


def is_archive_folder(folder: str | Path) -> bool:
    """Whether a folder holds SSv2's videos as archives: a file named as a part, or a tgz beside the labels."""
    folder = expand(folder)
    files = list_files(folder)
    if any(PART_NAME.fullmatch(path.name) for path in files):
        return True
    has_labels = label_files(folder)["labels"].is_file() or find_label_zip(folder) is not None
    return has_labels and any(is_gzip(path) for path in files)


def unpack_subset(subset: pd.DataFrame, source: str | Path, unpack_to: str | Path | None = None) -> pd.DataFrame:
    """Extracts the videos of a subset if `source` is a folder of archives; otherwise returns the subset unchanged.

    Videos that are not in the archive are left out, with a counted warning. Raises as `extract_videos` does.
    """
    if not is_archive_folder(source):
        return subset
    paths = subset["video_id"].map(extract_videos(source, subset["video_id"], unpack_to))
    return subset.assign(path=paths)[paths.notna()].reset_index(drop=True)


def extract_videos(
    folder: str | Path, video_ids: Collection[str], unpack_to: str | Path | None = None
) -> dict[str, str]:
    """Extracts videos into 20bn-something-something-v2/, in one pass that ends with the last of them.

    Each video is written whole or not at all, so extraction can be interrupted and repeated. No file that exists is
    overwritten, except a cut video in a folder that this function made. If all videos exist, the archive is not opened.
    Memory does not grow with the archive.

    Args:
        folder: holds the archives; with the default `unpack_to`, it is an ordinary SSv2 download afterwards.
        video_ids: the videos to extract.
        unpack_to: the folder that 20bn-something-something-v2/ is made in; None is `folder`.

    Returns:
        Path by id, of the requested videos that exist now. One counted warning names the others.

    Raises:
        FileNotFoundError: there is no archive, or a part of it is missing.
        ValueError: a part is broken, cut short or a wrong file, or exists in two versions; it decompresses to far more
            than videos do; a member is a link, sparse, or would leave the folder; or an id is no file name.
        PermissionError: the folder cannot be written to.
        OSError: the disk has no room. Videos extracted before an error are kept.
    """
    folder, target = expand(folder), unpack_target(folder, unpack_to)
    wanted = {str(video_id) for video_id in video_ids}
    check_ids(wanted, folder, ID_BYTES)
    existing = list_videos(target) | list_videos(folder)
    missing = wanted - existing.keys() | _find_empty(target / VIDEO_FOLDER, wanted, existing)
    if missing:
        existing |= _Extraction(folder, target / VIDEO_FOLDER, existing).run(missing, wanted)
    absent = sorted(wanted - existing.keys())
    if absent:
        message = f"{len(absent)} of {len(wanted)} wanted videos are not in the archive in {folder}: {few(absent)}."
        warnings.warn(message, stacklevel=2)
    return {video_id: existing[video_id] for video_id in sorted(wanted & existing.keys())}


class _Extraction:
    """One pass over the archive in a folder, into a folder of videos.

    Args:
        folder: holds the archive.
        videos: is made if it does not exist.
        existing: path by id, of the videos in both folders.
    """

    def __init__(self, folder: Path, videos: Path, existing: dict[str, str]):
        self._parts = find_parts(folder)
        self._videos, self._existing = videos, existing
        self._is_ours = claim_target(videos, UNPACKED)
        self._extracted, self._kept = {}, []

    def run(self, missing: set[str], wanted: set[str]) -> dict[str, str]:
        """Reads until no video is missing, and compares the other wanted ones on the way; returns path by id."""
        has_videos = False
        with staging_directory(self._videos) as staging, PartStream(self._parts) as stream:
            check_disk(self._videos, round(stream.size * min(1, len(missing) / SSV2_VIDEOS)))
            try:
                with progress(total=stream.size // 10**6, label="reading archive", unit="MB") as bar:
                    tar = TarStream(stream)
                    for member in tar:
                        video_id, suffix = _name_video(member, stream.part.path)
                        has_videos |= suffix != ""
                        if video_id in wanted:
                            self._extract(tar, member, video_id, suffix, staging)
                        missing.discard(video_id)
                        bar.update(stream.position // 10**6 - bar.n)
                        if not missing:
                            break
                    else:
                        tar.check_end()
            except BROKEN as error:
                raise stream.broken(error) from error
        if not has_videos:
            raise ValueError(f"{stream.part.path}: a tar without videos, so not SSv2's archive. Download that one.")
        self._warn()
        return self._extracted

    def _extract(self, tar: TarStream, member: TarInfo, video_id: str, suffix: str, staging: Path) -> None:
        """Writes a video, unless it exists: from the archive's first member of its id."""
        earlier = self._existing.get(video_id)
        if video_id in self._extracted or (earlier and os.path.getsize(earlier) == member.size):
            return
        path = self._videos / f"{video_id}{suffix}"
        is_ours = self._is_ours and earlier == str(path)
        if earlier and not is_ours:
            self._kept.append(os.path.basename(earlier))
            return
        check_disk(self._videos, member.size)
        temporary = staging / path.name
        with open(temporary, "xb") as file:
            tar.copy_to(file)
        os.utime(temporary, (member.mtime, member.mtime))
        if is_ours and _is_cut(path, temporary):
            os.replace(temporary, path)
        elif not place(temporary, path):
            temporary.unlink()
            if not (path.is_file() and path.stat().st_size == member.size):  # of another process
                self._kept.append(path.name)
                return
        self._extracted[video_id] = str(path)

    def _warn(self) -> None:
        if self._kept:
            warnings.warn(
                f"{len(self._kept)} files in {self._videos} or beside it are not those of the archive, and are kept: "
                f"{few(self._kept)}. If they are not yours, move them away and run this again.",
                stacklevel=4,
            )


def _find_empty(videos: Path, wanted: set[str], existing: dict[str, str]) -> set[str]:
    """The wanted videos in a folder of ours that have no content, as after a power cut."""
    if (read_stamp(videos) or {}).get("kind") != UNPACKED:
        return set()
    return {name for name in wanted & existing.keys() if os.path.getsize(existing[name]) == 0}


def _name_video(member: TarInfo, archive: Path) -> tuple[str, str]:
    """(id, suffix) of a video, ("", "") of another file or folder.

    Raises:
        ValueError: the member is a link or a device, or its path leaves the folder or is no path.
    """
    path = PureWindowsPath(member.name)  # understands drives and both kinds of slash
    too_long = any(len(part.encode(errors="surrogateescape")) > NAME_BYTES for part in path.parts)
    leaves = path.anchor or ".." in path.parts or "\0" in member.name
    if too_long or leaves or not (member.isreg() or member.isdir()):
        link = f", a link to {member.linkname!r}" if member.linkname else ""
        raise ValueError(
            f"{archive}: every member must be a plain file inside the archive's folder, with names of at most "
            f"{NAME_BYTES} bytes. Found {member.name[:300]!r}{link}, which was not extracted. This is not SSv2's "
            "archive: download that one."
        )
    is_video = member.isreg() and path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
    return (path.stem, path.suffix.lower()) if is_video else ("", "")


def _is_cut(path: Path, whole: Path) -> bool:
    """Whether a file is the begin of another one, as after a power cut: then it holds nothing of its own."""
    with path.open("rb") as short, whole.open("rb") as long:
        return path.stat().st_size < whole.stat().st_size and _is_begin(short, long)


def _is_begin(short: BinaryIO, long: BinaryIO) -> bool:
    while chunk := short.read(1 << 20):
        if chunk != long.read(len(chunk)):
            return False
    return True
