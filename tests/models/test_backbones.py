"""Backbones compute what their file does, at any size and precision; errors name the file."""

import keras
import numpy as np
import pytest
from keras import layers
from keras.applications.imagenet_utils import preprocess_input
from networks import SIZE, dtype_policy, make_backbone, predict

from models.backbones import COMPACT_SIZE, NORMALIZATIONS, build_backbone, imagenet_rms, pool_features
from models.freezing import leaf_layers


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
    """Otherwise a backbone saved in float32 would stay in float32, and mixed precision would gain nothing."""
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


def test_the_compact_network_takes_small_images_only():
    """Frames of a larger crop are resized to it: see `test_frames_are_resized_for_a_saved_backbone_of_another_size`."""
    sides = {size: build_backbone("compact", size, None).network.input_shape[1:3] for size in (48, 160)}
    assert sides == {48: (48, 48), 160: (COMPACT_SIZE, COMPACT_SIZE)}


@pytest.mark.parametrize("preprocessing", list(NORMALIZATIONS))
def test_the_rms_of_imagenets_images(preprocessing):
    """Pixels of ImageNet's mean and deviation, preprocessed by Keras itself."""
    mean, deviation = (np.array(NORMALIZATIONS["torch"][name]) for name in ("mean", "deviation"))
    pixels = np.random.default_rng(0).normal(mean, deviation, (1, 300, 300, 3)).astype(np.float32)
    preprocessed = preprocess_input(pixels, mode=preprocessing, data_format="channels_last")
    assert imagenet_rms(preprocessing) == pytest.approx(np.sqrt((preprocessed**2).mean()), rel=0.01)
    assert imagenet_rms("torch") == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: layers.Reshape((SIZE * SIZE, 3))(x), "a backbone must give"),
        (lambda x: [layers.Flatten()(x), layers.Flatten()(x)], "a backbone must map one image"),
    ],
)
def test_networks_that_are_not_from_one_image_to_features_are_refused(make, message, tmp_path):
    image = keras.Input((SIZE, SIZE, 3))
    keras.Model(image, make(image)).save(tmp_path / "mine.keras")
    with pytest.raises(ValueError, match=f"mine.keras: {message}"):
        build_backbone(tmp_path / "mine.keras", SIZE, None)


@pytest.mark.parametrize("arguments", [("resnet50", SIZE, "nowhere.h5"), ("nowhere.keras", SIZE, None)])
def test_a_path_without_a_file_is_refused(arguments):
    with pytest.raises(FileNotFoundError, match="nowhere.* no such file"):
        build_backbone(*arguments)


def test_unknown_preprocessing_is_refused():
    with pytest.raises(ValueError, match="preprocessing must be one of .*'inception'"):
        build_backbone("compact", SIZE, None, "inception")


@pytest.mark.parametrize("size", [8, 2048])
def test_features_of_a_pretrained_backbone_have_one_length(size):
    """So that the head learns as fast relative to the backbone, whatever the number and scale of the features."""
    features = keras.Input((size,))
    model = keras.Model(features, pool_features(features, pretrained=True))
    values = 100 * np.random.default_rng(0).random((3, size)).astype(np.float32)
    np.testing.assert_allclose(np.linalg.norm(predict(model, values), axis=1), 10, rtol=1e-4)
