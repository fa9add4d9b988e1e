"""Which clips on disk are whole: a power cut can leave files of a clip that was in its place empty or cut off.

So each clip records the sizes of its files. Forcing all files to the disk as they are written would do, too, but takes
2 to 5 ms a clip on a solid-state disk, and far more on one that turns; comparing sizes takes 0.1 ms.
"""

import os
import re
from pathlib import Path

from src.files import read_json

INFO = "clip.json"
INFO_BYTES = 50_000_000  # at most
FILE_NAMES = re.compile(r"frame_\d+\.jpg|flow_\d+\.jpg|gray\.mjpeg|clip\.json")  # of a clip
CLIP_NAMES = re.compile(r".*-[0-9a-f]{16}", re.DOTALL)
KEYS = {"video", "height", "width", "indices"}  # of clip.json


def find_defect(folder: Path) -> str | None:
    """What is wrong with a clip's files, such as "flow_1.jpg is empty"; None if all are as large as they were written.

    Their sizes are in clip.json. Clips of older versions lack them; of these only missing and empty files are found.
    """
    info = read_json(folder / INFO, INFO_BYTES)
    if not isinstance(info, dict):
        return f"{INFO} is missing, or cannot be read"
    sizes = {entry.name: entry.stat().st_size for entry in os.scandir(folder)}
    written = info.get("sizes")
    for name in written if isinstance(written, dict) else _names_without_sizes(info):
        if name not in sizes:
            return f"{name} is missing"
        if not sizes[name]:
            return f"{name} is empty"
        if isinstance(written, dict) and sizes[name] != written[name]:
            return f"{name} has {sizes[name]} bytes, but {written[name]} were written"
    return None


def is_clip(folder: Path) -> bool:
    """Whether a folder is a clip of this project, whole or not: by its name, its files' names, and clip.json."""
    names = set(os.listdir(folder))
    if not CLIP_NAMES.fullmatch(folder.name) or INFO not in names or find_foreign_files(folder):
        return False
    info = read_json(folder / INFO, INFO_BYTES)
    return info is None or (isinstance(info, dict) and set(info) >= KEYS)  # None: emptied by a power cut


def find_foreign_files(folder: Path) -> list[str]:
    """Names in a clip's folder that are none of its files."""
    return sorted(name for name in os.listdir(folder) if not FILE_NAMES.fullmatch(name))


def _names_without_sizes(info):
    segments = range(len(info.get("indices", ())))
    flow = ["gray.mjpeg"] if "runs" in info else [f"flow_{segment}.jpg" for segment in segments]
    return [*(f"frame_{segment}.jpg" for segment in segments), *flow]
