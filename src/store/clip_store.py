"""The on-disk format: one folder per clip, pictures a person can look at, written whole or not at all.

```
<root>/config.json                          the ClipConfig in use
<root>/digests.json                         the digest of each video's bytes, remembered (see `src.store.digests`)
<root>/manifest.csv, subsets/               the subset in use, and all that were prepared (see `src.store.manifest`)
<root>/failures.csv                         videos that could not be used, and why
<root>/clips/<config key>/<video_id>-<digest>/
    frame_0.jpg … frame_{S-1}.jpg           RGB, the middle frame of each segment
    flow_0.jpg … flow_{S-1}.jpg             grey tiles: L rows in time, u in the left column, v in the right one
    gray.mjpeg                              instead of these, with flow_source="layer": the frames that flow is of
    clip.json                               frame indices, size, digest of the video
<root>/features/                            kept features of frames (see `src.inputs.features`); may be removed at any time
<root>/incomplete/<run>/                    clips being written; each is moved to its place when it is whole
```
A clip depends on the bytes of its video and on the parameters, and its place says both: so it is never out of date,
a video that was replaced has another place, and the results of two sets of parameters never mix.
"""

import json
import os
import shutil
import socket
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil

from src.config import ClipConfig, clip_config_from_dict, differences
from src.files import write_json
from src.flow import compute_flow, stack_fields
from src.video import hold_last

FRAME_QUALITY = 85  # JPEG
FLOW_QUALITY = 75  # JPEG; benchmarks/store_formats.py measures what it costs in px and in bytes
GRAY_QUALITY = 95  # JPEG; the same: less than stored flow loses
BLOCK = 8  # JPEG codes blocks of 8 × 8: tiles start on block borders, so that no block mixes two fields
ABANDONED_AFTER = 3600  # seconds without a change after which the room of a run on another machine is abandoned
READABLE = 80  # bytes of a video id that are kept in the name of its clip


@dataclass(frozen=True)
class Clip:
    """What the store holds of one video.

    Attributes:
        frames: uint8 (S, H, W, 3), RGB.
        stacks: uint8 (S, H, W, 2L), quantised flow in the channel order of `optical_flow.stack_flow`; None where the
            frames are kept that it is of.
        indices: per segment, the frames of the file that the flow is of: its window.
        runs: per segment, the frames around it that are kept, of which the window is a part.
        gray: these frames by their index in the file, each uint8 (H, W).
    """

    frames: np.ndarray
    stacks: np.ndarray | None
    indices: list[tuple[int, ...]]
    runs: list[tuple[int, ...]] | None = None
    gray: dict[int, np.ndarray] | None = None

    def window(self, segment: int, length: int) -> np.ndarray:
        """The frames of a segment's window: uint8 (length, H, W); in a clip too short for it the last one is held."""
        return hold_last([self.gray[index] for index in self.indices[segment]], length)


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
        """Makes the folder, stamps it, makes these parameters the current ones, and clears what a kill left behind."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in (self.folder / "config.json", self.root / "config.json"):
            write_json(path, self.config.to_dict())
        for room in self.list_staging():
            if is_abandoned(room):
                self.remove(room)

    def list_staging(self) -> list[Path]:
        """The rooms of runs that are at work, or were killed."""
        incomplete = self.root / "incomplete"
        return sorted(path for path in incomplete.iterdir() if path.is_dir()) if incomplete.exists() else []

    def make_staging(self) -> Path:
        """A folder for a run to write in, named after its process; the run removes it when it ends."""
        room = self.root / "incomplete" / f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"
        room.mkdir(parents=True)
        return room

    def remove(self, folder: Path) -> None:
        """Removes a room, a clip or features. Moved away first: nobody finds half of it, or goes on to write there."""
        away = self.root / "incomplete" / f"removed_{uuid.uuid4().hex}"
        away.parent.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            os.rename(folder, away)
        with suppress(FileNotFoundError):
            away.unlink() if away.is_file() else shutil.rmtree(away, ignore_errors=True)

    def holds(self, name: str) -> bool:
        """Whether a clip is there, which means that it is whole."""
        return (self.folder / name).exists()

    def names(self) -> set[str]:
        """The names of all clips in the store, from one listing."""
        return {entry.name for entry in os.scandir(self.folder) if entry.is_dir()} if self.folder.exists() else set()

    def write(self, name: str, clip: Clip, digest: str, room: Path) -> None:
        """Writes a clip, atomically: it is in the store complete or not at all, whenever the process is killed.

        Args:
            name: from `clip_name`.
            clip: what to write.
            digest: of the video.
            room: from `make_staging`.
        """
        temporary = room / uuid.uuid4().hex
        temporary.mkdir()
        try:
            for file_name, content in encode_clip(clip, digest).items():
                (temporary / file_name).write_bytes(content)
            os.rename(temporary, self.folder / name)
        except OSError:
            if not self.holds(name):  # else another run was faster, and wrote the same
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def read_info(self, name: str) -> dict:
        """clip.json: digest of the video, height, width, indices."""
        return json.loads((self.folder / name / "clip.json").read_text())

    def read_frame(self, name: str, segment: int) -> np.ndarray:
        """The RGB frame of a segment: uint8 (H, W, 3)."""
        path = self.folder / name / f"frame_{segment}.jpg"
        return cv2.cvtColor(_read_picture(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def read_stack(self, name: str, segment: int) -> np.ndarray:
        """The flow stack of a segment: uint8 (H, W, 2L), quantised; channels u1, v1, u2, v2, …

        Where frames are kept it is computed.
        """
        if self.config.flow_source == "layer":
            run, start = self.read_run(name, segment)
            window = run[start : start + self.config.window_length]
            flow = compute_flow(window, self.config.flow_algorithm)
            return stack_fields(flow, self.config.flow_length, self.config.flow_bound)
        info = self.read_info(name)
        tiles = _read_picture(self.folder / name / f"flow_{segment}.jpg", cv2.IMREAD_GRAYSCALE)
        return split_tiles(tiles, self.config.flow_length, info["height"], info["width"])

    def read_run(self, name: str, segment: int) -> tuple[np.ndarray, int]:
        """The grey frames around a segment, and where in them its window begins: uint8 (T, H, W), T of L + 1 or more.

        Any L + 1 of them that follow one another are a window. In a clip too short for one the last frame is held: what
        is missing does not move.
        """
        info, path = self.read_info(name), self.folder / name / "gray.mjpeg"
        run = info["runs"][segment]
        places = np.searchsorted(info["kept"], run)
        starts, ends = np.array([0, *info["ends"]])[places], np.array(info["ends"])[places]
        with open(path, "rb") as file:
            content = memoryview(file.read())
        pictures = [content[start:end] for start, end in zip(starts, ends, strict=True)]
        frames = [_decode_picture(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE, path) for picture in pictures]
        return hold_last(frames, self.config.window_length), run.index(info["indices"][segment][0])

    def num_bytes(self, name: str) -> int:
        """Bytes of a clip's files."""
        return sum(entry.stat().st_size for entry in os.scandir(self.folder / name))


