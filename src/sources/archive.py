"""SSv2 as it was downloaded → its labels and the videos of a subset, in one pass, with nothing else written.

The videos are one tgz, split into parts. Three generations of the download are in use: raw parts, a zip around each
part, and raw parts that some browsers name .zip. What a file is, its first bytes tell; which part it is, its name.
"""

import os
import shutil
import tarfile
import time
import warnings
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path, PureWindowsPath
from typing import BinaryIO

import pandas as pd

from src.files import PARTIAL, atomic_path
from src.progress import progress
from src.sources.archive_parts import (
    BROKEN,
    CHUNK,
    PART_NAME,
    ArchiveStream,
    Part,
    find_parts,
    is_tar,
    list_files,
    list_zip,
    read_head,
)
from src.sources.ssv2 import LABEL_PREFIX, VIDEO_FOLDER, label_files, list_videos
from src.sources.video_table import few

LABEL_NAMES = ("test-answers.csv", "test.json", "validation.json", "train.json", "labels.json")  # written in this order
ABANDONED_AFTER = 3600  # seconds after which a temporary file is of a run that was killed


def is_archive_folder(folder: str | Path) -> bool:
    """Whether a folder holds SSv2's videos as archives: a file named as a part, or a tar beside the labels."""
    files = list_files(Path(folder))
    if any(PART_NAME.fullmatch(path.name) for path in files):
        return True
    labels = label_files(Path(folder))["labels"].is_file() or _find_label_zip(files)
    return bool(labels) and any(is_tar(read_head(path)) for path in files)


def has_label_archive(folder: str | Path) -> bool:
    """Whether the labels zip is in a folder."""
    return _find_label_zip(list_files(Path(folder))) is not None


def unpack_labels(folder: str | Path, target: str | Path | None = None) -> None:
    """Put {labels,train,validation,test}.json and test-answers.csv into <target>/labels/, where they are missing.

    Args:
        folder: the downloads: the labels zip, or label files as `src.sources.ssv2` reads them.
        target: None is the same folder.

    Raises:
        FileNotFoundError: there are no labels.
        ValueError: the labels zip is broken.
    """
    folder, target = Path(folder), Path(target or folder)
    if all(path.is_file() for name, path in label_files(target).items() if name != "test"):
        return
    files, loose = list_files(folder), label_files(folder)["labels"]
    archive = _find_label_zip(files)
    if archive:
        sources = {_label_name(info.filename): Part(0, archive, info.filename, 0) for info in list_zip(archive)}
    elif loose.is_file():
        sources = {_label_name(path.name): path for path in loose.parent.iterdir()}
    else:
        raise FileNotFoundError(
            f"{folder}: no labels. Looked for a zip that holds labels.json or {LABEL_PREFIX}labels.json; found "
            f"{few(path.name for path in files) or 'no archive'}. Download the labels zip (again) into this folder."
        )
    (target / "labels").mkdir(parents=True, exist_ok=True)
    for name in (name for name in LABEL_NAMES if name in sources):
        try:
            with sources[name].open("rb") as source, atomic_path(target / "labels" / name) as temporary:
                _copy(source, temporary)
        except BROKEN as error:
            raise ValueError(f"{archive}: {name} in it is broken ({error}). Download it again.") from error


def extract_videos(
    folder: str | Path, target: str | Path | None = None, video_ids: Collection[str] | None = None
) -> dict[str, str]:
    """Extract videos into <target>/20bn-something-something-v2/, in one pass that ends with the last wanted one.

    A video is there whole or not at all, whenever the process is killed; run it again to go on. What is there in the
    size it has in the archive is left alone; where all ids are there, the archive is not opened. Memory does not grow
    with the archive.

    Args:
        folder: the downloads.
        target: None is the same folder, which is an ordinary SSv2 download afterwards (see `src.sources.ssv2`).
        video_ids: what to extract; None is all.

    Returns:
        path by id, of every wanted video that is there now. One counted warning names those not in the archive.

    Raises:
        FileNotFoundError: there is no archive, or a part of it is missing.
        ValueError: a part is broken, cut short, a wrong file, out of order, or there in two versions; or a member is a
            link or would lie outside the target. What was extracted stays, and is not extracted again.
    """
    folder, target = Path(folder), Path(target or folder)
    there = list_videos(target)
    if video_ids is None:
        _extract_missing(folder, target / VIDEO_FOLDER, there, None)
        return there
    wanted = {str(video_id) for video_id in video_ids}
    if not wanted <= there.keys():
        _extract_missing(folder, target / VIDEO_FOLDER, there, wanted)
    absent = sorted(wanted - there.keys())
    if absent:
        message = f"{len(absent)} of {len(wanted)} wanted videos are not in the archive in {folder}: {few(absent)}."
        warnings.warn(message, stacklevel=2)
    return {video_id: there[video_id] for video_id in sorted(wanted & there.keys())}


