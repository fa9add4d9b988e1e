"""The store on disk: one folder per clip, written whole or not at all, with images that any viewer shows.

```
<root>/config.json                          the current ClipConfig
<root>/digests.json                         remembered digest of each video's bytes (see `src.store.digests`)
<root>/manifest.csv, subsets/               the current subset, and all that were prepared (see `src.store.manifest`)
<root>/failures.csv                         videos that could not be used, and why
<root>/clips/<config key>/<video_id>-<digest>/
    frame_0.jpg … frame_{S-1}.jpg           RGB, the middle frame of each segment
    flow_0.jpg … flow_{S-1}.jpg             grey tiles: a row per field in time, u in the left column, v in the right
    gray.mjpeg                              with flow_source="layer", instead of flow: the frames to compute it from
    clip.json                               frame indices, size, digest of the video
<root>/features/                            cached features of frames (see `src.inputs.features`); may be removed
<root>/incomplete/<job>/                    staging directory: clips being written, moved to their place when complete
```
A clip depends on its video's bytes and on the configuration, and its path contains both. So a clip is never out of
date, a replaced video gets another clip, and clips of two configurations never mix.
"""

import json
import os
import shutil
import socket
import time
import uuid
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import psutil

from src.config import ClipConfig, clip_config_from_dict, differences
from src.files import write_json
from src.flow import compute_flow, stack_fields
from src.store.encoding import Clip, decode_image, decode_segment, encode_clip, split_tiles
from src.video import pad_window

ABANDONED_AFTER = 3600  # seconds without a change after which a staging directory of another machine is abandoned
READABLE = 80  # bytes of a video id in the name of its clip


