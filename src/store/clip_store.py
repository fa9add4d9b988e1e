"""The store on disk: one folder per clip, written whole or not at all, with images that any viewer shows.

```
<root>/two-stream.json                      stamp: this project writes here (see `src.ownership`)
<root>/config.json                          the current ClipConfig
<root>/digests.json                         remembered digest of each video's bytes (see `src.store.digests`)
<root>/manifest.csv, subsets/               the current subset, and all that were prepared (see `src.store.records`)
<root>/failures.csv                         videos that could not be used, and why
<root>/clips/<config key>/<video_id>-<digest>/
    frame_0.jpg … frame_{S-1}.jpg           RGB, the middle frame of each segment
    flow_0.jpg … flow_{S-1}.jpg             grey tiles: a row per field in time, u in the left column, v in the right
    gray.mjpeg                              with flow_source="layer", instead of flow: the frames to compute it from
    clip.json                               frame indices, size, digest of the video, sizes of the files
<root>/features/                            cached features of frames (see `src.inputs.features`); may be removed
<root>/incomplete/<job>/                    staging directory: clips being written, moved to their place when complete
```
A clip depends on its video's bytes, on the part of it that is used, and on the configuration, and its path contains
all three. So a clip is never out of date, a replaced video gets another clip, and clips of two configurations never
mix.
"""

import errno
import hashlib
import json
import math
import os
import shutil
import uuid
from pathlib import Path

import cv2
import numpy as np

from src import ownership
from src.config import ClipConfig, differences
from src.files import check_path, write_json
from src.flow import compute_flow, stack_fields
from src.store.contents import FEATURES, claim_root, is_feature_folder, read_config_file
from src.store.encoding import AGAIN, Clip, decode_segment, encode_clip, read_image, split_tiles
from src.store.wholeness import find_defect, find_foreign_files, read_info
from src.video import pad_window

READABLE = 80  # bytes of a video id in the name of its clip


