"""Segmental consensus: the scores of a clip from the features of its segments, by hand, with their order or without."""

import keras
import numpy as np
import pytest
from networks import CLASSES, LENGTH, SIZE, assert_probabilities, assert_same_when_loaded, make_clips, predict
from scipy.special import softmax

from models.consensus import Consensus, build_clip_network, build_head, order_scales, pool_segments
from models.finetuned_resnet import build_finetuned_resnet
from models.temporal_cnn import build_temporal_cnn

KINDS = pytest.mark.parametrize("kind", ["average", "ordered"])
FEATURES = {  # one feature of the S segments of a clip → the values of "ordered": mean, first and second cosine
    (5,): (5,),
    (2, 6): (4, (2 - 6) / 2),
    (1, 1, 1, 1, 1, 1): (1, 0, 0),
    (6, 5, 4, 3, 2, 1): (
        3.5,
        2**0.5 * (5 * np.cos(np.pi / 12) + 3 * np.cos(np.pi / 4) + np.cos(5 * np.pi / 12)) / 6,
        0,
    ),
    (1, 0, 0, 0, 0, 1): (1 / 3, 0, 2**0.5 * np.cos(np.pi / 6) / 3),
}


def make_network(num_segments, kind):
    """A stream whose features are its input: uint8 (N, S, 2) → scores (N, 2)."""
    values = keras.Input((2,), dtype="uint8", name="flow")
    body = keras.Model(values, keras.layers.Rescaling(1.0)(values), name="body")
    return build_clip_network(body, 2, num_segments, kind, 0.0, False, "temporal")


def set_head(model, kernel, bias=(0, 0)):
    model.get_layer("head").get_layer("scores").set_weights([np.asarray(kernel), np.asarray(bias)])


def test_logits_are_averaged_over_the_segments_of_each_clip():
    """Two clips of three segments. The mean logits of the first are 1 and 3, so its scores are 1 and e² of 1 + e²: 0.12
    for class 0; the mean of its segments' scores would be 0.36. No segment counts for the other clip."""
    model = make_network(None, "average")
    set_head(model, np.eye(2))
    assert model.input_shape == (None, None, 2) and model.input.dtype == "uint8"
    segments = np.array([[[3, 0], [0, 2], [0, 7]], [[5, 5], [6, 0], [0, 6]]], np.uint8)
    expected = [[1 / (1 + np.exp(2)), np.exp(2) / (1 + np.exp(2))], [0.5, 0.5]]
    np.testing.assert_allclose(predict(model, segments), expected, rtol=1e-6)
    np.testing.assert_allclose(predict(model, segments[:, ::-1]), expected, rtol=1e-6)


@pytest.mark.parametrize("values", FEATURES)
def test_consensus_of_one_feature_by_hand(values):
    features = np.array(values, np.float32)[None, :, None]
    for kind, expected in (("average", [np.mean(values)]), ("ordered", FEATURES[values])):
        np.testing.assert_allclose(predict(Consensus(kind), features)[0], expected, atol=1e-6)


@pytest.mark.parametrize("segments", [1, 2, 3, 6, 8])
def test_the_scales_of_the_order_are_orthogonal_and_begin_with_the_average(segments):
    scales = order_scales(segments)
    assert scales.shape == (min(3, segments), segments) and scales.dtype == np.float32
    np.testing.assert_allclose(scales[0], 1 / segments, rtol=1e-6)
    np.testing.assert_allclose(scales @ scales.T, np.eye(len(scales)) / segments, atol=1e-6)


@KINDS
@pytest.mark.parametrize("segments", [1, 2, 6])
def test_pooled_features_are_those_of_the_layer(kind, segments):
    """Scales follow one another, each with all features, also for several crops of a clip, and kept in float16."""
    features = np.random.default_rng(0).normal(size=(3, 4, segments, 5)).astype(np.float16)
    found = pool_segments(features, kind)
    expected = predict(Consensus(kind), features.reshape(12, segments, 5).astype(np.float32))
    assert found.dtype == np.float32 and found.shape[:2] == (3, 4)
    np.testing.assert_allclose(found.reshape(12, -1), expected, atol=1e-6)


def test_only_the_ordered_consensus_tells_a_clip_from_the_reversed_one():
    """Feature 0 rises in one clip and falls in the other: the kernel takes only its cosine, early minus late."""
    rising = np.array([[[0, 1], [2, 1], [4, 1], [9, 1]]], np.uint8)
    ordered, average = make_network(4, "ordered"), make_network(None, "average")
    kernel = np.zeros((6, 2))
    kernel[2] = -1, 1  # after the two means come the first cosines
    set_head(ordered, kernel), set_head(average, np.eye(2))
    (first,), (second,) = predict(ordered, rising), predict(ordered, rising[:, ::-1])
    assert first[0] > 0.95 and second[1] > 0.95
    np.testing.assert_allclose(first, second[::-1], rtol=1e-5)
    np.testing.assert_allclose(predict(average, rising), predict(average, rising[:, ::-1]), rtol=1e-6)


