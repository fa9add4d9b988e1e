"""The figure of where each stream looks says who was right, and shows two maps where a stream is wrong."""

import numpy as np
import pytest
from figures import MANY, PUSHES, assert_inside, drawn_and_closed, make_scores  # noqa: F401

from src.attention import ClipAttention
from src.plots import plot_attention

pytestmark = pytest.mark.filterwarnings("error")


def make_attention(true, predicted, side=32):
    """Attention of clips with two segments: all evidence is in the upper left quarter of the second one."""
    generator, count = np.random.default_rng(0), len(true)
    maps = np.zeros((count, 2, 2, side, side), np.float32)
    maps[:, :, 1, : side // 2, : side // 2] = 1
    frames = generator.integers(1, 256, (count, 2, side, side, 3), dtype=np.uint8)
    flows = generator.normal(size=(count, 2, side, side, 2)).astype(np.float32)
    return {
        stream: ClipAttention(images, np.stack([true, found], axis=1), maps)
        for stream, images, found in (("spatial", frames, predicted), ("temporal", flows, true))
    }


def scores_of(attention, num_classes):
    return {stream: make_scores(found.classes[:, 1], num_classes) for stream, found in attention.items()}


def test_a_wrong_stream_shows_the_true_and_the_predicted_class():
    attention = make_attention(np.array([0]), np.array([1]))
    axes = plot_attention(attention, scores_of(attention, 2), PUSHES)
    assert axes.shape == (1, 4)
    titles = [ax.get_title() for ax in axes[0]]
    assert titles[0] == f"true, spatial 0.30\n{PUSHES[0]}"
    assert titles[1] == f"✗ predicted, spatial 0.70\n{PUSHES[1]}"
    assert titles[2:] == [f"✓ temporal 0.70\n{PUSHES[0]}", "flow of segment 2"]


def test_places_without_evidence_are_dark():
    attention = make_attention(np.array([0]), np.array([0]))
    axes = plot_attention(attention, scores_of(attention, 2), PUSHES)
    shown, image = (ax.images[0].get_array() for ax in axes[0, :2])
    np.testing.assert_array_equal(image, attention["spatial"].images[0, 1])
    np.testing.assert_array_equal(shown[4:10, 4:10], image[4:10, 4:10])
    assert (shown[20:, 20:] <= 0.35 * image[20:, 20:]).all()


def test_a_map_of_zeros_is_dark():
    attention = make_attention(np.array([0]), np.array([0]))
    attention["spatial"].maps[:] = 0
    axes = plot_attention(attention, scores_of(attention, 2), PUSHES)
    shown, image = (ax.images[0].get_array() for ax in axes[0, :2])
    assert (shown <= 0.35 * image).all()


@pytest.mark.parametrize(("count", "num_classes"), [(1, 2), (3, 174), (11, 174)])
def test_titles_stay_in_the_figure(count, num_classes):
    true = np.arange(count)
    attention = make_attention(true, true + 1)
    axes = plot_attention(attention, scores_of(attention, num_classes), (PUSHES + MANY)[:num_classes])
    assert axes.shape == (min(count, 8), 4)
    assert_inside(axes[0, 0].figure, [ax.title for ax in axes.flat])
