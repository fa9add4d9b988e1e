"""The input of a stream's network: which fields or frames of a stored segment, and which crop, of which size."""

import numpy as np

from src.config import STREAMS, ClipConfig, TrainConfig
from src.flow import compute_flow, first_field, make_flow_input, stack_fields
from src.video import crops


class InputFormat:
    """Converts segments as they are stored into inputs of one stream's network.

    A stored segment is a frame, uint8 (H, W, 3), RGB, for the spatial stream. For the temporal stream it is a quantized
    flow stack, uint8 (H, W, 2L), or, if the network computes flow itself, a window of grey frames, uint8 (L + 1, H, W).

    Args:
        stream: "spatial" or "temporal".
        clip_config: how the clips were extracted.
        config: `flow_length` and `flow_input` choose fields or frames, `crop_size_of(stream)` is s, the input's side.

    Raises:
        ValueError: the stream is unknown; or the network computes flow itself, and `flow_input` is not "stack".
    """

    def __init__(self, stream: str, clip_config: ClipConfig, config: TrainConfig):
        if stream not in STREAMS:
            raise ValueError(f"stream must be one of {STREAMS}. Received: {stream!r}")
        self.stream, self.clip_config, self.config = stream, clip_config, config
        self.takes_windows = stream == "temporal" and clip_config.flow_source == "layer"
        if self.takes_windows and config.flow_input != "stack":
            raise ValueError(
                'flow_input must be "stack" if the temporal network computes flow itself (flow_source="layer"). '
                f'Received: {config.flow_input!r}. Prepare the clips with flow_source="store" to use it.'
            )

    @property
    def frames_bound(self) -> float | None:
        """Displacement that becomes 1 in a temporal network that computes flow itself, px/frame of its input.

        This is `flow_bound`, scaled along the shorter side as a scored crop is resized. (The longer side of a crop that
        is not square shrinks more.) None for a network that takes stored flow.
        """
        if not self.takes_windows:
            return None
        side = crops.TEST_SCALE * self.clip_config.short_side
        return self.clip_config.flow_bound * self.config.crop_size_of("temporal") / side

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of an input, see `crop`."""
        size = self.config.crop_size_of(self.stream)
        if self.stream == "spatial":
            return size, size, 3
        return (self._length + 1, size, size) if self.takes_windows else (size, size, 2 * self._length)

    @property
    def _length(self):
        return self.config.flow_length or self.clip_config.flow_length

    def select(self, segment: np.ndarray) -> np.ndarray:
        """Selects the middle fields or frames of a stored segment, as many as `flow_length` asks for."""
        if self.stream == "spatial":
            return segment
        if self.takes_windows:
            first = first_field(self.clip_config.flow_length, self._length)
            return segment[first : first + self._length + 1]
        return make_flow_input(segment, self._length, self.config.flow_input, self.clip_config.flow_bound)

    def image_size(self, segment: np.ndarray) -> tuple[int, int]:
        """(height, width) of a segment, pixels."""
        return segment.shape[1:] if self.takes_windows else segment.shape[:2]

    def crop(self, segment: np.ndarray, crop: crops.Crop, out: np.ndarray | None = None) -> np.ndarray:
        """Crops a selected segment and resizes it: uint8 (s, s, 3), (s, s, 2L) or (L + 1, s, s), written to `out`."""
        size = self.config.crop_size_of(self.stream)
        if self.stream == "spatial":
            return crops.crop_frame(segment, crop, size, out)
        if self.takes_windows:
            cropped = crops.crop_window(segment, crop, size)
        else:
            cropped = crops.crop_stack(segment, crop, size, self.config.keep_aspect)
        if out is None:
            return cropped
        out[:] = cropped
        return out

    def crop_scored(self, segment: np.ndarray, num_crops: int) -> np.ndarray:
        """The scored crops of a selected segment: uint8 (num_crops, …), each as returned by `crop`."""
        scored = crops.scored_crops(*self.image_size(segment), num_crops, self.config.keep_aspect)
        return np.stack([self.crop(segment, crop) for crop in scored])


def scored_inputs(segments: np.ndarray, stream: str, clip_config: ClipConfig, config: TrainConfig) -> np.ndarray:
    """The scored crops of segments that are not in a store.

    Args:
        segments: uint8 (S, …), each as a store holds it, see `InputFormat`.
        stream, clip_config, config: as for `InputFormat`; `config.test_crops` is the number of crops.

    Returns:
        uint8 (test_crops, S, …): the crops of the clip.
    """
    inputs = InputFormat(stream, clip_config, config)
    crops = [inputs.crop_scored(inputs.select(segment), config.test_crops) for segment in segments]
    return np.stack(crops, axis=1)


def compute_stacks(windows: np.ndarray, bound: float) -> np.ndarray:
    """Computes flow as a temporal network that takes frames does, for plots and statistics.

    Args:
        windows: uint8 (N, L + 1, H, W), grey.
        bound: displacement of the largest code, px/frame.

    Returns:
        uint8 (N, H, W, 2L), quantized.
    """
    return np.stack([stack_fields(compute_flow(window), len(window) - 1, bound) for window in windows])
