"""What a stream sees of a stored segment, decoded once and kept in memory while there is room."""

from collections.abc import Callable

import numpy as np
import psutil

from src.augmentation import View, cut_frame, cut_stack, scored_views
from src.clip_store import ClipStore
from src.config import STREAMS, ClipConfig, TrainConfig
from src.flow_input import make_flow_input, reverse_stack

CACHE_SHARE = 0.2  # of the memory that is free at the start, for the pictures of one stream


class Pictures:
    """The pictures of one stream in a store.

    Args:
        store: the prepared clips.
        stream: "spatial" or "temporal".
        config: `flow_length` and `flow_input` say what the temporal network is given, `crop_size` at which size.
        change: what else happens to a stored flow stack, uint8 (H, W, 2L), first; see `src.probes`.
        keep: whether pictures are kept in memory, for those that are read again.

    Raises:
        ValueError: an unknown stream.
    """

    def __init__(
        self, store: ClipStore, stream: str, config: TrainConfig,
        change: Callable[[np.ndarray], np.ndarray] | None = None, keep: bool = True,
    ):  # fmt: skip
        if stream not in STREAMS:
            raise ValueError(f"stream must be one of {STREAMS}. Received: {stream!r}")
        self.store, self.stream, self.config, self.change = store, stream, config, change
        self._kept, self._room = {}, CACHE_SHARE * psutil.virtual_memory().available * keep

    def read(self, clip: str, segment: int, backwards: bool = False) -> np.ndarray:
        """The whole picture of a segment: uint8 (H, W, 3), RGB, or (H, W, 2L), quantised. Do not write to it.

        `backwards` gives the flow of the clip played backwards; a frame has no direction.
        """
        key = (clip, segment, backwards)
        if key not in self._kept:
            picture = self._frame(clip, segment) if self.stream == "spatial" else self._flow(*key)
            if self._room < picture.nbytes:
                return picture
            self._room -= picture.nbytes  # threads may both subtract: room is only ever counted too small
            self._kept[key] = picture
        return self._kept[key]

    def cut(self, picture: np.ndarray, view: View) -> np.ndarray:
        """What the network gets of a picture: uint8 (crop_size, crop_size, channels)."""
        return _cut(picture, view, self.stream, self.config)

    def views(self, picture: np.ndarray, num_crops: int) -> np.ndarray:
        """The views of a picture that are scored; see `cut_views`."""
        return cut_views(picture, self.stream, self.config, num_crops)

    def _frame(self, clip, segment):
        return self.store.read_frame(clip, segment)

    def _flow(self, clip, segment, backwards):
        stack = self.store.read_stack(clip, segment)
        stack = self.change(stack) if self.change else stack
        stack = reverse_stack(stack, self.store.config.flow_bound) if backwards else stack
        return see_stack(stack, self.store.config, self.config)


def see_stack(stack: np.ndarray, clip_config: ClipConfig, config: TrainConfig) -> np.ndarray:
    """What the temporal network is given of a stored stack, before it is cut: uint8 (H, W, 2L), of `config`'s L."""
    length = config.flow_length or clip_config.flow_length
    return make_flow_input(stack, length, config.flow_input, clip_config.flow_bound)


def cut_views(picture: np.ndarray, stream: str, config: TrainConfig, num_crops: int) -> np.ndarray:
    """The views of a stream's picture that are scored: (H, W, C) → (num_crops, crop_size, crop_size, C)."""
    views = scored_views(*picture.shape[:2], num_crops, config.keep_aspect)
    return np.stack([_cut(picture, view, stream, config) for view in views])


def _cut(picture, view, stream, config):
    size = config.crop_size_of(stream)
    return cut_frame(picture, view, size) if stream == "spatial" else cut_stack(picture, view, size, config.keep_aspect)
