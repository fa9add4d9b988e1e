"""What a stream sees of a stored segment, decoded once and kept in memory while there is room."""

from collections.abc import Callable

import numpy as np
import psutil

from src.config import STREAMS, ClipConfig, TrainConfig
from src.flow import first_field, make_flow_input, reverse_stack
from src.store import ClipStore
from src.video import crops

CACHE_SHARE = 0.2  # of the memory that is free at the start, for the pictures of one stream


class StreamInputs:
    """The pictures of one stream in a store: frames, flow stacks, or, where the temporal network computes flow itself,
    windows of frames.

    Args:
        store: the prepared clips.
        stream: "spatial" or "temporal".
        config: `flow_length` and `flow_input` say what the temporal network is given, `crop_size` at which size.
        change: what else happens to a stored flow stack, uint8 (H, W, 2L), or to a window first; see `src.evaluation.probes`.
        keep: whether pictures are kept in memory, for those that are read again.

    Raises:
        ValueError: an unknown stream; or a flow input that is not made of frames.
    """

    def __init__(
        self, store: ClipStore, stream: str, config: TrainConfig,
        change: Callable[[np.ndarray], np.ndarray] | None = None, keep: bool = True,
    ):  # fmt: skip
        if stream not in STREAMS:
            raise ValueError(f"stream must be one of {STREAMS}. Received: {stream!r}")
        self.store, self.stream, self.config, self.change = store, stream, config, change
        self.windows = stream == "temporal" and store.config.flow_source == "layer"
        if self.windows and config.flow_input != "stack":
            raise ValueError(
                f'{store.root}: it keeps frames (flow_source="layer"), of which the temporal network makes a stack; '
                f'flow_input must be "stack". Received: {config.flow_input!r}. Prepare with flow_source="store" for it.'
            )
        self._kept, self._room = {}, CACHE_SHARE * psutil.virtual_memory().available * keep

    def read(self, clip: str, segment: int, backwards: bool = False, start: float | None = None) -> np.ndarray:
        """The whole picture of a segment. Do not write to it.

        Args:
            clip, segment: which.
            backwards: gives the flow of the clip played backwards; a frame has no direction.
            start: where a window begins, as a share 0 … 1 of the places where it can; None is where it is scored, in
                the middle. A frame and a stored stack have one place.

        Returns:
            uint8 (H, W, 3), RGB; (H, W, 2L), quantised; or (L + 1, H, W), grey.
        """
        if self.windows:
            return self._window(clip, segment, backwards, start)
        make = self._frame if self.stream == "spatial" else self._flow
        return self._keep((clip, segment, backwards), make)[0]

    def size(self, array: np.ndarray) -> tuple[int, int]:
        """(height, width) of what `read` gives, pixels."""
        return array_size(array, self.stream, self.store.config)

    def crop(self, array: np.ndarray, crop: crops.Crop) -> np.ndarray:
        """A crop as the network takes it; see `crop_input`."""
        return crop_input(array, crop, self.stream, self.store.config, self.config)

    def crop_scored(self, array: np.ndarray, num_crops: int) -> np.ndarray:
        """The crops that are scored; see the function `crop_scored`."""
        return crop_scored(array, self.stream, self.store.config, self.config, num_crops)

    @property
    def frames_bound(self) -> float | None:
        """The displacement that becomes 1 in a temporal network that computes flow itself, px/frame of its input.

        It is `flow_bound` at the size that a scored crop is resized to, along the shorter side; the longer side is
        squeezed, and motion along it slower. None for a network that takes stored flow.
        """
        if not self.windows:
            return None
        clip_config = self.store.config
        size = self.config.crop_size_of("temporal")
        return clip_config.flow_bound * size / (crops.TEST_SCALE * clip_config.short_side)

    def _keep(self, key, make):
        """make(*key), a tuple whose first entry takes the memory."""
        if key not in self._kept:
            made = make(*key)
            if self._room < made[0].nbytes:
                return made
            self._room -= made[0].nbytes  # threads may both subtract: room is only ever counted too small
            self._kept[key] = made
        return self._kept[key]

    def _frame(self, clip, segment, _):
        return (self.store.read_frame(clip, segment),)

    def _flow(self, clip, segment, backwards):
        stack = self.store.read_stack(clip, segment)
        stack = self.change(stack) if self.change else stack
        stack = reverse_stack(stack, self.store.config.flow_bound) if backwards else stack
        return (select_stack(stack, self.store.config, self.config),)

    def _window(self, clip, segment, backwards, start):
        run, scored = self._keep((clip, segment), self.store.read_run)
        length = self.store.config.window_length
        places = len(run) - length + 1
        first = scored if start is None else min(int(start * places), places - 1)
        window = select_window(run[first : first + length], self.store.config, self.config)
        window = window[::-1] if backwards else window
        return self.change(window) if self.change else window


