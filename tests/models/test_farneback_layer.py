"""The flow layer computes OpenCV's flow on any backend, is exactly zero where nothing moves, and is differentiable."""

import importlib.util
import os
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest
from conftest import FIGHTS, moving_texture
from keras import ops
from networks import dtype_policy

from models import farneback
from models.farneback import FarnebackFlow
from src.devices import jit_compile
from src.video import read_frames

DEFAULTS = {"pyr_scale": 0.5, "levels": 3, "winsize": 15, "iterations": 3, "poly_n": 5, "poly_sigma": 1.2}
FINE = {"pyr_scale": 0.7, "levels": 5, "winsize": 21, "iterations": 2, "poly_n": 7, "poly_sigma": 1.5}
SETTINGS = {
    "as the store's": {},
    "fine pyramid, wide window": FINE,
    "Gaussian window": {"winsize": 24, "gaussian_window": True},
}
CLIPS = ["fi026", "fi001", "nofi013"]  # a frame with a still border, a fast scene, a slow one
OTHER_SIZES = [(96, 128), (128, 171), (171, 128), (224, 224)]
SIZES = [(97, 131), *(pytest.param(size, marks=pytest.mark.slow) for size in OTHER_SIZES)]


def to_grey(frames):
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])


def opencv_flow(grey, **settings):
    """float32 (T-1, H, W, 2)."""
    settings = DEFAULTS | settings
    flags = cv2.OPTFLOW_FARNEBACK_GAUSSIAN if settings.pop("gaussian_window", False) else 0
    pairs = zip(grey, grey[1:], strict=False)
    return np.stack([cv2.calcOpticalFlowFarneback(*pair, None, **settings, flags=flags) for pair in pairs])


def layer_flow(frames, **settings):
    """The flow of one clip: (T, H, W[, 3]) → float32 (T-1, H, W, 2)."""
    return ops.convert_to_numpy(FarnebackFlow(**settings)(frames[None]))[0]


def end_point_error(flow, expected):
    return np.linalg.norm(flow - expected, axis=-1)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_flow_is_that_of_opencv(size, settings):
    grey = to_grey(moving_texture(3, 2.3, -1.1, *size))
    error = end_point_error(layer_flow(grey, **settings), opencv_flow(grey, **settings))
    assert error.mean() < 1e-5 and error.max() < 1e-3


@pytest.mark.slow
@pytest.mark.skipif(not FIGHTS.exists(), reason=f"{FIGHTS} does not exist")
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("size", [(97, 131), *OTHER_SIZES], ids=str)
def test_flow_of_real_clips_is_that_of_opencv(size, settings):
    """Except where rounding decides, for example whether flow at a still border ends outside the image: there the flow
    of OpenCV, too, changes when all frames become brighter by the same value."""
    for name in CLIPS:
        frames = read_frames(next(FIGHTS.glob(f"*/{name}.mp4")), indices=range(20, 23))
        grey = np.stack([cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA) for frame in to_grey(frames)])
        expected = opencv_flow(grey, **settings)
        error = end_point_error(layer_flow(grey, **settings), expected)
        brighter = [opencv_flow(grey.astype(np.float32) + by, **settings) for by in (-3, 1, 100)]
        decided = np.all([end_point_error(flow, expected) < 5e-3 for flow in brighter], axis=0)
        assert decided.mean() > 0.99, name
        assert error.mean() <= 1e-3 and error[decided].max() <= 0.05, name


@pytest.mark.parametrize(("u", "v"), [(3, -1), (0, -2), (-4.5, 2.5), (0.4, 0.3)])
def test_a_known_motion_is_found(u, v):
    """Defect 3: u is first and to the right, v is second and down."""
    flow = layer_flow(moving_texture(3, u, v, 96, 128))[:, 16:-16, 16:-16]
    assert np.median(end_point_error(flow, np.array([u, v]))) < 0.1


def test_still_frames_give_exactly_zero():
    frames = np.random.default_rng(0).integers(0, 256, (1, 40, 50), np.uint8)
    flow = layer_flow(np.concatenate([frames, frames, frames[:, ::-1]]))
    assert not flow[0].any() and flow[1].any()


def test_a_colour_frame_is_its_grey_frame_to_the_byte():
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    np.testing.assert_array_equal(layer_flow(frames), layer_flow(to_grey(frames)))


def test_float_frames_are_taken_as_they_are():
    frames = moving_texture(2, 2, 1, 64, 80)
    np.testing.assert_array_equal(layer_flow(to_grey(frames).astype(np.float32)), layer_flow(to_grey(frames)))
    rounded = end_point_error(layer_flow(frames.astype(np.float32)), layer_flow(frames))
    assert 0 < np.median(rounded) < 0.02


