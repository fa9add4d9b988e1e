"""Temporal shift: exactly that of TSM, within clips, before the first convolution of each residual block."""

import keras
import numpy as np
import pytest
from keras import layers
from networks import REAL_BACKBONE, SIZE, dtype_policy, predict

from models.backbones import build_backbone
from models.freezing import freeze_batch_norm_but_first, leaf_layers, unfreeze_last_stage
from models.temporal_shift import TemporalShift, insert_temporal_shift

SEGMENTS = 3
BLOCKS = {"conv2": 3, "conv3": 4, "conv4": 6, "conv5": 3}
RESNET = [f"{stage}_block{number}_1_conv" for stage, count in BLOCKS.items() for number in range(1, count + 1)]
CONVOLUTIONS = {  # backbone → those that begin the main branch of a residual block
    "compact": [f"stage{stage}_conv1" for stage in (1, 2, 3, 4)],
    "resnet50": RESNET,
    "mobilenetv2": [f"block_{number}_expand" for number in (2, 4, 5, 7, 8, 9, 11, 12, 14, 15)],
    "efficientnetv2b0": [
        f"block{stage}{letter}_expand_conv"
        for stage, letters in {2: "b", 3: "b", 4: "bc", 5: "bcde", 6: "bcdefgh"}.items()
        for letter in letters
    ],
    "convnexttiny": [
        f"convnext_tiny_stage_{stage}_block_{number}_depthwise_conv"
        for stage, count in enumerate((3, 3, 9, 3))
        for number in range(count)
    ],
}


def make_features(segments, channels=16, side=2):
    return np.random.default_rng(5).normal(size=(segments, side, side, channels)).astype(np.float32)


def make_network(name="compact"):
    keras.utils.set_random_seed(2)
    return build_backbone(name, SIZE, None).network


def shifted_convolutions(network):
    """The names of the layers that take the output of a shift."""
    shifts = [layer for layer in leaf_layers(network) if isinstance(layer, TemporalShift)]
    followers = {id(layer.input): layer.name for layer in leaf_layers(network) if not isinstance(layer.input, list)}
    assert [shift.name for shift in shifts] == [f"{followers[id(shift.output)]}_shift" for shift in shifts]
    return [followers[id(shift.output)] for shift in shifts]


def shift_by_hand(x, segments):
    """The definition, one value at a time."""
    fold, shifted = x.shape[-1] // 8, x.copy()
    for number in range(len(x)):
        place = number % segments
        for channel in range(2 * fold):
            source = place + (1 if channel < fold else -1)
            inside = 0 <= source < segments
            shifted[number, ..., channel] = x[number - place + source, ..., channel] if inside else 0
    return shifted


def test_the_shift_of_one_clip_of_three_segments():
    x = np.arange(1, 25, dtype=np.float32).reshape(3, 1, 1, 8)
    first, second, third = predict(TemporalShift(3), x)[:, 0, 0].tolist()
    assert first == [9, 0, 3, 4, 5, 6, 7, 8]
    assert second == [17, 2, 11, 12, 13, 14, 15, 16]
    assert third == [0, 10, 19, 20, 21, 22, 23, 24]


@pytest.mark.parametrize("channels", [24, 20, 7])
@pytest.mark.parametrize("segments", [2, 3, 6])
def test_the_shift_is_that_by_hand_eagerly_and_compiled(segments, channels):
    x = make_features(6, channels)
    expected, shift = shift_by_hand(x, segments), TemporalShift(segments)
    assert np.array_equal(expected, x) == (channels < 8)
    np.testing.assert_array_equal(predict(shift, x), expected)
    image = keras.Input((None, None, channels))
    model = keras.Model(image, shift(image))
    assert model.output_shape == (None, None, None, channels)
    for jit in (False, True):
        model.compile(jit_compile=jit)
        np.testing.assert_array_equal(model.predict(x, verbose=0), expected)


