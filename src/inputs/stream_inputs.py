"""Reading the segments of one stream from the store, with a cache in memory."""

from collections.abc import Callable

import numpy as np
import psutil

from src.config import TrainConfig
from src.flow import reverse_stack
from src.inputs.input_format import InputFormat
from src.store import ClipStore

CACHE_SHARE = 0.2  # of the available memory, for the segments that one `StreamInputs` keeps


class StreamInputs(InputFormat):
    """Reads stored segments in the format of one stream's network.

    Args:
        store: the prepared clips.
        stream, config: as for `InputFormat`.
        change: applied to each flow stack, uint8 (H, W, 2L), or window; see `src.evaluation.probes`.
        cache: whether to keep decoded segments in memory, for segments that are read more than once.
    """

    def __init__(
        self, store: ClipStore, stream: str, config: TrainConfig,
        change: Callable[[np.ndarray], np.ndarray] | None = None, cache: bool = True,
    ):  # fmt: skip
        super().__init__(stream, store.config, config)
        self.store, self.change = store, change
        self._cache, self._free_bytes = {}, CACHE_SHARE * psutil.virtual_memory().available * cache

    def __getstate__(self):
        return vars(self) | {"_cache": {}}

    def limit_cache(self, count: int) -> None:
        """Keeps to a part of the memory: `count` processes have a cache each."""
        self._free_bytes /= count

    def read(self, clip: str, segment: int, backwards: bool = False, start: float | None = None) -> np.ndarray:
        """Reads a segment, uncropped, with the selected fields or frames. Do not write to the array.

        Args:
            clip: its name in the store.
            segment: its index.
            backwards: return the flow of the time-reversed clip. A frame stays the same.
            start: where a window starts, 0 … 1 of its possible positions; None takes the position that is scored, in
                the middle. A frame and a stored stack have one position.

        Returns:
            uint8 (H, W, 3), RGB; (H, W, 2L), quantized; or (L + 1, H, W), grey.
        """
        if self.stream == "spatial":
            return self._cached(lambda: (self.store.read_frame(clip, segment),), clip, segment)[0]
        if self.takes_windows:
            return self._read_window(clip, segment, backwards, start)
        return self._cached(lambda: (self._read_stack(clip, segment, backwards),), clip, segment, backwards)[0]

    def _read_stack(self, clip, segment, backwards):
        stack = self.store.read_stack(clip, segment)
        stack = self.change(stack) if self.change else stack
        return self.select(reverse_stack(stack, self.clip_config.flow_bound) if backwards else stack)

    def _read_window(self, clip, segment, backwards, start):
        frames, scored = self._cached(lambda: self.store.read_segment(clip, segment), clip, segment)
        length = self.clip_config.window_length
        positions = len(frames) - length + 1
        first = scored if start is None else min(int(start * positions), positions - 1)
        window = self.select(frames[first : first + length])
        window = window[::-1] if backwards else window
        return self.change(window) if self.change else window

    def _cached(self, read, *key):
        """Returns the result of `read`, a tuple that begins with an array, or of an earlier call with this key."""
        if key in self._cache:
            return self._cache[key]
        result = read()
        if result[0].nbytes <= self._free_bytes:
            self._free_bytes -= result[0].nbytes  # if two threads subtract for one key, the cache stays smaller
            self._cache[key] = result
        return result
