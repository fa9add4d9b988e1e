"""One clip: playing, its segments, and its stored picture beside a fresh one."""

import io
from dataclasses import replace

import numpy as np
import pytest
from conftest import moving_texture
from figures import drawn_and_closed, make_frames, tick_names  # noqa: F401
from PIL import Image

from src import plots
from src.plots.clip import MOST_BYTES, MOST_FRAMES
from src.preprocessing.comparison import Comparison

pytestmark = pytest.mark.filterwarnings("error")


def test_a_clip_plays_at_its_own_speed_and_repeats():
    animation = plots.play_clip(moving_texture(24, 2, 1, 48, 64), 2.0, "pushing (clip 7)")
    image = Image.open(io.BytesIO(animation.webp))
    assert (image.format, image.n_frames, image.size) == ("WEBP", 24, (64, 48))
    image.seek(1)
    image.load()
    assert image.info["duration"] == round(2000 / 24) and image.info["loop"] == 0
    assert len(animation.webp) <= MOST_BYTES


def test_a_long_clip_of_noise_is_made_small():
    noise = np.random.default_rng(0).integers(0, 256, (100, 96, 128, 3), np.uint8)
    animation = plots.play_clip(noise, 8.0, "noise", most_bytes=25_000)
    image = Image.open(io.BytesIO(animation.webp))
    assert len(animation.webp) <= 25_000 and image.n_frames == MOST_FRAMES and image.width < 128


def test_an_animation_is_html_with_a_description_and_text_without():
    animation = plots.play_clip(make_frames(2), 1.0, 'a "<b>" & c')
    assert 'alt="a &quot;&lt;b&gt;&quot; &amp; c"' in animation._repr_html_()
    assert "data:image/webp;base64,UklGR" in animation._repr_html_()
    assert repr(animation) == 'a "<b>" & c'


def test_the_longer_side_of_an_animation_is_as_long_on_the_page():
    for height, width, shown in ((48, 96, 360), (96, 48, 180)):
        html = plots.play_clip(make_frames(2, height, width), 1.0, "run")._repr_html_()
        assert f'style="width: {shown}px;' in html


def test_the_timeline_shows_windows_and_middle_frames():
    windows = [(0, 1, 2, 3, 4), (6, 7, 8, 10, 11)]  # frame 9 repeats frame 8
    *images, line = plots.plot_segment_timeline(make_frames(2), windows, 12, seconds=2.0)
    assert [ax.get_title() for ax in images] == ["segment 1: frame 2", "segment 2: frame 8"]
    first, second = (bars.get_paths() for bars in line.collections)
    assert [path.get_extents().x0 for path in first] == [-0.5, 0.5, 1.5, 2.5, 3.5]
    assert [path.get_extents().x0 for path in second] == [5.5, 6.5, 7.5, 9.5, 10.5]
    assert line.get_lines()[0].get_xdata().tolist() == [2, 8] and line.get_xlim() == (-0.5, 11.5)
    assert tick_names(line.yaxis) == ["1", "2"] and "frame, of 12" in line.get_xlabel()
    [seconds] = line.child_axes
    line.figure.draw_without_rendering()
    assert seconds.get_xlim() == pytest.approx((-0.5 / 6, 11.5 / 6))


@pytest.mark.parametrize("count", [1, 9, 60])
def test_the_timeline_of_any_number_of_segments(count):
    axes = plots.plot_segment_timeline(make_frames(count), [(n, n + 1) for n in range(count)], count + 1)
    assert len(axes) == min(count, 8) + 1 and not axes[-1].child_axes


def test_stored_and_fresh_are_beside_their_difference():
    frames = np.full((2, 24, 32, 3), 100, np.uint8)
    stacks = np.full((2, 24, 32, 4), 128, np.uint8)
    found = Comparison("7", "run", frames, frames, stacks, stacks, 12.7, True)
    altered = replace(found, stored_frames=frames + np.uint8(3), stored_stacks=stacks + np.uint8(20))
    axes = plots.plot_stored_and_fresh(altered, 0)
    assert axes.shape == (2, 3)
    titles = ["difference, at most 3 grey levels", "difference, at most 2.83 px/frame"]  # 2 · √2
    assert [ax.get_title() for ax in axes[:, 2]] == titles
    np.testing.assert_array_equal(axes[0, 0].images[0].get_array(), altered.stored_frames[0])
    assert (axes[1, 1].images[0].get_array() == 255).all()
    plots.plot_stored_and_fresh(found)  # no difference at all
