"""Clip store → batches. Training and evaluation are two visibly different classes."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from src.config import STREAMS, TrainConfig
from src.flow import compute_flow, mean_flow, stack_fields
from src.inputs.augmentation import jitter_colour, random_crop
from src.inputs.stream_inputs import StreamInputs
from src.sources import SPLITS
from src.store import ClipStore, read_prepared
from src.subsets import flipped_classes, reversed_classes
from src.video import segment_centers

LARGER = 4  # times: batches that are only evaluated, which take less memory
START = 1  # of the random numbers that only windows of frames need: all others stay as they are
READERS = 4  # threads that read and decode the pictures of a batch


def read_clips(root: str | Path) -> tuple[pd.DataFrame, ClipStore, list[str]]:
    """A prepared data set as training sees it.

    Returns:
        (clips, store, class names): the rows of the manifest whose clip is in the store, with `clip_name`, its name
        there; the class names by `class_index`.

    Raises:
        FileNotFoundError: `root` was never prepared.
        ValueError: a split without clips.
    """
    table, store = read_prepared(root)
    class_names = table.drop_duplicates("class_index").sort_values("class_index").label.tolist()
    clips = table[table.stored].reset_index(drop=True)
    for split in SPLITS:
        if not (clips.split == split).any():
            raise ValueError(f"{root}: each split needs clips; {split!r} has none. Run preprocess_data.ipynb first.")
    return clips, store, class_names


def read_batches(
    clips: pd.DataFrame, store: ClipStore, class_names: list[str], config: TrainConfig, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first training batch of both streams, to look at.

    Returns:
        (frames, stacks, labels): uint8 (count, crop_size, crop_size, 3) and (count, crop_size, crop_size, 2L), and
        class indices int64 (count,), of the same clips in the same views. Where the network computes flow itself, the
        stacks are of what it will compute, at `flow_bound`.
    """
    config = dataclasses.replace(config, batch_size=count)
    (frames, classes), (motion, _) = (TrainingBatches(clips, store, s, class_names, config)[0] for s in STREAMS)
    if store.config.flow_source == "layer":
        motion = compute_stacks(motion, store.config.flow_bound)
    return frames, motion, classes.argmax(axis=1)


def compute_stacks(windows: np.ndarray, bound: float) -> np.ndarray:
    """The quantised flow of what a temporal network is given that computes flow itself, to look at or to measure.

    Args:
        windows: uint8 (N, L + 1, H, W), grey.
        bound: px/frame of the largest code.

    Returns:
        uint8 (N, H, W, 2L).
    """
    return np.stack([stack_fields(compute_flow(window), len(window) - 1, bound) for window in windows])


