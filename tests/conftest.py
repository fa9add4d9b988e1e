"""Tiny real videos of textures that move by a known (u, v), an SSv2 download of them, and a prepared store."""

import gc
import json
import os
import re
import time
from pathlib import Path

# One thread for each test process, set before anything imports TensorFlow: pytest-xdist runs one process per core.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# On any machine as on two cores: on eight or more, other processes make the batches, which no test can look into.
os.environ["LOKY_MAX_CPU_COUNT"] = "2"

import cv2
import numpy as np
import pandas as pd
import psutil
import pytest

from src.config import ClipConfig, TrainConfig
from src.preprocessing import plan_preprocessing, preprocess
from src.sample import VIDEO_FOLDER
from src.sources import COLUMNS, read_source
from src.subsets import choose_subset

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"  # not part of the repository
FIGHTS = SHARED_DATA / "fights"
TINY_CONFIG = ClipConfig(short_side=48, num_segments=2, flow_length=3)
TINY_CLASSES = {  # template → (u, v) of its clips, px/frame
    "Holding [something]": (0.0, 0.0),
    "Pushing [something] from left to right": (2.0, 0.0),
    "Pushing [something] from right to left": (-2.0, 0.0),
}
TINY_NAMES = [template.replace("[", "").replace("]", "") for template in TINY_CLASSES]
TINY_TRAINING = TrainConfig(crop_size=32, temporal_crop_size=32, batch_size=4, consensus="average")
TINY_COUNTS = {"train": 4, "validation": 2, "test": 2}  # clips per class
LIMIT = 600  # seconds after which a wait for an event fails: much longer than it takes on a slow, busy machine


@pytest.fixture(autouse=True, scope="module")
def own_garbage():
    """What a module leaves to the collector is freed at its end: its warnings are not errors of another module."""
    yield
    gc.collect()


def wait_for(condition, what, seconds=LIMIT):
    """Waits until `condition()` is true; fails if that takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} seconds: {what}"
        time.sleep(0.002)


def open_files(folder):
    """The files in a folder that this process holds open."""
    return [file.path for file in psutil.Process().open_files() if Path(file.path).is_relative_to(folder)]


def moving_texture(num_frames, u, v, height=120, width=160, seed=0):
    """uint8 (T, H, W, 3), RGB: a smooth random texture that moves by (u, v) px/frame, exactly, and wraps around."""
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    noise = np.random.default_rng(seed).normal(size=(3, height, width))
    spectrum = np.fft.rfft2(noise) * np.exp(-((rows**2 + columns**2) / (2 * 0.05**2)))
    spectrum[:, 0, 0] = 0
    steps = np.arange(num_frames)[:, None, None, None]
    texture = np.fft.irfft2(spectrum * np.exp(-2j * np.pi * steps * (columns * u + rows * v)), s=(height, width))
    pixels = np.clip(128 + 50 * texture / texture[0].std(), 0, 255)
    return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1).round().astype(np.uint8))


def write_video(path, frames, fps=12, fourcc="VP80"):
    """Writes RGB frames, uint8 (T, H, W, 3), to a video file; the suffix decides the container. Returns the path."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*fourcc), fps, (width, height))
    assert writer.isOpened(), f"OpenCV cannot write {fourcc} to {path}"
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return Path(path)


def ssv2_labels(classes, train, validation, test):
    """The text of each label file of an SSv2 download by name, from the entries of its splits."""
    index, ids = {name: str(number) for number, name in enumerate(classes)}, [{"id": entry["id"]} for entry in test]
    contents = {"labels": index, "train": train, "validation": validation, "test": ids}
    answers = [f"{entry['id']};{re.sub(r'[][]', '', entry['template'])}\n" for entry in test]
    texts = {f"{name}.json": json.dumps(content) for name, content in contents.items()}
    return texts | {"test-answers.csv": "".join(answers)}


def make_subset(videos):
    """A subset of (video_id, path) pairs, all for training, in two classes."""
    rows = [(name, str(path), f"class {n % 2}", n % 2, "train", name) for n, (name, path) in enumerate(videos)]
    return pd.DataFrame(rows, columns=COLUMNS[:6]).assign(start=np.nan, end=np.nan, rate=np.nan)


