"""Maps of evidence: exact where features are pooled, gradients elsewhere, on the moving part where it is known."""

import keras
import numpy as np
import pytest
from keras import layers

from models import build_cross_modality, build_finetuned_resnet, build_temporal_cnn
from models.consensus import build_clip_network
from src.attention import find_attention
from src.attention.maps import find_evidence, segment_weights
from tests.models.networks import dtype_policy, make_backbone

SIZE, LENGTH, CLASSES = 64, 3, 3


def make_inputs(stream, count=3, segments=2, seed=0):
    shape = (count, segments, *stream.input_shape[2:])
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def with_random_head(stream, seed=1):
    """The stream, with a head that is not zero: pretrained streams begin with equal scores."""
    generator, scores = np.random.default_rng(seed), stream.get_layer("head").get_layer("scores")
    scores.set_weights([generator.normal(size=weight.shape) for weight in scores.get_weights()])
    return stream


def temporal(network="small", head="pool", segments=2, **options):
    return build_temporal_cnn(CLASSES, SIZE, LENGTH, network, head, num_segments=segments, **options)


def value(tensor):
    return keras.ops.convert_to_numpy(tensor)


def log_odds(stream, inputs):
    """Logits of clips, less those of the first class: (N, C)."""
    logits = np.log(stream.predict_on_batch(inputs))
    return logits - logits[:, :1]


ORDERED = {"consensus": "ordered"}
POOLED = {
    "average": lambda path: temporal(),
    "ordered": lambda path: temporal(**ORDERED),
    "shift": lambda path: temporal(**ORDERED, temporal_shift=True, subtract_mean=True),
    "frames": lambda path: temporal(frames_bound=4.0),
    "compact": lambda path: build_finetuned_resnet(CLASSES, SIZE, None, "compact"),
    "pretrained": lambda path: build_finetuned_resnet(
        CLASSES, SIZE, None, make_backbone(path), num_segments=2, **ORDERED
    ),
    "pooled inside": lambda path: build_finetuned_resnet(CLASSES, SIZE, None, make_backbone(path, pooled=True)),
    "nested": lambda path: build_finetuned_resnet(CLASSES, SIZE, None, make_backbone(path, pooled=True, nested=True)),
    "cross-modality": lambda path: build_cross_modality(
        CLASSES, SIZE, LENGTH, 1.0, make_backbone(path), num_segments=2, **ORDERED
    ),
}  # fmt: skip

each_pooled = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "frames" else []) for name in POOLED]
)


@each_pooled
def test_pooled_features_give_exact_class_activation_maps(name, tmp_path):
    """The values of the last maps sum to the logit, less a constant of the class."""
    stream = with_random_head(POOLED[name](tmp_path / "mine.keras"))
    inputs, bias = make_inputs(stream), stream.get_layer("head").get_layer("scores").get_weights()[1]
    found = np.stack(
        [find_evidence(stream, inputs, np.full(3, c), side=2).sum(axis=(1, 2, 3)) for c in range(CLASSES)], axis=1
    )
    logits = found + bias
    np.testing.assert_allclose(logits - logits[:, :1], log_odds(stream, inputs), atol=2e-4)


@pytest.mark.parametrize("options", [{}, ORDERED, ORDERED | {"temporal_shift": True}])
def test_maps_are_those_of_zhou_and_of_grad_cam(options):
    """Σ_k w_k A_k, where w is from the dense layer and the consensus; the gradient's mean over places is w / places."""
    stream = with_random_head(temporal(**options))
    inputs, classes = make_inputs(stream), np.array([2, 0, 1])
    body = stream.get_layer("body")
    last = keras.Model(body.input, body.get_layer("pool").input)
    maps = value(last(inputs.reshape(-1, *inputs.shape[2:]), training=False)).reshape(3, 2, 4, 4, -1)
    expected = np.einsum("nshwk,nsk->nshw", maps, segment_weights(stream, 2)[classes]) / 16
    np.testing.assert_allclose(find_evidence(stream, inputs, classes, side=2), expected, atol=1e-5)


def test_weights_of_segments_follow_their_order():
    stream = with_random_head(temporal(**ORDERED))
    features = np.random.default_rng(2).normal(size=(1, 2, 256)).astype(np.float32)
    kernel, bias = stream.get_layer("head").get_layer("scores").get_weights()
    logits = np.einsum("csf,nsf->nc", segment_weights(stream, 2), features) + bias
    scores = value(stream.get_layer("head")(features, training=False))
    np.testing.assert_allclose(logits - logits[:, :1], np.log(scores) - np.log(scores[:, :1]), atol=1e-4)


def test_a_dense_head_gives_gradients():
    """Evidence at the last maps is the derivative of the logit along the maps, place by place."""
    stream = with_random_head(temporal("cnn_m", "dense"))
    inputs, classes = make_inputs(stream, count=1), np.array([1])
    evidence = find_evidence(stream, inputs, classes, side=2)
    body, weights = stream.get_layer("body"), segment_weights(stream, 2)[1]
    maps = value(keras.Model(body.input, body.get_layer("flatten").input)(inputs[0], training=False))
    tail = keras.Model(body.get_layer("flatten").input, body.output)

    def logit(step):
        changed = maps.copy()
        changed[1, 0, 1] *= 1 + step
        return (value(tail(changed, training=False)) * weights).sum()

    assert abs(evidence[0, 1, 0, 1]) > 1e-5
    assert evidence[0, 1, 0, 1] == pytest.approx((logit(0.001) - logit(-0.001)) / 0.002, rel=0.02)


