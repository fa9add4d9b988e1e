"""What is on disk (`ClipConfig`) and how we fit (`TrainConfig`): frozen values, no I/O."""

from dataclasses import asdict, dataclass, fields

STREAMS = ("spatial", "temporal")
FLOW_ALGORITHMS = ("farneback", "dis")
FLOW_SOURCES = ("store", "layer")
FLOW_INPUTS = ("stack", "bidirectional", "trajectory")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
TEST_CROPS = (1, 3, 5, 10)
_CHOICES = {
    "temporal_head": ("pool", "dense"),
    "flow_input": FLOW_INPUTS,
    "test_crops": TEST_CROPS,
    "precision": PRECISIONS,
}
EXTRACTION = 2  # raise it when the same video and parameters give other bytes: old clips must not mix with new ones


def _require(condition, owner, rule, received):
    if not condition:
        raise ValueError(f"{owner}: {rule}. Received: {received!r}")


def _require_integer(owner, name, value, least):
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    _require(is_integer and value >= least, owner, f"{name} must be a whole number, {least} or more", value)


@dataclass(frozen=True)
class ClipConfig:
    """How a video becomes the frames and flow stacks on disk. Two clips are comparable when these are equal.

    Attributes:
        short_side: Length of the stored frames' shorter side, pixels. Flow is computed at this size.
        num_segments: Places in each clip, evenly spread, that give one frame and one flow stack each.
        flow_length: L, the flow fields in a stack; L + 1 consecutive frames give them.
        flow_algorithm: "farneback" (Farnebäck 2003) or "dis" (Kroeger et al. 2016).
        flow_bound: Displacement stored as the largest 8-bit value, px/frame at the stored size. Faster motion
            is clipped to it.
        flow_source: "store" keeps flow; "layer" keeps grey frames, from which the temporal network computes flow
            itself, by Farnebäck's algorithm.
    """

    short_side: int = 128
    num_segments: int = 3
    flow_length: int = 10
    flow_algorithm: str = "farneback"
    flow_bound: float = 20.0
    flow_source: str = "store"

    def __post_init__(self):
        _require_integer("ClipConfig", "short_side", self.short_side, 16)
        _require_integer("ClipConfig", "num_segments", self.num_segments, 1)
        _require_integer("ClipConfig", "flow_length", self.flow_length, 1)
        known = self.flow_algorithm in FLOW_ALGORITHMS
        _require(known, "ClipConfig", f"flow_algorithm must be one of {FLOW_ALGORITHMS}", self.flow_algorithm)
        known = self.flow_source in FLOW_SOURCES
        _require(known, "ClipConfig", f"flow_source must be one of {FLOW_SOURCES}", self.flow_source)
        can_layer = self.flow_source == "store" or self.flow_algorithm == "farneback"
        _require(can_layer, "ClipConfig", 'flow_source="layer" needs flow_algorithm="farneback"', self.flow_algorithm)
        is_number = isinstance(self.flow_bound, int | float) and 0 < self.flow_bound < float("inf")
        _require(is_number, "ClipConfig", "flow_bound must be a positive number of px/frame", self.flow_bound)
        object.__setattr__(self, "flow_bound", float(self.flow_bound))  # 20 and 20.0 are the same store

    @property
    def window_length(self) -> int:
        """Frames needed for one stack: L + 1."""
        return self.flow_length + 1

    @property
    def run_length(self) -> int:
        """Consecutive frames of a segment: for one stack or, where frames are kept, for stacks from L + 1 starts."""
        return self.window_length if self.flow_source == "store" else 2 * self.flow_length + 1

    @property
    def stack_channels(self) -> int:
        """Channels of one stack: 2L, in the order u1, v1, u2, v2, …"""
        return 2 * self.flow_length

    @property
    def key(self) -> str:
        """A folder name that is different for different values, and says what they are."""
        kept = self.flow_algorithm if self.flow_source == "store" else "frames"
        return (
            f"{kept}-short{self.short_side}-segments{self.num_segments}"
            f"-length{self.flow_length}-bound{self.flow_bound:g}-v{EXTRACTION}"
        )

    to_dict = asdict


