"""Extracts the videos of a subset from the archives of an SSv2 download, in one pass, and no other videos."""

import gzip
import io
import os
import shutil
import tarfile
import time
import warnings
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path, PureWindowsPath

import pandas as pd

from src.files import PARTIAL, atomic_path
from src.progress import progress
from src.sample import VIDEO_FOLDER
from src.sources.archive_labels import find_label_zip
from src.sources.archive_parts import BROKEN, CHUNK, PART_NAME, PartStream, find_parts, is_gzip, list_files
from src.sources.ssv2 import VIDEO_SUFFIXES, label_files, list_videos
from src.sources.video_table import few

ABANDONED_AFTER = 3600  # seconds after which a temporary file belongs to a process that was killed


def is_archive_folder(folder: str | Path) -> bool:
    """Whether a folder holds SSv2's videos as archives: a file named as a part, or a tgz beside the labels."""
    folder = Path(folder)
    files = list_files(folder)
    if any(PART_NAME.fullmatch(path.name) for path in files):
        return True
    has_labels = label_files(folder)["labels"].is_file() or find_label_zip(folder) is not None
    return has_labels and any(is_gzip(path) for path in files)


def unpack_subset(subset: pd.DataFrame, source: str | Path) -> pd.DataFrame:
    """Extracts the videos of a subset if `source` is a folder of archives; otherwise returns the subset unchanged.

    Videos that are not in the archive are left out, with a counted warning. Raises as `extract_videos` does.
    """
    if not is_archive_folder(source):
        return subset
    paths = subset["video_id"].map(extract_videos(source, subset["video_id"]))
    return subset.assign(path=paths)[paths.notna()].reset_index(drop=True)


def extract_videos(folder: str | Path, video_ids: Collection[str]) -> dict[str, str]:
    """Extracts videos into 20bn-something-something-v2/, in one pass that ends with the last of them.

    Each video is written atomically, so extraction can be interrupted and repeated. A video that exists is extracted
    again only if the pass meets it in the archive with another size. If all videos exist, the archive is not opened.
    Memory does not grow with the archive.

    Args:
        folder: holds the archives; an ordinary SSv2 download afterwards (see `src.sources.ssv2`).
        video_ids: the videos to extract.

    Returns:
        Path by id, of the requested videos that exist now. One counted warning names the others.

    Raises:
        FileNotFoundError: there is no archive, or a part of it is missing.
        ValueError: a part is broken, cut short or a wrong file, or exists in two versions; or a member is a link, or
            would leave the folder. Videos extracted before the error are kept.
    """
    folder = Path(folder)
    existing = list_videos(folder)
    wanted = {str(video_id) for video_id in video_ids}
    if not wanted <= existing.keys():
        existing |= _extract(folder, wanted, existing)
    absent = sorted(wanted - existing.keys())
    if absent:
        message = f"{len(absent)} of {len(wanted)} wanted videos are not in the archive in {folder}: {few(absent)}."
        warnings.warn(message, stacklevel=2)
    return {video_id: existing[video_id] for video_id in sorted(wanted & existing.keys())}


def _extract(folder: Path, wanted: set[str], existing: dict[str, str]) -> dict[str, str]:
    """Reads the archive until no wanted video is missing; returns the paths of the extracted videos by id."""
    extracted, missing, has_videos = {}, wanted - existing.keys(), False
    stream = PartStream(find_parts(folder))
    videos = folder / VIDEO_FOLDER
    videos.mkdir(exist_ok=True)
    _remove_abandoned(videos)
    bar = progress(total=stream.size // 10**6, label="reading archive", unit="MB")
    try:
        with (
            bar, stream, gzip.GzipFile(fileobj=io.BufferedReader(stream, CHUNK)) as content,
            tarfile.open(fileobj=content, mode="r|", bufsize=CHUNK) as tar,
        ):  # fmt: skip
            while missing and (member := tar.next()):
                tar.members.clear()  # otherwise tarfile keeps all of them in memory
                video_id, suffix = _name_video(member, stream.part.path)
                has_videos |= suffix != ""
                if video_id in wanted and not _has_size(existing.get(video_id), member.size):
                    path = videos / f"{video_id}{suffix}"
                    _write_video(tar, member, path)
                    extracted[video_id] = str(path)
                missing.discard(video_id)
                bar.update(stream.position // 10**6 - bar.n)
            # To tarfile, a broken header is the end. gzip compares its checksum only at the end of the stream.
            while missing and (rest := content.read(CHUNK)):
                if rest.strip(b"\0"):
                    raise tarfile.ReadError("the header of a member is broken")
    except BROKEN as error:
        raise stream.broken(error) from error
    if not has_videos:
        raise ValueError(f"{stream.part.path}: a tar without videos, so not SSv2's archive. Download that one.")
    return extracted


def _name_video(member: tarfile.TarInfo, archive: Path) -> tuple[str, str]:
    """(id, suffix) of a video, ("", "") of another file or folder.

    Raises:
        ValueError: the member is a link or a device, or its path leaves the folder.
    """
    path = PureWindowsPath(member.name)  # understands drives and both kinds of slash
    if path.anchor or ".." in path.parts or not (member.isreg() or member.isdir()):
        link = f", a link to {member.linkname!r}" if member.linkname else ""
        raise ValueError(
            f"{archive}: every member must be a plain file inside the archive's folder. Found {member.name!r}{link}, "
            "which was not extracted. This is not SSv2's archive: download that one."
        )
    is_video = member.isreg() and path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
    return (path.stem, path.suffix.lower()) if is_video else ("", "")


def _has_size(path: str | None, size: int) -> bool:
    return path is not None and os.path.isfile(path) and os.path.getsize(path) == size


def _write_video(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """Writes a member atomically, with the modification time it has in the archive."""
    with atomic_path(path) as temporary:
        with open(temporary, "xb") as file:
            shutil.copyfileobj(tar.extractfile(member), file)
        os.utime(temporary, (member.mtime, member.mtime))


def _remove_abandoned(folder: Path) -> None:
    """Removes the temporary files of killed processes, but not those that another process may be writing."""
    for path in folder.glob(f"{PARTIAL}*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > ABANDONED_AFTER:
                path.unlink()
