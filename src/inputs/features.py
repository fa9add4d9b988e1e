"""Features of a frozen backbone, computed once per frame and kept on disk beside the clips.

```
<root>/features/<key>/<clip>.npy      float16 (S, V, F): segments, views, features
```
The key names all that features depend on: the store's parameters, the views, and the network, by its weights.
"""

import dataclasses
import hashlib
import os
from collections.abc import Callable

import keras
import numpy as np
import pandas as pd

from src.config import TrainConfig
from src.files import atomic_path
from src.inputs.batches import Batches, EvaluationBatches, TrainingBatches
from src.inputs.stream_inputs import StreamInputs
from src.progress import progress
from src.store import ClipStore
from src.video import crops

EXTRACTOR = 1  # raise it when the same weights give other features
KEPT_CROPS = 3  # views along the longer side; a head also sees each of them mirrored
MIDDLE = KEPT_CROPS // 2
FASTER = 8  # times: batches of features, which cost less than pictures


class FrameFeatures:
    """The features of the frames of a store.

    Args:
        extractor: frozen, frames uint8 (N, crop_size, crop_size, 3) → features (N, F).
        store: the prepared clips.
        config: the size of the views.
    """

    def __init__(self, extractor: keras.Model, store: ClipStore, config: TrainConfig):
        self.extractor, self.store, self.config = extractor, store, config
        self.pictures = StreamInputs(store, "spatial", config, keep=False)
        self.folder = store.root / "features" / self._key()

    def compute(self, clips: pd.DataFrame, predict: Callable[[np.ndarray], np.ndarray] | None = None) -> None:
        """Computes the missing features of some clips. It can be killed at any time and run again.

        Args:
            clips: which, by `clip_name`.
            predict: inputs uint8 (N, s, s, 3) → features (N, F), for example over several devices; None is
                `extractor.predict_on_batch`.
        """
        predict = predict or self.extractor.predict_on_batch
        self.folder.mkdir(parents=True, exist_ok=True)
        there = {entry.name for entry in os.scandir(self.folder)}
        missing = [clip for clip in clips.clip_name if f"{clip}.npy" not in there]
        for clip in progress(missing, label="features of frames") if missing else ():
            frames = [self.pictures.read(clip, segment) for segment in range(self.store.config.num_segments)]
            views = [
                self.pictures.crop(frame, view)
                for frame in frames
                for view in kept_crops(*frame.shape[:2], self.config.keep_aspect)
            ]
            features = np.asarray(predict(np.stack(views))).astype(np.float16)
            with atomic_path(self.folder / f"{clip}.npy") as temporary:
                np.save(temporary, features.reshape(len(frames), 2 * KEPT_CROPS, -1))

    def read(self, clip: str) -> np.ndarray:
        """float16 (S, V, F), mapped from disk; the views in the order of `kept_crops`."""
        return np.load(self.folder / f"{clip}.npy", mmap_mode="r")

    def _key(self):
        weights = hashlib.sha256()
        for weight in self.extractor.get_weights():
            weights.update(str(weight.shape).encode())
            weights.update(np.ascontiguousarray(weight))
        views = f"{'square' if self.config.keep_aspect else 'whole'}{2 * KEPT_CROPS}"
        seen = f"crop{self.config.crop_size}-{views}-{self.config.backbone_preprocessing}"
        return f"{self.store.config.key}-{seen}-{self.config.precision}-{weights.hexdigest()[:12]}-v{EXTRACTOR}"


def kept_crops(height: int, width: int, keep_aspect: bool) -> list[crops.Crop]:
    """The views whose features are kept: `KEPT_CROPS` along the longer side, then the same mirrored."""
    views = crops.scored_crops(height, width, KEPT_CROPS, keep_aspect)
    return views + [dataclasses.replace(view, flipped=True) for view in views]


class FeatureBatches(TrainingBatches):
    """`TrainingBatches` whose pictures are kept features, float32 (B, F), of a random one of the kept views.

    Segment, direction of time and mirror of a clip are those of the other stream in the same epoch; the view is not,
    for there are few to choose from.
    """

    def __init__(
        self,
        features: FrameFeatures,
        clips: pd.DataFrame,
        store: ClipStore,
        class_names: list[str],
        config: TrainConfig,
    ):
        super().__init__(clips, store, "spatial", class_names, config)
        self.features = features

    def sample(self, epoch: int, place: int) -> tuple[np.ndarray, int]:
        """The features and the class of one clip in an epoch."""
        kept = self.features.read(self.clips[place])
        if not self.config.augment:
            return kept[self.num_segments // 2, MIDDLE].astype(np.float32), self.labels[place]
        generator = np.random.default_rng([self.config.seed, epoch, place])
        segment, label, _, mirrored = self.draw(generator, place)
        view = int(generator.integers(KEPT_CROPS)) + KEPT_CROPS * mirrored
        return kept[segment, view].astype(np.float32), label


class MiddleFeatures(Batches):
    """What a head is validated on: the features of the pictures of `EvaluationBatches` of one crop, in their order.

    Batches are (features float32 (B, F), classes one-hot float32 (B, C)).
    """

    def __init__(self, features: FrameFeatures, pictures: EvaluationBatches):
        super().__init__(pictures.count, FASTER * pictures.batch_size)
        kept = [features.read(clip)[pictures.segments, MIDDLE] for clip in pictures.clips]
        self.features = np.concatenate(kept).astype(np.float32)
        self.classes = np.eye(pictures.num_classes, dtype=np.float32)[
            np.repeat(pictures.labels, len(pictures.segments))
        ]

    def make(self, epoch, places):
        return self.features[list(places)], self.classes[list(places)]
