"""Which backbone and weights each choice of the notebooks gives, with and without a network connection."""

import keras
import pytest

from models import pretrained
from models.pretrained import resolve_weights


def failing(message):
    def resnet50(**arguments):
        raise Exception(message)  # as Keras does

    return resnet50


def fetched(**arguments):
    image = keras.Input((32, 32, 3))
    return keras.Model(image, keras.layers.Conv2D(1, 3)(image))


@pytest.mark.parametrize("message", ["URL fetch failure on https://…: None -- Network is unreachable\nmore", ""])
def test_auto_without_network_warns_and_learns_from_scratch(message, monkeypatch):
    monkeypatch.setattr(keras.applications, "ResNet50", failing(message))
    with pytest.warns(UserWarning, match="NO PRETRAINED WEIGHTS") as caught:
        assert resolve_weights("auto") == {"backbone": "compact", "weights": None, "pretrained": False}
    assert len(caught) == 1 and caught[0].filename == __file__


def test_imagenet_without_network_is_an_error(monkeypatch):
    monkeypatch.setattr(keras.applications, "ResNet50", failing("URL fetch failure"))
    with pytest.raises(RuntimeError, match="URL fetch failure"):
        resolve_weights("imagenet")


@pytest.mark.parametrize("spatial_weights", ["auto", "imagenet"])
def test_imagenet_where_it_can_be_had(spatial_weights, monkeypatch, recwarn):
    monkeypatch.setattr(keras.applications, "ResNet50", fetched)
    expected = {"backbone": "resnet50", "weights": "imagenet", "pretrained": True}
    assert resolve_weights(spatial_weights) == expected and not recwarn.list


def test_messages_name_the_stream_its_setting_and_the_known_networks(monkeypatch):
    monkeypatch.setattr(keras.applications, "ResNet50", failing("URL fetch failure"))
    with pytest.warns(UserWarning, match="The temporal stream is a compact .* set temporal_weights to a file"):
        resolve_weights("auto", "temporal")
    known = "efficientnetb0: temporal_weights must be .*'efficientnetv2b0'.* or the folder of a finished run"
    with pytest.raises(FileNotFoundError, match=known):
        resolve_weights("efficientnetb0", "temporal")


def test_other_choices_of_weights(tmp_path, monkeypatch):
    assert resolve_weights(None) == {"backbone": "resnet50", "weights": None, "pretrained": False}
    assert resolve_weights("compact") == {"backbone": "compact", "weights": None, "pretrained": False}
    weights, backbone = tmp_path / "resnet50.weights.h5", tmp_path / "mine.keras"
    weights.touch(), backbone.touch()
    monkeypatch.setattr(pretrained, "build_backbone", lambda *arguments: None)
    assert resolve_weights(str(weights)) == {"backbone": "resnet50", "weights": str(weights), "pretrained": True}
    assert resolve_weights(str(backbone)) == {"backbone": str(backbone), "weights": None, "pretrained": True}


@pytest.mark.parametrize(("name", "build"), [("efficientnetv2b0", "EfficientNetV2B0"), ("resnet50", "ResNet50")])
def test_a_network_by_its_name_has_imagenet_weights(name, build, monkeypatch):
    monkeypatch.setattr(keras.applications, build, fetched)
    assert resolve_weights(name) == {"backbone": name, "weights": "imagenet", "pretrained": True}
    monkeypatch.setattr(keras.applications, build, failing("URL fetch failure"))
    with pytest.raises(RuntimeError, match=f'spatial_weights="{name}": the ImageNet weights of {name} are neither'):
        resolve_weights(name)
