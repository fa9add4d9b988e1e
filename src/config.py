"""The two configurations, frozen dataclasses without I/O: `ClipConfig` (extraction) and `TrainConfig` (training)."""

from dataclasses import asdict, dataclass, fields

STREAMS = ("spatial", "temporal")
FLOW_ALGORITHMS = ("farneback", "dis")
FLOW_INPUTS = ("stack", "bidirectional", "trajectory")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
_CHOICES = {
    "flow_algorithm": FLOW_ALGORITHMS, "flow_source": ("store", "layer"), "flow_input": FLOW_INPUTS,
    "temporal_head": ("pool", "dense"), "test_crops": (1, 3, 5, 10), "precision": PRECISIONS,
}  # fmt: skip
_LEAST = {  # of the integers; None is also allowed where it is the default
    "short_side": 16, "num_segments": 1, "flow_length": 1, "crop_size": 32, "temporal_crop_size": 32, "batch_size": 1,
    "test_segments": 1, "spatial_epochs": 1, "temporal_epochs": 1, "fine_tune_epochs": 0, "seed": 0,
}  # fmt: skip
RENAMED_FIELDS = {"mirror_map": "flip_map"}  # name in config.json of older runs → field of `TrainConfig`
EXTRACTION = 2  # increase it when the same video and parameters give other bytes, so that old and new clips never mix


def _require(condition, config, rule, received):
    if not condition:
        raise ValueError(f"{type(config).__name__}: {rule}. Received: {received!r}")


def _check_fields(config):
    for name, default in ((field.name, field.default) for field in fields(config)):
        value = getattr(config, name)
        if name in _CHOICES:
            _require(value in _CHOICES[name], config, f"{name} must be one of {_CHOICES[name]}", value)
        if name in _LEAST and not (value is default is None):
            is_valid = isinstance(value, int) and not isinstance(value, bool) and value >= _LEAST[name]
            _require(is_valid, config, f"{name} must be an integer, {_LEAST[name]} or more", value)


@dataclass(frozen=True)
class ClipConfig:
    """How a video becomes the frames and flow stacks on disk. Clips are comparable only under equal configurations.

    Attributes:
        short_side: Shorter side of the stored frames, pixels. Flow is computed at this size.
        num_segments: S, the segments of a clip, evenly spaced. Each gives one frame and one flow stack.
        flow_length: L, the flow fields of a stack, which are computed from L + 1 consecutive frames.
        flow_algorithm: "farneback" (Farnebäck 2003) or "dis" (Kroeger et al. 2016).
        flow_bound: Displacement that the largest 8-bit value stands for, px/frame at the stored size. Larger
            displacements are clipped to it.
        flow_source: "store" stores flow; "layer" stores grey frames, from which the temporal network computes
            Farnebäck flow itself.
    """

    short_side: int = 128
    num_segments: int = 3
    flow_length: int = 10
    flow_algorithm: str = "farneback"
    flow_bound: float = 20.0
    flow_source: str = "store"

    def __post_init__(self):
        _check_fields(self)
        can_layer = self.flow_source == "store" or self.flow_algorithm == "farneback"
        _require(can_layer, self, 'flow_source="layer" needs flow_algorithm="farneback"', self.flow_algorithm)
        is_number = isinstance(self.flow_bound, int | float) and 0 < self.flow_bound < float("inf")
        _require(is_number, self, "flow_bound must be a positive number of px/frame", self.flow_bound)
        object.__setattr__(self, "flow_bound", float(self.flow_bound))  # 20 and 20.0 are the same store

    @property
    def window_length(self) -> int:
        """Frames of a window, from which one stack is computed: L + 1."""
        return self.flow_length + 1

    @property
    def segment_length(self) -> int:
        """Consecutive frames of a segment: L + 1 (one window) or, if frames are stored, 2L + 1 (L + 1 windows)."""
        return self.window_length if self.flow_source == "store" else 2 * self.flow_length + 1

    @property
    def stack_channels(self) -> int:
        """Channels of a stack: 2L, in the order u1, v1, u2, v2, …"""
        return 2 * self.flow_length

    @property
    def key(self) -> str:
        """Folder name that lists the values; different configurations have different keys."""
        stored = self.flow_algorithm if self.flow_source == "store" else "frames"
        return (
            f"{stored}-short{self.short_side}-segments{self.num_segments}"
            f"-length{self.flow_length}-bound{self.flow_bound:g}-v{EXTRACTION}"
        )

    to_dict = asdict


