"""The on-disk format: one folder per clip, pictures a person can look at, written whole or not at all.

```
<root>/config.json                          the ClipConfig in use
<root>/manifest.csv                         the subset (see `src.subset`)
<root>/failures.csv                         videos that could not be used, and why
<root>/clips/<config key>/<video_id>/
    frame_0.jpg … frame_{S-1}.jpg           RGB, the middle frame of each segment
    flow_0.jpg … flow_{S-1}.jpg             grey tiles: L rows in time, u in the left column, v in the right one
    clip.json                               source file, frame indices, size
<root>/incomplete/                          clips being written; each is moved to its place when it is whole
```
Each set of parameters has a folder of its own, so results of two never mix.
"""

import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from src.config import ClipConfig, clip_config_from_dict, differences

FRAME_QUALITY = 85  # JPEG
FLOW_QUALITY = 75  # JPEG; benchmarks/store_formats.py measures what it costs in px and in bytes
BLOCK = 8  # JPEG codes blocks of 8 × 8: tiles start on block borders, so that no block mixes two fields
ABANDONED_AFTER = 3600  # seconds after which a temporary folder is of a run that was killed


@dataclass(frozen=True)
class Clip:
    """What the store holds of one video.

    Attributes:
        frames: uint8 (S, H, W, 3), RGB.
        stacks: uint8 (S, H, W, 2L), quantised flow in the channel order of `optical_flow.stack_flow`.
        indices: per segment, the frames of the file that the flow was computed from.
    """

    frames: np.ndarray
    stacks: np.ndarray
    indices: list[tuple[int, ...]]


class ClipStore:
    """Clips of one `ClipConfig` under a root folder.

    Args:
        root: for example datasets/ssv2-mini.
        config: the parameters; None takes those that `root` was last prepared with.

    Raises:
        FileNotFoundError: no config given, and none at `root`.
        ValueError: the folder of these parameters is stamped with others.
    """

    def __init__(self, root: str | Path, config: ClipConfig | None = None):
        self.root = Path(root)
        self.config = config or read_config(self.root)
        self.folder = self.root / "clips" / self.config.key
        self._incomplete = self.root / "incomplete"
        stamp = self.folder / "config.json"
        if stamp.exists():
            found = json.loads(stamp.read_text())
            if found != self.config.to_dict():
                changed = "; ".join(differences(found, self.config.to_dict()))
                raise ValueError(
                    f"{stamp}: clips of other parameters are in this folder ({changed}). "
                    "Remove the folder, or choose another output."
                )

    def prepare(self) -> None:
        """Makes the folder, stamps it, makes these parameters the current ones, and clears what a kill left behind."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._incomplete.mkdir(exist_ok=True)
        for path in (self.folder / "config.json", self.root / "config.json"):
            write_text(path, json.dumps(self.config.to_dict(), indent=2) + "\n")
        for leftover in self._incomplete.iterdir():
            if time.time() - leftover.stat().st_mtime > ABANDONED_AFTER:
                shutil.rmtree(leftover, ignore_errors=True)

    def holds(self, video_id: str, path: str | Path) -> bool:
        """Whether the clip is there, whole, and made from the file as it is now (its size and time of change)."""
        try:
            return self.read_info(video_id)["source"] == _fingerprint(path)
        except (FileNotFoundError, json.JSONDecodeError):
            return False

    def video_ids(self) -> set[str]:
        """Ids of all clips in the store."""
        return {entry.name for entry in os.scandir(self.folder) if entry.is_dir()} if self.folder.exists() else set()

    def write(self, video_id: str, clip: Clip, path: str | Path) -> None:
        """Writes a clip, atomically: it is in the store complete or not at all, whenever the process is killed."""
        temporary = Path(tempfile.mkdtemp(dir=self._incomplete))
        try:
            for segment, (frame, stack) in enumerate(zip(clip.frames, clip.stacks, strict=True)):
                (temporary / f"frame_{segment}.jpg").write_bytes(encode_frame(frame))
                (temporary / f"flow_{segment}.jpg").write_bytes(encode_stack(stack))
            height, width = clip.frames.shape[1:3]
            info = {"source": _fingerprint(path), "height": height, "width": width, "indices": clip.indices}
            (temporary / "clip.json").write_text(json.dumps(info))
            temporary.chmod(0o755)
            self._put(temporary, self.folder / video_id)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _put(self, temporary, target):
        if target.exists():  # made from an older version of the video: a folder cannot be renamed onto a full one
            old = Path(tempfile.mkdtemp(dir=self._incomplete))
            os.replace(target, old)
            shutil.rmtree(old)
        os.rename(temporary, target)

    def read_info(self, video_id: str) -> dict:
        """clip.json: source (file name, bytes, time of change in ns), height, width, indices."""
        return json.loads((self.folder / video_id / "clip.json").read_text())

    def read_frame(self, video_id: str, segment: int) -> np.ndarray:
        """The RGB frame of a segment: uint8 (H, W, 3)."""
        path = self.folder / video_id / f"frame_{segment}.jpg"
        return cv2.cvtColor(_read_picture(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def read_stack(self, video_id: str, segment: int) -> np.ndarray:
        """The flow stack of a segment: uint8 (H, W, 2L), quantised; channels u1, v1, u2, v2, …"""
        info = self.read_info(video_id)
        tiles = _read_picture(self.folder / video_id / f"flow_{segment}.jpg", cv2.IMREAD_GRAYSCALE)
        return split_tiles(tiles, self.config.flow_length, info["height"], info["width"])

    def num_bytes(self, video_id: str) -> int:
        """Bytes of a clip's files."""
        return sum(entry.stat().st_size for entry in os.scandir(self.folder / video_id))


