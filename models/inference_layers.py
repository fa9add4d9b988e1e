"""Layers of the end-to-end model: grey levels, 8-bit flow, crops and averages, as `src` computes them with NumPy."""

import keras
import numpy as np
from keras import layers, ops

from models.farneback import to_grey
from models.resampling import resize_8bit
from src.flow import STEPS, ZERO
from src.video import crops as geometry

_PACKAGE = "two_stream"


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Grey(layers.Layer):
    """uint8 (B, T, H, W, 3), RGB → uint8 (B, H, W, T), grey levels, rounded as in OpenCV."""

    def call(self, frames):
        return ops.cast(ops.transpose(to_grey(frames), (0, 2, 3, 1)), "uint8")

    def compute_output_spec(self, frames):
        batch, length, height, width, _ = frames.shape
        return keras.KerasTensor((batch, height, width, length), "uint8")


@keras.saving.register_keras_serializable(package=_PACKAGE)
class QuantizeFlow(layers.Layer):
    """Flow, float32 (B, L, H, W, 2), px/frame → its stack, uint8 (B, H, W, 2L), as by `src.flow.stack_fields`.

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
    """Crops of images, the same bytes as from `src.video.crops.crop_frame`, `crop_stack` and `crop_window`.

    (images uint8 (B · S, H, W, channels), segments (B, S, …)) → uint8 (V · B, S, size, size, channels), or
    (V · B, S, channels, size, size) for "frames": the first crop of all clips, then the second one, and so on. Without
    `segments`, as in files of older versions, the images are not those of clips, and there is no axis S.

    Args:
        crops: V of `src.video.crops.Crop`, or of dictionaries of its fields.
        size: side of the output, pixels.
        kind: what the images are: "frame", RGB; "flow", a quantized stack; or "frames", consecutive grey frames.
    """

    def __init__(self, crops: list, size: int, kind: str, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.crops = [crop if isinstance(crop, geometry.Crop) else geometry.Crop(**crop) for crop in crops]
        self.size, self.kind = size, kind

    def call(self, images, segments=None):
        planes = ops.transpose(images, (0, 3, 1, 2))
        cropped = ops.concatenate([self._crop(planes, crop) for crop in self.crops], axis=0)
        cropped = cropped if self.kind == "frames" else ops.transpose(cropped, (0, 2, 3, 1))
        if segments is None:
            return cropped
        return ops.reshape(cropped, (-1, ops.shape(segments)[1], *cropped.shape[1:]))

    def compute_output_spec(self, images, segments=None):
        channels, sides = images.shape[-1], (self.size, self.size)
        shape = (channels, *sides) if self.kind == "frames" else (*sides, channels)
        clip = () if segments is None else (segments.shape[1],)
        return keras.KerasTensor((None, *clip, *shape), "uint8")

    def get_config(self):
        crops = [vars(crop) for crop in self.crops]
        return super().get_config() | {"crops": crops, "size": self.size, "kind": self.kind}

    def _crop(self, planes, crop):
        part = planes[:, :, crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
        part = resize_8bit(part, self.size)
        if not crop.flipped:
            return part
        part = ops.flip(part, axis=-1)
        if self.kind == "flow":  # u, every other channel, is negated
            codes = ops.cast(part, "int32")
            is_u = ops.convert_to_tensor((np.arange(part.shape[1]) % 2 == 0)[:, None, None])
            part = ops.cast(ops.where(is_u, 2 * ZERO - ops.maximum(codes, 1), codes), "uint8")
        return part


@keras.saving.register_keras_serializable(package=_PACKAGE)
class AverageCrops(layers.Layer):
    """Scores of crops, float (V · B, C), in the order of `Crops` → their averages, float32 (B, C).

    Args:
        flipped: whether each of the V crops is flipped.
        columns: the order of the C columns in flipped crops, from `src.subsets.exchange_columns`.
    """

    def __init__(self, flipped: list[bool], columns: list[int], **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.flipped, self.columns = flipped, columns

    def call(self, scores):
        by_crop = ops.reshape(scores, (len(self.flipped), -1, len(self.columns)))
        exchanged = ops.take(by_crop, self.columns, axis=-1)
        return ops.mean(ops.where(np.array(self.flipped)[:, None, None], exchanged, by_crop), axis=0)

    def compute_output_spec(self, scores):
        return keras.KerasTensor((None, len(self.columns)), "float32")

    def get_config(self):
        return super().get_config() | {"flipped": self.flipped, "columns": self.columns}
