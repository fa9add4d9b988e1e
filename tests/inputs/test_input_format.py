import dataclasses

import keras
import numpy as np
import pytest
from conftest import moving_texture

from models import build_temporal_cnn
from src.config import ClipConfig, TrainConfig
from src.flow import compute_flow, make_flow_input, stack_fields
from src.inputs.input_format import InputFormat, compute_stacks, scored_inputs
from src.video.crops import Crop, crop_frame, crop_stack, crop_window, scored_crops

SIZE = 32
STORE = ClipConfig(short_side=48, num_segments=3, flow_length=3)
LAYER = dataclasses.replace(STORE, flow_source="layer")
CONFIG = TrainConfig(crop_size=SIZE, temporal_crop_size=SIZE, test_crops=3)


def moving_window(num_frames, u, v, height=48, width=64):
    """Grey frames, uint8 (T, H, W)."""
    return np.ascontiguousarray(moving_texture(num_frames, u, v, height, width)[..., 1])


def test_scored_inputs_are_the_scored_crops_each_of_all_segments():
    frames = moving_texture(2, 2, 1, 48, 64)
    windows = np.stack([moving_window(4, u, 1) for u in (2, -2)])
    stacks = np.stack([stack_fields(compute_flow(window), 3, 20) for window in windows])
    crops = scored_crops(48, 64, 3, False)
    found = scored_inputs(frames, "spatial", STORE, CONFIG)
    np.testing.assert_array_equal(found, [[crop_frame(frame, crop, SIZE) for frame in frames] for crop in crops])
    found = scored_inputs(stacks, "temporal", STORE, CONFIG)
    np.testing.assert_array_equal(found, [[crop_stack(stack, crop, SIZE, False) for stack in stacks] for crop in crops])
    found = scored_inputs(windows, "temporal", LAYER, CONFIG)
    np.testing.assert_array_equal(found, [[crop_window(window, crop, SIZE) for window in windows] for crop in crops])
    np.testing.assert_array_equal(compute_stacks(windows, 20), stacks)


@pytest.mark.parametrize("stream, clip_config", [("spatial", STORE), ("temporal", STORE), ("temporal", LAYER)])
@pytest.mark.parametrize("flow_length", [None, 2])
def test_the_shape_is_that_of_a_crop(stream, clip_config, flow_length):
    stored = (48, 64, 3) if stream == "spatial" else (4, 48, 64) if clip_config is LAYER else (48, 64, 6)
    inputs = InputFormat(stream, clip_config, dataclasses.replace(CONFIG, flow_length=flow_length))
    crop = inputs.crop(inputs.select(np.zeros(stored, np.uint8)), Crop(0, 0, 40, 40))
    assert crop.shape == inputs.shape


def test_flow_length_selects_the_middle_fields_and_frames_and_flow_input_the_kind():
    stack, window = np.arange(6, dtype=np.uint8) * np.ones((4, 4, 1), np.uint8), moving_window(4, 2, 1)
    one = dataclasses.replace(CONFIG, flow_length=1)
    np.testing.assert_array_equal(InputFormat("temporal", STORE, one).select(stack), stack[..., 2:4])
    np.testing.assert_array_equal(InputFormat("temporal", LAYER, one).select(window), window[1:3])
    for kind, length in (("bidirectional", 2), ("trajectory", 3)):
        config = dataclasses.replace(CONFIG, flow_length=length, flow_input=kind)
        expected = make_flow_input(stack, length, kind, STORE.flow_bound)
        np.testing.assert_array_equal(InputFormat("temporal", STORE, config).select(stack), expected)
    for config, segment in ((STORE, stack), (LAYER, window)):
        with pytest.raises(ValueError, match="flow_length must be 1 … 3"):
            InputFormat("temporal", config, dataclasses.replace(CONFIG, flow_length=9)).select(segment)


def test_an_unknown_stream_and_an_input_that_frames_cannot_give_are_refused():
    with pytest.raises(ValueError, match="'optical'"):
        InputFormat("optical", STORE, CONFIG)
    with pytest.raises(ValueError, match="flow_input must be \"stack\".*Received: 'trajectory'"):
        InputFormat("temporal", LAYER, dataclasses.replace(CONFIG, flow_input="trajectory"))


@pytest.mark.parametrize(
    "clip_config, config, bound",
    [
        ({"flow_source": "layer"}, {"temporal_crop_size": 112}, 20),  # a scored crop has 112 of 128 pixels
        ({"flow_source": "layer"}, {"crop_size": 224, "temporal_network": "cnn_m"}, 40),
        ({"flow_source": "layer"}, {"crop_size": 112, "temporal_crop_size": 56}, 10),
        ({}, {}, None),
    ],
)
def test_the_bound_is_that_of_the_store_at_the_size_of_a_scored_crop(clip_config, config, bound):
    clip_config = ClipConfig(short_side=128, flow_bound=20, **clip_config)
    assert InputFormat("temporal", clip_config, TrainConfig(**config)).frames_bound == bound


def test_the_networks_own_flow_is_the_stored_flow_of_the_same_crops():
    inputs = InputFormat("temporal", LAYER, CONFIG)
    windows = np.concatenate([inputs.crop_scored(moving_window(4, u, 1), 1) for u in (2, -1)])
    model = build_temporal_cnn(3, SIZE, 3, subtract_mean=False, frames_bound=inputs.frames_bound).get_layer("body")
    fields = keras.Model(model.input, model.get_layer("normalize").output)
    for window, flow in zip(windows, keras.ops.convert_to_numpy(fields(windows)), strict=True):
        expected = compute_flow(window).transpose(1, 2, 0, 3).reshape(SIZE, SIZE, -1) / inputs.frames_bound
        assert np.abs(flow - expected).mean() < 1e-4  # rounding decides at the border of a still area


def test_flow_of_a_flipped_window_is_the_flipped_flow():
    """Defect 1, for windows."""
    window, crop = moving_window(4, 2, 1), Crop(0, 0, 48, 64)
    flow, flipped = (
        compute_flow(crop_window(window, dataclasses.replace(crop, flipped=flag), 64)) for flag in (False, True)
    )
    inside = np.s_[:, 8:-8, 8:-8]
    np.testing.assert_allclose(flipped[:, :, ::-1][inside], (flow * np.array([-1, 1]))[inside], atol=0.05)


def test_motion_is_faster_in_a_smaller_crop():
    window = moving_window(4, 1, 0.5, 96, 128)
    speeds = [np.median(compute_flow(crop_window(window, Crop(8, 8, side, side), 64))[..., 0]) for side in (80, 40)]
    assert speeds[1] == pytest.approx(2 * speeds[0], rel=0.1)
