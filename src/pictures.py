"""What a stream sees of a stored segment, decoded once and kept in memory while there is room."""

from collections.abc import Callable

import numpy as np
import psutil

from src.augmentation import TEST_SCALE, View, cut_frame, cut_stack, cut_window, scored_views
from src.clip_store import ClipStore
from src.config import STREAMS, ClipConfig, TrainConfig
from src.flow_input import first_field, make_flow_input, reverse_stack

CACHE_SHARE = 0.2  # of the memory that is free at the start, for the pictures of one stream


class Pictures:
    """The pictures of one stream in a store: frames, flow stacks, or, where the temporal network computes flow itself,
    windows of frames.

    Args:
        store: the prepared clips.
        stream: "spatial" or "temporal".
        config: `flow_length` and `flow_input` say what the temporal network is given, `crop_size` at which size.
        change: what else happens to a stored flow stack, uint8 (H, W, 2L), or to a window first; see `src.probes`.
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

    def size(self, picture: np.ndarray) -> tuple[int, int]:
        """(height, width) of a picture, pixels."""
        return picture_size(picture, self.stream, self.store.config)

    def cut(self, picture: np.ndarray, view: View) -> np.ndarray:
        """What the network gets of a picture; see `cut_view`."""
        return cut_view(picture, view, self.stream, self.store.config, self.config)

    def views(self, picture: np.ndarray, num_crops: int) -> np.ndarray:
        """The views of a picture that are scored; see `cut_views`."""
        return cut_views(picture, self.stream, self.store.config, self.config, num_crops)

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
        return (see_stack(stack, self.store.config, self.config),)

    def _window(self, clip, segment, backwards, start):
        run, scored = self._keep((clip, segment), self.store.read_run)
        length = self.store.config.window_length
        places = len(run) - length + 1
        first = scored if start is None else min(int(start * places), places - 1)
        window = see_window(run[first : first + length], self.store.config, self.config)
        window = window[::-1] if backwards else window
        return self.change(window) if self.change else window


def see_stack(stack: np.ndarray, clip_config: ClipConfig, config: TrainConfig) -> np.ndarray:
    """What the temporal network is given of a stored stack, before it is cut: uint8 (H, W, 2L), of `config`'s L."""
    length = config.flow_length or clip_config.flow_length
    return make_flow_input(stack, length, config.flow_input, clip_config.flow_bound)


def see_window(window: np.ndarray, clip_config: ClipConfig, config: TrainConfig) -> np.ndarray:
    """The same of a window of frames: uint8 (T, H, W) → (L + 1, H, W), the middle ones."""
    length = config.flow_length or clip_config.flow_length
    first = first_field(clip_config.flow_length, length)
    return window[first : first + length + 1]


def cut_view(
    picture: np.ndarray, view: View, stream: str, clip_config: ClipConfig, config: TrainConfig
) -> np.ndarray:  # fmt: skip
    """What a stream's network gets of a picture.

    Args:
        picture: as `Pictures.read` gives it.
        view: of the picture.
        stream, clip_config, config: say what it is a picture of, and the size, s.

    Returns:
        uint8: a frame (s, s, 3), a stack (s, s, 2L), or a window (L + 1, s, s).
    """
    size = config.crop_size_of(stream)
    if stream == "spatial":
        return cut_frame(picture, view, size)
    if clip_config.flow_source == "layer":
        return cut_window(picture, view, size)
    return cut_stack(picture, view, size, config.keep_aspect)


def cut_views(
    picture: np.ndarray, stream: str, clip_config: ClipConfig, config: TrainConfig, num_crops: int
) -> np.ndarray:  # fmt: skip
    """The views of a picture that are scored: uint8 (num_crops, …), each as of `cut_view`."""
    height, width = picture_size(picture, stream, clip_config)
    views = scored_views(height, width, num_crops, config.keep_aspect)
    return np.stack([cut_view(picture, view, stream, clip_config, config) for view in views])


def picture_size(picture: np.ndarray, stream: str, clip_config: ClipConfig) -> tuple[int, int]:
    """(height, width) of a picture, pixels; in a window the frames come first."""
    is_window = stream == "temporal" and clip_config.flow_source == "layer"
    return picture.shape[1:] if is_window else picture.shape[:2]


def frames_bound(clip_config: ClipConfig, config: TrainConfig) -> float | None:
    """The displacement that is 1 to a temporal network which computes flow itself, px/frame of what it sees.

    It is `flow_bound` at the size that a scored view is resized to, along the shorter side; the longer side is seen
    narrower, and motion along it slower. None for a network that takes stored flow.
    """
    if clip_config.flow_source == "store":
        return None
    return clip_config.flow_bound * config.crop_size_of("temporal") / (TEST_SCALE * clip_config.short_side)
