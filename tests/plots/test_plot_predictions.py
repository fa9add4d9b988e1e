"""Figures of predictions: they show who was right, and names fit."""

import numpy as np
import pytest
from figures import (  # noqa: F401
    MANY,
    PUSHES,
    STREAMS,
    assert_inside,
    drawn_and_closed,
    make_frames,
    make_scores,
    texts,
    tick_names,
    uniform_flow,
)

from src.plots import plot_predictions, plot_video_prediction
from src.plots.style import STREAM_COLOURS, flow_to_rgb

pytestmark = pytest.mark.filterwarnings("error")


def test_predictions_say_who_was_right():
    scores = {"spatial": make_scores([1], 2), "temporal": make_scores([0], 2), "fused": make_scores([0], 2)}
    axes = plot_predictions(make_frames(1), [uniform_flow(0, 5)], [0], scores, PUSHES)
    assert axes.shape == (1, 3)
    assert axes[0, 0].get_title(loc="left") == PUSHES[0]
    assert (axes[0, 1].images[0].get_array() == flow_to_rgb(uniform_flow(0, 5), 5)).all()
    right, wrong = (name.replace("something", "sth") for name in PUSHES)
    said = texts(axes[0, 2])
    assert said == ["✗", "spatial 0.70", wrong, "✓", "temporal 0.70", right, "✓", "fused 0.70", right]
    assert axes[0, 2].texts[4].get_color() == STREAM_COLOURS["temporal"]


@pytest.mark.parametrize(("count", "num_classes"), [(1, 1), (3, 2), (11, 174)])
def test_predictions_of_any_number_of_clips_stay_in_the_figure(count, num_classes):
    scores = dict.fromkeys(STREAMS, make_scores(np.arange(count) % num_classes, num_classes))
    flows = [uniform_flow(1, 1, 24, 43)] * count
    truths = np.zeros(count, int)
    axes = plot_predictions(make_frames(count, 24, 43), flows, truths, scores, MANY[:num_classes])
    assert axes.shape == (min(count, 8), 3)
    fig = axes[0, 0].figure
    assert len(fig.axes) == axes.size
    drawn = [ax._left_title for ax in axes[:, 0]] + [text for ax in axes[:, 2] for text in ax.texts]
    assert all(box.y0 >= 0 and box.y1 <= fig.bbox.y1 for box in assert_inside(fig, drawn))


@pytest.mark.parametrize("num_classes", [1, 2, 174])
def test_video_prediction_shows_at_most_five_classes_by_fused_score(num_classes):
    rng = np.random.default_rng(0)
    scores = {stream: rng.dirichlet(np.ones(num_classes)) for stream in STREAMS}
    frame, names = make_frames(1)[0], MANY[:num_classes]
    frame_axes, flow_axes, bars = plot_video_prediction(frame, uniform_flow(0, 0), scores, names)
    np.testing.assert_array_equal(frame_axes.images[0].get_array(), frame)
    top = np.argsort(scores["fused"])[::-1][:5]
    for container in bars.containers:
        widths = [bar.get_width() for bar in container]
        np.testing.assert_allclose(widths, scores[container.get_label()][top])
    assert len(tick_names(bars.yaxis)) == min(num_classes, 5)
    assert bars.yaxis_inverted()  # the likeliest is on top
    assert (flow_axes.images[0].get_array() == 255).all()
