"""The temporal stream takes over a backbone for RGB images: its kernels and weights, at the scale of its images."""

import keras
import numpy as np
import pytest
from conftest import FIGHTS, moving_texture
from keras import layers
from networks import (
    CLASSES,
    MOBILE_NET,
    REAL_BACKBONE,
    SIZE,
    assert_probabilities,
    assert_same_when_loaded,
    backbone_of,
    body_of,
    dtype_policy,
    head_layer,
    make_backbone,
    make_clips,
    make_images,
    predict,
)

from models.backbones import build_backbone, imagenet_rms
from models.cross_modality import build_cross_modality
from models.finetuned_resnet import build_finetuned_resnet
from models.freezing import leaf_layers
from models.temporal_cnn import measure_flow_scale
from src.config import ClipConfig
from src.flow import compute_flow, stack_fields
from src.preprocessing import extract_clip

CHANNELS = 6
KINDS = ["compact", "resnet50", "plain", "any size", "pooled", "sequential", "padded", "normalized"]


@pytest.fixture(scope="module")
def resnet_file(tmp_path_factory):
    """ResNet50 weights whose biases and batch norm are random, too."""
    network = keras.applications.ResNet50(include_top=False, weights=None)
    path = tmp_path_factory.mktemp("weights") / "resnet50.weights.h5"
    randomize(network)
    network.save_weights(path)
    return path


def randomize(network, seed=7):
    random = np.random.default_rng(seed)
    vectors = [random.uniform(0.1, 0.4, w.shape) if w.ndim == 1 else w for w in network.get_weights()]
    network.set_weights(vectors)


def make_special(path, kind):
    """Saves a backbone of one of the structures that backbones have."""
    if kind in ("plain", "any size", "pooled"):
        return make_backbone(path, side=None if kind == "any size" else SIZE, pooled=kind == "pooled")
    before = {
        "sequential": [],
        "padded": [layers.ZeroPadding2D(3)],
        "normalized": [layers.BatchNormalization(name="image_norm"), layers.ZeroPadding2D(1)],
    }[kind]
    convolutions = [layers.Conv2D(5, 3, strides=2, name="conv1"), layers.BatchNormalization(name="norm1")]
    network = keras.Sequential([keras.Input((SIZE, SIZE, 3)), *before, *convolutions, layers.Conv2D(4, 3)])
    randomize(network)
    if kind == "normalized":
        network.get_layer("image_norm").beta.assign([0.0, 0.0, 0.0])
        network.get_layer("image_norm").moving_mean.assign([0.0, 0.0, 0.0])
    network.save(path)
    return path


@pytest.fixture(scope="module", params=KINDS)
def both(request, resnet_file, tmp_path_factory):
    """(network for images, network for flow) of one backbone."""
    path, kind = tmp_path_factory.mktemp("backbone") / "mine.keras", request.param
    backbone = kind if kind in ("compact", "resnet50") else make_special(path, kind)
    keras.utils.set_random_seed(3)  # the compact network has no file: the same seed, the same weights
    model = build_cross_modality(CLASSES, SIZE, CHANNELS // 2, 1.0, backbone, resnet_file)
    keras.utils.set_random_seed(3)
    return build_backbone(backbone, SIZE, resnet_file).network, backbone_of(model)


def first_convolution(network):
    return next(layer for layer in leaf_layers(network) if isinstance(layer, layers.Conv2D))


def test_kernels_are_averaged_over_rgb_and_all_other_weights_are_copied(both):
    """Defect 20: a cross-modality initialisation that silently leaves the first convolution random."""
    for_images, for_flow = both
    first = first_convolution(for_images).name
    scale = np.ones(3)
    if "image_norm" in {layer.name for layer in for_images.layers}:
        norm = for_images.get_layer("image_norm")
        scale = np.array(norm.gamma) / np.sqrt(np.array(norm.moving_variance) + norm.epsilon)
    red, green, blue = (np.array(for_images.get_layer(first).kernel) * scale[:, None]).transpose(2, 0, 1, 3)
    kernel = np.array(for_flow.get_layer(first).kernel)
    assert kernel.shape[2] == CHANNELS and np.abs(kernel).max() > 0
    for channel in range(CHANNELS):
        mean = (red + green + blue) / 3
        np.testing.assert_allclose(kernel[:, :, channel], mean * 3 / CHANNELS, rtol=1e-5, atol=1e-7)
    for layer in for_images.layers:
        if layer.weights and layer.name != "image_norm":
            copied = for_flow.get_layer(layer.name).get_weights()
            for value, expected in list(zip(copied, layer.get_weights(), strict=True))[layer.name == first :]:
                np.testing.assert_array_equal(value, expected)
    assert len(for_flow.weights) == len(for_images.weights) - 4 * (scale != 1).any()


def test_equal_channels_give_the_features_of_a_grey_image(both):
    for_images, for_flow = both
    gray = np.random.default_rng(0).normal(size=(2, SIZE, SIZE, 1)).astype(np.float32)
    expected = predict(for_images, np.repeat(gray, 3, axis=-1))
    assert np.isfinite(expected).all() and expected.std() > 0
    features = predict(for_flow, np.repeat(gray, CHANNELS, axis=-1))
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4 * abs(expected).max())