def scored_inputs(
    segments: np.ndarray, stream: str, clip_config: ClipConfig, config: TrainConfig
) -> np.ndarray:  # fmt: skip
    """The scored crops of segments that come from elsewhere than a store.

    Args:
        segments: uint8, S frames (S, H, W, 3), RGB; or, for the temporal stream, what the store holds of a motion:
            quantised stacks (S, H, W, 2L), or windows of grey frames (S, L + 1, H, W).
        stream: "spatial" or "temporal".
        clip_config: how the training clips were extracted.
        config: which crops, and their size.

    Returns:
        uint8 (S · test_crops, …): the crops of a segment follow one another. See `crop_input`.
    """
    if stream == "temporal":
        select = select_window if clip_config.flow_source == "layer" else select_stack
        segments = [select(segment, clip_config, config) for segment in segments]
    cropped = [crop_scored(segment, stream, clip_config, config, config.test_crops) for segment in segments]
    return np.concatenate(cropped)


def select_stack(stack: np.ndarray, clip_config: ClipConfig, config: TrainConfig) -> np.ndarray:
    """The fields of a stored stack that the temporal network is given: uint8 (H, W, 2L), of `config`'s L."""
    length = config.flow_length or clip_config.flow_length
    return make_flow_input(stack, length, config.flow_input, clip_config.flow_bound)


def select_window(window: np.ndarray, clip_config: ClipConfig, config: TrainConfig) -> np.ndarray:
    """The frames of a stored window that the temporal network is given: uint8 (T, H, W) → (L + 1, H, W), the middle."""
    length = config.flow_length or clip_config.flow_length
    first = first_field(clip_config.flow_length, length)
    return window[first : first + length + 1]


def crop_input(
    array: np.ndarray, crop: crops.Crop, stream: str, clip_config: ClipConfig, config: TrainConfig
) -> np.ndarray:  # fmt: skip
    """A crop of a frame, a stack or a window, resized to what the stream's network takes.

    Args:
        array: as `StreamInputs.read` gives it.
        crop: which part.
        stream, clip_config, config: say what the array is, and the size, s.

    Returns:
        uint8: a frame (s, s, 3), a stack (s, s, 2L), or a window (L + 1, s, s).
    """
    size = config.crop_size_of(stream)
    if stream == "spatial":
        return crops.crop_frame(array, crop, size)
    if clip_config.flow_source == "layer":
        return crops.crop_window(array, crop, size)
    return crops.crop_stack(array, crop, size, config.keep_aspect)


def crop_scored(
    array: np.ndarray, stream: str, clip_config: ClipConfig, config: TrainConfig, num_crops: int
) -> np.ndarray:  # fmt: skip
    """The scored crops of a frame, a stack or a window: uint8 (num_crops, …), each as of `crop_input`."""
    height, width = array_size(array, stream, clip_config)
    scored = crops.scored_crops(height, width, num_crops, config.keep_aspect)
    return np.stack([crop_input(array, crop, stream, clip_config, config) for crop in scored])


def array_size(array: np.ndarray, stream: str, clip_config: ClipConfig) -> tuple[int, int]:
    """(height, width) in pixels; in a window the frames come first."""
    is_window = stream == "temporal" and clip_config.flow_source == "layer"
    return array.shape[1:] if is_window else array.shape[:2]
