"""The figure of doubtful labels: label and answer, every stream's score of each, and texts that fit."""

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
    uniform_flow,
)

from src.metrics import find_label_errors
from src.plots import plot_label_errors
from src.plots.style import flow_to_rgb

pytestmark = pytest.mark.filterwarnings("error")


def make_errors(scores, labels, names):
    errors = find_label_errors(scores["fused"], labels, names)
    return errors.assign(video_id=[f"video {row}" for row in errors.row])


def test_label_and_answer_have_a_score_of_each_stream():
    scores = dict.fromkeys(STREAMS, make_scores([0, 1, 0], 2)) | {"spatial": make_scores([0, 1, 1], 2)}
    errors = make_errors(scores, np.array([0, 1, 1]), PUSHES)
    axes = plot_label_errors(make_frames(1), [uniform_flow(0, 5)], errors, scores, PUSHES)
    assert axes.shape == (1, 3)
    assert axes[0, 0].get_title(loc="left") == "video 2" + ", suspect"
    assert (axes[0, 1].images[0].get_array() == flow_to_rgb(uniform_flow(0, 5), 5)).all()
    given, spatial, *_, fused = texts(axes[0, 2])[:4]
    assert given.startswith("label: ") and given.endswith("left") and (spatial, fused) == ("spatial 0.70", "fused 0.30")
    answer, *others = texts(axes[0, 2])[4:]
    assert answer.startswith("answer: ") and answer.endswith("right")
    assert others == ["spatial 0.30", "temporal 0.70", "fused 0.70"]
    assert [bar.get_width() for bar in axes[0, 2].patches] == pytest.approx([0.7, 0.3, 0.3, 0.3, 0.7, 0.7])


def test_an_answer_that_is_the_label_is_drawn_once():
    scores = dict.fromkeys(STREAMS, make_scores([0], 2))
    errors = make_errors(scores, np.array([0]), PUSHES)
    axes = plot_label_errors(make_frames(1), [uniform_flow(0, 5)], errors, scores, PUSHES)
    assert texts(axes[0, 2])[4:] == ["answer: the same"] and len(axes[0, 2].patches) == 3


@pytest.mark.parametrize(("count", "num_classes"), [(1, 2), (3, 2), (11, 174)])
def test_any_number_of_clips_stays_in_the_figure(count, num_classes):
    names = MANY[:num_classes]
    scores = dict.fromkeys(STREAMS, make_scores(np.arange(count) % num_classes, num_classes))
    errors = make_errors(scores, np.zeros(count, int), names).assign(video_id="a folder/of a video with a name " * 4)
    axes = plot_label_errors(make_frames(count, 24, 43), [uniform_flow(1, 1, 24, 43)] * count, errors, scores, names)
    assert axes.shape == (min(count, 8), 3)
    for row in axes:
        assert_inside(row[0].figure, [*row[2].texts, row[0]._left_title])


def test_a_wide_clip_is_large_beside_a_high_one():
    scores = dict.fromkeys(STREAMS, make_scores([0, 1], 2))
    errors = make_errors(scores, np.array([0, 1]), PUSHES)
    sizes = (48, 24), (24, 48)
    frames, flows = [make_frames(1, *size)[0] for size in sizes], [uniform_flow(0, 5, *size) for size in sizes]
    axes = plot_label_errors(frames, flows, errors, scores, PUSHES)
    figure = axes[0, 0].figure
    figure.canvas.draw()
    boxes = [ax.get_window_extent() for ax in axes[:, 0]]
    assert boxes[1].width / figure.dpi == pytest.approx(1.28, rel=0.1) and boxes[0].height > boxes[1].height