def unpack_subset(subset: pd.DataFrame, source: str | Path) -> pd.DataFrame:
    """A subset whose videos are there: extracted where `source` is a folder of archives, else as it is.

    Videos that are not in the archive are left out, with a counted warning. Errors are those of `extract_videos`.
    """
    if not is_archive_folder(source):
        return subset
    paths = subset["video_id"].map(extract_videos(source, video_ids=subset["video_id"]))
    return subset.assign(path=paths)[paths.notna()].reset_index(drop=True)


def _extract_missing(folder: Path, videos: Path, there: dict[str, str], wanted: set[str] | None) -> None:
    """Read the archive until no wanted video is missing, and add to `there` (path by id) what was extracted."""
    missing = None if wanted is None else wanted - there.keys()  # None: read all of it
    stream = ArchiveStream(find_parts(folder))
    videos.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(videos)
    bar = progress(total=stream.size // 10**6, label="reading archive", unit="MB")
    has_videos = False
    try:
        with bar, tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK) as tar:
            while missing != set() and (member := tar.next()):
                tar.members.clear()  # tarfile keeps them all
                video_id, suffix = _name_video(member, stream.part.path)
                has_videos |= suffix != ""
                if suffix and (wanted is None or video_id in wanted):
                    if not _has_size(there.get(video_id), member.size):
                        path = videos / f"{video_id}{suffix}"
                        with atomic_path(path) as temporary:
                            _copy(tar.extractfile(member), temporary)
                            os.utime(temporary, (member.mtime, member.mtime))
                        there[video_id] = str(path)
                    if missing:
                        missing.discard(video_id)
                bar.update(stream.position // 10**6 - bar.n)
            if missing != set():
                _check_end(tar)
    except BROKEN as error:
        raise stream.broken(error) from error
    if not has_videos:
        raise ValueError(f"{stream.part.path}: a tar without videos. This is not SSv2's archive: download that one.")


def _name_video(member: tarfile.TarInfo, archive: Path) -> tuple[str, str]:
    """(id, suffix) of a video, ("", "") of another member; refuses links, devices and ways out of the folder."""
    path = PureWindowsPath(member.name)  # knows drives and both slashes
    if path.anchor or ".." in path.parts or not (member.isreg() or member.isdir()):
        link = f", a link to {member.linkname!r}" if member.linkname else ""
        raise ValueError(
            f"{archive}: every member must be a plain file inside the archive's folder. Found {member.name!r}{link}, "
            "which was not extracted. This is not SSv2's archive: download that one."
        )
    is_video = member.isreg() and path.suffix.lower() in (".webm", ".mp4") and not path.name.startswith(".")
    return (path.stem, path.suffix.lower()) if is_video else ("", "")


def _check_end(tar: tarfile.TarFile) -> None:
    """tarfile takes a cut before a header, and a broken header, for the end. To read on also checks gzip's checksum."""
    if tar.fileobj.tell() < tar.offset + tarfile.BLOCKSIZE:
        raise EOFError("the tar has no end mark")
    while rest := tar.fileobj.read(CHUNK):
        if rest.strip(b"\0"):
            raise tarfile.ReadError("the header of a member is broken")


def _has_size(path: str | None, size: int) -> bool:
    return path is not None and os.path.isfile(path) and os.path.getsize(path) == size


def _copy(source: BinaryIO, path: Path) -> None:
    with open(path, "xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _remove_abandoned(folder: Path) -> None:
    """What killed runs left; not the files that another run is writing just now."""
    for path in folder.glob(f"{PARTIAL}*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > ABANDONED_AFTER:
                path.unlink()


def _find_label_zip(files: list[Path]) -> Path | None:
    names = {path: {_label_name(info.filename) for info in list_zip(path)} for path in files}
    return next((path for path in files if "labels.json" in names[path]), None)


def _label_name(name: str) -> str:
    return os.path.basename(name).removeprefix(LABEL_PREFIX)