def clip_name(video_id: str, digest: str) -> str:
    """A clip's place in the store: the video's id, cut to what a file system takes, and the digest of its bytes.

    Where two ids begin alike, equal names still mean equal bytes, and so the same clip.
    """
    return f"{video_id.encode(errors='surrogateescape')[:READABLE].decode(errors='ignore')}-{digest}"


def is_abandoned(room: Path) -> bool:
    """Whether the run that writes in this room is no more."""
    host, _, process = room.name.rpartition("_")[0].rpartition("_")
    if host == socket.gethostname() and process.isdecimal():
        return not psutil.pid_exists(int(process))
    try:
        return time.time() - room.stat().st_mtime > ABANDONED_AFTER
    except FileNotFoundError:  # it has just ended
        return False


def read_config(root: str | Path) -> ClipConfig:
    """The `ClipConfig` that a prepared folder is at."""
    path = Path(root) / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{path}: no prepared data here. Run preprocess_data.ipynb with output={str(root)!r}.")
    return clip_config_from_dict(json.loads(path.read_text()))


def encode_clip(clip: Clip, digest: str) -> dict[str, bytes]:
    """The files of a clip: content by name."""
    height, width = clip.frames.shape[1:3]
    files = {f"frame_{segment}.jpg": encode_frame(frame) for segment, frame in enumerate(clip.frames)}
    info = {"video": digest, "height": height, "width": width, "indices": clip.indices}
    if clip.stacks is not None:
        files |= {f"flow_{segment}.jpg": encode_stack(stack) for segment, stack in enumerate(clip.stacks)}
    else:
        kept = sorted(clip.gray)
        pictures = [_encode(clip.gray[index], GRAY_QUALITY) for index in kept]
        files["gray.mjpeg"] = b"".join(pictures)
        info |= {"runs": clip.runs, "kept": kept, "ends": np.cumsum([len(picture) for picture in pictures]).tolist()}
    return files | {"clip.json": json.dumps(info).encode()}


def encode_frame(frame: np.ndarray) -> bytes:
    """uint8 (H, W, 3), RGB → JPEG."""
    return _encode(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), FRAME_QUALITY)


def encode_stack(stack: np.ndarray) -> bytes:
    """uint8 (H, W, 2L), quantised flow → grey JPEG of tiles. A block without motion stays exactly zero."""
    return _encode(join_tiles(stack), FLOW_QUALITY)


def join_tiles(stack: np.ndarray) -> np.ndarray:
    """(H, W, 2L) → one picture (L · H', 2 · W'): a row per field, u left, v right; H', W' rounded up to `BLOCK`."""
    height, width, channels = stack.shape
    tall, wide = height + -height % BLOCK, width + -width % BLOCK
    tiles = np.empty((channels // 2 * tall, 2 * wide), np.uint8)
    for channel, plane in enumerate(cv2.split(stack)):
        top, left = channel // 2 * tall, channel % 2 * wide
        padded = cv2.copyMakeBorder(plane, 0, tall - height, 0, wide - width, cv2.BORDER_REPLICATE)
        tiles[top : top + tall, left : left + wide] = padded
    return tiles


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
    return _decode_picture(np.fromfile(path, np.uint8), flags, path)


def _decode_picture(data, flags, path):
    picture = cv2.imdecode(data, flags) if data.size else None
    if picture is None:
        raise ValueError(f"{path}: must be a JPEG; it cannot be decoded. Remove its folder and preprocess again.")
    return picture
