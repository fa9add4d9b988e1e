import cv2
import numpy as np
import pytest
from conftest import FIGHTS

from src.config import ClipConfig
from src.preprocessing import extract_clip
from src.store.encoding import encode_frame, encode_stack, join_tiles, split_tiles


@pytest.mark.parametrize("length", [1, 10])
@pytest.mark.parametrize("height, width", [(48, 64), (17, 23), (128, 171), (1, 1)])
def test_tiles_hold_the_stack_unchanged(height, width, length):
    stack = np.random.default_rng(0).integers(1, 256, (height, width, 2 * length), dtype=np.uint8)
    tiles = join_tiles(stack)
    assert tiles.ndim == 2 and tiles.dtype == np.uint8
    assert np.array_equal(split_tiles(tiles, length, height, width), stack)


def test_each_field_is_a_row_with_u_left_and_v_right():
    stack = np.broadcast_to(np.uint8([11, 12, 21, 22, 31, 32]), (16, 24, 6))
    tiles = join_tiles(stack)
    assert tiles.shape == (3 * 16, 2 * 24)
    assert tiles[::16, ::24].tolist() == [[11, 12], [21, 22], [31, 32]]
    assert tiles[15::16, 23::24].tolist() == [[11, 12], [21, 22], [31, 32]]


def test_tiles_start_on_block_borders():
    """Otherwise a JPEG block would mix two fields: here one is at the bound, and the others are still."""
    stack = np.full((17, 23, 6), 128, np.uint8)
    stack[..., 2] = 255
    tiles = cv2.imdecode(np.frombuffer(encode_stack(stack), np.uint8), cv2.IMREAD_GRAYSCALE)
    decoded = split_tiles(tiles, 3, 17, 23)
    assert (decoded[..., [0, 1, 3, 4, 5]] == 128).all()
    assert (decoded[..., 2] >= 254).all()


def test_clips_are_small():
    """At most 150 KB for short side 256 and three segments, the mean of real clips; here with one segment each.

    Displacements grow with the size, and so does the bound.
    """
    videos = sorted(FIGHTS.glob("*/*.mp4"))[3::45]
    if not videos:
        pytest.skip(f"the real clips are not in {FIGHTS}")
    clips = [extract_clip(path, ClipConfig(short_side=256, num_segments=1, flow_bound=20)) for path in videos]
    sizes = [len(encode_frame(clip.frames[0])) + len(encode_stack(clip.stacks[0])) for clip in clips]
    assert np.mean(sizes) <= 150_000 / 3
