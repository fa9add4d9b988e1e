import dataclasses
import json
from pathlib import Path
from typing import get_args, get_origin

import numpy as np
import pytest

from src.config import ClipConfig, TrainConfig, clip_config_from_dict, differences, train_config_from_dict


def test_derived_values():
    config = ClipConfig(flow_length=10)
    assert (config.window_length, config.segment_length, config.stack_channels) == (11, 11, 20)
    assert ClipConfig(flow_length=10, flow_source="layer").segment_length == 21
    assert [TrainConfig(crop_size=96).crop_size_of(stream) for stream in ("spatial", "temporal")] == [96, 64]
    assert TrainConfig(crop_size=96, temporal_network="cnn_m").crop_size_of("temporal") == 96
    assert TrainConfig(crop_size=96, temporal_weights="compact").crop_size_of("temporal") == 96
    assert TrainConfig(crop_size=64, temporal_crop_size=96).crop_size_of("temporal") == 96


@pytest.mark.parametrize(
    "consensus, shift, fixed",
    [("average", False, False), ("average", True, True), ("ordered", False, True), ("ordered", True, True)],
)
def test_networks_that_know_the_order_need_all_segments(consensus, shift, fixed):
    assert TrainConfig(consensus=consensus, temporal_shift=shift).fixed_segments is fixed


@pytest.mark.parametrize(
    "name, value",
    [
        ("short_side", 15), ("short_side", 128.0), ("num_segments", 0), ("num_segments", True), ("flow_length", 0),
        ("flow_algorithm", "tvl1"), ("flow_source", None), ("flow_bound", 0), ("flow_bound", float("inf")),
        ("flow_bound", float("nan")), ("flow_bound", "20"),
    ],
)  # fmt: skip
def test_clip_config_names_the_field_and_what_was_received(name, value):
    with pytest.raises(ValueError, match=rf"ClipConfig: {name} .*Received: {value!r}"):
        ClipConfig(**{name: value})


def test_only_farneback_flow_can_be_computed_by_the_network():
    with pytest.raises(ValueError, match='flow_source="layer" needs flow_algorithm="farneback".*Received: \'dis\''):
        ClipConfig(flow_algorithm="dis", flow_source="layer")


@pytest.mark.parametrize(
    "name, value",
    [
        ("crop_size", 31), ("temporal_crop_size", 31), ("batch_size", 0), ("batch_size", 1.5), ("seed", -1),
        ("spatial_steps", 0), ("temporal_steps", -1), ("fine_tune_steps", -1), ("spatial_learning_rate", 0.0),
        ("fine_tune_learning_rate", -1e-3), ("temporal_learning_rate", float("nan")), ("temporal_head", "flatten"),
        ("flow_length", 0), ("flow_input", "forward"), ("test_segments", 0), ("test_crops", 2),
        ("precision", "float16"), ("batch_size", None), ("temporal_network", "large"), ("weight_decay", -0.1),
        ("dropout", 1.0), ("label_smoothing", "0.1"), ("warm_up", True),
        ("consensus", "median"), ("temporal_shift", 1),
    ],
)  # fmt: skip
def test_train_config_names_the_field_and_what_was_received(name, value):
    with pytest.raises(ValueError, match=rf"TrainConfig: {name} .*Received: {value!r}"):
        TrainConfig(**{name: value})


WRONG_TYPES = {  # field of `TrainConfig` by its type → a value in quotes, and others
    int: ["16", "None", True, 16.0, np.float32(16), np.True_],
    float: ["1e-3", "None", True, float("nan"), float("inf")],
    bool: ["True", "False", "no", 1, 0, None],
    str: ["None", "", 5, True, b"auto"],
    dict: ["{}", "None", 5, [("a", "b")], {"a": 1}, {1: "b"}],
}