class ClipStore:
    """Clips of one `ClipConfig` under a root folder.

    Args:
        root: for example datasets/sample-mini.
        config: None is the configuration that `root` was last prepared with.

    Raises:
        FileNotFoundError: `config` is None, and `root` is not prepared.
        ValueError: the folder of this configuration holds clips of another one.
    """

    def __init__(self, root: str | Path, config: ClipConfig | None = None):
        self.root = check_path(root, "the prepared folder")
        self.config = config or read_config(self.root)
        self.folder = self.root / "clips" / self.config.key
        self.incomplete = self.root / "incomplete"
        found = read_config_file(self.folder / "config.json")
        if found is not None and found != self.config:
            changed = "; ".join(differences(found.to_dict(), self.config.to_dict()))
            raise ValueError(
                f"{self.folder / 'config.json'}: clips of other parameters are in this folder ({changed}). "
                "Remove the folder, or choose another output."
            )

    def claim(self) -> None:
        """Makes the root folder and stamps it as this project's.

        Raises:
            ValueError: it holds files of the user's. Nothing was written then.
        """
        claim_root(self.root)

    def claim_features(self, folder: Path) -> None:
        """Makes a folder for features of frames and stamps it, as `claim` does with the root."""
        ownership.claim(folder, FEATURES, is_feature_folder)

    def prepare(self) -> None:
        """Claims the root, records the configuration as the current one, and removes abandoned staging directories."""
        self.claim()
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in (self.folder / "config.json", self.root / "config.json"):
            write_json(path, self.config.to_dict())
        for staging in self.list_staging():
            if ownership.is_abandoned(staging):
                self.remove(staging)

    def list_staging(self) -> list[Path]:
        """The staging directories of jobs that are running or were killed."""
        return ownership.list_staging(self.incomplete)

    def make_staging(self) -> Path:
        """Makes a job's staging directory; the job removes it when it ends."""
        return ownership.make_staging(self.incomplete)

    def remove(self, path: Path) -> None:
        """Removes a staging directory, a clip or a file of features."""
        ownership.remove(path, self.incomplete)

    def holds(self, name: str) -> bool:
        """Whether a clip is in the store, and whole. 5,000 clips take about a second."""
        return self.find_defect(name) is None

    def find_defect(self, name: str) -> str | None:
        """Why a clip has to be computed (again), such as "flow_1.jpg is empty"; None if it is stored, and whole."""
        return find_defect(self.folder / name)

    def names(self) -> set[str]:
        """The names of all clips in the store that are whole, by the sizes of their files."""
        if not self.folder.exists():
            return set()
        return {entry.name for entry in os.scandir(self.folder) if entry.is_dir() and self.holds(entry.name)}

    def write(self, name: str, clip: Clip, digest: str, staging: Path) -> None:
        """Writes a clip atomically: even if the process is killed, the store holds it complete or not at all.

        `name` is from `clip_name`, `digest` is that of the video, and `staging` is from `make_staging`.
        """
        temporary = staging / uuid.uuid4().hex
        temporary.mkdir()
        try:
            for file_name, content in encode_clip(clip, digest).items():
                (temporary / file_name).write_bytes(content)
            if (self.folder / name).exists() and not self.holds(name):
                self._remove_broken(name)
            os.rename(temporary, self.folder / name)
        except OSError:
            if not self.holds(name):  # otherwise another job has written the same clip
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def read_info(self, name: str) -> dict:
        """clip.json: digest of the video, height, width, frame indices.

        Raises:
            ValueError: it is missing, or damaged.
        """
        info = read_info(self.folder / name)
        if info is None:
            raise ValueError(f"{self.folder / name / 'clip.json'}: is missing, or does not describe a clip. {AGAIN}")
        return info

    def read_frame(self, name: str, segment: int) -> np.ndarray:
        """The RGB frame of a segment: uint8 (H, W, 3)."""
        return read_image(f"{self.folder}/{name}/frame_{segment}.jpg", cv2.IMREAD_COLOR_RGB)

    def read_stack(self, name: str, segment: int) -> np.ndarray:
        """The flow stack of a segment: uint8 (H, W, 2L), quantized; channels u1, v1, u2, v2, …

        If grey frames are stored, their flow is computed.
        """
        length = self.config.flow_length
        if self.config.flow_source == "layer":
            frames, start = self.read_segment(name, segment)
            flow = compute_flow(frames[start : start + self.config.window_length], self.config.flow_algorithm)
            return stack_fields(flow, length, self.config.flow_bound)
        info, path = self.read_info(name), f"{self.folder}/{name}/flow_{segment}.jpg"
        tiles = read_image(path, cv2.IMREAD_GRAYSCALE)
        try:
            return split_tiles(tiles, length, info["height"], info["width"])
        except ValueError:
            size = f"{info['width']} × {info['height']} px"
            raise ValueError(f"{path}: must hold {length} flow fields of {size} as tiles. {AGAIN}") from None

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

    def _remove_broken(self, name):
        folder = self.folder / name
        try:
            foreign = find_foreign_files(folder)
        except FileNotFoundError:  # another job has just removed it
            return
        except NotADirectoryError:
            foreign = ["it is a file"]
        if foreign:
            message = f"must be a clip's folder, but holds other files: {', '.join(foreign)}. Move them away"
            raise FileExistsError(errno.EEXIST, message, str(folder))
        self.remove(folder)

    def num_bytes(self, name: str) -> int:
        """Bytes of a clip's files."""
        return sum(entry.stat().st_size for entry in os.scandir(self.folder / name))


def clip_name(
    video_id: str, digest: str, start: float = math.nan, end: float = math.nan, rate: float = math.nan
) -> str:
    """A clip's folder name: the video's id, shortened to what file systems accept, and a digest.

    The digest is that of the video's bytes or, for a part of a video, of those and the part. Ids that start alike may
    share a name only if both are equal, and then the clip is the same.

    Args:
        video_id: of the annotation table.
        digest: of the bytes.
        start, end: seconds; NaN where the clip begins or ends with the file.
        rate: frames/s of a folder of images, which seconds refer to; it does not matter where the whole is used.

    Raises:
        ValueError: the id is not a valid folder name.
    """
    check_id(video_id)
    if not (math.isnan(start) and math.isnan(end)):
        part = json.dumps([digest, float(start), float(end), float(rate)])
        digest = hashlib.blake2b(part.encode(), digest_size=8).hexdigest()
    return f"{video_id.encode(errors='ignore')[:READABLE].decode(errors='ignore')}-{digest}"


def check_id(video_id: str) -> None:
    """Raises ValueError for an id that could lead out of the store's folder."""
    if not isinstance(video_id, str) or not video_id or any(part in video_id for part in ("/", "\\", "\0", "..")):
        raise ValueError(
            "a video_id becomes a folder name, so it must be text, not empty, and without / \\ .. or NUL. "
            f"Received: {video_id!r}. Give another id."
        )


def read_config(root: str | Path) -> ClipConfig:
    """The `ClipConfig` that a folder was last prepared with."""
    path = check_path(root, "the prepared folder") / "config.json"
    config = read_config_file(path)
    if config is None:
        raise FileNotFoundError(f"{path}: no prepared data here. Run preprocess_data.ipynb with output={str(root)!r}.")
    return config
