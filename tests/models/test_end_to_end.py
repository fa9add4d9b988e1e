"""The model from frames gives what the notebooks' way gives, from its file and from its exports, too."""

import importlib.util

import cv2
import keras
import numpy as np
import pytest
from conftest import FIGHTS, TINY_CONFIG, moving_texture, write_video

from models.end_to_end import Crops, build_end_to_end
from models.resampling import resize_8bit
from models.temporal_cnn import flow_input
from models.two_stream import build_two_stream
from src.config import ClipConfig, TrainConfig
from src.flow.codes import stack_fields
from src.flow.optical_flow import compute_flow
from src.inference.prediction import score_segments
from src.store.clip_store import ClipStore
from src.training.runs import start_run
from src.training.saving import save_end_to_end, save_two_stream
from src.video.crops import crop_frame, crop_stack, crop_window, scored_crops
from src.video.reading import VideoError, stored_size
from src.video.segments import read_window

NAMES = ["Holding something", "Pushing something from left to right", "Pushing something from right to left"]
SIZE, HEIGHT, WIDTH = 32, 48, 64
CONFIG = TrainConfig(crop_size=SIZE, test_crops=3)
CLIP = ClipConfig(short_side=HEIGHT, flow_length=4, flow_bound=5)


def make_two_stream(clip_config, config):
    """Streams that have not learned, and are not sure: all that they see moves their scores."""
    keras.utils.set_random_seed(0)
    frame = keras.Input((config.crop_size,) * 2 + (3,), dtype="uint8", name="frame")
    length, size = config.flow_length or clip_config.flow_length, config.crop_size_of("temporal")
    bound = clip_config.flow_bound if clip_config.flow_source == "layer" else None
    motion, displacements = flow_input(size, length, False, bound)
    return build_two_stream(
        make_stream(frame, keras.layers.Rescaling(1 / 255)(frame), "spatial"),
        make_stream(motion, displacements, "temporal"),
    )


def make_stream(seen, x, name):
    """No batch norm and no pooling over the picture: before training these leave hardly anything of the motion."""
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 5, strides=2, activation="relu")(x))
    return keras.Model(seen, keras.layers.Dense(3, activation="softmax", name="scores")(x), name=name)


def make_clips(*motions, height=HEIGHT, width=WIDTH, length=CLIP.flow_length):
    return np.stack([moving_texture(length + 1, u, v, height, width, seed=n) for n, (u, v) in enumerate(motions)])


def notebook_scores(clips, two_stream, clip_config, config):
    """The way of predict_video, from frames that have been read."""
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


@pytest.mark.parametrize("source", ["store", "layer"])
@pytest.mark.parametrize(
    "config",
    [
        {"test_crops": 1},
        {"test_crops": 3, "keep_aspect": True, "temporal_crop_size": 40},
        {"test_crops": 5, "flow_length": 2},
        {"test_crops": 10, "crop_size": 56},
    ],
    ids=str,
)
def test_it_gives_the_scores_of_the_notebooks(config, source):
    """To 1e-4: within that a code that rounding decides may be another."""
    clip_config = ClipConfig(short_side=HEIGHT, flow_length=4, flow_bound=5, flow_source=source)
    config = TrainConfig(**{"crop_size": SIZE} | config)
    two_stream = make_two_stream(clip_config, config)
    clips = make_clips((2, 1), (-1, 0.5), (0, 0))
    model = build_end_to_end(two_stream, NAMES, clip_config, config, HEIGHT, WIDTH)
    scores, backwards = model.predict_on_batch(clips), model.predict_on_batch(clips[:, ::-1])
    np.testing.assert_allclose(scores, notebook_scores(clips, two_stream, clip_config, config), atol=1e-4)
    change = np.abs(backwards - scores).max(axis=1)  # backwards the middle frame is the same: this is motion alone
    assert change[:2].min() > 1e-2 and change[2] < 1e-6  # so that the agreement says something


def test_it_gives_the_scores_of_the_notebooks_on_real_clips():
    if not FIGHTS.exists():
        pytest.skip("the real clips of shared/data/fights are not here")
    clip_config, config = ClipConfig(short_side=96), TrainConfig(crop_size=64)
    two_stream = make_two_stream(clip_config, config)
    for path in sorted(FIGHTS.glob("*/*.mp4"))[10::90]:
        size = stored_size(*cv2.VideoCapture(str(path)).read()[1].shape[:2], 96)
        frames = read_window(path, 11, *size)[None]
        found = build_end_to_end(two_stream, NAMES, clip_config, config, *size).predict_on_batch(frames)
        np.testing.assert_allclose(found, notebook_scores(frames, two_stream, clip_config, config), atol=1e-4)


def test_one_file_holds_it_with_the_names_of_its_classes(model, tmp_path):
    _, end_to_end = model
    clips = make_clips((2, 1), (0, -1))
    end_to_end.save(tmp_path / "end_to_end.keras")
    loaded = keras.models.load_model(tmp_path / "end_to_end.keras")
    np.testing.assert_array_equal(loaded.predict_on_batch(clips), end_to_end.predict_on_batch(clips))
    assert loaded.get_layer("fused").class_names == NAMES