def test_any_number_of_segments_or_the_one_that_the_network_was_built_for():
    """One segment, or the same one twice, has the same average."""
    model = build_temporal_cnn(CLASSES, SIZE, LENGTH)
    clips = make_clips(2 * LENGTH, segments=1)
    one = predict(model, clips)
    np.testing.assert_allclose(predict(model, np.repeat(clips, 5, axis=1)), one, rtol=1e-4)
    fixed = build_temporal_cnn(CLASSES, SIZE, LENGTH, num_segments=2, consensus="ordered")
    assert fixed.input_shape == (None, 2, SIZE, SIZE, 2 * LENGTH)
    assert_probabilities(predict(fixed, make_clips(2 * LENGTH)), 3)
    with pytest.raises(ValueError, match=r"expected shape=\(None, 2, .*found shape=\(3, 1, "):
        fixed(clips)


@pytest.mark.parametrize("build", [make_network, lambda segments, kind: build_head(4, 2, segments, kind, 0.5, True)])
def test_an_order_needs_a_number_of_segments(build):
    with pytest.raises(ValueError, match='consensus "ordered" needs num_segments. Received: None'):
        build(None, "ordered")


def test_an_unknown_consensus_is_refused():
    with pytest.raises(ValueError, match="consensus must be one of .*'ordered'.* Received: 'median'"):
        Consensus("median")


@KINDS
def test_the_head_gives_the_scores_of_the_network_from_its_features(kind, tmp_path):
    """So features can be kept, and the head fitted to them alone."""
    backbone = tmp_path / "mine.keras"
    image = keras.Input((SIZE, SIZE, 3))
    keras.Model(image, keras.layers.Conv2D(6, 3, strides=8)(image)).save(backbone)
    model = build_finetuned_resnet(CLASSES, SIZE, None, backbone, num_segments=4, consensus=kind)
    clips = make_clips(3, count=2, segments=4)
    kernel = np.random.default_rng(0).normal(size=(6 if kind == "average" else 18, CLASSES))
    set_head(model, kernel, [0.1, 0.2, 0.3])
    features = predict(model.get_layer("body"), clips.reshape(8, SIZE, SIZE, 3)).reshape(2, 4, 6)
    scores = predict(model, clips)
    assert_probabilities(scores, 2)
    np.testing.assert_allclose(predict(model.get_layer("head"), features), scores, rtol=1e-5)
    logits = pool_segments(features, kind) @ kernel + [0.1, 0.2, 0.3]
    np.testing.assert_allclose(softmax(logits, axis=1), scores, rtol=1e-4, atol=1e-6)
    assert_same_when_loaded(model, clips, tmp_path / "spatial.keras")


@KINDS
def test_training_sees_one_loss_for_a_clip_and_changes_body_and_head(kind):
    model = build_temporal_cnn(CLASSES, SIZE, LENGTH, num_segments=2, consensus=kind)
    clips = make_clips(2 * LENGTH)
    before = model.get_layer("body").get_weights()[0], model.get_layer("head").get_weights()[0]
    model.compile(keras.optimizers.SGD(0.5), "categorical_crossentropy")
    targets, scores = np.eye(CLASSES), predict(model, clips)
    loss = model.evaluate(clips, targets, verbose=0)
    assert loss == pytest.approx(-np.log(np.diag(scores)).mean(), rel=1e-5)
    model.train_on_batch(clips, targets)
    for old, part in zip(before, ("body", "head"), strict=True):
        assert abs(model.get_layer(part).get_weights()[0] - old).max() > 1e-6


@pytest.mark.parametrize("options", [{"consensus": "ordered"}, {"temporal_shift": True}], ids=str)
@pytest.mark.parametrize("stream", ["spatial", "temporal"])
def test_streams_that_know_the_order_score_reversed_clips_otherwise(stream, options):
    keras.utils.set_random_seed(0)
    if stream == "spatial":
        model = build_finetuned_resnet(CLASSES, SIZE, None, "compact", num_segments=3, **options)
    else:
        model = build_temporal_cnn(CLASSES, SIZE, LENGTH, num_segments=3, **options)
    clips = make_clips(model.input_shape[-1], segments=3)
    scores, backwards = predict(model, clips), predict(model, clips[:, ::-1])
    assert_probabilities(scores, 3)
    assert abs(scores - backwards).max() > 1e-4
    np.testing.assert_allclose(predict(model, clips[::-1]), scores[::-1], rtol=1e-4)  # and no clip sees another
