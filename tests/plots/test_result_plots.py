"""Figures of the training and the results: what is drawn is what was given, and names fit."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.colors import to_hex, to_rgba  # noqa: E402
from test_plots import MANY, PUSHES, closed_and_unseen, make_frames, tick_names, uniform_flow  # noqa: E402, F401

from src.plots import results as result_plots
from src.plots.data import flow_to_rgb, shorten  # noqa: E402

STREAMS = ("spatial", "temporal", "fused")

pytestmark = pytest.mark.filterwarnings("error")


def texts(ax):
    return [text.get_text() for text in ax.texts]


def make_scores(winners, num_classes):
    """Scores (N, C) of 0.7 for each winner, the rest shared."""
    rows = np.full((len(winners), num_classes), 0.3 / max(num_classes - 1, 1))
    rows[np.arange(len(winners)), winners] = 0.7
    return rows


def make_history(val_accuracy, **columns):
    epochs = np.arange(1, len(val_accuracy) + 1)
    return pd.DataFrame(
        {
            "epoch": epochs,
            "loss": 1 / epochs,
            "accuracy": 1 - 1 / epochs,
            "val_loss": 2 / epochs,
            "val_accuracy": val_accuracy,
        }
        | columns
    )


def test_history_draws_train_dashed_validation_solid_and_marks_the_least_validation_loss():
    history = make_history([0.2, 0.7, 0.6, 0.5], val_loss=[2.0, 1.1, 0.9, 0.9])
    axes = result_plots.plot_history(history, title="Temporal stream", stream="temporal")
    assert [ax.get_title() for ax in axes] == ["Temporal stream: loss", "Temporal stream: accuracy"]
    for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
        train, validation, best = ax.lines
        assert (train.get_linestyle(), validation.get_linestyle()) == ("--", "-")
        np.testing.assert_array_equal(train.get_ydata(), history[name])
        np.testing.assert_array_equal(validation.get_ydata(), history[f"val_{name}"])
        assert list(best.get_xdata()) == [3]  # less accurate than epoch 2, as good as epoch 4: the weights kept
        assert list(best.get_ydata()) == [history[f"val_{name}"][2]]
        assert {line.get_color() for line in ax.lines} == {result_plots.STREAM_COLOURS["temporal"]}
    assert axes[1].get_legend().get_texts()[2].get_text() == "best: epoch 3, accuracy 0.60"


def test_history_marks_where_the_phase_changes():
    axes = result_plots.plot_history(make_history([0.1, 0.2, 0.3], phase=["head", "head", "fine-tuning"]))
    for ax in axes:
        assert texts(ax) == ["head", "fine-tuning"]
        assert list(ax.lines[3].get_xdata()) == [2.5, 2.5]
        assert len(ax.lines) == 4


def test_history_of_one_epoch_in_given_panels():
    _, panels = plt.subplots(1, 2)
    axes = result_plots.plot_history(make_history([0.5]), axes=panels)
    assert list(axes) == list(panels)
    assert [ax.get_title() for ax in axes] == ["loss", "accuracy"]


def test_confusion_matrix_counts_shares_and_accuracy():
    matrix = np.array([[3, 1], [0, 4]])
    axes = result_plots.plot_confusion_matrices(dict.fromkeys(STREAMS, matrix), PUSHES)
    assert [ax.get_title() for ax in axes] == [f"{stream}: 87.5% right" for stream in STREAMS]
    for ax in axes:
        np.testing.assert_allclose(ax.images[0].get_array(), [[0.75, 0.25], [0, 1]])
        assert ax.images[0].get_clim() == (0, 1)
        cells = {text.get_position(): text.get_text() for text in ax.texts}
        assert cells == {(0, 0): "3", (1, 0): "1", (1, 1): "4"}  # x is the prediction; zeros are left out
        assert tick_names(ax.xaxis) == [name.replace("something", "sth") for name in PUSHES]
    axes[0].figure.draw_without_rendering()
    named = [any(label.get_visible() for label in ax.yaxis.get_ticklabels()) for ax in axes]
    assert named == [True, False, False]


def test_confusion_matrix_of_absent_classes_is_blank():
    axes = result_plots.plot_confusion_matrices({"fused": np.zeros((1, 1), int)}, ["fight"])
    assert axes[0].get_title() == "fused: 0.0% right"
    assert axes[0].images[0].get_array() == 0


@pytest.mark.parametrize(
    ("count", "numbered", "named"), [(12, 12, 12), (13, 0, 13), (30, 0, 30), (31, 0, 0), (174, 0, 0)]
)
def test_confusion_matrices_of_many_classes_lose_numbers_then_names(count, numbered, named):
    matrices = dict.fromkeys(STREAMS[:2], np.eye(count, dtype=int))
    for ax in result_plots.plot_confusion_matrices(matrices, MANY[:count]):
        assert len(ax.texts) == numbered
        assert len(ax.get_xticks()) == len(ax.get_yticks()) == named


def test_confusion_matrix_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"'fused' must be 3 × 3. Received: \(2, 2\)"):
        result_plots.plot_confusion_matrices({"fused": np.eye(2, dtype=int)}, ["a", "b", "c"])


def test_single_panel_functions_draw_where_they_are_told():
    _, panels = plt.subplots(1, 2)
    per_class = pd.DataFrame({stream: [0.5] for stream in STREAMS}, index=["fight"])
    metrics = {"n": 10, "majority_class": 0.5} | {stream: {"top1": 0.5} for stream in STREAMS}
    assert result_plots.plot_class_accuracy(per_class, ax=panels[0]) is panels[0]
    assert result_plots.plot_accuracies(metrics, ax=panels[1]) is panels[1]
    assert len(plt.get_fignums()) == 1


def test_class_accuracy_is_sorted_by_fused_and_keeps_the_streams_colours():
    rows = [(0.1, 0.5, 0.4), (0.2, 0.3, 0.9), (np.nan, np.nan, np.nan)]
    per_class = pd.DataFrame(rows, index=[*PUSHES, "absent"], columns=STREAMS)
    ax = result_plots.plot_class_accuracy(per_class)
    assert tick_names(ax.yaxis) == ["absent", *PUSHES]
    dots = {dots.get_label(): dots for dots in ax.collections[1:]}
    np.testing.assert_allclose(dots["fused"].get_offsets()[1:], [(0.4, 1), (0.9, 2)])
    np.testing.assert_allclose(dots["spatial"].get_offsets()[1:], [(0.1, 1), (0.2, 2)])
    for stream in STREAMS:
        assert tuple(dots[stream].get_facecolor()[0]) == to_rgba(result_plots.STREAM_COLOURS[stream])


@pytest.mark.parametrize(("count", "named"), [(1, 1), (40, 40), (174, 0)])
def test_class_accuracy_names_up_to_forty_classes(count, named):
    per_class = pd.DataFrame({stream: np.linspace(0, 1, count) for stream in STREAMS}, index=MANY[:count])
    assert len(tick_names(result_plots.plot_class_accuracy(per_class).yaxis)) == named


def test_accuracies_are_the_bars_and_chance_the_line():
    metrics = {"n": 1600, "majority_class": 0.125}
    for stream, top1 in zip(STREAMS, (0.5, 0.68, 1.0), strict=True):
        metrics[stream] = {"top1": top1, "top5": 1.0, "balanced": 0.0}
    ax = result_plots.plot_accuracies(metrics)
    assert [bar.get_height() for bar in ax.patches] == [0.5, 0.68, 1.0]
    for bar, stream in zip(ax.patches, STREAMS, strict=True):
        assert bar.get_facecolor() == to_rgba(result_plots.STREAM_COLOURS[stream])
    assert tick_names(ax.xaxis) == list(STREAMS)
    assert list(ax.lines[0].get_ydata()) == [0.125, 0.125]
    assert texts(ax) == ["50.0%", "68.0%", "100.0%", "chance\n12.5%"]
    assert ax.get_title() == "top-1 accuracy, 1,600 clips"


def test_predictions_say_who_was_right():
    scores = {"spatial": make_scores([1], 2), "temporal": make_scores([0], 2), "fused": make_scores([0], 2)}
    axes = result_plots.plot_predictions(make_frames(1), [uniform_flow(0, 5)], [0], scores, PUSHES)
    assert axes.shape == (1, 3)
    assert axes[0, 0].get_title(loc="left") == PUSHES[0]
    assert (axes[0, 1].images[0].get_array() == flow_to_rgb(uniform_flow(0, 5))).all()
    right, wrong = (name.replace("something", "sth") for name in PUSHES)
    said = texts(axes[0, 2])
    assert said == ["✗", "spatial 0.70", wrong, "✓", "temporal 0.70", right, "✓", "fused 0.70", right]
    assert axes[0, 2].texts[4].get_color() == result_plots.STREAM_COLOURS["temporal"]


@pytest.mark.parametrize(("count", "num_classes"), [(1, 1), (3, 2), (11, 174)])
def test_predictions_of_any_number_of_clips_stay_in_the_figure(count, num_classes):
    scores = dict.fromkeys(STREAMS, make_scores(np.arange(count) % num_classes, num_classes))
    flows = [uniform_flow(1, 1, 24, 43)] * count
    truths = np.zeros(count, int)
    axes = result_plots.plot_predictions(make_frames(count, 24, 43), flows, truths, scores, MANY[:num_classes])
    assert axes.shape == (min(count, 8), 3)
    fig = axes[0, 0].figure
    assert len(fig.axes) == axes.size
    fig.draw_without_rendering()
    for text in [ax._left_title for ax in axes[:, 0]] + [text for ax in axes[:, 2] for text in ax.texts]:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= fig.bbox.x1 and box.y0 >= 0 and box.y1 <= fig.bbox.y1


@pytest.mark.parametrize("num_classes", [1, 2, 174])
def test_video_prediction_shows_at_most_five_classes_by_fused_score(num_classes):
    rng = np.random.default_rng(0)
    scores = {stream: rng.dirichlet(np.ones(num_classes)) for stream in STREAMS}
    frame, names = make_frames(1)[0], MANY[:num_classes]
    frame_axes, flow_axes, bars = result_plots.plot_video_prediction(frame, uniform_flow(0, 0), scores, names)
    np.testing.assert_array_equal(frame_axes.images[0].get_array(), frame)
    top = np.argsort(scores["fused"])[::-1][:5]
    for container in bars.containers:
        widths = [bar.get_width() for bar in container]
        np.testing.assert_allclose(widths, scores[container.get_label()][top])
    assert len(tick_names(bars.yaxis)) == min(num_classes, 5)
    assert bars.yaxis_inverted()  # the likeliest is on top
    assert (flow_axes.images[0].get_array() == 255).all()


PROBES = ["spatial", "one frame", "temporal", "backwards", "shuffled", "one field"]


def test_probes_show_every_accuracy_and_that_of_all_clips_first():
    shares = [[0.5, 0.25, 1.0, 0.0, 0.75, 0.5], [1.0, 1.0, 0.5, 0.5, 0.5, 0.5]]
    probes = pd.DataFrame(shares, index=["wave", "nod"], columns=PROBES).assign(clips=[4, 12])
    ax = result_plots.plot_probes(probes)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["all 16 clips", "wave", "nod"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == PROBES
    first = (4 * np.array(shares[0]) + 12 * np.array(shares[1])) / 16
    np.testing.assert_allclose(ax.images[0].get_array(), [first, *shares])
    assert len(ax.texts) == 18 and ax.texts[0].get_text() == "0.88"


def test_probes_of_a_class_without_clips_leave_its_row_out_of_the_mean():
    probes = pd.DataFrame([[1.0] * 6, [np.nan] * 6], index=["wave", "nod"], columns=PROBES).assign(clips=[4, 0])
    ax = result_plots.plot_probes(probes)
    np.testing.assert_array_equal(ax.images[0].get_array()[0], 1)
    assert len(ax.texts) == 12


def test_probes_of_many_classes_are_colours_only():
    probes = pd.DataFrame(np.full((174, 6), 0.5), index=MANY[:174], columns=PROBES).assign(clips=1)
    ax = result_plots.plot_probes(probes)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["all 174 clips"] and not ax.texts


def make_timeline(num_windows, span, num_classes=8, num_frames=64, size=(24, 32)):
    """Frames and scores in which each class leads for a time, one after the other."""
    seconds = np.linspace(0.4, span, num_windows)
    winners = np.arange(num_windows) * num_classes // num_windows
    scores = pd.DataFrame(make_scores(winners, num_classes), seconds, MANY[:num_classes])
    shown = np.linspace(0, num_windows - 1, min(num_frames, num_windows)).astype(int)
    return {seconds[n]: np.full((*size, 3), 50 + n % 200, np.uint8) for n in shown}, scores


@pytest.mark.parametrize("num_windows, span", [(1, 0.4), (2, 0.5), (14, 2.0), (300, 60.0), (3600, 600.0)])
@pytest.mark.parametrize("size", [(24, 32), (27, 48), (48, 27)])
def test_each_frame_of_a_timeline_stands_over_its_time(num_windows, span, size):
    frames, scores = make_timeline(num_windows, span, size=size)
    pictures, lines = axes = result_plots.plot_timeline(frames, scores)
    fig = pictures.figure
    fig.draw_without_rendering()
    assert pictures.get_position().x0 == lines.get_position().x0 and pictures.get_xlim() == lines.get_xlim()
    assert 1 <= len(pictures.images) <= 8 and len(axes) == 2
    assert len(pictures.images) >= min(num_windows, 4)
    boxes = []
    for image, label in zip(pictures.images, pictures.texts, strict=True):
        left, right, *_ = image.get_extent()
        time = (left + right) / 2
        nearest = min(frames, key=lambda t: abs(t - time))
        assert nearest == pytest.approx(time) and label.get_text() == f"{time:.{int(span < 99)}f} s"
        np.testing.assert_array_equal(image.get_array(), frames[nearest])
        boxes.append(image.get_window_extent())
        assert boxes[-1].height / boxes[-1].width == pytest.approx(size[0] / size[1], rel=0.02)
        assert any(line.get_xdata()[0] == nearest for line in lines.lines)  # the mark in the panel below
    assert all(one.x1 < other.x0 for one, other in zip(boxes, boxes[1:], strict=False))
    assert boxes[0].x0 >= 0 and boxes[-1].x1 <= fig.bbox.x1 and 30 < boxes[0].height < 260
    assert lines.get_legend().get_window_extent().y0 >= 0


def test_a_timeline_shows_the_classes_that_lead_most_often():
    scores = pd.DataFrame(make_scores([5] * 4 + [2] * 3 + [0] * 2 + [3, 1], 7), np.arange(11) / 2, MANY[:7])
    frames = {0.0: np.zeros((24, 32, 3), np.uint8), 5.0: np.zeros((24, 32, 3), np.uint8)}
    _, ax = result_plots.plot_timeline(frames, scores)
    drawn = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
    assert list(drawn)[:3] == [shorten(MANY[n], 60) for n in (5, 2, 0)] and list(drawn)[4] == "3 other classes"
    assert [line.get_color() for line in drawn.values()][:4] == list(result_plots.CLASS_COLOURS)
    np.testing.assert_array_equal(drawn[shorten(MANY[5], 60)].get_xdata(), scores.index)
    np.testing.assert_array_equal(drawn[shorten(MANY[5], 60)].get_ydata(), scores[MANY[5]])
    bar = [to_hex(patch.get_facecolor()).upper() for patch in ax.patches]
    first, second, third, *_ = result_plots.CLASS_COLOURS
    assert bar[:9] == [first] * 4 + [second] * 3 + [third] * 2
    assert ax.get_ylabel() == "score"


def test_a_long_timeline_is_averaged_over_windows():
    frames, scores = make_timeline(1001, 600.0, num_classes=3)
    _, ax = result_plots.plot_timeline(frames, scores)
    line = next(line for line in ax.lines if line.get_label() == shorten(MANY[0], 60))
    assert len(line.get_xdata()) == 167 and ax.get_ylabel() == "score, mean of 6 windows"
    np.testing.assert_allclose(line.get_ydata()[:-1], scores[MANY[0]].to_numpy()[:996].reshape(-1, 6).mean(axis=1))
    np.testing.assert_allclose(line.get_xdata()[:-1], scores.index.to_numpy()[:996].reshape(-1, 6).mean(axis=1))
