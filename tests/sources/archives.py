"""Small SSv2 archives of all three generations, and the labels zip."""

import gzip
import io
import random
import tarfile
import zipfile

from conftest import ssv2_labels

from src.sample import VIDEO_FOLDER

STAMP = "two-stream.json"
VIDEOS = {str(number): random.Random(number).randbytes(40_000 + 1000 * number) for number in range(1, 9)}
ENTRIES = [{"id": name, "template": "Holding [something]"} for name in VIDEOS]
LABELS = ssv2_labels(["Holding something"], ENTRIES[:4], ENTRIES[4:6], ENTRIES[6:])


def member(name, content=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(content), 1_500_000_000
    for field, value in fields.items():
        setattr(info, field, value)
    return info, io.BytesIO(content)


def make_tgz(videos=VIDEOS, suffix=".webm", start="", extra=()):
    """A tgz like 20BN's; the `extra` members come after the third video."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.addfile(*member(f"{start}{VIDEO_FOLDER}", type=tarfile.DIRTYPE))
        for place, (video_id, content) in enumerate(videos.items()):
            for item in extra if place == 3 else ():
                tar.addfile(*item)
            tar.addfile(*member(f"{start}{VIDEO_FOLDER}/{video_id}{suffix}", content))
    return gzip.compress(data.getvalue(), 1)


def split(data, count=4):
    size = -(-len(data) // count)
    return [data[start : start + size] for start in range(0, len(data), size)]


TGZ = make_tgz()
PARTS = split(TGZ)


def part_name(number, ending=""):
    return f"20bn-something-something-v2-{number:02d}{ending}"


def make_zip(files, compression=zipfile.ZIP_STORED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def write_parts(folder, parts=PARTS, generation="raw"):
    """raw: -00, -01, ...; zipped: each in a zip; misnamed: raw parts that are called .zip."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(parts):
        if generation == "zipped":
            part = make_zip({part_name(number): part}, zipfile.ZIP_DEFLATED)
        (folder / part_name(number, "" if generation == "raw" else ".zip")).write_bytes(part)
    return folder


def write_label_zip(folder, start="labels/", prefix="", name="20bn-something-something-download-package-labels.zip"):
    files = {f"{start}{prefix}{key}": text for key, text in LABELS.items()}
    (folder / name).write_bytes(make_zip(files | {"__MACOSX/labels/._x": "x"}))
    return folder


def extracted(folder):
    """Content by id of the visible videos."""
    return {path.stem: path.read_bytes() for path in (folder / VIDEO_FOLDER).glob("[!.]*") if path.name != STAMP}


def unfinished(folder):
    """What an extraction leaves beside videos and its stamp."""
    return [path.name for path in (folder / VIDEO_FOLDER).iterdir() if path.is_dir() or path.name.startswith(".")]