@pytest.mark.parametrize(
    "config, field",
    [(config, field) for config in (ClipConfig, TrainConfig) for field in dataclasses.fields(config)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_every_field_has_a_type_and_values_in_quotes_say_what_to_write(config, field):
    kind = (get_args(field.type) or (field.type,))[0]
    for value in WRONG_TYPES[get_origin(kind) or kind]:
        if value is None and field.default is None:
            continue
        with pytest.raises(ValueError, match=rf"{config.__name__}: {field.name} must be ") as error:
            config(**{field.name: value})
        assert f"Received: {value!r}" in str(error.value)
        if value in ("16", "1e-3", "True", "None"):
            assert str(error.value).endswith(f". Write it without quotes: {value}")


def test_scalars_of_numpy_are_recorded_as_those_of_python():
    config = TrainConfig(batch_size=np.int64(8), dropout=np.float32(0.5), xla=np.True_, weight_decay=0)
    assert config == TrainConfig(batch_size=8, dropout=0.5, xla=True, weight_decay=0.0)
    assert json.loads(json.dumps(config.to_dict())) == config.to_dict()
    assert ClipConfig(num_segments=np.uint8(4), flow_bound=np.int32(10)).key == ClipConfig(num_segments=4).key


def test_paths_of_weights_are_text_without_a_tilde(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    config = TrainConfig(spatial_weights=Path("~/frames.keras"), temporal_weights="~/flow.keras")
    assert (config.spatial_weights, config.temporal_weights) == (
        "/home/someone/frames.keras",
        "/home/someone/flow.keras",
    )


def test_a_seed_is_one_that_numpy_takes():
    assert TrainConfig(seed=2**32 - 2)
    with pytest.raises(ValueError, match="seed must be an integer from 0 to 4294967294. Received: 4294967295"):
        TrainConfig(seed=2**32 - 1)


def test_temporal_networks_that_cannot_be_built_are_refused_before_a_training():
    with pytest.raises(ValueError, match='temporal_head="dense" needs temporal_network="cnn_m". Received: \'small\''):
        TrainConfig(temporal_head="dense")
    with pytest.raises(ValueError, match='temporal_weights must not be "convnexttiny"'):
        TrainConfig(temporal_weights="convnexttiny")
    assert TrainConfig(temporal_head="dense", temporal_network="cnn_m", spatial_weights="convnexttiny")


def test_different_values_have_different_keys():
    changed = {"short_side": 256, "num_segments": 5, "flow_length": 5, "flow_algorithm": "dis", "flow_bound": 12.5}
    changed |= {"flow_source": "layer"}
    keys = {ClipConfig().key} | {ClipConfig(**{name: value}).key for name, value in changed.items()}
    assert len(keys) == len(dataclasses.fields(ClipConfig)) + 1
    assert not any(set(key) & set('/\\:*?"<>| ') for key in keys)  # a folder name on every file system


def test_an_integer_and_a_float_bound_share_a_store():
    assert ClipConfig(flow_bound=10) == ClipConfig(flow_bound=10.0)
    assert ClipConfig(flow_bound=10).key == ClipConfig().key == "farneback-short128-segments6-length10-bound10-v3"


def test_through_json_and_back():
    clips = ClipConfig(256, 5, 7, "dis", 16)
    assert clip_config_from_dict(json.loads(json.dumps(clips.to_dict()))) == clips
    training = TrainConfig(crop_size=96, flip_map={"a": "b"})
    assert train_config_from_dict(json.loads(json.dumps(training.to_dict()))) == training


@pytest.mark.parametrize("values", [{}, {"short_side": 128}, ClipConfig().to_dict() | {"fps": 12}])
def test_a_store_of_another_version_is_refused(values):
    with pytest.raises(ValueError, match="must hold exactly"):
        clip_config_from_dict(values)


def test_configurations_recorded_by_older_versions_are_read():
    old_store = {name: value for name, value in ClipConfig().to_dict().items() if name != "flow_source"}
    assert clip_config_from_dict(old_store) == ClipConfig(flow_source="store")
    old_run = train_config_from_dict({"seed": 3, "mirror_map": {"a": "b"}, "temporal_epochs": 6})
    assert old_run == TrainConfig(seed=3, flip_map={"a": "b"}, temporal_network="cnn_m", consensus="average")


def test_differences():
    old, new = {"a": 1, "b": 2.0, "c": "x", "gone": None}, {"a": 1, "b": 3.0, "c": "x", "d": True}
    assert differences(old, new) == ["b: 2.0 → 3.0", "gone: None → '(not set)'", "d: '(not set)' → True"]
    assert differences(old, dict(old)) == []
