"""The pictures of clips whose motion is known."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import TINY_NAMES
from PIL import Image

from src.atlas import media
from src.inputs import read_clips

SEGMENTS = np.array([0, 1])


@pytest.fixture(scope="module")
def tiny(tiny_store):
    return read_clips(tiny_store[0])


def row_of(clips, label, **values):
    row = next(clips[clips.label == label].itertuples())
    return SimpleNamespace(**row._asdict() | values)


def tiles(image, count):
    """The tiles of a film: float (count, H, W, …)."""
    pixels = np.asarray(Image.open(io.BytesIO(image)), float)
    return np.stack(np.split(pixels, count, axis=1))


def test_a_film_shows_the_video_in_order_with_the_stored_frames_in_their_places(tiny):
    clips, store, _ = tiny
    row = row_of(clips, TINY_NAMES[1])
    film = media.make_film(row, store, SEGMENTS)
    assert film.count == media.FRAMES and film.size == (48, 64)
    frames = tiles(film.frames, film.count)
    for segment in SEGMENTS:
        place = segment * film.count // 2 + film.count // 4
        assert np.abs(frames[place] - store.read_frame(row.clip_name, segment)).mean() < 10  # WebP


def test_without_its_video_a_clip_shows_the_stored_frames(tiny, tmp_path):
    clips, store, _ = tiny
    film = media.make_film(row_of(clips, TINY_NAMES[0], path=str(tmp_path / "gone.webm")), store, SEGMENTS)
    assert film.count == len(SEGMENTS) and len(tiles(film.frames, 2)) == 2


def test_a_long_video_is_not_decoded(tiny, monkeypatch):
    clips, store, _ = tiny
    monkeypatch.setattr(media, "MOST_DECODED", 5)
    monkeypatch.setattr(media, "read_frames", None)
    assert media.make_film(row_of(clips, TINY_NAMES[0]), store, SEGMENTS).count == len(SEGMENTS)


@pytest.mark.parametrize("label, strong, weak", [(TINY_NAMES[1], 0, 2), (TINY_NAMES[2], 2, 0)])
def test_flow_to_the_right_is_red_and_to_the_left_cyan(tiny, label, strong, weak):
    clips, store, _ = tiny
    film = media.make_film(row_of(clips, label), store, SEGMENTS)
    colour = tiles(film.flow, 2).mean(axis=(0, 1, 2))
    assert colour[strong] > 200 > 120 > colour[weak]


def test_still_clips_have_white_flow(tiny):
    clips, store, _ = tiny
    film = media.make_film(row_of(clips, TINY_NAMES[0]), store, SEGMENTS)
    assert tiles(film.flow, 2).mean() > 245 and film.full_colour == 1


def test_maps_are_brightness():
    maps = np.zeros((2, 48, 64), np.float32)
    maps[1, :24] = 1
    first, second = tiles(media.encode_maps(maps), 2)[..., 0]
    assert first.mean() == pytest.approx(255 * media.DIMMED, abs=3)
    assert second[4:16].mean() == pytest.approx(255, abs=3) and second[-8:].mean() < 100


@pytest.mark.parametrize("height, width, size", [(128, 171, (128, 171)), (360, 640, (108, 192)), (16, 256, (12, 192))])
def test_tiles_are_small_whatever_the_aspect(height, width, size):
    assert media._tile_size(height, width) == size