class ClipStore:
    """Clips of one `ClipConfig` under a root folder.

    Args:
        root: for example datasets/ssv2-mini.
        config: None is the configuration that `root` was last prepared with.

    Raises:
        FileNotFoundError: `config` is None, and `root` is not prepared.
        ValueError: the folder of this configuration holds clips of another one.
    """

    def __init__(self, root: str | Path, config: ClipConfig | None = None):
        self.root = Path(root)
        self.config = config or read_config(self.root)
        self.folder = self.root / "clips" / self.config.key
        stamp = self.folder / "config.json"
        if stamp.exists():
            found = clip_config_from_dict(json.loads(stamp.read_text()))
            if found != self.config:
                changed = "; ".join(differences(found.to_dict(), self.config.to_dict()))
                raise ValueError(
                    f"{stamp}: clips of other parameters are in this folder ({changed}). "
                    "Remove the folder, or choose another output."
                )

    def prepare(self) -> None:
        """Makes the folder, records the configuration as the current one, and removes abandoned staging directories."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in (self.folder / "config.json", self.root / "config.json"):
            write_json(path, self.config.to_dict())
        for staging in self.list_staging():
            if is_abandoned(staging):
                self.remove(staging)

    def list_staging(self) -> list[Path]:
        """The staging directories of jobs that are running or were killed."""
        incomplete = self.root / "incomplete"
        return sorted(path for path in incomplete.iterdir() if path.is_dir()) if incomplete.exists() else []

    def make_staging(self) -> Path:
        """Makes a job's staging directory, named after its process; the job removes it when it ends."""
        staging = self.root / "incomplete" / f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"
        staging.mkdir(parents=True)
        return staging

    def remove(self, path: Path) -> None:
        """Removes a staging directory, a clip or a file of features.

        It is moved away first, so that no process finds half of it or continues to write there.
        """
        away = self.root / "incomplete" / f"removed_{uuid.uuid4().hex}"
        away.parent.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            os.rename(path, away)
        with suppress(FileNotFoundError):
            away.unlink() if away.is_file() else shutil.rmtree(away, ignore_errors=True)

    def holds(self, name: str) -> bool:
        """Whether a clip is in the store; it is complete then."""
        return (self.folder / name).exists()

    def names(self) -> set[str]:
        """The names of all clips in the store, from one directory listing."""
        return {entry.name for entry in os.scandir(self.folder) if entry.is_dir()} if self.folder.exists() else set()

    def write(self, name: str, clip: Clip, digest: str, staging: Path) -> None:
        """Writes a clip atomically: even if the process is killed, the store holds it complete or not at all.

        `name` is from `clip_name`, `digest` is that of the video, and `staging` is from `make_staging`.
        """
        temporary = staging / uuid.uuid4().hex
        temporary.mkdir()
        try:
            for file_name, content in encode_clip(clip, digest).items():
                (temporary / file_name).write_bytes(content)
            os.rename(temporary, self.folder / name)
        except OSError:
            if not self.holds(name):  # otherwise another job has written the same clip
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def read_info(self, name: str) -> dict:
        """clip.json: digest of the video, height, width, frame indices."""
        return json.loads((self.folder / name / "clip.json").read_text())

    def read_frame(self, name: str, segment: int) -> np.ndarray:
        """The RGB frame of a segment: uint8 (H, W, 3)."""
        path = self.folder / name / f"frame_{segment}.jpg"
        image = decode_image(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR, path)
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def read_stack(self, name: str, segment: int) -> np.ndarray:
        """The flow stack of a segment: uint8 (H, W, 2L), quantized; channels u1, v1, u2, v2, …

        If grey frames are stored, their flow is computed.
        """
        length = self.config.flow_length
        if self.config.flow_source == "layer":
            frames, start = self.read_segment(name, segment)
            flow = compute_flow(frames[start : start + self.config.window_length], self.config.flow_algorithm)
            return stack_fields(flow, length, self.config.flow_bound)
        info, path = self.read_info(name), self.folder / name / f"flow_{segment}.jpg"
        tiles = decode_image(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE, path)
        return split_tiles(tiles, length, info["height"], info["width"])

    def read_segment(self, name: str, segment: int) -> tuple[np.ndarray, int]:
        """The stored grey frames of a segment, and the position of its window's first frame in them.

        Any L + 1 consecutive ones are a window. A clip shorter than a window is extended by `pad_window`.

        Returns:
            (frames, start): uint8 (T, H, W), T of L + 1 or more.
        """
        info, path = self.read_info(name), self.folder / name / "gray.mjpeg"
        frames = decode_segment(path.read_bytes(), info, segment, path)
        start = info["runs"][segment].index(info["indices"][segment][0])
        return pad_window(frames, self.config.window_length), start

    def num_bytes(self, name: str) -> int:
        """Bytes of a clip's files."""
        return sum(entry.stat().st_size for entry in os.scandir(self.folder / name))


def clip_name(video_id: str, digest: str) -> str:
    """A clip's folder name: the video's id, shortened to what file systems accept, and the digest of its bytes.

    Ids that start alike may share a name only if the bytes are equal, and then the clip is the same.
    """
    return f"{video_id.encode(errors='surrogateescape')[:READABLE].decode(errors='ignore')}-{digest}"


def is_abandoned(staging: Path) -> bool:
    """Whether the job that made a staging directory has ended.

    On this machine: whether its process has. On another one: whether nothing changed for `ABANDONED_AFTER` seconds.
    """
    host, _, process = staging.name.rpartition("_")[0].rpartition("_")
    if host == socket.gethostname() and process.isdecimal():
        return not psutil.pid_exists(int(process))
    try:
        return time.time() - staging.stat().st_mtime > ABANDONED_AFTER
    except FileNotFoundError:  # its job has just removed it
        return False


def read_config(root: str | Path) -> ClipConfig:
    """The `ClipConfig` that a folder was last prepared with."""
    path = Path(root) / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{path}: no prepared data here. Run preprocess_data.ipynb with output={str(root)!r}.")
    return clip_config_from_dict(json.loads(path.read_text()))