@each_pooled
def test_maps_have_the_resolution_of_the_inputs_and_a_largest_value_of_one(name, tmp_path):
    stream = with_random_head(POOLED[name](tmp_path / "mine.keras"))
    before = stream.get_weights()
    found = find_attention(stream, make_inputs(stream), np.array([0, 2, 1]))
    assert found.shape == (3, 2, SIZE, SIZE) and found.dtype == np.float32 and found.min() >= 0
    most = found.max(axis=(1, 2, 3))
    assert most.max() == 1 and set(most) <= {0, 1}
    for old, new in zip(before, stream.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_stream_is_saved_and_trained_as_before(tmp_path):
    stream = temporal(**ORDERED)
    inputs, trained = make_inputs(stream), [weight.path for weight in stream.trainable_weights]
    stream.save(tmp_path / "before.keras")
    find_attention(stream, inputs, np.zeros(3, int))
    stream.save(tmp_path / "after.keras")
    before, after = (keras.models.load_model(tmp_path / f"{name}.keras") for name in ("before", "after"))
    assert before.get_config() == after.get_config()
    assert [weight.path for weight in stream.trainable_weights] == trained
    np.testing.assert_array_equal(before.predict_on_batch(inputs), after.predict_on_batch(inputs))


def test_a_loaded_stream_and_mixed_precision_give_the_same_maps(tmp_path):
    with dtype_policy("mixed_bfloat16"):
        mixed = temporal()
    stream, classes = temporal(), np.array([0, 2, 1])
    mixed.set_weights(stream.get_weights())
    stream.save(tmp_path / "temporal.keras")
    inputs = make_inputs(stream)
    expected = find_attention(stream, inputs, classes)
    loaded = keras.models.load_model(tmp_path / "temporal.keras")
    np.testing.assert_allclose(find_attention(loaded, inputs, classes), expected, atol=1e-5)
    assert np.abs(find_attention(mixed, inputs, classes) - expected).mean() < 0.02


def test_many_clips_are_independent_of_one_another():
    stream = with_random_head(temporal(**ORDERED, temporal_shift=True))
    inputs, classes = make_inputs(stream, count=11), np.arange(11) % CLASSES
    alone = find_attention(stream, inputs[9:10], classes[9:10])
    np.testing.assert_allclose(find_attention(stream, inputs, classes)[9:10], alone, atol=1e-4)


def make_moving_patches(count, seed):
    """(stacks, classes, masks): a patch of 16 x 16 moves to the right or to the left on a trembling background."""
    generator = np.random.default_rng(seed)
    stacks = generator.integers(126, 131, (count, 2, SIZE, SIZE, 2 * LENGTH), dtype=np.uint8)
    classes, masks = generator.integers(0, 2, count), np.zeros((count, 2, SIZE, SIZE), bool)
    for clip in range(count):
        y, x = generator.integers(0, SIZE - 16, 2)
        masks[clip, :, y : y + 16, x : x + 16] = True
        stacks[clip, ..., 0::2][masks[clip]] = 160 if classes[clip] else 96
    return stacks, classes, masks


@pytest.mark.slow
def test_most_of_a_map_is_on_what_moves():
    keras.utils.set_random_seed(0)
    stream = build_temporal_cnn(2, SIZE, LENGTH, "small", flow_scale=4.0, dropout=0.0)
    stream.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    stacks, classes, _ = make_moving_patches(96, seed=0)
    stream.fit(stacks, classes, batch_size=16, epochs=4, verbose=0)
    stacks, classes, masks = make_moving_patches(24, seed=1)
    assert (stream.predict_on_batch(stacks).argmax(axis=1) == classes).mean() > 0.9
    found = find_attention(stream, stacks, classes)
    on_patch = (found * masks).sum(axis=(1, 2, 3)) / found.sum(axis=(1, 2, 3))
    assert masks.mean() == 1 / 16 and on_patch.mean() > 0.6


def test_no_evidence_is_a_map_of_zeros():
    stream = temporal()
    stream.get_layer("head").get_layer("scores").set_weights([np.zeros((256, CLASSES)), np.zeros(CLASSES)])
    assert not find_attention(stream, make_inputs(stream), np.zeros(3, int)).any()


def test_wrong_arguments_are_named():
    stream = temporal()
    inputs = make_inputs(stream)
    with pytest.raises(ValueError, match=r"inputs must be uint8 \(N, 2, 64, 64, 6\).*temporal.*Received: float32"):
        find_attention(stream, inputs.astype(np.float32), np.zeros(3, int))
    with pytest.raises(ValueError, match=r"Received: uint8 \(3, 2, 64, 64, 4\)"):
        find_attention(stream, inputs[..., :4], np.zeros(3, int))
    for classes in (np.array([0, 1, 3]), np.zeros(2, int), np.array([0, -1, 0])):
        with pytest.raises(ValueError, match=r"classes must be one class for each of 3 clips, 0 … 2"):
            find_attention(stream, inputs, classes)


def test_a_body_without_maps_says_so():
    flow = keras.Input((8, 8, 6), dtype="uint8", name="flow")
    body = keras.Model(flow, layers.Dense(4)(layers.Flatten(name="pixels")(flow)), name="body")
    stream = build_clip_network(body, CLASSES, 2, "average", 0.0, False, "temporal")
    with pytest.raises(ValueError, match=r"backbone: where a stream looks.*Found: none.*pixels.*convolutional"):
        find_attention(stream, make_inputs(stream), np.zeros(3, int))
