"""Figures: what is drawn is what was given, names fit, nothing is shown and nothing warns."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.colors import rgb_to_hsv, to_rgba  # noqa: E402
from matplotlib.quiver import Quiver  # noqa: E402

from src import plots  # noqa: E402
from src.optical_flow import quantize_flow, stack_flow  # noqa: E402

BOUND = 20.0
STREAMS = ("spatial", "temporal", "fused")
PUSHES = ["Pushing something from left to right", "Pushing something from right to left"]
MANY = [f"Pretending or failing to wipe something off of something, {i} in so many words" for i in range(174)]

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def closed_and_unseen(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("plt.show was called")

    monkeypatch.setattr(plt, "show", refuse)
    settings = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == settings
    for number in plt.get_fignums():  # layout and glyph warnings come with the drawing
        plt.figure(number).draw_without_rendering()
        assert plt.figure(number).get_figwidth() <= 9
    plt.close("all")


def texts(ax):
    return [text.get_text() for text in ax.texts]


def tick_names(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def make_frames(count, height=24, width=32):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def uniform_flow(u, v, height=24, width=32):
    return np.full((height, width, 2), (u, v), np.float32)


def make_scores(winners, num_classes):
    """Scores (N, C) of 0.7 for each winner, the rest shared."""
    rows = np.full((len(winners), num_classes), 0.3 / max(num_classes - 1, 1))
    rows[np.arange(len(winners)), winners] = 0.7
    return rows


def make_table(counts, splits=("train", "validation", "test")):
    rows = []
    for label, numbers in counts.items():
        for split, number in zip(splits, numbers, strict=True):
            rows += [(label, split)] * number
    return pd.DataFrame(rows, columns=["label", "split"])


def test_class_counts_are_the_stacked_bars():
    table = make_table({PUSHES[0]: (3, 2, 1), PUSHES[1]: (5, 0, 4)})
    ax = plots.plot_class_counts(table)
    assert tick_names(ax.yaxis) == PUSHES  # bottom to top: the larger class is above
    widths = {bars.get_label(): [bar.get_width() for bar in bars] for bars in ax.containers}
    assert widths == {"train": [3, 5], "validation": [2, 0], "test": [1, 4]}
    assert [bar.get_x() for bar in ax.containers[2]] == [5, 5]
    assert ax.get_title() == "15 clips in 2 classes"


def test_class_counts_without_splits_have_one_colour_and_no_legend():
    ax = plots.plot_class_counts(make_table({"fight": (2,)}, splits=("",)))
    assert [bar.get_width() for bar in ax.patches] == [2]
    assert ax.get_legend() is None


def test_class_counts_of_many_classes_say_how_many_and_name_none():
    ax = plots.plot_class_counts(make_table({name: (1, 1, 1) for name in MANY}))
    assert tick_names(ax.yaxis) == []
    assert ax.get_ylabel() == "174 classes"
    assert len(ax.patches) == 3 * 174


def test_single_panel_functions_draw_where_they_are_told():
    _, panels = plt.subplots(1, 3, figsize=(9, 3))
    per_class = pd.DataFrame({stream: [0.5] for stream in STREAMS}, index=["fight"])
    metrics = {"n": 10, "chance": 0.5} | {stream: {"top1": 0.5} for stream in STREAMS}
    assert plots.plot_class_counts(make_table({"fight": (1, 1, 1)}), ax=panels[0]) is panels[0]
    assert plots.plot_class_accuracy(per_class, ax=panels[1]) is panels[1]
    assert plots.plot_accuracies(metrics, ax=panels[2]) is panels[2]
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize(("count", "chosen"), [(1, [0]), (3, [0, 1, 2]), (15, range(0, 15, 2))])
def test_frames_are_at_most_eight_from_first_to_last(count, chosen):
    frames = make_frames(count)
    axes = plots.plot_frames(frames)
    assert [ax.get_title() for ax in axes] == [f"frame {number}" for number in chosen]
    np.testing.assert_array_equal(axes[-1].images[0].get_array(), frames[-1])


def test_frames_need_one_title_each():
    assert plots.plot_frames(make_frames(1), ["start"])[0].get_title() == "start"
    with pytest.raises(ValueError, match="2 frames, 1 titles"):
        plots.plot_frames(make_frames(2), ["start"])


def test_no_motion_is_white():
    assert (plots.flow_to_rgb(uniform_flow(0, 0)) == 255).all()


@pytest.mark.parametrize(
    ("motion", "hue"), [((4, 0), 0), ((0, 4), 0.25), ((-4, 0), 0.5), ((0, -4), 0.75), ((-4, -4), 0.625)]
)
def test_hue_is_the_direction(motion, hue):
    picture = plots.flow_to_rgb(uniform_flow(*motion))
    assert picture.dtype == np.uint8 and picture.shape == (24, 32, 3)
    found, saturation, _ = rgb_to_hsv(picture[0, 0] / 255)
    assert found == pytest.approx(hue, abs=0.005)
    assert saturation == 1


def test_opposite_motion_has_the_opposite_hue():
    flow = np.random.default_rng(0).normal(size=(8, 8, 2)).astype(np.float32) * 5
    one, other = (rgb_to_hsv(plots.flow_to_rgb(f, max_magnitude=1) / 255)[..., 0] for f in (flow, -flow))
    np.testing.assert_allclose((one - other) % 1, 0.5, atol=0.01)


def test_saturation_is_the_speed_up_to_the_maximum():
    for speed, saturation in ((1, 0.25), (2, 0.5), (4, 1), (9, 1)):
        colour = plots.flow_to_rgb(uniform_flow(speed, 0), max_magnitude=4)[0, 0] / 255
        assert rgb_to_hsv(colour)[1] == pytest.approx(saturation, abs=0.01)
    assert plots.flow_to_rgb(uniform_flow(0.1, 0)).min() > 225  # noise below a pixel stays pale


def test_flow_arrows_end_where_the_pixels_go():
    axes = plots.plot_flow(make_frames(1, 64, 96)[0], uniform_flow(3, 6, 64, 96))
    arrows = next(artist for artist in axes[0].collections if isinstance(artist, Quiver))
    assert arrows.N == 4 * 6
    assert (arrows.U == 3).all() and (arrows.V == 6).all()
    assert arrows.angles == arrows.scale_units == "xy"
    assert axes[0].get_title() == f"frame, arrows = motion × {round(1 / arrows.scale)}"
    axes[0].figure.draw_without_rendering()
    tips = arrows.get_paths()[0].vertices * arrows.get_transform().transform((1, 1))
    tip = tips[np.argmax(np.abs(tips).sum(axis=1))]
    assert tip[0] > 0 > tip[1]  # on the canvas, where y grows upwards: to the right, and down


def test_flow_wheel_has_the_scale_of_the_flow():
    frame_axes, flow_axes, wheel_axes = plots.plot_flow(make_frames(1)[0], uniform_flow(-3, 4))
    assert tick_names(wheel_axes.xaxis) == ["-5.0", "0", "5.0"]
    assert wheel_axes.yaxis_inverted()  # + v is down, as in the picture
    wheel = wheel_axes.images[0].get_array()
    assert (wheel[0, 0] == 255).all() and (wheel[100, 200] == (255, 0, 0)).all()
    assert (flow_axes.images[0].get_array() == plots.flow_to_rgb(uniform_flow(-3, 4))).all()


def test_a_still_scene_has_no_arrows():
    axes = plots.plot_flow(make_frames(1)[0], uniform_flow(0, 0))
    assert next(artist for artist in axes[0].collections if isinstance(artist, Quiver)).N == 0


@pytest.mark.parametrize("length", [1, 3, 10])
def test_flow_stack_has_u_above_v_in_px_per_frame(length):
    flow = np.stack([uniform_flow(i + 1, -i) for i in range(length)])
    axes = plots.plot_flow_stack(stack_flow(quantize_flow(flow, BOUND)), BOUND)
    assert axes.shape == (2, length)
    for i in range(length):
        (above,), (below,) = axes[0, i].images, axes[1, i].images
        assert (axes[0, i].get_title(), axes[1, i].get_title()) == (f"u{i + 1}", f"v{i + 1}")
        np.testing.assert_allclose(above.get_array(), i + 1, atol=BOUND / 254)
        np.testing.assert_allclose(below.get_array(), -i, atol=BOUND / 254)
        assert above.get_clim() == below.get_clim()
        assert sum(above.get_clim()) == 0  # no motion is in the middle
    assert axes[0, 0].figure.axes[-1].get_ylabel() == "px/frame"


@pytest.mark.parametrize("count", [1, 2, 11])
def test_batch_shows_frames_mean_flow_and_names(count):
    flow = np.stack([uniform_flow(2, 0), uniform_flow(6, 0)])  # on average 4
    still = np.zeros_like(flow)
    stacks = np.stack([stack_flow(quantize_flow(still if i else flow, BOUND)) for i in range(count)])
    frames = make_frames(count)
    axes = plots.plot_batch(frames, stacks, (PUSHES + MANY)[:count], BOUND)
    assert axes.shape == (2, min(count, 8))
    assert axes[0, 0].get_title().replace("\n", " ") == PUSHES[0]
    np.testing.assert_array_equal(axes[0, 0].images[0].get_array(), frames[0])
    assert (axes[1, 0].images[0].get_array() == (255, 0, 0)).all()
    assert all((ax.images[0].get_array() == 255).all() for ax in axes[1, 1:])
    assert "full colour = 4.0 px/frame" in axes[0, 0].figure.get_supxlabel().replace("\n", " ")


def make_history(val_accuracy, **columns):
    epochs = np.arange(1, len(val_accuracy) + 1)
    return pd.DataFrame({"epoch": epochs, "loss": 1 / epochs, "accuracy": 1 - 1 / epochs,
                         "val_loss": 2 / epochs, "val_accuracy": val_accuracy, **columns})


def test_history_draws_train_dashed_validation_solid_and_marks_the_best():
    history = make_history([0.2, 0.6, 0.6, 0.5])
    axes = plots.plot_history(history, title="Temporal stream", stream="temporal")
    assert [ax.get_title() for ax in axes] == ["Temporal stream: loss", "Temporal stream: accuracy"]
    for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
        train, validation, best = ax.lines
        assert (train.get_linestyle(), validation.get_linestyle()) == ("--", "-")
        np.testing.assert_array_equal(train.get_ydata(), history[name])
        np.testing.assert_array_equal(validation.get_ydata(), history[f"val_{name}"])
        assert list(best.get_xdata()) == [3]  # as accurate as epoch 2, at a lower loss
        assert {line.get_color() for line in ax.lines} == {plots.STREAM_COLOURS["temporal"]}
    assert axes[1].get_legend().get_texts()[2].get_text() == "best: epoch 3, accuracy 0.60"


def test_history_marks_where_the_phase_changes():
    axes = plots.plot_history(make_history([0.1, 0.2, 0.3], phase=["head", "head", "fine-tuning"]))
    for ax in axes:
        assert texts(ax) == ["head", "fine-tuning"]
        assert list(ax.lines[3].get_xdata()) == [2.5, 2.5]
        assert len(ax.lines) == 4


def test_history_of_one_epoch_in_given_panels():
    _, panels = plt.subplots(1, 2)
    axes = plots.plot_history(make_history([0.5]), axes=panels)
    assert list(axes) == list(panels)
    assert [ax.get_title() for ax in axes] == ["loss", "accuracy"]


def test_confusion_matrix_counts_shares_and_accuracy():
    matrix = np.array([[3, 1], [0, 4]])
    axes = plots.plot_confusion_matrices(dict.fromkeys(STREAMS, matrix), PUSHES)
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
    axes = plots.plot_confusion_matrices({"fused": np.zeros((1, 1), int)}, ["fight"])
    assert axes[0].get_title() == "fused: 0.0% right"
    assert axes[0].images[0].get_array() == 0


@pytest.mark.parametrize(
    ("count", "numbered", "named"), [(12, 12, 12), (13, 0, 13), (30, 0, 30), (31, 0, 0), (174, 0, 0)]
)
def test_confusion_matrices_of_many_classes_lose_numbers_then_names(count, numbered, named):
    matrices = dict.fromkeys(STREAMS[:2], np.eye(count, dtype=int))
    for ax in plots.plot_confusion_matrices(matrices, MANY[:count]):
        assert len(ax.texts) == numbered
        assert len(ax.get_xticks()) == len(ax.get_yticks()) == named


def test_confusion_matrix_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"'fused' must be 3 × 3. Received: \(2, 2\)"):
        plots.plot_confusion_matrices({"fused": np.eye(2, dtype=int)}, ["a", "b", "c"])


def test_class_accuracy_is_sorted_by_fused_and_keeps_the_streams_colours():
    rows = [(0.1, 0.5, 0.4), (0.2, 0.3, 0.9), (np.nan, np.nan, np.nan)]
    per_class = pd.DataFrame(rows, index=[*PUSHES, "absent"], columns=STREAMS)
    ax = plots.plot_class_accuracy(per_class)
    assert tick_names(ax.yaxis) == ["absent", *PUSHES]
    dots = {dots.get_label(): dots for dots in ax.collections[1:]}
    np.testing.assert_allclose(dots["fused"].get_offsets()[1:], [(0.4, 1), (0.9, 2)])
    np.testing.assert_allclose(dots["spatial"].get_offsets()[1:], [(0.1, 1), (0.2, 2)])
    for stream in STREAMS:
        assert tuple(dots[stream].get_facecolor()[0]) == to_rgba(plots.STREAM_COLOURS[stream])


@pytest.mark.parametrize(("count", "named"), [(1, 1), (40, 40), (174, 0)])
def test_class_accuracy_names_up_to_forty_classes(count, named):
    per_class = pd.DataFrame({stream: np.linspace(0, 1, count) for stream in STREAMS}, index=MANY[:count])
    assert len(tick_names(plots.plot_class_accuracy(per_class).yaxis)) == named


def test_accuracies_are_the_bars_and_chance_the_line():
    metrics = {"n": 1600, "chance": 0.125}
    for stream, top1 in zip(STREAMS, (0.5, 0.68, 1.0), strict=True):
        metrics[stream] = {"top1": top1, "top5": 1.0, "mean_class": 0.0}
    ax = plots.plot_accuracies(metrics)
    assert [bar.get_height() for bar in ax.patches] == [0.5, 0.68, 1.0]
    for bar, stream in zip(ax.patches, STREAMS, strict=True):
        assert bar.get_facecolor() == to_rgba(plots.STREAM_COLOURS[stream])
    assert tick_names(ax.xaxis) == list(STREAMS)
    assert list(ax.lines[0].get_ydata()) == [0.125, 0.125]
    assert texts(ax) == ["50.0%", "68.0%", "100.0%", "chance\n12.5%"]
    assert ax.get_title() == "top-1 accuracy, 1,600 clips"


def test_predictions_say_who_was_right():
    scores = {"spatial": make_scores([1], 2), "temporal": make_scores([0], 2), "fused": make_scores([0], 2)}
    axes = plots.plot_predictions(make_frames(1), [uniform_flow(0, 5)], [0], scores, PUSHES)
    assert axes.shape == (1, 3)
    assert axes[0, 0].get_title(loc="left") == PUSHES[0]
    assert (axes[0, 1].images[0].get_array() == plots.flow_to_rgb(uniform_flow(0, 5))).all()
    right, wrong = (name.replace("something", "sth") for name in PUSHES)
    said = texts(axes[0, 2])
    assert said == ["✗", "spatial 0.70", wrong, "✓", "temporal 0.70", right, "✓", "fused 0.70", right]
    assert axes[0, 2].texts[4].get_color() == plots.STREAM_COLOURS["temporal"]


@pytest.mark.parametrize(("count", "num_classes"), [(1, 1), (3, 2), (11, 174)])
def test_predictions_of_any_number_of_clips_stay_in_the_figure(count, num_classes):
    scores = dict.fromkeys(STREAMS, make_scores(np.arange(count) % num_classes, num_classes))
    flows = [uniform_flow(1, 1, 24, 43)] * count
    truths = np.zeros(count, int)
    axes = plots.plot_predictions(make_frames(count, 24, 43), flows, truths, scores, MANY[:num_classes])
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
    frame_axes, flow_axes, bars = plots.plot_video_prediction(frame, uniform_flow(0, 0), scores, names)
    np.testing.assert_array_equal(frame_axes.images[0].get_array(), frame)
    top = np.argsort(scores["fused"])[::-1][:5]
    for container in bars.containers:
        widths = [bar.get_width() for bar in container]
        np.testing.assert_allclose(widths, scores[container.get_label()][top])
    assert len(tick_names(bars.yaxis)) == min(num_classes, 5)
    assert bars.yaxis_inverted()  # the likeliest is on top
    assert (flow_axes.images[0].get_array() == 255).all()


def test_names_keep_the_end_that_tells_them_apart():
    names = [plots._shorten(name, 26) for name in PUSHES]
    assert names == ["Pushing sth … to right", "Pushing sth … to left"]
    assert plots._shorten("Holding something", 26) == "Holding something"
    assert all(len(plots._shorten(name, width)) <= width for name in MANY for width in (26, 30, 46, 68))
