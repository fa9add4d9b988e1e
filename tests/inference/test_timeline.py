"""The moments of a video in one table."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import TINY_CONFIG, TINY_NAMES, TINY_TRAINING, moving_texture, write_video

from src.inference.sliding_window import Moment, predict_stream
from src.inference.timeline import collect_timeline, frames_per_second, predict_long_video


def make_moments(number, period=0.5):
    for n in range(number):
        scores = {stream: np.float32([1 - n / 1000, n / 1000]) for stream in ("spatial", "temporal", "fused")}
        yield Moment(5 * n, n / 10, np.full((2, 2, 3), n % 256, np.uint8), scores, 100 + n * period)


def test_a_timeline_has_a_row_for_each_window_and_a_column_for_each_stream_and_class(two_stream, tmp_path):
    video = write_video(tmp_path / "clip.webm", moving_texture(20, 2, 0, 48, 64))
    line = predict_long_video(video, two_stream, TINY_NAMES, TINY_CONFIG, TINY_TRAINING, 5)
    moments = list(predict_stream(video, two_stream, TINY_NAMES, TINY_CONFIG, TINY_TRAINING, 5))
    assert line.scores.index.name == "seconds" and line.scores["fused"].columns.tolist() == TINY_NAMES
    np.testing.assert_array_equal(line.scores.index, [moment.seconds for moment in moments])
    for stream in ("spatial", "temporal", "fused"):
        np.testing.assert_array_equal(line.scores[stream], [moment.scores[stream] for moment in moments])
    assert list(line.frames) == list(line.scores.index) and line.fps > 0
    np.testing.assert_array_equal(line.frames[moments[3].seconds], moments[3].frame)
    assert line.windows.frame.tolist() == line.windows.middle.tolist() == [moment.index for moment in moments]


def test_scores_of_a_clip_stand_over_its_middle():
    moments = [replace(moment, first=(0, 0.0), part=n // 2) for n, moment in enumerate(make_moments(4))]
    line = collect_timeline(moments, ["no", "yes"], 5)
    np.testing.assert_allclose(line.scores.index, [0, 0.05, 0.1, 0.15])
    np.testing.assert_allclose(line.windows.seconds, [0, 0.1, 0.2, 0.3])
    assert line.windows.frame.tolist() == [0, 5, 10, 15] and line.windows.middle.tolist() == [0, 2, 5, 7]


def test_true_classes_change_half_way_between_the_windows_of_two_videos():
    moments = [replace(moment, part=n // 3) for n, moment in enumerate(make_moments(9))]
    line = collect_timeline(moments, ["no", "yes"], 5)
    table = line.label_parts(["no", None, "yes"])
    assert table["class"].tolist() == ["no", "yes"]
    np.testing.assert_allclose(table[["start", "end"]], [[0, 0.25], [0.55, 0.8]])


@pytest.mark.parametrize("number, kept, every", [(1, 1, 1), (64, 64, 1), (65, 33, 2), (1000, 63, 16)])
def test_a_timeline_keeps_few_frames_evenly_spaced(number, kept, every):
    line = collect_timeline(make_moments(number), ["no", "yes"], 5)
    assert len(line.scores) == number and len(line.frames) == kept
    np.testing.assert_allclose(list(line.frames), np.arange(kept) * every / 10)
    assert all((frame == round(10 * seconds) % 256).all() for seconds, frame in line.frames.items())


def test_the_rate_is_that_after_the_first_window():
    assert frames_per_second([3.0, 3.5, 4.0, 5.0], step=4) == 3 * 4 / 2
    assert np.isnan(frames_per_second([3.0], step=4)) and np.isnan(frames_per_second([], step=4))
    assert collect_timeline(make_moments(7, period=0.25), ["no", "yes"], 5).fps == pytest.approx(20)