def read_config(root: str | Path) -> ClipConfig:
    """The `ClipConfig` that a prepared folder is at."""
    path = Path(root) / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{path}: no prepared data here. Run preprocess_data.ipynb with output={str(root)!r}.")
    return clip_config_from_dict(json.loads(path.read_text()))


def write_text(path: Path, text: str) -> None:
    """Writes a small file atomically: readers see the old or the new one."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", delete=False, encoding="utf-8") as file:
        file.write(text)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def encode_frame(frame: np.ndarray) -> bytes:
    """uint8 (H, W, 3), RGB → JPEG."""
    return _encode(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), FRAME_QUALITY)


def encode_stack(stack: np.ndarray) -> bytes:
    """uint8 (H, W, 2L), quantised flow → grey JPEG of tiles. A block without motion stays exactly zero."""
    return _encode(join_tiles(stack), FLOW_QUALITY)


def join_tiles(stack: np.ndarray) -> np.ndarray:
    """(H, W, 2L) → one picture (L · H', 2 · W'): a row per field, u left, v right; H', W' rounded up to `BLOCK`."""
    height, width, channels = stack.shape
    padding = ((0, -height % BLOCK), (0, -width % BLOCK), (0, 0))
    tiles = np.pad(stack, padding, mode="edge")
    tall, wide = tiles.shape[:2]
    return tiles.reshape(tall, wide, channels // 2, 2).transpose(2, 0, 3, 1).reshape(tall * channels // 2, wide * 2)


def split_tiles(tiles: np.ndarray, flow_length: int, height: int, width: int) -> np.ndarray:
    """The inverse of `join_tiles`: one picture → (height, width, 2L)."""
    tall, wide = tiles.shape[0] // flow_length, tiles.shape[1] // 2
    stack = tiles.reshape(flow_length, tall, 2, wide)[:, :height, :, :width].transpose(1, 3, 0, 2)
    return np.ascontiguousarray(stack).reshape(height, width, 2 * flow_length)


def _encode(picture, quality):
    written, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    if not written:
        raise ValueError(f"OpenCV could not encode a picture of shape {picture.shape} as JPEG.")
    return data.tobytes()


def _read_picture(path, flags):
    data = np.fromfile(path, np.uint8)
    picture = cv2.imdecode(data, flags) if data.size else None
    if picture is None:
        raise ValueError(f"{path}: must be a JPEG; it cannot be decoded. Remove its folder and preprocess again.")
    return picture


def _fingerprint(path):
    path = Path(path)
    status = path.stat()
    return {"name": path.name, "bytes": status.st_size, "modified_ns": status.st_mtime_ns}