@dataclass(frozen=True)
class TrainConfig:
    """How the two streams are trained and evaluated.

    Attributes:
        crop_size: Side of the square network input, pixels; crops of the stored frames are resized to it.
        temporal_crop_size: The same for the temporal stream alone; None takes `crop_size`.
        batch_size: Clips per step, over all devices.
        spatial_weights: "auto", "imagenet", "compact", None (ResNet50 from scratch), a file of ResNet50 weights
            (.h5), or a saved Keras backbone (.keras); see `models.backbones`.
        temporal_weights: "scratch" (the paper's network, random weights), or any value of `spatial_weights`, for
            cross-modality initialisation.
        backbone_preprocessing: Preprocessing that saved backbones expect, in both streams: "torch", "tf" or "caffe",
            as in Keras.
        temporal_head: Head of the temporal network from scratch: "pool" (global average pooling) or "dense" (the
            paper's two layers of 4096 and 2048 units).
        flow_length: L, flow fields in the input of the temporal network, the middle ones of the stored stack; None
            takes all.
        flow_input: "stack" (the paper's optical flow stacking), "bidirectional" or "trajectory".
        subtract_mean: Subtract each flow field's mean displacement, which is mostly camera motion.
        keep_aspect: True takes square crops of the frame, as in the paper. False takes the same share of both sides
            and resizes the crop to a square, so that a wide frame is covered in its whole width but looks narrower.
        augment: Random segments, corner and multi-scale crops, horizontal flips and colour jitter; False trains on one
            crop, the centre crop of the middle segment.
        time_reversal: Also train on time-reversed clips, where the class of the reversed clip is known.
        flip_map: Class of the horizontally flipped clip, by class name; None derives it from "left" and "right" in the
            names.
        reversal_map: Class of the time-reversed clip, by class name; None takes 20BN's map for Something-Something V2.
        test_segments: Segments of a clip that are scored, evenly spaced over the stored ones, also to choose the best
            epoch; None takes all.
        test_crops: Crops that are scored in each segment: 1, 3, 5, or 10 (five of them flipped).
        spatial_epochs: Epochs of the spatial network, or of its new head on a pretrained backbone.
        fine_tune_epochs: Epochs in which the last stage of a pretrained spatial backbone is trained too; may be 0.
        temporal_epochs: Epochs of the temporal stream.
        spatial_learning_rate: Peak learning rate of a spatial network from scratch, or of a new head.
        fine_tune_learning_rate: Peak learning rate of pretrained layers, in both streams.
        temporal_learning_rate: Peak learning rate of a temporal network from scratch.
        precision: "float32", or "mixed_bfloat16" or "mixed_float16" where the device is faster with them.
        xla: Compile the training step with XLA. On one device, a network that computes flow itself is always compiled.
        data_parallel: Split each batch over all devices of this machine; the last batch is padded to full size.
        seed: Seed of initial weights, order, crops, flips and dropout.
    """

    crop_size: int = 112
    temporal_crop_size: int | None = None
    batch_size: int = 16
    spatial_weights: str | None = "auto"
    temporal_weights: str | None = "scratch"
    backbone_preprocessing: str = "torch"
    temporal_head: str = "pool"
    flow_length: int | None = None
    flow_input: str = "stack"
    subtract_mean: bool = True
    keep_aspect: bool = False
    augment: bool = True
    time_reversal: bool = False
    flip_map: dict[str, str] | None = None
    reversal_map: dict[str, str] | None = None
    test_segments: int | None = None
    test_crops: int = 3
    spatial_epochs: int = 48
    fine_tune_epochs: int = 8
    temporal_epochs: int = 6
    spatial_learning_rate: float = 1e-3
    fine_tune_learning_rate: float = 1e-4
    temporal_learning_rate: float = 1e-3
    precision: str = "float32"
    xla: bool = False
    data_parallel: bool = False
    seed: int = 0

    def __post_init__(self):
        _check_fields(self)
        for name in ("spatial_learning_rate", "fine_tune_learning_rate", "temporal_learning_rate"):
            _require(getattr(self, name) > 0, self, f"{name} must be positive", getattr(self, name))

    def crop_size_of(self, stream: str) -> int:
        """Side of the square input of a stream's network, pixels."""
        return (stream == "temporal" and self.temporal_crop_size) or self.crop_size

    to_dict = asdict


def differences(old: dict, new: dict) -> list[str]:
    """Lines such as "crop_size: 112 → 96", one for each value that differs between two configurations."""
    pairs = {name: (old.get(name, "(not set)"), new.get(name, "(not set)")) for name in old | new}
    return [f"{name}: {before!r} → {after!r}" for name, (before, after) in pairs.items() if before != after]


def clip_config_from_dict(values: dict) -> ClipConfig:
    """The `ClipConfig` that a store recorded as JSON.

    Stores that were written before `flow_source` existed lack it; they hold flow.

    Raises:
        ValueError: a name is unknown or missing, or a value is invalid.
    """
    values = {"flow_source": "store"} | values
    names = {field.name for field in fields(ClipConfig)}
    if set(values) != names:
        raise ValueError(f"ClipConfig: must hold exactly {sorted(names)}. Received: {sorted(values)}")
    return ClipConfig(**values)


def train_config_from_dict(values: dict) -> TrainConfig:
    """The `TrainConfig` that a run recorded as JSON; fields that an older run lacks take their defaults."""
    return TrainConfig(**current_names(values))


def current_names(values: dict) -> dict:
    """The recorded values of a run's `TrainConfig`, under the names that the fields have today."""
    return {RENAMED_FIELDS.get(name, name): value for name, value in values.items()}
