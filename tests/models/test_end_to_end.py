"""The end-to-end model gives the scores of the notebooks' functions, also from its file and from its exports."""

import importlib.util

import cv2
import keras
import numpy as np
import pytest
from conftest import FIGHTS, moving_texture

from models.end_to_end import build_end_to_end
from models.temporal_cnn import motion_input
from models.two_stream import build_two_stream
from src.config import ClipConfig, TrainConfig
from src.flow import compute_flow, stack_fields
from src.inference import score_segments
from src.video import read_window, stored_size

NAMES = ["Holding something", "Pushing something from left to right", "Pushing something from right to left"]
SIZE, HEIGHT, WIDTH = 32, 48, 64
CONFIG = TrainConfig(crop_size=SIZE, test_crops=3)
CLIP = ClipConfig(short_side=HEIGHT, flow_length=4, flow_bound=5)


on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports need TensorFlow")


def make_two_stream(clip_config, config, fusion=None):
    """Streams with random weights, whose scores are far from 0 and 1: any change of the input changes them."""
    keras.utils.set_random_seed(0)
    frame = keras.Input((config.crop_size,) * 2 + (3,), dtype="uint8", name="frame")
    length, size = config.flow_length or clip_config.flow_length, config.crop_size_of("temporal")
    bound = clip_config.flow_bound if clip_config.flow_source == "layer" else None
    motion, displacements = motion_input(size, length, False, bound)
    return build_two_stream(
        make_stream(frame, keras.layers.Rescaling(1 / 255)(frame), "spatial"),
        make_stream(motion, displacements, "temporal"),
        fusion,
    )


def make_stream(inputs, x, name):
    """Without batch norm and global pooling: before training, their outputs hardly depend on the motion."""
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 5, strides=2, activation="relu")(x))
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="scores")(x), name=name)


def make_clips(*motions, height=HEIGHT, width=WIDTH, length=CLIP.flow_length):
    return np.stack([moving_texture(length + 1, u, v, height, width, seed=n) for n, (u, v) in enumerate(motions)])


def notebook_scores(clips, two_stream, clip_config, config):
    """The scores of `predict_video`, from frames that have been read."""
    found = []
    for frames in clips:
        gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
        motion = gray
        if clip_config.flow_source == "store":
            motion = stack_fields(compute_flow(gray), clip_config.flow_length, clip_config.flow_bound)
        middle = frames[clip_config.flow_length // 2]
        found.append(score_segments(middle[None], motion[None], two_stream, NAMES, clip_config, config)["fused"][0])
    return np.stack(found)


@pytest.fixture(scope="module")
def model():
    """(two_stream, end to end)."""
    two_stream = make_two_stream(CLIP, CONFIG)
    return two_stream, build_end_to_end(two_stream, NAMES, CLIP, CONFIG, HEIGHT, WIDTH)


CONFIGS = [
    {"test_crops": 1},
    {"test_crops": 3, "keep_aspect": True, "temporal_crop_size": 40},
    {"test_crops": 5, "flow_length": 2},
    {"test_crops": 10, "crop_size": 56},
]
CASES = [(config, source) for config in CONFIGS for source in ("store", "layer")]
QUICK = (CONFIGS[2], "layer"), (CONFIGS[3], "store")


@pytest.mark.parametrize(
    ("config", "source"), [pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow) for case in CASES]
)
def test_scores_are_those_of_the_notebooks(config, source):
    """To 1e-4, because rounding may change the code of a displacement."""
    clip_config = ClipConfig(short_side=HEIGHT, flow_length=4, flow_bound=5, flow_source=source)
    config = TrainConfig(**{"crop_size": SIZE} | config)
    two_stream = make_two_stream(clip_config, config)
    clips = make_clips((2, 1), (-1, 0.5), (0, 0))
    model = build_end_to_end(two_stream, NAMES, clip_config, config, HEIGHT, WIDTH)
    scores, backwards = model.predict_on_batch(clips), model.predict_on_batch(clips[:, ::-1])
    np.testing.assert_allclose(scores, notebook_scores(clips, two_stream, clip_config, config), atol=1e-4)
    change = np.abs(backwards - scores).max(axis=1)  # the middle frame is the same: motion alone
    assert change[:2].min() > 1e-2 and change[2] < 1e-6  # the scores depend on it


@pytest.mark.slow
@pytest.mark.skipif(not FIGHTS.exists(), reason=f"{FIGHTS} does not exist")
def test_scores_of_real_clips_are_those_of_the_notebooks():
    clip_config, config = ClipConfig(short_side=96), TrainConfig(crop_size=64)
    two_stream = make_two_stream(clip_config, config)
    for path in sorted(FIGHTS.glob("*/*.mp4"))[10::90]:
        size = stored_size(*cv2.VideoCapture(str(path)).read()[1].shape[:2], 96)
        frames = read_window(path, 11, *size)[None]
        found = build_end_to_end(two_stream, NAMES, clip_config, config, *size).predict_on_batch(frames)
        np.testing.assert_allclose(found, notebook_scores(frames, two_stream, clip_config, config), atol=1e-4)


def test_the_saved_model_gives_the_same_scores_and_the_names_of_the_classes(model, tmp_path):
    _, end_to_end = model
    clips = make_clips((2, 1), (0, -1))
    end_to_end.save(tmp_path / "end_to_end.keras")
    loaded = keras.models.load_model(tmp_path / "end_to_end.keras")
    np.testing.assert_array_equal(loaded(clips), end_to_end(clips))
    assert loaded.get_layer("fused").class_names == NAMES


@pytest.mark.parametrize("source", ["layer", "store"])
def test_the_fusion_of_the_two_stream_model_is_kept(source, tmp_path):
    """After the average of each stream's crops, also in the file."""
    clip_config = ClipConfig(short_side=HEIGHT, flow_length=4, flow_bound=5, flow_source=source)
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
