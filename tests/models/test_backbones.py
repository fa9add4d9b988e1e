"""What a choice of weights stands for, and that a backbone is the network in the file, at any size and precision."""

import keras
import numpy as np
import pytest
from keras.applications.imagenet_utils import preprocess_input
from test_models import SIZE, dtype_policy, make_backbone, predict

from models.backbones import NORMALIZATIONS, build_backbone, leaf_layers, picture_scale, resolve_weights


def images(side=SIZE):
    return np.random.default_rng(3).normal(size=(2, side, side, 3)).astype(np.float32)


@pytest.mark.parametrize("side", [24, None])
@pytest.mark.parametrize("nested", [False, True], ids=["plain", "nested"])
def test_a_saved_backbone_computes_what_its_file_does(side, nested, tmp_path):
    path = make_backbone(tmp_path / "mine.keras", side=side, nested=nested)
    network, preprocessing, pretrained = build_backbone(path, SIZE, None, "tf")
    assert (network.name, preprocessing, pretrained) == ("backbone", "tf", True)
    assert network.input_shape == (None, side or SIZE, side or SIZE, 3)
    expected = predict(keras.models.load_model(path), images(side or SIZE))
    np.testing.assert_array_equal(predict(network, images(side or SIZE)), expected)


def test_a_saved_backbone_takes_the_precision_in_use(tmp_path):
    """Else a backbone saved in float32 would stay in it, and nothing be gained by mixed precision."""
    path = make_backbone(tmp_path / "mine.keras", nested=True)
    with dtype_policy("mixed_bfloat16"):
        network = build_backbone(path, SIZE, None).network
    assert {layer.compute_dtype for layer in leaf_layers(network) if layer.weights} == {"bfloat16"}
    for weight, value in zip(network.get_weights(), keras.models.load_model(path).get_weights(), strict=True):
        assert weight.dtype == np.float32
        np.testing.assert_array_equal(weight, value)


@pytest.mark.parametrize(
    ("backbone", "weights", "expected"), [("compact", None, ("tf", False)), ("resnet50", None, ("caffe", False))]
)
def test_random_weights_are_not_called_pretrained(backbone, weights, expected):
    assert build_backbone(backbone, SIZE, weights)[1:] == expected


@pytest.mark.parametrize("preprocessing", list(NORMALIZATIONS))
def test_the_scale_of_pictures_is_that_of_imagenets(preprocessing):
    """Pixels of ImageNet's mean and deviation, preprocessed by Keras itself."""
    mean, deviation = (np.array(NORMALIZATIONS["torch"][name]) for name in ("mean", "deviation"))
    pixels = np.random.default_rng(0).normal(mean, deviation, (1, 300, 300, 3)).astype(np.float32)
    preprocessed = preprocess_input(pixels, mode=preprocessing, data_format="channels_last")
    assert picture_scale(preprocessing) == pytest.approx(np.sqrt((preprocessed**2).mean()), rel=0.01)
    assert picture_scale("torch") == 1


# Which weights


def failing(message):
    def resnet50(**arguments):
        raise Exception(message)  # as Keras does

    return resnet50


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
    monkeypatch.setattr(keras.applications, "ResNet50", lambda **arguments: None)
    expected = {"backbone": "resnet50", "weights": "imagenet", "pretrained": True}
    assert resolve_weights(spatial_weights) == expected and not recwarn.list


def test_messages_name_the_stream_and_its_setting(monkeypatch):
    monkeypatch.setattr(keras.applications, "ResNet50", failing("URL fetch failure"))
    with pytest.warns(UserWarning, match="The temporal stream is a compact .* set temporal_weights to a file"):
        resolve_weights("auto", "temporal")
    with pytest.raises(FileNotFoundError, match="imagnet: temporal_weights must be"):
        resolve_weights("imagnet", "temporal")


def test_other_choices_of_weights(tmp_path):
    assert resolve_weights(None) == {"backbone": "resnet50", "weights": None, "pretrained": False}
    assert resolve_weights("compact") == {"backbone": "compact", "weights": None, "pretrained": False}
    weights, backbone = tmp_path / "resnet50.weights.h5", tmp_path / "mine.keras"
    weights.touch(), backbone.touch()
    assert resolve_weights(str(weights)) == {"backbone": "resnet50", "weights": str(weights), "pretrained": True}
    assert resolve_weights(str(backbone)) == {"backbone": str(backbone), "weights": None, "pretrained": True}
    with pytest.raises(FileNotFoundError, match="imagnet: spatial_weights must be"):
        resolve_weights("imagnet")