def test_one_segment_is_unchanged():
    x = make_features(3)
    np.testing.assert_array_equal(predict(TemporalShift(1), x), x)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_shift_has_the_precision_of_the_policy(policy):
    shift = TemporalShift(SEGMENTS, dtype=policy)
    compute = policy.removeprefix("mixed_")
    x = keras.ops.cast(make_features(6), compute)
    assert keras.backend.standardize_dtype(shift(x).dtype) == shift(keras.Input((2, 2, 16))).dtype == compute
    expected = shift_by_hand(keras.ops.convert_to_numpy(keras.ops.cast(x, "float32")), SEGMENTS)
    np.testing.assert_array_equal(predict(lambda x, training: keras.ops.cast(shift(x), "float32"), x), expected)


def test_bad_numbers_of_segments_are_refused():
    with pytest.raises(ValueError, match="num_segments must be at least 1. Received: 0"):
        TemporalShift(0)
    with pytest.raises(ValueError, match="shift: .* whole clips of num_segments=3 segments. Received: 4 segments"):
        TemporalShift(3, name="shift")(make_features(4))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name != "compact")) for name in CONVOLUTIONS]
)
def test_the_shift_precedes_the_first_convolution_of_each_residual_block(name):
    network = make_network(name)
    shifted = insert_temporal_shift(network, SEGMENTS)
    assert shifted.name == network.name == "backbone"
    assert shifted_convolutions(shifted) == CONVOLUTIONS[name]
    assert (shifted.input_shape, shifted.output_shape) == (network.input_shape, network.output_shape)
    assert_same_weights(shifted, network)
    assert_same_stages(shifted, network)


@pytest.mark.slow
@pytest.mark.skipif(not REAL_BACKBONE.exists(), reason=f"{REAL_BACKBONE} does not exist")
def test_a_saved_network_whose_branches_share_their_activation():
    """ResNet50V2: the activation before a block is the input of both the shortcut's convolution and the branch."""
    network = build_backbone(REAL_BACKBONE, SIZE, None).network
    shifted = insert_temporal_shift(network, SEGMENTS)
    counts = {"stage1": 3, "stage2": 4, "stage3": 6}
    numbers = {stage: [0, *range(4, 3 * count + 1, 3)] for stage, count in counts.items()}
    expected = [f"{stage}_conv{number}" for stage in numbers for number in numbers[stage]]
    assert shifted_convolutions(shifted) == expected
    assert shifted.get_layer("stage1_conv3").input is shifted.get_layer("stage1_conv0_shift").input
    assert_same_weights(shifted, network)
    assert_same_stages(shifted, network)


def assert_same_weights(shifted, network):
    copies = {layer.name: layer for layer in leaf_layers(shifted)}
    for layer in (layer for layer in leaf_layers(network) if layer.weights):
        for value, expected in zip(copies[layer.name].get_weights(), layer.get_weights(), strict=True):
            np.testing.assert_array_equal(value, expected)
    assert len(shifted.weights) == len(network.weights)


def make_stream(backbone):
    """A stream's nesting: a backbone in a body."""
    image = keras.Input(backbone.input_shape[1:])
    body = keras.Model(image, backbone(image), name="body")
    return keras.Sequential([image, body])


def assert_same_stages(shifted, network):
    ours, plain = map(make_stream, (shifted, network))
    assert unfreeze_last_stage(ours) == unfreeze_last_stage(plain) != []
    assert freeze_batch_norm_but_first(ours) == freeze_batch_norm_but_first(plain)


def test_with_one_segment_the_network_is_the_plain_one():
    network, images = make_network(), make_features(4, 3, SIZE)
    np.testing.assert_array_equal(predict(insert_temporal_shift(network, 1), images), predict(network, images))


