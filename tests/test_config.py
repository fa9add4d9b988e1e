import dataclasses
import json

import pytest

from src.config import FLOW_ALGORITHMS, ClipConfig, TrainConfig, clip_config_from_dict, differences


def test_derived_values():
    config = ClipConfig(flow_length=10)
    assert (config.window_length, config.stack_channels) == (11, 20)


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ClipConfig().short_side = 256


@pytest.mark.parametrize(
    "name, value",
    [
        ("short_side", 15),
        ("short_side", 128.0),
        ("short_side", "128"),
        ("num_segments", 0),
        ("num_segments", True),
        ("flow_length", 0),
        ("flow_algorithm", "tvl1"),
        ("flow_algorithm", None),
        ("flow_bound", 0),
        ("flow_bound", -20.0),
        ("flow_bound", float("inf")),
        ("flow_bound", float("nan")),
        ("flow_bound", "20"),
    ],
)
def test_clip_config_names_the_field_and_what_was_received(name, value):
    with pytest.raises(ValueError, match=rf"ClipConfig: {name} .*Received: {value!r}"):
        ClipConfig(**{name: value})


@pytest.mark.parametrize(
    "name, value",
    [
        ("crop_size", 31),
        ("batch_size", 0),
        ("batch_size", 1.5),
        ("spatial_epochs", 0),
        ("temporal_epochs", -1),
        ("seed", -1),
        ("spatial_learning_rate", 0.0),
        ("fine_tune_learning_rate", -1e-3),
        ("temporal_learning_rate", float("nan")),
        ("temporal_head", "flatten"),
        ("temporal_crop_size", 31),
        ("flow_length", 0),
        ("flow_input", "forward"),
        ("fine_tune_epochs", -1),
        ("test_segments", 0),
        ("test_crops", 2),
        ("precision", "float16"),
    ],
)
def test_train_config_names_the_field_and_what_was_received(name, value):
    with pytest.raises(ValueError, match=rf"TrainConfig: {name} .*Received: {value!r}"):
        TrainConfig(**{name: value})


def test_a_key_per_set_of_values():
    changed = [
        ClipConfig(short_side=256),
        ClipConfig(num_segments=5),
        ClipConfig(flow_length=5),
        ClipConfig(flow_algorithm="dis"),
        ClipConfig(flow_bound=12.5),
        ClipConfig(flow_source="layer"),
    ]
    keys = {config.key for config in [ClipConfig(), *changed]}
    assert len(keys) == len(dataclasses.fields(ClipConfig)) + 1
    assert not any(set(key) & set('/\\:*?"<>| ') for key in keys)  # folder names everywhere


def test_a_whole_number_and_a_float_bound_are_the_same_store():
    assert ClipConfig(flow_bound=20) == ClipConfig(flow_bound=20.0)
    assert ClipConfig(flow_bound=20).key == ClipConfig(flow_bound=20.0).key


@pytest.mark.parametrize("algorithm", FLOW_ALGORITHMS)
def test_through_json_and_back(algorithm):
    config = ClipConfig(256, 5, 7, algorithm, 16)
    assert clip_config_from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("values", [{}, {"short_side": 128}, ClipConfig().to_dict() | {"fps": 12}])
def test_json_of_another_version_is_refused(values):
    with pytest.raises(ValueError, match="must hold exactly"):
        clip_config_from_dict(values)


def test_differences():
    old, new = {"a": 1, "b": 2.0, "c": "x", "gone": None}, {"a": 1, "b": 3.0, "c": "x", "d": True}
    assert differences(old, new) == ["b: 2.0 → 3.0", "gone: None → '(not set)'", "d: '(not set)' → True"]
    assert differences(old, dict(old)) == []