def test_the_flow_of_flipped_frames_is_flipped_with_u_negated():
    """For sides that halve evenly; the pyramid of other sides is not symmetric, in OpenCV either."""
    grey = to_grey(moving_texture(2, 2, -1, 64, 128))
    flipped = layer_flow(np.ascontiguousarray(grey[:, :, ::-1]))[:, :, ::-1] * np.array([-1, 1])
    inside = (slice(None), slice(8, -8), slice(8, -8))  # the border weights are not symmetric in the flow
    assert end_point_error(flipped, layer_flow(grey))[inside].max() < 0.02


def test_clips_of_a_batch_are_independent():
    grey = np.stack([to_grey(moving_texture(3, u, 1, 48, 64, seed=seed)) for seed, u in enumerate((2, -1, 0))])
    flow = ops.convert_to_numpy(FarnebackFlow()(grey))
    assert flow.shape == (3, 2, 48, 64, 2) and flow.dtype == np.float32
    for clip, expected in zip(grey, flow, strict=True):
        np.testing.assert_allclose(layer_flow(clip), expected, atol=1e-5)


@pytest.mark.parametrize(("pairs_at_once", "dtype"), [(1, np.uint8), (2, np.float32), (4, np.uint8)])
def test_few_pairs_at_once_have_the_flow_of_all_at_once(monkeypatch, pairs_at_once, dtype):
    clips = np.stack([moving_texture(5, u, 1, 40, 48, seed=seed) for seed, u in enumerate((2, -1))]).astype(dtype)
    monkeypatch.setattr(farneback, "_PIXELS_AT_ONCE", pairs_at_once * 40 * 48)
    frames = keras.Input(clips.shape[1:], dtype=clips.dtype)
    flow = keras.Model(frames, FarnebackFlow()(frames)).predict_on_batch(clips)
    monkeypatch.setattr(farneback, "on_cpu", lambda: False)
    monkeypatch.setattr(ops, "map", None)  # an accelerator computes all pairs at once
    np.testing.assert_allclose(flow, ops.convert_to_numpy(FarnebackFlow()(clips)), atol=1e-5)


@pytest.mark.parametrize(
    ("num_pairs", "height", "width", "expected"),
    [(10, 112, 112, 10), (10, 224, 224, 2), (10, 256, 340, 2), (7, 224, 224, 1), (1, 20, 20, 1), (4, 4000, 4000, 1)],
)
def test_a_cpu_computes_as_many_pairs_at_once_as_stay_in_its_cache(num_pairs, height, width, expected):
    assert farneback._pairs_at_once(num_pairs, height * width) == expected


class Step(keras.layers.Layer):
    """Adds a trainable multiple of a fixed direction to the frames."""

    def __init__(self, direction):
        super().__init__()
        self.direction, self.length = direction, self.add_weight(shape=(), initializer="zeros")

    def call(self, frames):
        return frames + self.length * self.direction


