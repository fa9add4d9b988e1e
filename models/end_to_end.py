"""The whole model in one file: windows of frames → class probabilities. Import this module before loading the file."""

import keras
import numpy as np

from models.consensus import FoldSegments
from models.farneback import FarnebackFlow
from models.fusion_layer import Fused
from models.inference_layers import AverageCrops, Crops, Grey, QuantizeFlow
from models.temporal_cnn import takes_frames
from src.config import ClipConfig, TrainConfig
from src.flow import first_field
from src.subsets import exchange_columns, flipped_classes
from src.video import crops


def build_end_to_end(
    two_stream: keras.Model,
    class_names: list[str],
    clip_config: ClipConfig,
    config: TrainConfig,
    height: int,
    width: int,
) -> keras.Model:
    """Builds the model that applies all steps of the notebooks to the windows of a clip: flow, 8 bits, crops, streams.

    Args:
        two_stream: from `models.two_stream.build_two_stream`, trained; its weights are shared, its fusion is kept.
        class_names: by class index.
        clip_config: how the training clips were extracted.
        config: how the streams were trained and are scored, with `test_crops` crops of each window.
        height, width: of the frames, pixels: the stored size of a video, with short side `clip_config.short_side`.

    Returns:
        a functional model: "frames" uint8 (B, S, L + 1, height, width, 3), RGB, the windows of S segments in order, as
        from `src.video.read_windows` → "fused" float32 (B, C), probabilities. S is that of the streams: None, any
        number, if they average. Its results are those of `src.inference.score_clip`, except where rounding changes the
        code of a displacement. `model.get_layer("fused").class_names` has the names of the classes, also after loading.

    Raises:
        ValueError: the flow input is not a stack, or the flow is not Farnebäck's; crops are flipped, and a class has no
            flipped class.
    """
    if config.flow_input != "stack" or clip_config.flow_algorithm != "farneback":
        raise ValueError(
            'The end-to-end model needs flow_input="stack" and flow_algorithm="farneback". '
            f"Received: {config.flow_input!r} and {clip_config.flow_algorithm!r}"
        )
    scored = crops.scored_crops(height, width, config.test_crops, config.keep_aspect)
    flipped = [crop.flipped for crop in scored]
    columns = np.arange(len(class_names))
    if any(flipped):
        columns = exchange_columns(columns, flipped_classes(class_names, config.flip_map))
    spatial, temporal = two_stream.get_layer("spatial"), two_stream.get_layer("temporal")
    shape = (spatial.input_shape[1], clip_config.window_length, height, width, 3)
    frames = keras.Input(shape, dtype="uint8", name="frames")
    windows = FoldSegments(name="windows")(frames)
    middle = windows[:, clip_config.flow_length // 2]
    inputs = {
        "spatial": Crops(scored, config.crop_size, "frame", name="frame_crops")(middle, frames),
        "temporal": _temporal_input(windows, frames, scored, takes_frames(temporal), clip_config, config),
    }
    scores = [
        AverageCrops(flipped, columns.tolist(), name=f"{stream.name}_scores")(stream(inputs[stream.name]))
        for stream in (spatial, temporal)
    ]
    fusion = two_stream.get_layer("fused").get_config()  # of older files: of `layers.Average`, as by default
    fused = Fused.from_config(fusion | {"class_names": list(class_names)})
    return keras.Model(frames, fused(scores), name="end_to_end")


def _temporal_input(windows, segments, scored, from_frames, clip_config, config):
    """Crops of the quantized flow, or of the grey frames if the temporal network computes flow itself."""
    length = config.flow_length or clip_config.flow_length
    first = first_field(clip_config.flow_length, length)
    window, size = windows[:, first : first + length + 1], config.crop_size_of("temporal")
    if from_frames:
        return Crops(scored, size, "frames", name="window_crops")(Grey(name="grey")(window), segments)
    flow = FarnebackFlow(dtype="float32", name="farneback")(window)
    stack = QuantizeFlow(clip_config.flow_bound, name="quantize")(flow)
    return Crops(scored, size, "flow", name="flow_crops")(stack, segments)
