"""The two configurations, frozen dataclasses without I/O: `ClipConfig` (extraction) and `TrainConfig` (training)."""

import os
from dataclasses import asdict, dataclass, fields

from src.config_checks import Rules, check_fields, require

STREAMS = ("spatial", "temporal")
FLOW_ALGORITHMS = ("farneback", "dis")
FLOW_INPUTS = ("stack", "bidirectional", "trajectory")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
MAX_SEED = 2**32 - 2  # NumPy takes less than 2^32, and the streams use the seed and the one after it
_CHOICES = {
    "flow_algorithm": FLOW_ALGORITHMS, "flow_source": ("store", "layer"), "flow_input": FLOW_INPUTS,
    "temporal_network": ("small", "cnn_m"), "temporal_head": ("pool", "dense"), "test_crops": (1, 3, 5, 10),
    "precision": PRECISIONS, "consensus": ("average", "ordered"),
}  # fmt: skip
_LEAST = {
    "short_side": 16, "num_segments": 1, "flow_length": 1, "crop_size": 32, "temporal_crop_size": 32, "batch_size": 1,
    "test_segments": 1, "spatial_steps": 1, "temporal_steps": 1, "fine_tune_steps": 0, "seed": 0,
}  # fmt: skip
_MOST = {"seed": MAX_SEED, "weight_decay": 10, "dropout": 0.95, "label_smoothing": 0.9, "warm_up": 0.9}
_POSITIVE = ("flow_bound", "spatial_learning_rate", "fine_tune_learning_rate", "temporal_learning_rate")
_RULES = Rules(_CHOICES, _LEAST, _MOST, _POSITIVE)
SMALL_CROP = 64  # pixels: input side of the small temporal network
RENAMED_FIELDS = {"mirror_map": "flip_map"}  # name in config.json of older runs → field of `TrainConfig`
EXTRACTION = 3  # increase it when the same video and parameters give other bytes, so that old and new clips never mix


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
    num_segments: int = 6
    flow_length: int = 10
    flow_algorithm: str = "farneback"
    flow_bound: float = 10.0
    flow_source: str = "store"

    def __post_init__(self):
        check_fields(self, _RULES)
        can_layer = self.flow_source == "store" or self.flow_algorithm == "farneback"
        require(can_layer, self, 'flow_source="layer" needs flow_algorithm="farneback"', self.flow_algorithm)

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
        temporal_crop_size: The same for the temporal stream alone; None takes 64 for the small network, from scratch or
            from another run, else `crop_size`.
        batch_size: Clips per step, over all devices. Each clip gives all its segments.
        consensus: How a clip's segments become one score: "average" forgets their order; "ordered" compares early with
            late segments, too.
        temporal_shift: Shift an eighth of the channels one segment forward and one back in each residual block, and
            before the later convolutions of the network from scratch (TSM).
        spatial_weights: "auto", "imagenet", "compact", None (ResNet50 from scratch), the name of a network of Keras
            (see `models.backbones.NETWORKS`), a file of ResNet50 weights (.h5), a saved Keras backbone (.keras), or
            the folder of a finished run ("runs/x"), whose spatial stream it starts from, with a new head.
        temporal_weights: "scratch" (`temporal_network`, random weights); the folder of a finished run, whose temporal
            stream it starts from; or any other value of `spatial_weights` but "convnexttiny", for cross-modality
            initialisation.
        also: Folder of another prepared data set, from which the streams learn, too: one body, two heads (multi-task
            learning). A spatial stream whose backbone is frozen does not.
        temporal_network: Network from scratch: "small" (four convolutions) or "cnn_m" (the paper's).
        backbone_preprocessing: Preprocessing that saved backbones expect, in both streams: "torch", "tf" or "caffe",
            as in Keras.
        temporal_head: Head of "cnn_m": "pool" (global average pooling) or "dense" (the paper's two layers of 4096 and
            2048 units).
        flow_length: L, flow fields in the input of the temporal network, the middle ones of the stored stack; None
            takes all.
        flow_input: "stack" (the paper's optical flow stacking), "bidirectional" or "trajectory".
        subtract_mean: Subtract each flow field's mean displacement, which is mostly camera motion, as the paper does.
            False keeps it: where the camera moves, it is what the class is.
        keep_aspect: True takes square crops of the frame, as in the paper. False takes the same share of both sides
            and resizes the crop to a square, so that a wide frame is covered in its whole width but looks narrower.
        augment: Random corner and multi-scale crops, horizontal flips and colour jitter, the same crop and flip for all
            segments of a clip; False trains on the centre crop.
        time_reversal: Also train on time-reversed clips, where the class of the reversed clip is known.
        flip_map: Class of the horizontally flipped clip, by class name; None derives it from left and right, clockwise
            and counterclockwise, east and west in the names.
        reversal_map: Class of the time-reversed clip, by class name; None takes 20BN's map for Something-Something V2.
        test_segments: Segments of a clip that are scored, evenly spaced over the stored ones; None takes all.
        test_crops: Crops that are scored in each segment: 1, 3, 5, or 10 (five of them flipped).
        spatial_steps: Training steps of a spatial network from scratch; None chooses them from the number of clips, see
            `choose_steps`. The head on a pretrained backbone is fitted without steps.
        fine_tune_steps: Steps in which the last stage of a pretrained spatial backbone is trained, after its head; 0
            is none.
        temporal_steps: Training steps of the temporal stream; None chooses them.
        spatial_learning_rate: Peak learning rate of a spatial network from scratch.
        fine_tune_learning_rate: Peak learning rate of pretrained layers, in both streams.
        temporal_learning_rate: Peak learning rate of a temporal network from scratch.
        weight_decay: Of AdamW, multiplied by the learning rate in each step: 0.1 alone would shrink the weights by
            1.5 % in 300 steps and by 26 % in 6,000.
        dropout: Share of the features that are dropped before the scores.
        label_smoothing: Share of the target that is spread over all classes. It keeps a stream from being overconfident
            about classes that it cannot tell apart by itself.
        warm_up: Share of the steps in which the learning rate rises; afterwards it falls to zero (cosine).
        precision: "float32", or "mixed_bfloat16" or "mixed_float16" where the device is faster with them.
        xla: Compile the training step with XLA (TensorFlow, JAX). On one device, a network that computes flow itself is
            always compiled, except under PyTorch.
        data_parallel: Split each batch over all devices of this machine; the last batch is padded to full size.
        seed: Seed of initial weights, order, crops, flips and dropout.
    """

    crop_size: int = 160
    temporal_crop_size: int | None = None
    batch_size: int = 16
    consensus: str = "ordered"
    temporal_shift: bool = False
    spatial_weights: str | None = "auto"
    temporal_weights: str | None = "scratch"
    also: str | None = None
    temporal_network: str = "small"
    backbone_preprocessing: str = "torch"
    temporal_head: str = "pool"
    flow_length: int | None = None
    flow_input: str = "stack"
    subtract_mean: bool = False
    keep_aspect: bool = False
    augment: bool = True
    time_reversal: bool = False
    flip_map: dict[str, str] | None = None
    reversal_map: dict[str, str] | None = None
    test_segments: int | None = None
    test_crops: int = 3
    spatial_steps: int | None = None
    fine_tune_steps: int = 0
    temporal_steps: int | None = None
    spatial_learning_rate: float = 3e-3
    fine_tune_learning_rate: float = 1e-4
    temporal_learning_rate: float = 1e-3
    weight_decay: float = 0.1
    dropout: float = 0.5
    label_smoothing: float = 0.1
    warm_up: float = 0.1
    precision: str = "float32"
    xla: bool = False
    data_parallel: bool = False
    seed: int = 0

    def __post_init__(self):
        check_fields(self, _RULES)  # all that follows would be found only after the spatial stream was trained
        has_head = self.temporal_head == "pool" or self.temporal_network == "cnn_m"
        require(has_head, self, 'temporal_head="dense" needs temporal_network="cnn_m"', self.temporal_network)
        rule = 'temporal_weights must not be "convnexttiny", whose first convolution cannot be adapted to flow'
        require(self.temporal_weights != "convnexttiny", self, rule, self.temporal_weights)

    @property
    def fixed_segments(self) -> bool:
        """Whether networks need all segments of a clip, because they know their order; the average takes any number."""
        return self.consensus == "ordered" or self.temporal_shift

    def crop_size_of(self, stream: str) -> int:
        """Side of the square input of a stream's network, pixels."""
        if stream == "spatial":
            return self.crop_size
        is_small = _is_from_scratch(self.temporal_weights) and self.temporal_network == "small"
        return self.temporal_crop_size or (SMALL_CROP if is_small else self.crop_size)

    to_dict = asdict


def _is_from_scratch(weights):
    """Whether a temporal network is `temporal_network`, by the form of its weights: "scratch", or a path like runs/x.

    (If the network of that run is of another kind, the check of its input's size says what to set.)
    """
    is_folder = bool(weights and os.path.dirname(weights)) and not weights.endswith((".keras", ".h5", ".hdf5"))
    return weights == "scratch" or is_folder


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
    """The `TrainConfig` that a run recorded as JSON, to use its networks.

    Fields that an older run lacks take their defaults; fields that exist no longer only mattered in training.
    """
    # What runs that lack these fields did.
    values = {"temporal_network": "cnn_m", "consensus": "average"} | values
    names = {field.name for field in fields(TrainConfig)}
    return TrainConfig(**{name: value for name, value in current_names(values).items() if name in names})


def current_names(values: dict) -> dict:
    """The recorded values of a run's `TrainConfig`, under the names that the fields have today."""
    return {RENAMED_FIELDS.get(name, name): value for name, value in values.items()}