def test_segments_of_a_clip_see_each_other_and_not_those_of_another_clip():
    network, images = insert_temporal_shift(make_network(), SEGMENTS), make_features(2 * SEGMENTS, 3, SIZE)
    outputs = predict(network, images)
    changed = images.copy()
    changed[SEGMENTS] += 1  # the first segment of the second clip
    others = predict(network, changed)
    np.testing.assert_array_equal(others[:SEGMENTS], outputs[:SEGMENTS])
    assert all((other != output).any() for other, output in zip(others[SEGMENTS:], outputs[SEGMENTS:], strict=True))
    backwards = predict(network, images[:SEGMENTS][::-1])[::-1]
    assert not np.allclose(backwards, outputs[:SEGMENTS], rtol=1e-3)  # the order of segments matters


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_saved_network_is_the_same_network(policy, tmp_path):
    with dtype_policy(policy):
        network = insert_temporal_shift(make_network(), SEGMENTS)
    assert network.get_layer("stage1_conv1_shift").compute_dtype == policy.removeprefix("mixed_")
    network.save(tmp_path / "shifted.keras")
    loaded, images = keras.models.load_model(tmp_path / "shifted.keras"), make_features(SEGMENTS, 3, SIZE)
    assert loaded.get_layer("stage4_conv1_shift").num_segments == SEGMENTS
    outputs = predict(lambda x, training: keras.ops.cast(network(x, training=training), "float32"), images)
    again = predict(lambda x, training: keras.ops.cast(loaded(x, training=training), "float32"), images)
    np.testing.assert_array_equal(again, outputs)


def test_gradients_pass_through_the_shifts():
    network = insert_temporal_shift(make_network(), SEGMENTS)
    before = {weight.path: keras.ops.convert_to_numpy(weight) for weight in network.trainable_weights}
    network.compile(keras.optimizers.SGD(0.1), "mse")
    network.train_on_batch(make_features(6, 3, SIZE), np.ones((6, *network.output_shape[1:])))
    kernels = [weight for weight in network.trainable_weights if weight.path.endswith("kernel")]
    assert len(kernels) == 12
    assert all((keras.ops.convert_to_numpy(kernel) != before[kernel.path]).any() for kernel in kernels)


def test_the_last_stage_and_frozen_layers_stay_so():
    network = make_network()
    stream = make_stream(insert_temporal_shift(network, SEGMENTS))
    assert unfreeze_last_stage(stream) == ["stage4_conv1", "stage4_conv2", "stage4_shortcut"]
    network.get_layer("stem").trainable = False
    assert not insert_temporal_shift(network, SEGMENTS).get_layer("stem").trainable


def test_blocks_inside_a_nested_model_are_shifted():
    inner = make_network()
    image = keras.Input(inner.input_shape[1:])
    for layer in (inner, keras.Sequential([keras.Input(inner.input_shape[1:]), inner])):
        outer = keras.Model(image, layer(layers.Rescaling(2.0)(image)), name="backbone")
        shifted = insert_temporal_shift(outer, SEGMENTS)
        assert shifted_convolutions(shifted) == CONVOLUTIONS["compact"]
        images = make_features(SEGMENTS, 3, SIZE)
        expected = predict(insert_temporal_shift(inner, SEGMENTS), 2 * images)
        np.testing.assert_array_equal(predict(shifted, images), expected)


def convolve(x, name):
    return layers.Conv2D(4, 3, padding="same", name=name)(x)


NOT_RESIDUAL = {
    "a chain": lambda x: convolve(convolve(x, "first"), "second"),
    "equal branches": lambda x: layers.Add()([convolve(x, "left"), convolve(x, "right")]),
    "concatenated": lambda x: layers.Concatenate()([x, convolve(x, "conv")]),
    "a constant added": lambda x: convolve(x, "conv") + 3.0,
}


@pytest.mark.parametrize("kind", NOT_RESIDUAL)
def test_a_network_without_residual_blocks_is_refused(kind):
    image = keras.Input((8, 8, 4))
    network = keras.Model(image, NOT_RESIDUAL[kind](image), name="mine")
    with pytest.raises(
        ValueError, match="network 'mine': .* residual blocks.* Found: none. Choose .* or train without"
    ):
        insert_temporal_shift(network, SEGMENTS)