def read_examples(clips: pd.DataFrame, store: ClipStore) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The middle segment of some clips, to look at.

    Returns:
        (frames, flows), a list entry per clip: uint8 (H, W, 3), RGB; float32 (H, W, 2), px/frame, mean over the stack.
    """
    middle, bound = store.config.num_segments // 2, store.config.flow_bound
    frames = [store.read_frame(clip, middle) for clip in clips.clip_name]
    return frames, [mean_flow(store.read_stack(clip, middle), bound) for clip in clips.clip_name]


class Batches(keras.utils.PyDataset):
    """What all pipelines share: batches are made in threads, the next one while a network works on this one.

    Args:
        count: samples in an epoch.
        batch_size: samples in a batch; the last may have fewer.
    """

    epoch = 0

    def __init__(self, count: int, batch_size: int):
        super().__init__()  # with workers, Keras on JAX would carry batches of one epoch over into the next
        self.count, self.batch_size = count, batch_size
        self._readers, self._maker = ThreadPoolExecutor(READERS), ThreadPoolExecutor(1)
        self._next: tuple[tuple[int, int], Future] | None = None

    def __len__(self):
        return -(-self.count // self.batch_size)

    def __getitem__(self, index):
        batch = self._start(self.epoch, index)
        following = (self.epoch, index + 1) if index + 1 < len(self) else (self.next_epoch(), 0)
        self._next = (following, self._start(*following))
        return batch.result()

    def next_epoch(self) -> int:
        """The epoch that is expected after this one."""
        return self.epoch + 1

    def _start(self, epoch, index):
        """Batch `index` of an epoch, in the making or made."""
        if self._next and self._next[0] == (epoch, index):
            return self._next[1]
        places = range(index * self.batch_size, min((index + 1) * self.batch_size, self.count))
        return self._maker.submit(self.make, epoch, places)

    def make(self, epoch, places):
        """(pictures, classes) of some places, 0 … count - 1, in the order of an epoch."""
        raise NotImplementedError


class TrainingBatches(Batches):
    """Shuffled, augmented batches: of each clip and epoch one random segment, in a random view; of a window of frames
    also a random start.

    What a clip gets in an epoch depends on (seed, epoch, clip) alone, so both streams see the same segment, view and
    direction of time, and training continued after an interruption sees what it would have seen. Set `epoch` before
    each.

    Batches are (pictures uint8 (B, …), as of `pictures.crop_input`, classes one-hot float32 (B, C)). A mirrored
    left/right template carries the label of its mirror image, and so does a reversed clip that of its reverse; a class
    without one is not mirrored, or not reversed. Without `config.augment` a clip gives the same view each time. With
    `config.data_parallel` the last batch is full, too: devices share each evenly.
    """

    def __init__(self, clips: pd.DataFrame, store: ClipStore, stream: str, class_names: list[str], config: TrainConfig):
        clips = clips[clips.split == "train"]
        full = -(-len(clips) // config.batch_size) * config.batch_size
        super().__init__(full if config.data_parallel else len(clips), config.batch_size)
        self.clips, self.labels = clips.clip_name.to_numpy(), clips.class_index.to_numpy()
        self.pictures = StreamInputs(store, stream, config)
        self.config, self.num_segments = config, store.config.num_segments
        self.flipped_class, self.backwards = (
            flipped_classes(class_names, config.flip_map),
            np.full(len(class_names), -1),
        )
        if config.time_reversal:
            self.backwards = reversed_classes(class_names, config.reversal_map)

    def make(self, epoch, places):
        order = np.random.default_rng([self.config.seed, epoch]).permutation(len(self.clips))
        order = np.resize(order, self.count)  # where batches must be full, the last is filled with the first clips
        samples = self._readers.map(lambda place: self.sample(epoch, int(place)), order[list(places)])
        pictures, labels = zip(*samples, strict=True)
        return np.stack(pictures), np.eye(len(self.flipped_class), dtype=np.float32)[list(labels)]

    def sample(self, epoch: int, place: int) -> tuple[np.ndarray, int]:
        """The picture (crop_size, crop_size, channels) and class of one clip in an epoch."""
        if not self.config.augment:
            picture = self.pictures.read(self.clips[place], self.num_segments // 2)
            return self.pictures.crop_scored(picture, 1)[0], self.labels[place]
        generator = np.random.default_rng([self.config.seed, epoch, place])
        segment, label, backwards, mirrored = self.draw(generator, place)
        start = np.random.default_rng([self.config.seed, epoch, place, START]).random()
        picture = self.pictures.read(self.clips[place], segment, backwards, start)
        view = random_crop(generator, *self.pictures.size(picture), self.config.keep_aspect)
        picture = self.pictures.crop(picture, dataclasses.replace(view, flipped=mirrored))
        return jitter_colour(generator, picture) if self.pictures.stream == "spatial" else picture, label

    def draw(self, generator: np.random.Generator, place: int) -> tuple[int, int, bool, bool]:
        """The segment, the class that is seen, whether time runs backwards, and whether it is mirrored."""
        segment, label = int(generator.integers(self.num_segments)), self.labels[place]
        coins = generator.random(2) < 0.5
        backwards = bool(coins[0]) and self.backwards[label] >= 0
        label = self.backwards[label] if backwards else label
        mirrored = bool(coins[1]) and self.flipped_class[label] >= 0
        return segment, int(self.flipped_class[label] if mirrored else label), bool(backwards), bool(mirrored)


class EvaluationBatches(Batches):
    """The test segments of every clip of a split, in order, each in `num_crops` views: nothing random.

    Batches are (pictures uint8 (B, …), as of `pictures.crop_input`, classes one-hot float32 (B, C)); the views of a
    segment follow one another, and so do the segments of a clip. The label is that of the clip, also where a view is
    mirrored. B is about `LARGER` · `batch_size`, or less at the end.

    Args:
        clips, store, stream, config: as for `TrainingBatches`; `config.test_segments` says which segments.
        split: "train", "validation" or "test".
        num_classes: C.
        num_crops: 1, 3, 5 or 10; see `src.video.crops.scored_crops`.
        change: what happens to a stored flow stack, or a window of frames, first; see `src.evaluation.probes`.
    """

    def __init__(
        self, clips: pd.DataFrame, store: ClipStore, stream: str, split: str, num_classes: int, config: TrainConfig,
        num_crops: int = 1, change: Callable[[np.ndarray], np.ndarray] | None = None,
    ):  # fmt: skip
        clips = clips[clips.split == split]
        self.segments = scored_segments(store, config)
        super().__init__(len(clips) * len(self.segments), max(1, LARGER * config.batch_size // num_crops))
        self.clips, self.labels = clips.clip_name.to_numpy(), clips.class_index.to_numpy()
        self.pictures = StreamInputs(store, stream, config, change)
        self.num_classes, self.num_crops = num_classes, num_crops

    def next_epoch(self) -> int:
        """The same: nothing is random."""
        return self.epoch

    def make(self, epoch, places):
        pictures = list(self._readers.map(self.views, places))
        labels = np.repeat([self.labels[place // len(self.segments)] for place in places], self.num_crops)
        return np.concatenate(pictures), np.eye(self.num_classes, dtype=np.float32)[labels]

    def views(self, place: int) -> np.ndarray:
        """The pictures (num_crops, crop_size, crop_size, channels) of one segment."""
        clip, segment = divmod(place, len(self.segments))
        picture = self.pictures.read(self.clips[clip], int(self.segments[segment]))
        return self.pictures.crop_scored(picture, self.num_crops)


def scored_segments(store: ClipStore, config: TrainConfig) -> np.ndarray:
    """The stored segments that are scored, evenly spread: int64 (config.test_segments,).

    Raises:
        ValueError: more than there are.
    """
    stored = store.config.num_segments
    wanted = config.test_segments or stored
    if wanted > stored:
        raise ValueError(
            f"test_segments must be at most {stored}, the segments that {store.root} holds. Received: {wanted}. "
            "Prepare the clips with more num_segments, or lower it."
        )
    return segment_centers(stored, wanted)