def test_a_run_keeps_it(tiny_store, tmp_path):
    store = ClipStore(tiny_store[0])
    config = TrainConfig(crop_size=SIZE)
    run = start_run("run", store.root, "digest", store.config, config, root=tmp_path)
    two_stream = make_two_stream(store.config, config)
    joined = save_two_stream(run, two_stream.get_layer("spatial"), two_stream.get_layer("temporal"))
    model = save_end_to_end(run, joined, NAMES, store, config, 48, 64)
    clips = make_clips((2, 1), length=TINY_CONFIG.flow_length)
    assert (run.folder / "end_to_end.keras").exists()
    np.testing.assert_allclose(
        model.predict_on_batch(clips), notebook_scores(clips, joined, store.config, config), atol=1e-4
    )


def test_a_saved_model_for_serving_gives_the_same(model, tmp_path):
    """TensorFlow's SavedModel, for as many clips as are asked at a time."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("SavedModel is exported under TensorFlow")
    two_stream, end_to_end = model
    import tensorflow

    end_to_end.export(tmp_path / "served", format="tf_saved_model", verbose=False)
    served = tensorflow.saved_model.load(str(tmp_path / "served"))
    for count in (1, 2):
        clips = make_clips((2, 1), (0, -1))[:count]
        expected = notebook_scores(clips, two_stream, CLIP, CONFIG)
        np.testing.assert_allclose(served.serve(clips).numpy(), expected, atol=1e-4)


def test_onnx_gives_the_same(model, tmp_path):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("ONNX is exported under TensorFlow")
    missing = [name for name in ("onnx", "tf2onnx", "onnxruntime") if not importlib.util.find_spec(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} are not installed: pip install onnx tf2onnx onnxruntime")
    import onnxruntime

    two_stream, end_to_end = model
    clips = make_clips((2, 1), (0, -1))
    end_to_end.predict_on_batch(clips)  # Keras exports as ONNX only what has been called
    end_to_end.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (scores,) = session.run(None, {session.get_inputs()[0].name: clips})
    np.testing.assert_allclose(scores, notebook_scores(clips, two_stream, CLIP, CONFIG), atol=1e-4)


@pytest.mark.parametrize("crops", [1, 3, 10])
@pytest.mark.parametrize(
    "height, width, size",
    [(128, 171, 112), (171, 128, 64), (64, 64, 28), (48, 64, 112), (96, 128, 42), (96, 128, 56), (96, 96, 28)],
)
def test_views_are_cut_to_the_byte(height, width, size, crops):
    generator = np.random.default_rng(0)
    views = scored_crops(height, width, crops, keep_aspect=False)
    frame, stack, window = (generator.integers(1, 256, (height, width, n), np.uint8) for n in (3, 20, 11))
    for picture, kind, cut in (
        (frame, "frame", lambda view: crop_frame(frame, view, size)),
        (stack, "flow", lambda view: crop_stack(stack, view, size, False)),
        (window, "frames", lambda view: crop_window(window.transpose(2, 0, 1), view, size)),
    ):
        found = keras.ops.convert_to_numpy(Crops(views, size, kind)(picture[None]))
        np.testing.assert_array_equal(found, np.stack([cut(view) for view in views]))


def test_a_picture_that_is_exactly_halved_rounds_halves_up():
    picture = np.random.default_rng(0).integers(0, 256, (3, 64, 64), np.uint8)
    expected = cv2.resize(picture.transpose(1, 2, 0), (32, 32), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(resize_8bit(picture, 32)), expected)


def test_a_black_video_has_no_window(tmp_path):
    path = write_video(tmp_path / "black.webm", np.zeros((8, 48, 64, 3), np.uint8))
    with pytest.raises(VideoError, match="black"):
        read_window(path, 5, 48, 64)


def test_a_window_has_no_repeats_of_a_raised_frame_rate(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(15, 2, 0, 48, 64).repeat(2, axis=0))
    changes = np.abs(np.diff(read_window(path, 5, 48, 64).astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert changes.min() > 0.5 * changes.max()


def test_a_window_from_the_middle_of_a_video(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(15, 2, 0, 48, 64))
    frames = read_window(path, 5, 24, 32)
    assert frames.shape == (5, 24, 32, 3) and frames.dtype == np.uint8
    short = read_window(path, 20, 48, 64)
    assert short.shape[0] == 20 and (short[15:] == short[14]).all() and (short[14] != short[13]).any()


@pytest.mark.parametrize(
    "clip, config, message",
    [({"flow_algorithm": "dis"}, {}, "dis"), ({}, {"flow_input": "trajectory"}, "trajectory")],
)
def test_what_is_not_made_of_farneback_stacks_is_refused(model, clip, config, message):
    with pytest.raises(ValueError, match=message):
        build_end_to_end(model[0], NAMES, ClipConfig(**clip), TrainConfig(**config), HEIGHT, WIDTH)


def test_mirrored_views_of_a_class_without_a_mirror_are_refused(model):
    names = [*NAMES[:2], "Moving something right to left"]
    with pytest.raises(ValueError, match="test_crops of 1, 3 or 5"):
        build_end_to_end(model[0], names, CLIP, TrainConfig(crop_size=SIZE, test_crops=10), HEIGHT, WIDTH)