def before_backbone(model, flow):
    body = body_of(model)
    return predict(keras.Model(body.input, body.get_layer("flow_scale").output), flow)


@pytest.mark.parametrize("subtract_mean", [True, False])
@pytest.mark.parametrize("preprocessing", ["torch", "tf", "caffe"])
def test_displacements_reach_the_backbone_at_the_scale_of_images(preprocessing, subtract_mean, tmp_path):
    """Defects 8 and 11: no motion is zero; a code is a displacement, not a grey level."""
    path = make_backbone(tmp_path / "mine.keras", SIZE)
    model = build_cross_modality(CLASSES, SIZE, CHANNELS // 2, 2.5, path, None, preprocessing, subtract_mean)
    flow = make_images(CHANNELS)
    field = (flow.astype(np.float64) - 128) / 127
    field -= field.mean(axis=(1, 2), keepdims=True) * subtract_mean
    expected = 2.5 * imagenet_rms(preprocessing) * field
    np.testing.assert_allclose(before_backbone(model, flow), expected, rtol=1e-4, atol=1e-4)
    assert not before_backbone(model, np.full_like(flow, 128)).any()


def test_flow_resized_for_a_backbone_keeps_its_values(tmp_path):
    path = make_backbone(tmp_path / "mine.keras", side=24)
    model = build_cross_modality(CLASSES, SIZE, CHANNELS // 2, 3.0, path, subtract_mean=False)
    inside = before_backbone(model, np.full((1, SIZE, SIZE, CHANNELS), 128 + 40, np.uint8))
    assert inside.shape == (1, 24, 24, CHANNELS)
    np.testing.assert_allclose(inside, 3 * 40 / 127, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "policy"),
    [
        ("compact", "float32"),
        ("pooled", "mixed_bfloat16"),
        ("normalized", "float32"),
        pytest.param("resnet50", "mixed_bfloat16", marks=pytest.mark.slow),
    ],
)
def test_a_saved_stream_is_the_same_stream(kind, policy, resnet_file, tmp_path):
    backbone = kind if kind in ("compact", "resnet50") else make_special(tmp_path / "mine.keras", kind)
    with dtype_policy(policy):
        model = build_cross_modality(CLASSES, SIZE, CHANNELS // 2, 5.0, backbone, resnet_file, dropout=0.3)
    assert model.name == "temporal" and head_layer(model, "dropout").rate == 0.3
    assert model.input.dtype == "uint8" and model.input_shape == (None, None, SIZE, SIZE, CHANNELS)
    assert first_convolution(model).compute_dtype == policy.removeprefix("mixed_")
    assert_probabilities(predict(model, make_clips(CHANNELS)), 3)
    assert_same_when_loaded(model, make_clips(CHANNELS), tmp_path / "temporal.keras")


def test_the_scale_of_flow_by_hand():
    """Two stacks, still in one half; in the other the channels' mean is 12.5 and -37.5 codes."""
    stacks = np.full((2, 4, 4, 2), 128, np.uint8)
    stacks[0, :2] = [128 + 127, 128 - 102]
    stacks[1, :2] = [128 - 60, 128 - 15]
    square = (12.5**2 + 37.5**2) / 4 / 127**2
    assert measure_flow_scale(stacks, average=True) == pytest.approx(square**-0.5)
    # Without their mean, the two halves move by ± half of the difference.
    assert measure_flow_scale(stacks, subtract_mean=True, average=True) == pytest.approx((square / 2) ** -0.5)


def test_the_scale_is_one_where_nothing_moves():
    """A pan minus its mean is exactly zero: otherwise rounding errors would be scaled up as if they were motion."""
    still = np.full((3, 30, 31, 20), 128, np.uint8)
    assert measure_flow_scale(still) == measure_flow_scale(still, subtract_mean=True) == 1.0
    pan = np.broadcast_to(np.arange(60, 80, dtype=np.uint8), (3, 30, 31, 20))
    assert measure_flow_scale(pan, True) == measure_flow_scale(pan, True, average=True) == 1.0
    assert measure_flow_scale(pan, average=True) == pytest.approx(127 / (128 - 69.5))


@pytest.mark.parametrize("flow_scale", [0.0, float("nan"), float("inf")])
def test_a_scale_that_is_not_positive_is_refused(flow_scale):
    with pytest.raises(ValueError, match="flow_scale must be positive"):
        build_cross_modality(CLASSES, SIZE, CHANNELS // 2, flow_scale, "compact")


def responses(stream, inputs):
    """The outputs of a stream's first convolution and of its pooling."""
    body, backbone = body_of(stream), backbone_of(stream)
    entry = next(name for name in ("flow_scale", "normalize") if name in {layer.name for layer in body.layers})
    inside = predict(keras.Model(body.input, body.get_layer(entry).output), inputs)
    first = keras.Model(backbone.input, first_convolution(backbone).output)
    return predict(first, inside), predict(keras.Model(body.input, body.get_layer("pool").output), inputs)


def assert_same_scale(frames, stacks, backbone, preprocessing="torch", subtract_mean=True):
    size, channels = frames.shape[1], stacks.shape[-1]
    options = {"backbone": backbone, "weights": None, "preprocessing": preprocessing}
    keras.utils.set_random_seed(0)
    spatial = build_finetuned_resnet(CLASSES, size, **options)
    scale = measure_flow_scale(stacks, subtract_mean, average=True)
    keras.utils.set_random_seed(0)
    temporal = build_cross_modality(CLASSES, size, channels // 2, scale, subtract_mean=subtract_mean, **options)
    (of_frames, features), (of_flow, flow_features) = responses(spatial, frames), responses(temporal, stacks)
    assert 0.5 < of_flow.std() / of_frames.std() < 2
    assert 0.4 < flow_features.std() / features.std() < 2.5  # the weights of a seed are others under each backend


@pytest.fixture(scope="module")
def fights():
    """(frames, stacks) of eight real clips, 112 × 112."""
    paths = sorted(FIGHTS.glob("*/*.mp4"))[::28]
    if not paths or not REAL_BACKBONE.exists():
        pytest.skip(f"{FIGHTS} or {REAL_BACKBONE} does not exist")
    clips = [extract_clip(path, ClipConfig(short_side=112, num_segments=1)) for path in paths]
    frames, stacks = (np.stack([getattr(clip, name)[0, :112, :112] for clip in clips]) for name in ("frames", "stacks"))
    return frames, stacks


@pytest.mark.slow
@pytest.mark.parametrize("subtract_mean", [True, False])
def test_activations_on_real_flow_have_the_scale_of_those_on_images(subtract_mean, fights):
    assert_same_scale(*fights, REAL_BACKBONE, subtract_mean=subtract_mean)


@pytest.mark.slow
def test_activations_of_another_real_network_have_the_scale_too(fights, tmp_path):
    """MobileNetV2 as a user saves it: for images of any size."""
    network = keras.applications.MobileNetV2(include_top=False, weights=MOBILE_NET, input_shape=(None, None, 3))
    network.save(tmp_path / "mobile_net.keras")
    assert_same_scale(*fights, tmp_path / "mobile_net.keras", "tf")


def test_activations_on_textures_have_the_scale_of_those_on_images():
    """The compact network with random weights, on textures that move in different directions."""
    clips = [moving_texture(4, u, v, 48, 48, seed) for seed, (u, v) in enumerate([(1, 0.5), (-0.5, 1), (0.3, -0.8)])]
    stacks = np.stack([stack_fields(compute_flow(clip), 3, 20.0) for clip in clips])
    assert_same_scale(np.stack([clip[1] for clip in clips]), stacks, "compact")


def convolve(x, filters=4, **options):
    return layers.Conv2D(filters, 3, padding="same", **options)(x)


REFUSED = {
    "Rescaling": lambda x: convolve(layers.Rescaling(1 / 255)(x)),
    "DepthwiseConv2D": lambda x: convolve(layers.DepthwiseConv2D(3)(x)),
    "Conv2D": lambda x: convolve(x, 6, groups=3),
    "2 convolutions": lambda x: layers.Concatenate()([convolve(x), convolve(x)]),
    "0 convolutions": lambda x: layers.ZeroPadding2D()(x),
    "Functional": lambda x: keras.Model(x, convolve(x), name="inner")(x),
    "Flatten": lambda x: layers.Dense(4)(layers.Flatten()(x)),
}


@pytest.mark.parametrize("found", REFUSED)
def test_a_backbone_that_does_not_begin_with_one_convolution_is_refused(found, tmp_path):
    image = keras.Input((SIZE, SIZE, 3))
    keras.Model(image, REFUSED[found](image)).save(tmp_path / "mine.keras")
    with pytest.raises(ValueError, match=f"mine.keras: .* begin with one Conv2D.* Found: {found} .*Save the network"):
        build_cross_modality(CLASSES, SIZE, CHANNELS // 2, 1.0, tmp_path / "mine.keras")
