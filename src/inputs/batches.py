"""Clip store → batches of images: random for training, in a fixed order for evaluation."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import pandas as pd

from src.config import TrainConfig
from src.inputs.augmentation import jitter_colour, random_crop
from src.inputs.makers import MAKERS
from src.inputs.pipeline import Batches
from src.inputs.stream_inputs import StreamInputs
from src.store import ClipStore
from src.subsets import flipped_classes, reversed_classes
from src.video import segment_centers

EVALUATION_FACTOR = 4  # evaluation batches are this many times larger: without gradients they need less memory
SEGMENT_SEED = 1  # appended to a sample's seed: drawing segments must not change the other draws
ORDER_SEED = 2  # the same for the order of a pass
SPATIAL_SEGMENTS = 2  # frames of a clip in a sample, if any number will do: they resemble one another


class TrainingBatches(Batches):
    """Shuffled, augmented batches of clips: all segments of a clip, in one random crop, the same for all.

    For a spatial stream that averages, `SPATIAL_SEGMENTS` random segments are taken instead of all. Windows of frames
    have random starts. Sample n of a training is fixed by (seed, n), so both streams get the same clips, crops, flips
    and directions of time, and a resumed training gets the batches of an uninterrupted one. Keras's epoch is one of
    several equal parts of the training, not a pass over the clips; set `epoch` before each.

    Clips are drawn in passes. In a pass each class has the same number of samples: clips of smaller classes are
    repeated, each time in another crop, so that the rarest class counts as much as the most frequent one.

    Batches are (inputs uint8 (B, S, …), see `InputFormat.crop`; classes, one-hot float32 (B, C)). A flipped or
    time-reversed clip gets the class of its flipped or reversed version. Clips of a class that has none are not flipped
    or not reversed. With `config.augment=False` each clip gives the same input each time.

    Args:
        clips, store, class_names: from `src.inputs.read_clips`; other splits than train are not used.
        stream, config: as for `StreamInputs`.
        steps: batches in a part.
    """

    def __init__(
        self, clips: pd.DataFrame, store: ClipStore, stream: str, class_names: list[str], config: TrainConfig,
        steps: int = 1,
    ):  # fmt: skip
        super().__init__(steps * config.batch_size, config.batch_size, MAKERS)
        clips = clips[clips.split == "train"]
        self.clips, self.labels = clips.clip_name.to_numpy(), clips.class_index.to_numpy()
        self.inputs = StreamInputs(store, stream, config)
        self.config, self.stored_segments = config, store.config.num_segments
        self.num_segments = segments_in_sample(stream, store, config)
        self.flipped_class = flipped_classes(class_names, config.flip_map)
        self.reversed_class = np.full(len(class_names), -1)
        if config.time_reversal:
            self.reversed_class = reversed_classes(class_names, config.reversal_map)
        counts = np.bincount(self.labels)
        self.clips_per_pass = int(counts.max() * (counts > 0).sum())

    def _open(self):
        super()._open()
        self._order = functools.lru_cache(2)(self._order)  # a batch lies in two passes at most

    def next_epoch(self, epoch: int) -> int:
        """The next part of the training."""
        return epoch + 1

    def make(self, epoch, positions):
        numbers = [epoch * self.count + position for position in positions]
        inputs = np.empty((len(numbers), self.num_segments, *self.inputs.shape), np.uint8)
        labels = np.empty(len(numbers), int)

        def write(place):
            labels[place] = self.sample(numbers[place], inputs[place])[1]

        self.share(write, len(numbers))
        return inputs, np.eye(len(self.flipped_class), dtype=np.float32)[labels]

    def sample(self, number: int, out: np.ndarray | None = None) -> tuple[np.ndarray, int]:
        """Sample `number` of the training: the inputs (S, …) of a clip's segments, written to `out`, and their class.

        A batch is one array that all readers write to: each copy would be one more call to wait for Python's lock.
        """
        out = np.empty((self.num_segments, *self.inputs.shape), np.uint8) if out is None else out
        index = self._order(number // self.clips_per_pass)[number % self.clips_per_pass]
        if not self.config.augment:
            segments = segment_centers(self.stored_segments, self.num_segments)
            for segment, place in zip(segments, out, strict=True):
                place[:] = self.inputs.crop_scored(self.inputs.read(self.clips[index], segment), 1)[0]
            return out, self.labels[index]
        generator = self.make_generator(number)
        label, backwards, flipped = self.draw(generator, index)
        others = np.random.default_rng([self.config.seed, number, SEGMENT_SEED])  # the streams differ in these draws
        segments = np.sort(others.choice(self.stored_segments, self.num_segments, replace=False))
        starts = others.random(self.stored_segments)
        segments = segments[::-1] if backwards else segments
        read = [self.inputs.read(self.clips[index], segment, backwards, starts[segment]) for segment in segments]
        crop = random_crop(generator, *self.inputs.image_size(read[0]), self.config.keep_aspect)
        crop = dataclasses.replace(crop, flipped=flipped)
        for segment, place in zip(read, out, strict=True):
            self.inputs.crop(segment, crop, place)
        if self.inputs.stream == "spatial":
            jitter_colour(generator, out)
        return out, label

    def make_generator(self, number: int) -> np.random.Generator:
        """The source of what is random in sample `number` and the same for both streams; `draw` is its first use."""
        return np.random.default_rng([self.config.seed, number])

    def find_samples(self, index: int, count: int) -> list[int]:
        """The numbers of the first `count` samples of clip `index`."""
        numbers, first = [], 0
        while len(numbers) < count:
            numbers += (first * self.clips_per_pass + np.flatnonzero(self._order(first) == index)).tolist()
            first += 1
        return numbers[:count]

    def draw(self, generator: np.random.Generator, index: int) -> tuple[int, bool, bool]:
        """Draws (class of the augmented clip, time-reversed, flipped) for clip `index`."""
        label = self.labels[index]
        reverse, flip = generator.random(2) < 0.5
        backwards = bool(reverse) and self.reversed_class[label] >= 0
        label = self.reversed_class[label] if backwards else label
        flipped = bool(flip) and self.flipped_class[label] >= 0
        return int(self.flipped_class[label] if flipped else label), bool(backwards), bool(flipped)

    def _order(self, number):
        """The clips of a pass, in its order: int (clips_per_pass,)."""
        generator = np.random.default_rng([self.config.seed, ORDER_SEED, number])
        classes = [generator.permutation(np.flatnonzero(self.labels == label)) for label in np.unique(self.labels)]
        most = max(map(len, classes))
        return generator.permutation(np.concatenate([np.resize(indices, most) for indices in classes]))


class ValidationBatches(Batches):
    """The clips of a split, in order: as many segments of each as in training, evenly spaced, in their centre crops.

    Batches are (inputs uint8 (B, S, …), classes, one-hot float32 (B, C)).

    Args:
        clips, store, stream, class_names, config: as for `TrainingBatches`.
        split: "train", "validation" or "test".
    """

    def __init__(
        self, clips: pd.DataFrame, store: ClipStore, stream: str, class_names: list[str], config: TrainConfig,
        split: str = "validation",
    ):  # fmt: skip
        clips = clips[clips.split == split]
        super().__init__(len(clips), config.batch_size)
        self.clips = clips.clip_name.to_numpy()
        self.segments = segment_centers(store.config.num_segments, segments_in_sample(stream, store, config))
        self.inputs = StreamInputs(store, stream, config)
        self.classes = np.eye(len(class_names), dtype=np.float32)[clips.class_index]

    def make(self, epoch, positions):
        inputs = np.empty((len(positions), len(self.segments), *self.inputs.shape), np.uint8)

        def write(place):
            for segment, input in zip(self.segments, inputs[place], strict=True):
                read = self.inputs.read(self.clips[positions[place]], segment)
                input[:] = self.inputs.crop_scored(read, 1)[0]

        self.share(write, len(positions))
        return inputs, self.classes[list(positions)]


class EvaluationBatches(Batches):
    """The clips of a split, in order: their scored segments, in `num_crops` crops. Nothing is random.

    Batches are (inputs uint8 (B, S, …), see `InputFormat.crop`; classes, one-hot float32 (B, C)). The crops of a clip
    follow one another. The class is that of the clip, also for a flipped crop. B · S is about `EVALUATION_FACTOR` ·
    `batch_size`, in whole clips; the last batch may be smaller.

    Args:
        clips, store, stream, config: as for `TrainingBatches`; `config.test_segments` segments of a clip are scored.
        split: "train", "validation" or "test".
        num_classes: C.
        num_crops: 1, 3, 5 or 10; see `src.video.crops.scored_crops`.
        change: applied to each flow stack or window; see `src.evaluation.probes`.
        order: the places of the scored segments in the input, such as `reversed`: (S,) → (S,).
    """

    def __init__(
        self, clips: pd.DataFrame, store: ClipStore, stream: str, split: str, num_classes: int, config: TrainConfig,
        num_crops: int = 1, change: Callable[[np.ndarray], np.ndarray] | None = None,
        order: Callable[[np.ndarray], np.ndarray] | None = None,
    ):  # fmt: skip
        clips = clips[clips.split == split]
        segments = scored_segments(store, config)
        self.segments = order(segments) if order else segments
        batch_size = max(1, EVALUATION_FACTOR * config.batch_size // (num_crops * len(segments)))
        super().__init__(len(clips), batch_size)
        self.clips, self.labels = clips.clip_name.to_numpy(), clips.class_index.to_numpy()
        self.inputs = StreamInputs(store, stream, config, change)
        self.num_classes, self.num_crops = num_classes, num_crops

    def make(self, epoch, positions):
        inputs = list(self._readers.map(self.crops, positions))
        labels = np.repeat(self.labels[list(positions)], self.num_crops)
        return np.concatenate(inputs), np.eye(self.num_classes, dtype=np.float32)[labels]

    def crops(self, position: int) -> np.ndarray:
        """The inputs (num_crops, S, …) of one clip."""
        read = (self.inputs.read(self.clips[position], int(segment)) for segment in self.segments)
        return np.stack([self.inputs.crop_scored(segment, self.num_crops) for segment in read], axis=1)


def segments_in_sample(stream: str, store: ClipStore, config: TrainConfig) -> int:
    """Segments of a clip in one training sample: all, or two frames where any number will do."""
    stored = store.config.num_segments
    return min(SPATIAL_SEGMENTS, stored) if stream == "spatial" and not config.fixed_segments else stored


def scored_segments(store: ClipStore, config: TrainConfig) -> np.ndarray:
    """Indices of the stored segments that are scored, evenly spaced and in order: int64 (S,).

    S is `config.test_segments`. A network of a fixed number of segments gets as many: fewer ones are repeated.

    Raises:
        ValueError: `config.test_segments` is larger than the number of stored segments.
    """
    stored = store.config.num_segments
    wanted = config.test_segments or stored
    if wanted > stored:
        raise ValueError(
            f"test_segments must be at most {stored}, the number of segments stored in {store.root}. Received: "
            f"{wanted}. Lower it, or prepare the clips with a larger num_segments."
        )
    return fill_places(segment_centers(stored, wanted), stored, config)


def fill_places(segments: np.ndarray, places: int, config: TrainConfig) -> np.ndarray:
    """Repeats segments, (n, …), to fill the places of a network of a fixed number of segments: (places, …).

    They stay in order, each repeated about equally often. For other networks they are returned as they are.
    """
    return segments[np.arange(places) * len(segments) // places] if config.fixed_segments else segments