@dataclass(frozen=True)
class TrainConfig:
    """How the two streams are fitted and scored.

    Attributes:
        crop_size: Side of the square that the networks see, pixels; views of the stored pictures are resized to it.
        temporal_crop_size: The same for the temporal network alone; None takes `crop_size`.
        batch_size: Clips per step, over all devices.
        spatial_weights: "auto", "imagenet", "compact", None (ResNet50 from scratch), a file of ResNet50 weights
            (.h5), or a saved Keras backbone (.keras); see `models.backbones`.
        temporal_weights: "scratch" (the paper's network, random weights), or, for cross-modality initialisation,
            what `spatial_weights` may be.
        backbone_preprocessing: What saved backbones expect, of either stream: "torch", "tf" or "caffe", as in Keras.
        temporal_head: "pool" (global average pooling) or "dense" (the paper's 4096-2048), of the network from scratch.
        flow_length: L, flow fields that the temporal network sees, the middle ones of those stored; None takes all.
        flow_input: "stack" (the paper's optical flow stacking), "bidirectional" or "trajectory".
        subtract_mean: Subtract each flow field's mean displacement, which is mostly camera motion.
        keep_aspect: Whether views are squares of the stored picture, as in the paper; else they take their share of
            both sides, so that a wide picture is seen whole, and narrower than it is.
        augment: Random segments, corner and multi-scale crops, mirrors and colour jitter; False trains on one view,
            the middle of the middle segment.
        time_reversal: Also show training clips backwards, where the reversed class is known.
        flip_map: What each class becomes in a mirror; None goes by "left" and "right" in the names.
        reversal_map: What each class becomes backwards; None goes by 20BN's map for Something-Something V2.
        test_segments: Segments of a clip that are scored, evenly spread over those stored, also to choose the best
            epoch; None takes all.
        test_crops: Views of each that are scored: 1, 3, 5, or 10 (five of them mirrored).
        spatial_epochs: Epochs of the spatial network, or of its new head on a pretrained backbone.
        fine_tune_epochs: Epochs in which the last stage of a pretrained spatial backbone learns, too; may be 0.
        temporal_epochs: Epochs of the temporal stream.
        spatial_learning_rate: Highest rate for a spatial network from scratch, or for a new head.
        fine_tune_learning_rate: Highest rate for pretrained layers, of either stream.
        temporal_learning_rate: Highest rate for a temporal network from scratch.
        precision: "float32", or "mixed_bfloat16" or "mixed_float16" where the device is faster with them.
        xla: Compile the training step with XLA; that of a network that computes flow always is, on one device.
        data_parallel: Split each batch over all devices of this machine; the last batch is then filled up.
        seed: Decides initial weights, order, crops, mirrors and dropout.
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
        _require_integer("TrainConfig", "crop_size", self.crop_size, 32)
        for name in ("batch_size", "spatial_epochs", "temporal_epochs"):
            _require_integer("TrainConfig", name, getattr(self, name), 1)
        for name, least in (("temporal_crop_size", 32), ("flow_length", 1), ("test_segments", 1)):
            if getattr(self, name) is not None:
                _require_integer("TrainConfig", name, getattr(self, name), least)
        _require_integer("TrainConfig", "fine_tune_epochs", self.fine_tune_epochs, 0)
        _require_integer("TrainConfig", "seed", self.seed, 0)
        for name in ("spatial_learning_rate", "fine_tune_learning_rate", "temporal_learning_rate"):
            _require(getattr(self, name) > 0, "TrainConfig", f"{name} must be positive", getattr(self, name))
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            _require(value in choices, "TrainConfig", f"{name} must be one of {choices}", value)

    def crop_size_of(self, stream: str) -> int:
        """Side of the square that a stream's network sees, pixels."""
        return (stream == "temporal" and self.temporal_crop_size) or self.crop_size

    to_dict = asdict


def differences(old: dict, new: dict) -> list[str]:
    """Lines such as "crop_size: 112 → 96" for every value that is not the same in two configurations."""
    names = list(old) + [name for name in new if name not in old]
    missing = "(not set)"
    return [
        f"{name}: {old.get(name, missing)!r} → {new.get(name, missing)!r}"
        for name in names
        if old.get(name, missing) != new.get(name, missing)
    ]


def clip_config_from_dict(values: dict) -> ClipConfig:
    """A `ClipConfig` from the JSON that a store carries; unknown or missing names raise a ValueError.

    Stores from before frames could be kept do not name their `flow_source`: they hold flow.
    """
    values = {"flow_source": "store"} | values
    names = {field.name for field in fields(ClipConfig)}
    _require(set(values) == names, "ClipConfig", f"must hold exactly {sorted(names)}", sorted(values))
    return ClipConfig(**values)
