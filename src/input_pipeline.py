"""Clip store → batches. Training and evaluation are two visibly different classes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from src.augmentation import crop, mirror_frame, mirror_stack, mirrored_classes, random_corner, spread_corners
from src.clip_store import ClipStore
from src.manifest import read_prepared
from src.optical_flow import mean_flow
from src.video_table import SPLITS

STREAMS = ("spatial", "temporal")
TEST_CROPS = 3  # they cover the longer side of a picture up to three times as long as the crop
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


def read_examples(clips: pd.DataFrame, store: ClipStore) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The middle segment of some clips, to look at.

    Returns:
        (frames, flows), a list entry per clip: uint8 (H, W, 3), RGB; float32 (H, W, 2), px/frame, mean over the stack.
    """
    middle, bound = store.config.num_segments // 2, store.config.flow_bound
    frames = [store.read_frame(clip, middle) for clip in clips.clip_name]
    return frames, [mean_flow(store.read_stack(clip, middle), bound) for clip in clips.clip_name]


class _Batches(keras.utils.PyDataset):
    """What both pipelines share: the clips, and how a stream's picture of a segment is read."""

    def __init__(self, clips, store, stream, crop_size, batch_size):
        super().__init__()  # with workers, Keras on JAX would carry batches of one epoch over into the next
        if stream not in STREAMS:
            raise ValueError(f"stream must be one of {STREAMS}. Received: {stream!r}")
        if crop_size > store.config.short_side:
            raise ValueError(
                f"crop_size must be at most the store's short_side, {store.config.short_side}. Received: {crop_size}"
            )
        self.clips, self.labels = clips.clip_name.to_numpy(), clips.class_index.to_numpy()
        self.store, self.stream, self.crop_size, self.batch_size = store, stream, crop_size, batch_size
        self.readers = ThreadPoolExecutor(READERS)

    def read(self, clip, segment):
        """The stream's picture of one segment: uint8 (H, W, 3) or (H, W, 2L)."""
        return (self.store.read_frame if self.stream == "spatial" else self.store.read_stack)(clip, segment)

    def slice(self, index, total):
        """The places of batch `index` among `total` of them; the last batch may be smaller."""
        return range(index * self.batch_size, min((index + 1) * self.batch_size, total))


class TrainingBatches(_Batches):
    """Shuffled, augmented batches: one random segment of each clip per epoch, randomly cropped and mirrored.

    What a clip gets in an epoch depends on (seed, epoch, clip) alone, so both streams see the same segment, crop and
    mirror, and training continued after an interruption sees what it would have seen. Set `epoch` before each.

    Batches are (pictures uint8 (B, crop_size, crop_size, 3 or 2L), classes one-hot float32 (B, C)). A mirrored
    left/right template carries the label of its mirror image; a class without one is not mirrored.
    """

    def __init__(self, clips, store, stream, crop_size, batch_size, class_names, seed):
        clips = clips[clips.split == "train"]
        super().__init__(clips, store, stream, crop_size, batch_size)
        self.in_mirror, self.seed, self.epoch = mirrored_classes(class_names), seed, 0

    def __len__(self):
        return -(-len(self.clips) // self.batch_size)

    def __getitem__(self, index):
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.clips))
        chosen = order[list(self.slice(index, len(order)))]
        pictures, labels = zip(*self.readers.map(self.augmented, chosen), strict=True)
        return np.stack(pictures), np.eye(len(self.in_mirror), dtype=np.float32)[list(labels)]

    def augmented(self, place):
        """The picture (crop_size, crop_size, channels) and class of one clip in this epoch."""
        generator = np.random.default_rng([self.seed, self.epoch, int(place)])
        picture = self.read(self.clips[place], int(generator.integers(self.store.config.num_segments)))
        picture = crop(picture, *random_corner(generator, *picture.shape[:2], self.crop_size), self.crop_size)
        label = self.labels[place]
        if generator.random() < 0.5 and self.in_mirror[label] >= 0:
            picture = mirror_frame(picture) if self.stream == "spatial" else mirror_stack(picture)
            label = self.in_mirror[label]
        return picture, label


class EvaluationBatches(_Batches):
    """All segments of every clip of a split, in order, each in `num_crops` crops: nothing random.

    Batches are (pictures uint8 (B, crop_size, crop_size, 3 or 2L), classes one-hot float32 (B, C)); the crops of a
    segment follow one another, and so do the segments of a clip. B is `batch_size` · `num_crops`, or less at the end.
    """

    def __init__(self, clips, store, stream, crop_size, batch_size, split, num_classes, num_crops=1):
        clips = clips[clips.split == split]
        super().__init__(clips, store, stream, crop_size, batch_size)
        self.num_classes, self.num_crops = num_classes, num_crops
        self.samples = [(clip, segment) for clip in range(len(clips)) for segment in range(store.config.num_segments)]

    def __len__(self):
        return -(-len(self.samples) // self.batch_size)

    def __getitem__(self, index):
        samples = [self.samples[place] for place in self.slice(index, len(self.samples))]
        labels = np.repeat([self.labels[clip] for clip, _ in samples], self.num_crops)
        pictures = list(self.readers.map(self.crops, samples))
        return np.concatenate(pictures), np.eye(self.num_classes, dtype=np.float32)[labels]

    def crops(self, sample):
        """The pictures (num_crops, crop_size, crop_size, channels) of one (clip, segment)."""
        clip, segment = sample
        return cut_views(self.read(self.clips[clip], segment), self.crop_size, self.num_crops)


def cut_views(picture: np.ndarray, crop_size: int, num_crops: int) -> np.ndarray:
    """The crops that are scored: (H, W, C) → (num_crops, crop_size, crop_size, C), spread over the longer side."""
    corners = spread_corners(*picture.shape[:2], crop_size, num_crops)
    return np.stack([crop(picture, *corner, crop_size) for corner in corners])