def test_the_gradient_is_that_of_finite_differences(monkeypatch):
    """The derivative of a weighted sum of flow along a direction; the tolerance is wide because of float32."""
    monkeypatch.setattr(farneback, "_PIXELS_AT_ONCE", 32 * 40)
    frames = to_grey(moving_texture(3, 0.3, 0.2, 32, 40)).astype(np.float32)[None]
    generator = np.random.default_rng(0)
    direction = cv2.GaussianBlur(generator.normal(size=(32, 40, 3)), (0, 0), 2).transpose(2, 0, 1).astype(np.float32)
    weights = generator.normal(size=(32, 40, 2)).astype(np.float32)
    inputs, step, flow = keras.Input((3, 32, 40)), Step(direction), FarnebackFlow(levels=1)
    model = keras.Model(inputs, ops.sum(flow(step(inputs)) * weights, axis=(1, 2, 3, 4)))
    model.compile(keras.optimizers.SGD(1.0), loss=lambda _, score: score)
    model.train_on_batch(frames, np.zeros(1))
    derivative = -float(step.length)
    plus, minus = (float((ops.convert_to_numpy(flow(frames + s * direction)) * weights).sum()) for s in (0.05, -0.05))
    assert abs(derivative) > 0.2
    assert (plus - minus) / 0.1 == pytest.approx(derivative, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_backends_agree(backend, tmp_path):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    grey = to_grey(moving_texture(3, 2.3, -1.1, 97, 131))[None]
    np.save(tmp_path / "frames.npy", grey)
    program = (
        "import sys, keras, numpy as np\nfrom models.farneback import FarnebackFlow\n"
        "flow = FarnebackFlow()(np.load(sys.argv[1] + '/frames.npy'))\n"
        "np.save(sys.argv[1] + '/flow.npy', keras.ops.convert_to_numpy(flow)); print(keras.backend.backend())"
    )
    environment = os.environ | {"KERAS_BACKEND": backend}
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.split()[-1] == backend, done.stderr
    found = np.load(tmp_path / "flow.npy")
    np.testing.assert_allclose(found, ops.convert_to_numpy(FarnebackFlow()(grey)), atol=1e-4)


def test_compiled_and_in_a_model_it_is_the_same():
    grey = np.stack([to_grey(moving_texture(3, u, 1, 48, 64)) for u in (2, -1)])
    frames = keras.Input((3, 48, 64), dtype="uint8")
    model = keras.Model(frames, FarnebackFlow(name="flow")(frames))
    assert model.output.shape == (None, 2, 48, 64, 2) and model.output.dtype == "float32"
    model.compile(jit_compile=jit_compile(True))
    np.testing.assert_allclose(model.predict_on_batch(grey), ops.convert_to_numpy(FarnebackFlow()(grey)), atol=1e-4)


def test_a_saved_model_gives_the_same_flow(tmp_path):
    frames = keras.Input((2, 48, 64, 3), dtype="uint8")
    model = keras.Model(frames, FarnebackFlow(**FINE, name="flow")(frames))
    model.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    clip = moving_texture(2, 1, 2, 48, 64)[None]
    np.testing.assert_array_equal(loaded(clip), model(clip))
    assert {name: getattr(loaded.get_layer("flow"), name) for name in FINE} == FINE


def test_under_mixed_precision_it_computes_in_float32_and_warns():
    clip = moving_texture(2, 2, 1, 48, 64)
    expected = layer_flow(clip)
    with dtype_policy("mixed_bfloat16"):
        with pytest.warns(UserWarning, match="float32, not in bfloat16"):
            layer = FarnebackFlow()
        flow = layer(clip[None])
    assert keras.backend.standardize_dtype(flow.dtype) == layer.compute_dtype == "float32"
    np.testing.assert_array_equal(ops.convert_to_numpy(flow)[0], expected)


@pytest.mark.parametrize("size", [(2, 2), (20, 17), (31, 200)])
def test_a_clip_too_small_for_a_pyramid_has_the_flow_of_its_full_size(size):
    grey = np.random.default_rng(0).integers(0, 256, (2, *size), np.uint8)
    error = end_point_error(layer_flow(grey), opencv_flow(grey))
    assert error.mean() < 1e-4 and error.max() < 0.05


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((0, 3, 40, 40), np.uint8), "a batch must have at least one clip"),
        (np.zeros((1, 1, 40, 40), np.uint8), "T, H and W of 2 or more"),
        (np.zeros((1, 3, 40, 1), np.uint8), "T, H and W of 2 or more"),
        (np.zeros((3, 40, 40, 3), np.uint8), r"frames\[None\]"),
        (np.zeros((1, 3, 40, 40, 4), np.uint8), "RGB"),
        (np.zeros((1, 3, 40, 40), np.int32), "uint8 or float"),
        (np.full((1, 3, 40, 40), np.nan, np.float32), "finite"),
        (np.full((1, 3, 40, 40), np.inf, np.float32), "finite"),
    ],
)
def test_arrays_that_are_not_batches_of_clips_are_refused(frames, message):
    with pytest.raises(ValueError, match=message):
        FarnebackFlow()(frames)


def test_nan_in_a_frame_is_nan_in_the_flow():
    """A compiled model cannot raise, and unknown flow must not look like flow."""
    clips = np.stack([to_grey(moving_texture(2, 2, 1, 48, 64))] * 2).astype(np.float32)
    clips[1, 0, 20, 30] = np.nan
    flow = ops.convert_to_numpy(FarnebackFlow()(ops.convert_to_tensor(clips)))
    assert np.isfinite(flow[0]).all() and np.isnan(flow[1, 0, 20, 30]).all()


def test_a_model_of_unknown_size_is_refused():
    with pytest.raises(ValueError, match="known T, H and W"):
        FarnebackFlow()(keras.Input((3, None, None), dtype="uint8"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("pyr_scale", 1.0), ("levels", -1), ("winsize", 1), ("iterations", 0), ("poly_n", 2.5), ("poly_sigma", 0)],
)
def test_parameters_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        FarnebackFlow(**{name: value})
