"""The whole model in one file: consecutive frames → class probabilities. Import it to load such a file."""

import keras
import numpy as np
from keras import layers, ops

from models.farneback import FarnebackFlow, to_grey
from models.resampling import resize_8bit
from models.temporal_cnn import takes_frames
from src.config import ClipConfig, TrainConfig
from src.flow import STEPS, ZERO, first_field
from src.subsets import exchange_columns, flipped_classes
from src.video import crops

_PACKAGE = "two_stream"


def build_end_to_end(
    two_stream: keras.Model,
    class_names: list[str],
    clip_config: ClipConfig,
    config: TrainConfig,
    height: int,
    width: int,
) -> keras.Model:
    """Builds the model that does to a window of frames what the notebooks do: flow, 8 bits, views, streams, fusion.

    Args:
        two_stream: from `models.two_stream.build_two_stream`, fitted; its weights are shared.
        class_names: by class index.
        clip_config: how its training clips were extracted.
        config: how it was trained and is scored; `test_crops` views of the window are.
        height, width: of the frames, pixels: the stored size of a video, of short side `clip_config.short_side`.

    Returns:
        a functional model: "frames" uint8 (B, L + 1, height, width, 3), RGB, consecutive → "fused" float32 (B, C),
        probabilities. It takes `inference.score_segments`'s way to the byte, but where rounding decides a flow's code.

    Raises:
        ValueError: a flow input that is not a stack, or flow that is not Farneback's; flipped views, and a class
            without a mirror image.

    `model.get_layer("fused").class_names` are the names of the classes, also in a model that was loaded.
    """
    if config.flow_input != "stack" or clip_config.flow_algorithm != "farneback":
        received = f"{config.flow_input!r} of {clip_config.flow_algorithm!r}"
        raise ValueError(
            f"The model from frames needs a flow_input of stacks, of Farneback's flow. Received: {received}"
        )
    views = crops.scored_crops(height, width, config.test_crops, config.keep_aspect)
    columns = np.arange(len(class_names))
    if any(view.flipped for view in views):
        columns = exchange_columns(columns, flipped_classes(class_names, config.flip_map))
    frames = keras.Input((clip_config.window_length, height, width, 3), dtype="uint8", name="frames")
    spatial, temporal = two_stream.get_layer("spatial"), two_stream.get_layer("temporal")
    seen = {
        "spatial": Crops(views, config.crop_size, "frame", name="frame_views")(frames[:, clip_config.flow_length // 2]),
        "temporal": _see_motion(frames, views, takes_frames(temporal), clip_config, config),
    }
    flipped = [view.flipped for view in views]
    scores = [
        AverageCrops(flipped, columns.tolist(), name=f"{stream.name}_scores")(stream(seen[stream.name]))
        for stream in (spatial, temporal)
    ]
    return keras.Model(frames, Fused(class_names, name="fused")(scores), name="end_to_end")


def _see_motion(frames, views, from_frames, clip_config, config):
    """What the temporal network is given: views of the flow, or of the frames where it computes that itself."""
    length = config.flow_length or clip_config.flow_length
    first = first_field(clip_config.flow_length, length)
    window, size = frames[:, first : first + length + 1], config.crop_size_of("temporal")
    if from_frames:
        return Crops(views, size, "frames", name="window_views")(Grey(name="grey")(window))
    flow = FarnebackFlow(dtype="float32", name="farneback")(window)
    stack = QuantizeFlow(clip_config.flow_bound, name="quantize")(flow)
    return Crops(views, size, "flow", name="flow_views")(stack)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Grey(layers.Layer):
    """uint8 (B, T, H, W, 3), RGB → uint8 (B, H, W, T), grey levels, rounded as OpenCV's."""

    def call(self, frames):
        return ops.cast(ops.transpose(to_grey(frames), (0, 2, 3, 1)), "uint8")

    def compute_output_spec(self, frames):
        batch, length, height, width, _ = frames.shape
        return keras.KerasTensor((batch, height, width, length), "uint8")


@keras.saving.register_keras_serializable(package=_PACKAGE)
class QuantizeFlow(layers.Layer):
    """Flow, float32 (B, L, H, W, 2), px/frame → its stack, uint8 (B, H, W, 2L), as `optical_flow.stack_fields` does it.

    Args:
        bound: displacement of the largest code, px/frame.
    """

    def __init__(self, bound: float, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.bound = bound

    def call(self, flow):
        _, length, height, width, _ = flow.shape
        steps = ops.round(flow * float(np.float32(STEPS / self.bound)))
        codes = ops.cast(ops.clip(steps, -STEPS, STEPS) + ZERO, "uint8")
        return ops.reshape(ops.transpose(codes, (0, 2, 3, 1, 4)), (-1, height, width, 2 * length))

    def compute_output_spec(self, flow):
        batch, length, height, width, _ = flow.shape
        return keras.KerasTensor((batch, height, width, 2 * length), "uint8")

    def get_config(self):
        return super().get_config() | {"bound": self.bound}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Crops(layers.Layer):
    """Views of pictures, as `src.video.crops.crop_frame`, `crop_stack` and `crop_window` cut those that are scored.

    uint8 (B, H, W, channels) → uint8 (B · V, size, size, channels), or (B · V, channels, size, size) of "frames"; the
    views of a picture follow one another.

    Args:
        views: V of them, each a `Crop`, or its values by name.
        size: s, pixels.
        picture: "frame", RGB; "flow", a quantised stack; or "frames", consecutive grey ones.
    """

    def __init__(self, views: list[crops.Crop], size: int, picture: str, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.views = [view if isinstance(view, crops.Crop) else crops.Crop(**view) for view in views]
        self.size, self.picture = size, picture

    def call(self, pictures):
        planes = ops.transpose(pictures, (0, 3, 1, 2))
        cut = ops.stack([self._cut(planes, view) for view in self.views], axis=1)
        cut = ops.reshape(cut, (-1, *cut.shape[2:]))
        return cut if self.picture == "frames" else ops.transpose(cut, (0, 2, 3, 1))

    def compute_output_spec(self, pictures):
        channels, sides = pictures.shape[-1], (self.size, self.size)
        shape = (channels, *sides) if self.picture == "frames" else (*sides, channels)
        return keras.KerasTensor((None, *shape), "uint8")

    def get_config(self):
        views = [vars(view) for view in self.views]
        return super().get_config() | {"views": views, "size": self.size, "picture": self.picture}

    def _cut(self, planes, view):
        part = planes[:, :, view.top : view.top + view.height, view.left : view.left + view.width]
        part = resize_8bit(part, self.size)
        if not view.flipped:
            return part
        part = ops.flip(part, axis=-1)
        if self.picture == "flow":  # u, each other channel, is negated
            codes = ops.cast(part, "int32")
            is_u = ops.convert_to_tensor((np.arange(part.shape[1]) % 2 == 0)[:, None, None])
            part = ops.cast(ops.where(is_u, 2 * ZERO - ops.maximum(codes, 1), codes), "uint8")
        return part


@keras.saving.register_keras_serializable(package=_PACKAGE)
class AverageCrops(layers.Layer):
    """Scores of views, float (B · V, C) → float32 (B, C).

    Args:
        flipped: of each of the V views, whether it is.
        columns: in flipped ones, what `class_maps.exchange_columns` puts in place of each of the C columns.
    """

    def __init__(self, flipped: list[bool], columns: list[int], **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.flipped, self.columns = flipped, columns

    def call(self, scores):
        by_view = ops.reshape(scores, (-1, len(self.flipped), len(self.columns)))
        put_back = ops.take(by_view, self.columns, axis=-1)
        return ops.mean(ops.where(np.array(self.flipped)[:, None], put_back, by_view), axis=1)

    def compute_output_spec(self, scores):
        return keras.KerasTensor((None, len(self.columns)), "float32")

    def get_config(self):
        return super().get_config() | {"flipped": self.flipped, "columns": self.columns}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Fused(layers.Average):
    """The average of the streams' scores; it knows the names of the classes.

    Args:
        class_names: by class index.
    """

    def __init__(self, class_names: list[str], **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.class_names = list(class_names)

    def get_config(self):
        return super().get_config() | {"class_names": self.class_names}
