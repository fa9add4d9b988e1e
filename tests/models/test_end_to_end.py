"""The end-to-end model gives the scores of the notebooks' functions, also from its file and from its exports."""

import dataclasses
import importlib.util

import cv2
import keras
import numpy as np
import pytest
from conftest import FIGHTS, moving_texture, write_video

from models.consensus import build_clip_network
from models.end_to_end import build_end_to_end
from models.farneback import FarnebackFlow
from models.inference_layers import AverageCrops, Crops, QuantizeFlow
from models.temporal_cnn import motion_input
from models.temporal_shift import TemporalShift
from models.two_stream import build_two_stream
from src.config import ClipConfig, TrainConfig
from src.flow import compute_flow, stack_fields
from src.inference import predict_video, score_clip
from src.video import crops, read_windows, stored_size

NAMES = ["Holding something", "Pushing something from left to right", "Pushing something from right to left"]
SIZE, HEIGHT, WIDTH = 32, 48, 64
CONFIG = TrainConfig(crop_size=SIZE, test_crops=3, consensus="average")
CLIP = ClipConfig(short_side=HEIGHT, num_segments=2, flow_length=4, flow_bound=5)


on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports need TensorFlow")


def make_two_stream(clip_config, config, fusion=None):
    """Streams with random weights, whose scores are far from 0 and 1: any change of the input changes them."""
    keras.utils.set_random_seed(0)
    frame = keras.Input((config.crop_size,) * 2 + (3,), dtype="uint8", name="frame")
    length, size = config.flow_length or clip_config.flow_length, config.crop_size_of("temporal")
    bound = clip_config.flow_bound if clip_config.flow_source == "layer" else None
    motion, displacements = motion_input(size, length, False, bound)
    return build_two_stream(
        make_stream(frame, keras.layers.Rescaling(1 / 255)(frame), "spatial", clip_config, config),
        make_stream(motion, displacements, "temporal", clip_config, config),
        fusion,
    )


def make_stream(inputs, x, name, clip_config, config):
    """Without batch norm and global pooling: before training, their outputs hardly depend on the motion."""
    segments = clip_config.num_segments if config.fixed_segments else None
    x = keras.layers.Conv2D(8, 5, strides=2, activation="relu")(x)
    x = TemporalShift(segments)(x) if config.temporal_shift else x
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, activation="relu")(x))
    body = keras.Model(inputs, x, name="body")
    return build_clip_network(body, 3, segments, config.consensus, 0.5, False, name)


