"""The newest window of a source and windows before it, scored as the segments of a clip."""

from collections import deque

import keras
import numpy as np

from src.config import STREAMS, ClipConfig, TrainConfig
from src.inference.prediction import fuse_crops
from src.inputs import scored_inputs


class RecentWindows:
    """Scores each window of a source as the last segment of a clip; the windows before it are the other segments.

    Networks that know the order of segments are given S windows, as evenly spaced as the known windows allow. Before S
    are known, the earliest one stands for those before it. All other networks are given the window alone.

    Each stream's body runs once for a window, whatever S is, and its features are kept. With a temporal shift, where
    the features of a segment depend on its neighbours, the inputs are kept, and the whole stream runs on S of them. No
    more is kept than what lies in S - 1 spacings.

    Args:
        two_stream, class_names, clip_config, config: as for `src.inference.predict_video`.
        spacing: between segments, frames.

    Attributes:
        first: index of the earliest window that the last scores are of.
    """

    def __init__(
        self,
        two_stream: keras.Model,
        class_names: list[str],
        clip_config: ClipConfig,
        config: TrainConfig,
        spacing: int,
    ):
        self.two_stream, self.class_names, self.clip_config, self.config = two_stream, class_names, clip_config, config
        segments = clip_config.num_segments if config.fixed_segments else 1
        self.ages = spacing * np.arange(segments)[::-1]  # of the segments, frames before the newest
        streams = [two_stream.get_layer(stream) for stream in STREAMS]
        self._bodies = None if config.temporal_shift else [stream.get_layer("body") for stream in streams]
        self._heads = streams if config.temporal_shift else [stream.get_layer("head") for stream in streams]
        self.first = 0
        self._kept = deque()  # (index, (spatial, temporal)), each (V, …): the inputs or the features of V crops

    def score(self, index: int, frame: np.ndarray, motion: np.ndarray) -> dict[str, np.ndarray]:
        """Scores the clip that ends with a window.

        Args:
            index: of the window's middle frame; those of later calls are higher.
            frame: uint8 (H, W, 3), RGB, its middle frame.
            motion: uint8; its quantized flow stack, (H, W, 2L), or its grey frames, (L + 1, H, W), as for `score_clip`.

        Returns:
            {"spatial", "temporal", "fused"}: float32 (C,), averaged over crops.
        """
        self._kept.append((index, self._describe(frame, motion)))
        while len(self._kept) > 1 and self._kept[1][0] <= index - self.ages[0]:
            self._kept.popleft()
        places = self._choose(index)
        self.first, chosen = self._kept[places[0]][0], [self._kept[place][1] for place in places]
        by_crop = {
            stream: head.predict_on_batch(np.stack(segments, axis=1))
            for stream, head, segments in zip(STREAMS, self._heads, zip(*chosen, strict=True), strict=True)
        }
        return fuse_crops(by_crop, self.two_stream, self.class_names, self.config)

    def _describe(self, frame, motion):
        """The inputs or features of both streams, each (V, …)."""
        inputs = [
            scored_inputs(segment[None], stream, self.clip_config, self.config)[:, 0]
            for stream, segment in zip(STREAMS, (frame, motion), strict=True)
        ]
        if self._bodies is None:
            return inputs
        return [np.asarray(body.predict_on_batch(x)) for body, x in zip(self._bodies, inputs, strict=True)]

    def _choose(self, index):
        """The places of the windows of the S segments: for each age, the nearest one."""
        indices = np.array([at for at, _ in self._kept])
        return np.abs(indices - (index - self.ages)[:, None]).argmin(axis=1)