def write_good(folder, count, num_frames=14):
    """Writes videos that move by (2, 1) px/frame: landscape, portrait, short. Returns (video_id, path) pairs."""
    videos = []
    for n in range(count):
        height, width = (64, 48) if n % 3 == 1 else (48, 64)
        frames = moving_texture(6 if n % 3 == 2 else num_frames, 2, 1, height, width, seed=n)
        videos.append((f"good_{n}", write_video(folder / f"good {n}.webm", frames)))
    return videos


def write_good_and_bad(folder):
    """A subset of three videos that move, the second one portrait, and two that cannot be used."""
    (folder / "bad_text.webm").write_text("no video")
    bad = [(f"bad_{kind}", folder / f"bad_{kind}.webm") for kind in ("text", "missing")]
    return make_subset([*bad, *write_good(folder, 3)])


def prepare(subset, root, config=TINY_CONFIG, workers=1, **options):
    """Preprocesses a subset into `root`; returns the report."""
    return preprocess(plan_preprocessing(subset, root, config, workers, **options))


def read_content(store):
    """The bytes of every file in a store's folder, by relative path."""
    return {path.relative_to(store.folder): path.read_bytes() for path in store.folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def tiny_ssv2(tmp_path_factory):
    """An SSv2 download with three classes of 4 + 2 + 2 clips, 64 × 48 pixels. Do not write to it."""
    folder = tmp_path_factory.mktemp("download")
    (folder / VIDEO_FOLDER).mkdir()
    entries = {split: [] for split in TINY_COUNTS}
    clips = [(split, template) for split in TINY_COUNTS for template in TINY_CLASSES for _ in range(TINY_COUNTS[split])]
    for number, (split, template) in enumerate(clips, 1):
        frames = moving_texture(9, *TINY_CLASSES[template], 48, 64, number)
        write_video(folder / VIDEO_FOLDER / f"{number}.webm", frames)
        entries[split].append({"id": str(number), "template": template})
    (folder / "labels").mkdir()
    for name, text in ssv2_labels(TINY_NAMES, **entries).items():
        (folder / "labels" / name).write_text(text)
    return folder


@pytest.fixture(scope="session")
def tiny_store(tiny_ssv2, tmp_path_factory):
    """(root, subset): the clips of `tiny_ssv2`, prepared with `TINY_CONFIG`. Do not write to it."""
    root = tmp_path_factory.mktemp("prepared") / "tiny"
    subset = choose_subset(read_source(tiny_ssv2))
    report = prepare(subset, root)
    assert report.computed == len(subset) == 3 * sum(TINY_COUNTS.values())
    return root, subset


@pytest.fixture(scope="session")
def two_stream():
    """A model with known weights for `TINY_NAMES`: the spatial scores follow the mean colour (red, green, blue for the
    three classes), the temporal scores the mean u (zero, positive, negative)."""
    import keras  # here, because it is slow to import and most tests do not need it
    from keras import layers

    from models.consensus import build_clip_network
    from models.two_stream import build_two_stream

    size, channels = TINY_TRAINING.crop_size, TINY_CONFIG.stack_channels
    frame = keras.Input((size, size, 3), dtype="uint8", name="frame")
    flow = keras.Input((size, size, channels), dtype="uint8", name="flow")
    colour = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(frame))
    motion = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 127, -128 / 127)(flow))
    spatial, temporal = (
        build_clip_network(keras.Model(segment, features, name="body"), 3, None, "average", 0.0, False, name)
        for name, segment, features in (("spatial", frame, colour), ("temporal", flow, motion))
    )
    by_channel = [[0, 20, -20], [0, 0, 0]] * TINY_CONFIG.flow_length  # of u, of v
    spatial.get_layer("head").get_layer("scores").set_weights([np.diag([9.0, 9.0, 9.0]), np.zeros(3)])
    temporal.get_layer("head").get_layer("scores").set_weights([np.array(by_channel, float), np.array([2.0, 0, 0])])
    return build_two_stream(spatial, temporal)