def make_clips(*motions, height=HEIGHT, width=WIDTH, length=CLIP.flow_length, segments=CLIP.num_segments):
    """uint8 (B, S, L + 1, H, W, 3): segments of which each moves as given, in another texture."""
    number = len(motions) * segments
    windows = [moving_texture(length + 1, *motions[n // segments], height, width, seed=n) for n in range(number)]
    return np.stack(windows).reshape(len(motions), segments, length + 1, height, width, 3)


def notebook_scores(clips, two_stream, clip_config, config):
    """The scores of `predict_video`, from frames that have been read."""
    found = []
    for windows in clips:
        motion = np.stack([[cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames] for frames in windows])
        if clip_config.flow_source == "store":
            stacks = [stack_fields(compute_flow(gray), len(gray) - 1, clip_config.flow_bound) for gray in motion]
            motion = np.stack(stacks)
        middle = windows[:, clip_config.flow_length // 2]
        found.append(score_clip(middle, motion, two_stream, NAMES, clip_config, config)["fused"])
    return np.stack(found)


@pytest.fixture(scope="module")
def model():
    """(two_stream, end to end)."""
    two_stream = make_two_stream(CLIP, CONFIG)
    return two_stream, build_end_to_end(two_stream, NAMES, CLIP, CONFIG, HEIGHT, WIDTH)


CONFIGS = [
    {"test_crops": 1},
    {"test_crops": 3, "keep_aspect": True, "temporal_crop_size": 40},
    {"test_crops": 5, "flow_length": 2, "consensus": "ordered"},
    {"test_crops": 10, "crop_size": 56, "consensus": "ordered", "temporal_shift": True},
]
CASES = [(config, source) for config in CONFIGS for source in ("store", "layer")]
QUICK = (CONFIGS[2], "layer"), (CONFIGS[3], "store")


@pytest.mark.parametrize(
    ("config", "source"), [pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow) for case in CASES]
)
def test_scores_are_those_of_the_notebooks(config, source):
    """To 1e-4, because rounding may change the code of a displacement."""
    clip_config = dataclasses.replace(CLIP, flow_source=source)
    config = TrainConfig(**{"crop_size": SIZE, "consensus": "average"} | config)
    two_stream = make_two_stream(clip_config, config)
    clips = make_clips((2, 1), (-1, 0.5), (0, 0))
    model = build_end_to_end(two_stream, NAMES, clip_config, config, HEIGHT, WIDTH)
    scores, backwards = model.predict_on_batch(clips), model.predict_on_batch(clips[:, :, ::-1])
    np.testing.assert_allclose(scores, notebook_scores(clips, two_stream, clip_config, config), atol=1e-4)
    change = np.abs(backwards - scores).max(axis=1)  # the middle frames are the same: motion alone
    assert change[:2].min() > 1e-3 and change[2] < 1e-6  # the scores depend on it
    reordered = np.abs(model.predict_on_batch(clips[:, ::-1]) - scores).max()
    assert reordered > 1e-3 if config.fixed_segments else reordered < 1e-5


@pytest.mark.slow
@pytest.mark.skipif(not FIGHTS.exists(), reason=f"{FIGHTS} does not exist")
def test_scores_of_real_clips_are_those_of_the_notebooks():
    clip_config, config = ClipConfig(short_side=96), TrainConfig(crop_size=64, consensus="average")
    two_stream = make_two_stream(clip_config, config)
    for path in sorted(FIGHTS.glob("*/*.mp4"))[10::90]:
        size = stored_size(*cv2.VideoCapture(str(path)).read()[1].shape[:2], 96)
        frames = read_windows(path, 2, 11, *size)[None]
        found = build_end_to_end(two_stream, NAMES, clip_config, config, *size).predict_on_batch(frames)
        np.testing.assert_allclose(found, notebook_scores(frames, two_stream, clip_config, config), atol=1e-4)


def test_windows_of_a_video_give_the_scores_of_the_video(model, tmp_path):
    video = write_video(tmp_path / "clip.webm", moving_texture(20, 2, 1, HEIGHT, WIDTH))
    two_stream, end_to_end = model
    windows = read_windows(video, CLIP.num_segments, CLIP.window_length, HEIGHT, WIDTH)
    scores = end_to_end.predict_on_batch(windows[None])[0]
    expected, _ = predict_video(video, two_stream, NAMES, CLIP, CONFIG)
    np.testing.assert_allclose(scores, expected["fused"], atol=1e-3)  # grey levels are those of resized frames


def test_networks_that_average_take_any_number_of_segments_and_others_theirs(model):
    assert model[1].input_shape[1] is None
    clips = make_clips((2, 1), (0, -1), segments=3)
    np.testing.assert_allclose(
        model[1].predict_on_batch(clips), notebook_scores(clips, model[0], CLIP, CONFIG), atol=1e-4
    )
    config = dataclasses.replace(CONFIG, consensus="ordered")
    ordered = build_end_to_end(make_two_stream(CLIP, config), NAMES, CLIP, config, HEIGHT, WIDTH)
    assert ordered.input_shape[1] == CLIP.num_segments
    with pytest.raises(ValueError, match=r"[Ee]xpected shape=?\(?.*2, 5, 48, 64, 3"):
        ordered.predict_on_batch(clips)


def test_frames_without_the_axis_of_segments_are_refused(model):
    """As the models of older versions took them."""
    with pytest.raises(ValueError, match="[Ee]xpected shape"):
        end_to_end = build_end_to_end(model[0], NAMES, CLIP, CONFIG, HEIGHT, WIDTH)
        end_to_end.predict_on_batch(make_clips((2, 1), (0, -1))[:, 0])


def test_a_file_of_an_older_version_gives_the_scores_that_it_gave(tmp_path):
    """Its streams take one segment, and so does it."""
    keras.utils.set_random_seed(0)
    scored = crops.scored_crops(HEIGHT, WIDTH, 10, False)
    flipped, columns = [crop.flipped for crop in scored], [0, 2, 1]
    flow = keras.Input((SIZE, SIZE, 8), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 50, -2)(flow))
    stream = keras.Model(flow, keras.layers.Dense(3, activation="softmax")(x), name="temporal")
    frames = keras.Input((5, HEIGHT, WIDTH, 3), dtype="uint8", name="frames")
    stacks = QuantizeFlow(5.0)(FarnebackFlow()(frames))
    x = AverageCrops(flipped, columns)(stream(Crops(scored, SIZE, "flow")(stacks)))
    keras.Model(frames, x).save(tmp_path / "older.keras")
    windows = make_clips((2, 1), (0, -1))[:, 0]
    found = keras.models.load_model(tmp_path / "older.keras").predict_on_batch(windows)
    for window, scores in zip(windows, found, strict=True):
        stack = stack_fields(compute_flow(np.stack([cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in window])), 4, 5)
        by_crop = stream.predict_on_batch(np.stack([crops.crop_stack(stack, crop, SIZE, False) for crop in scored]))
        by_crop[5:] = by_crop[5:][:, columns]
        np.testing.assert_allclose(scores, by_crop.mean(axis=0), atol=1e-4)


def test_the_saved_model_gives_the_same_scores_and_the_names_of_the_classes(model, tmp_path):
    _, end_to_end = model
    clips = make_clips((2, 1), (0, -1))
    end_to_end.save(tmp_path / "end_to_end.keras")
    loaded = keras.models.load_model(tmp_path / "end_to_end.keras")
    np.testing.assert_array_equal(loaded.predict_on_batch(clips), end_to_end.predict_on_batch(clips))
    assert loaded.get_layer("fused").class_names == NAMES


@pytest.mark.parametrize("source", ["layer", "store"])
def test_the_fusion_of_the_two_stream_model_is_kept(source, tmp_path):
    """After the average of each stream's crops, also in the file."""
    clip_config = dataclasses.replace(CLIP, flow_source=source)
    clips, fusion = make_clips((2, 1), (0, -1)), {"features": "log scores", "weights": [0.3, 3.0]}
    two_stream = make_two_stream(clip_config, CONFIG, fusion)
    build_end_to_end(two_stream, NAMES, clip_config, CONFIG, HEIGHT, WIDTH).save(tmp_path / "end_to_end.keras")
    loaded = keras.models.load_model(tmp_path / "end_to_end.keras")
    expected = notebook_scores(clips, two_stream, clip_config, CONFIG)
    np.testing.assert_allclose(loaded.predict_on_batch(clips), expected, atol=1e-4)
    average = notebook_scores(clips, make_two_stream(clip_config, CONFIG), clip_config, CONFIG)
    assert np.abs(average - expected).max() > 0.01 and loaded.get_layer("fused").class_names == NAMES


@pytest.mark.slow
@on_tensorflow
def test_the_saved_model_for_serving_gives_the_same_scores(model, tmp_path):
    """TensorFlow's SavedModel, for batches of any size."""
    two_stream, end_to_end = model
    import tensorflow

    end_to_end.export(tmp_path / "served", format="tf_saved_model", verbose=False)
    served = tensorflow.saved_model.load(str(tmp_path / "served"))
    for count in (1, 2):
        clips = make_clips((2, 1), (0, -1))[:count]
        expected = notebook_scores(clips, two_stream, CLIP, CONFIG)
        np.testing.assert_allclose(served.serve(clips).numpy(), expected, atol=1e-4)


@pytest.mark.slow
@on_tensorflow
def test_onnx_gives_the_same_scores(model, tmp_path):
    missing = [name for name in ("onnx", "tf2onnx", "onnxruntime") if not importlib.util.find_spec(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} are not installed: pip install onnx tf2onnx onnxruntime")
    import onnxruntime

    two_stream, end_to_end = model
    clips = make_clips((2, 1), (0, -1))
    end_to_end.predict_on_batch(clips)  # Keras exports a model to ONNX only after a call
    end_to_end.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (scores,) = session.run(None, {session.get_inputs()[0].name: clips})
    np.testing.assert_allclose(scores, notebook_scores(clips, two_stream, CLIP, CONFIG), atol=1e-4)


@pytest.mark.parametrize(
    ("clip", "config", "message"),
    [({"flow_algorithm": "dis"}, {}, "dis"), ({}, {"flow_input": "trajectory"}, "trajectory")],
)
def test_inputs_other_than_stacks_of_farnebacks_flow_are_refused(model, clip, config, message):
    with pytest.raises(ValueError, match=message):
        build_end_to_end(model[0], NAMES, ClipConfig(**clip), TrainConfig(**config), HEIGHT, WIDTH)


def test_flipped_crops_with_a_class_that_has_no_flipped_class_are_refused(model):
    names = [*NAMES[:2], "Moving something right to left"]
    with pytest.raises(ValueError, match="test_crops (of )?1, 3 or 5"):
        build_end_to_end(model[0], names, CLIP, TrainConfig(crop_size=SIZE, test_crops=10), HEIGHT, WIDTH)
