"""Features of a frozen backbone, computed once per frame and stored beside the clips.

```
<root>/features/<key>/<clip>.npy      float16 (S, V, F): segments, crops, features
```
The key names all that features depend on: the store's parameters, crops, preprocessing, precision, and the network's
layers and weights.
"""

import dataclasses
import hashlib
import os
from collections.abc import Callable

import keras
import numpy as np
import pandas as pd

from models import consensus, leaf_layers
from src.config import TrainConfig
from src.files import atomic_path
from src.inputs.stream_inputs import StreamInputs
from src.progress import progress
from src.store import ClipStore
from src.subsets import flipped_classes
from src.video import crops

EXTRACTOR = 2  # increase it when the same weights give other features
NUM_CROPS = 3  # crops along the longer side, each also flipped, whose features are stored
CENTER = NUM_CROPS // 2
MOST_INPUTS = 30_000  # crops of clips that a head is fitted to: 150 MB of 1280 features


class FrameFeatures:
    """The features of the frames of a store.

    Args:
        extractor: a stream before its head, frozen: frames uint8 (N, S, crop_size, crop_size, 3) → features (N, S, F).
        store: the prepared clips.
        config: `crop_size` and `keep_aspect` set the crops, `consensus` how a head gets the features.
    """

    def __init__(self, extractor: keras.Model, store: ClipStore, config: TrainConfig):
        self.extractor, self.store, self.config = extractor, store, config
        self.inputs = StreamInputs(store, "spatial", config, cache=False)
        self.folder = store.root / "features" / self._key()

    def compute(self, clips: pd.DataFrame, predict: Callable[[np.ndarray], np.ndarray] | None = None) -> None:
        """Computes the missing features of some clips. It can be killed at any time and run again.

        Args:
            clips: the clips, by `clip_name`.
            predict: inputs → features, as the extractor, for example over several devices; None takes
                `extractor.predict_on_batch`.
        """
        missing = self.find_missing(clips)
        for clip in progress(missing, label="features of frames") if missing else ():
            self.compute_clip(clip, predict)

    def find_missing(self, clips: pd.DataFrame) -> list[str]:
        """Names of the clips that have no features yet."""
        self.store.claim_features(self.folder)
        stored = {entry.name for entry in os.scandir(self.folder)}
        return [clip for clip in clips.clip_name if f"{clip}.npy" not in stored]

    def compute_clip(self, clip: str, predict: Callable[[np.ndarray], np.ndarray] | None = None) -> None:
        """Computes and stores the features of a clip; see `compute`."""
        predict = predict or self.extractor.predict_on_batch
        frames = [self.inputs.read(clip, segment) for segment in range(self.store.config.num_segments)]
        crops = feature_crops(*frames[0].shape[:2], self.config.keep_aspect)
        inputs = np.stack([[self.inputs.crop(frame, crop) for frame in frames] for crop in crops])
        features = np.asarray(predict(inputs)).astype(np.float16)
        with atomic_path(self.folder / f"{clip}.npy") as temporary:
            np.save(temporary, features.swapaxes(0, 1))

    def read(self, clip: str) -> np.ndarray:
        """float16 (S, V, F), memory-mapped; the crops are in the order of `feature_crops`."""
        return np.load(self.folder / f"{clip}.npy", mmap_mode="r")

    def read_inputs(self, clips: pd.DataFrame, class_names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Reads the features of training clips after the consensus of their segments, to fit a head to them.

        All stored crops are read, at most about `MOST_INPUTS` in total: beyond, as many random ones of each clip, and
        at least one. With `config.augment=False` only the centre crops are read.

        Returns:
            (features float32 (N, V, F), see `models.consensus.Consensus`; classes int64 (N, V)). A flipped crop has the
            class of the flipped clip, which is -1 if there is none.
        """
        flipped = flipped_classes(class_names, self.config.flip_map)
        labels = clips.class_index.to_numpy()
        classes = np.repeat(np.stack([labels, flipped[labels]], axis=1), NUM_CROPS, axis=1)  # (N, V), as crops
        crops = np.arange(2 * NUM_CROPS) if self.config.augment else np.array([CENTER])
        count = min(len(crops), max(1, MOST_INPUTS // len(clips)))
        features, chosen = None, np.empty((len(clips), count), np.int64)
        for number, clip in enumerate(clips.clip_name):
            generator = np.random.default_rng([self.config.seed, number])
            some = np.sort(generator.choice(crops, count, replace=False))
            read = consensus.pool_segments(self.read(clip)[:, some].swapaxes(0, 1), self.config.consensus)
            if features is None:  # filled in place: a list of all clips and its stack would be two copies
                features = np.empty((len(clips), *read.shape), np.float32)
            features[number], chosen[number] = read, classes[number, some]
        return features, chosen

    def _key(self):
        network = hashlib.sha256()  # weights alone would not do: a network of another input size may have the same ones
        for layer in leaf_layers(self.extractor):
            network.update(f"{type(layer).__name__} {[x.shape[1:] for x in keras.tree.flatten(layer.output)]}".encode())
        for weight in self.extractor.get_weights():
            network.update(str(weight.shape).encode())
            network.update(np.ascontiguousarray(weight))
        shape = f"{'square' if self.config.keep_aspect else 'whole'}{2 * NUM_CROPS}"
        inputs = f"crop{self.config.crop_size}-{shape}-{self.config.backbone_preprocessing}"
        shift = "-shift" if self.config.temporal_shift else ""
        return (
            f"{self.store.config.key}-{inputs}-{self.config.precision}-{network.hexdigest()[:12]}{shift}-v{EXTRACTOR}"
        )


def feature_crops(height: int, width: int, keep_aspect: bool) -> list[crops.Crop]:
    """The crops whose features are stored: `NUM_CROPS` along the longer side, then the same ones flipped."""
    scored = crops.scored_crops(height, width, NUM_CROPS, keep_aspect)
    return scored + [dataclasses.replace(crop, flipped=True) for crop in scored]
