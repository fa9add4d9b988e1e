import json
import os
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from conftest import FIGHTS, moving_texture, write_video

from src.config import EXTRACTION, ClipConfig
from src.flow import compute_flow, dequantize_flow, stack_fields
from src.preprocessing.extraction import extract_clip
from src.store import clip_store
from src.store.clip_store import (
    ABANDONED_AFTER,
    Clip,
    ClipStore,
    clip_name,
    is_abandoned,
    join_tiles,
    read_config,
    split_tiles,
)

CONFIG = ClipConfig(short_side=48, num_segments=2, flow_length=3)
DIGEST = "0123456789abcdef"
NAME = clip_name("7", DIGEST)


def make_clip(height=48, width=64, config=CONFIG, seed=0):
    """A clip as extraction makes it, of textures that move."""
    windows = [moving_texture(config.window_length, 3, -2, height, width, seed + n) for n in range(config.num_segments)]
    stacks = [stack_fields(compute_flow(window), config.flow_length, config.flow_bound) for window in windows]
    indices = [tuple(range(10 * n, 10 * n + config.window_length)) for n in range(config.num_segments)]
    return Clip(np.stack([window[0] for window in windows]), np.stack(stacks), indices)


@pytest.fixture
def store(tmp_path):
    store = ClipStore(tmp_path / "prepared", CONFIG)
    store.prepare()
    return store


@pytest.fixture
def room(store):
    return store.make_staging()


# Tiles


@pytest.mark.parametrize("length", [1, 3, 10])
@pytest.mark.parametrize("height, width", [(48, 64), (17, 23), (128, 171), (9, 8), (1, 1)])
def test_tiles_hold_the_stack_unchanged(height, width, length):
    stack = np.random.default_rng(0).integers(1, 256, (height, width, 2 * length), dtype=np.uint8)
    tiles = join_tiles(stack)
    assert tiles.ndim == 2 and tiles.dtype == np.uint8
    assert np.array_equal(split_tiles(tiles, length, height, width), stack)


def test_a_row_per_field_with_u_left_and_v_right():
    stack = np.broadcast_to(np.uint8([11, 12, 21, 22, 31, 32]), (16, 24, 6))
    tiles = join_tiles(stack)
    assert tiles.shape == (3 * 16, 2 * 24)
    assert tiles[::16, ::24].tolist() == [[11, 12], [21, 22], [31, 32]]
    assert tiles[15::16, 23::24].tolist() == [[11, 12], [21, 22], [31, 32]]


def test_tiles_start_on_block_borders():
    """Else a JPEG block would mix two fields: here one is at the bound, and its neighbours are still."""
    stack = np.full((17, 23, 6), 128, np.uint8)
    stack[..., 2] = 255
    tiles = cv2.imdecode(np.frombuffer(clip_store.encode_stack(stack), np.uint8), cv2.IMREAD_GRAYSCALE)
    found = split_tiles(tiles, 3, 17, 23)
    assert (found[..., [0, 1, 3, 4, 5]] == 128).all()
    assert (found[..., 2] >= 254).all()


# Written and read back


@pytest.mark.parametrize("height, width", [(48, 64), (64, 48), (48, 85), (51, 48)])
def test_what_is_read_is_close_to_what_was_written(store, room, height, width):
    clip = make_clip(height, width)
    store.write(NAME, clip, DIGEST, room)
    for segment in range(2):
        frame, stack = store.read_frame(NAME, segment), store.read_stack(NAME, segment)
        assert frame.shape == (height, width, 3) and frame.dtype == np.uint8
        assert stack.shape == (height, width, 6) and stack.dtype == np.uint8
        assert np.abs(frame.astype(int) - clip.frames[segment]).mean() < 6
        error = dequantize_flow(stack, 20.0) - dequantize_flow(clip.stacks[segment], 20.0)
        assert np.abs(error).mean() < 0.2  # px/frame
        assert np.median(stack, axis=(0, 1)) == pytest.approx(np.median(clip.stacks[segment], axis=(0, 1)), abs=1)


def test_red_stays_red(store, room):
    clip = make_clip()
    red = np.broadcast_to(np.uint8([220, 20, 30]), clip.frames.shape)
    store.write(NAME, Clip(red, clip.stacks, clip.indices), DIGEST, room)
    assert np.abs(store.read_frame(NAME, 1).mean(axis=(0, 1)) - [220, 20, 30]).max() < 3


def test_a_still_stack_is_exactly_still(store, room):
    clip = make_clip(49, 71)
    store.write(NAME, Clip(clip.frames, np.full_like(clip.stacks, 128), clip.indices), DIGEST, room)
    assert (store.read_stack(NAME, 0) == 128).all() and (store.read_stack(NAME, 1) == 128).all()


def test_a_still_background_stays_exactly_still(store, room):
    clip = make_clip()
    stacks = np.full_like(clip.stacks, 128)
    stacks[:, 16:32, 16:32] = 200  # whole JPEG blocks
    store.write(NAME, Clip(clip.frames, stacks, clip.indices), DIGEST, room)
    still = np.ones((48, 64), bool)
    still[16:32, 16:32] = False
    assert (store.read_stack(NAME, 0)[still] == 128).all()


def test_a_frame_and_its_flow_come_from_the_same_place(tmp_path):
    """A red thing moves over a still picture: where the frame is red, and nowhere else, the flow moves."""
    frames = np.repeat(moving_texture(1, 0, 0, 96, 160)[..., :1].repeat(3, axis=-1) // 2, 40, axis=0)
    thing = moving_texture(1, 0, 0, 32, 32, seed=1)[0]
    thing[..., 0], thing[..., 2] = 255, 0
    for index, frame in enumerate(frames):
        frame[8 + index : 40 + index, 10 + 2 * index : 42 + 2 * index] = thing
    path = write_video(tmp_path / "thing.webm", frames)
    config = ClipConfig(short_side=96)
    store = ClipStore(tmp_path / "prepared", config)
    store.prepare()
    store.write(NAME, extract_clip(path, config), DIGEST, store.make_staging())
    for segment, indices in enumerate(store.read_info(NAME)["indices"]):
        now = indices[5]
        frame, stack = store.read_frame(NAME, segment).astype(int), store.read_stack(NAME, segment)
        red = np.argwhere(frame[..., 0] - frame[..., 2] > 150).mean(axis=0)
        assert red == pytest.approx([8 + now + 15.5, 10 + 2 * now + 15.5], abs=1.5)
        u, v = dequantize_flow(stack[..., 10], 20.0), dequantize_flow(stack[..., 11], 20.0)  # from this frame on
        top, left = 8 + now, 10 + 2 * now
        inside = (slice(top + 8, top + 24), slice(left + 8, left + 24))
        assert (np.median(u[inside]), np.median(v[inside])) == pytest.approx((2, 1), abs=0.5)
        far = np.ones(u.shape, bool)
        far[max(0, top - 16) : top + 48, max(0, left - 16) : left + 48] = False
        assert np.abs(u[far]).mean() < 0.1 and np.abs(v[far]).mean() < 0.1


def test_info(store, room):
    clip = make_clip()
    store.write(NAME, clip, DIGEST, room)
    info = store.read_info(NAME)
    assert (info["height"], info["width"]) == (48, 64)
    assert [tuple(indices) for indices in info["indices"]] == clip.indices
    assert info["video"] == DIGEST


def test_num_bytes(store, room):
    store.write(NAME, make_clip(), DIGEST, room)
    files = list((store.folder / NAME).iterdir())
    assert {file.name for file in files} == {"frame_0.jpg", "frame_1.jpg", "flow_0.jpg", "flow_1.jpg", "clip.json"}
    assert store.num_bytes(NAME) == sum(len(file.read_bytes()) for file in files)


def test_others_can_read_what_was_written(store, room):
    store.write(NAME, make_clip(), DIGEST, room)
    for path in [store.folder / NAME, store.folder / "config.json", store.root / "config.json"]:
        assert path.stat().st_mode & 0o044 == 0o044


@pytest.mark.parametrize("content", [b"", b"\xff\xd8 not a picture"])
def test_a_broken_picture_is_named(store, room, content):
    store.write(NAME, make_clip(), DIGEST, room)
    (store.folder / NAME / "frame_1.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=rf"{NAME}/frame_1\.jpg: must be a JPEG.*Remove its folder"):
        store.read_frame(NAME, 1)
    store.read_frame(NAME, 0)


def test_clips_stay_small():
    """150 KB a clip at short side 256 with three segments, the mean of real clips; here one segment of each."""
    videos = sorted(FIGHTS.glob("*/*.mp4"))[3::45]
    if not videos:
        pytest.skip(f"the real clips are not in {FIGHTS}")
    clips = [extract_clip(path, ClipConfig(short_side=256, num_segments=1)) for path in videos]
    sizes = [len(clip_store.encode_frame(c.frames[0])) + len(clip_store.encode_stack(c.stacks[0])) for c in clips]
    assert np.mean(sizes) <= 150_000 / 3


# Whole or not at all


def refuse(*_):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("what", ["encode_stack", "encode_frame", "os.rename", "json.dumps"])
def test_a_write_that_fails_leaves_nothing(store, room, monkeypatch, what):
    with monkeypatch.context() as patch:
        patch.setattr(f"src.store.clip_store.{what}", refuse)
        with pytest.raises(OSError, match="No space left"):
            store.write(NAME, make_clip(), DIGEST, room)
    assert store.names() == set() and not store.holds(NAME)
    assert list(room.iterdir()) == []
    store.write(NAME, make_clip(), DIGEST, room)
    assert store.holds(NAME)


def test_a_write_that_fails_in_the_middle_leaves_nothing(store, room, monkeypatch):
    encode, calls = clip_store.encode_stack, []

    def second_fails(stack):
        calls.append(stack)
        return encode(stack) if len(calls) < 2 else refuse()

    monkeypatch.setattr(clip_store, "encode_stack", second_fails)
    with pytest.raises(OSError):
        store.write(NAME, make_clip(), DIGEST, room)
    assert store.names() == set() and list(room.iterdir()) == []


def test_a_clip_that_another_run_wrote_first_stays(store, room):
    """Two runs compute the same, so the first one's files are as good."""
    clip = make_clip()
    store.write(NAME, clip, DIGEST, room)
    before = {path: path.stat().st_mtime_ns for path in (store.folder / NAME).iterdir()}
    store.write(NAME, clip, DIGEST, store.make_staging())
    assert {path: path.stat().st_mtime_ns for path in (store.folder / NAME).iterdir()} == before
    assert store.names() == {NAME}
    assert [list(place.iterdir()) for place in store.list_staging()] == [[], []]


def test_what_cannot_be_moved_to_its_place_is_an_error(store, room):
    store.folder.joinpath("config.json").unlink()
    store.folder.rmdir()
    with pytest.raises(FileNotFoundError):
        store.write(NAME, make_clip(), DIGEST, room)
    assert list(room.iterdir()) == []


# Rooms


def ended_process():
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def make_named_room(store, name, age=0):
    room = store.root / "incomplete" / name
    room.mkdir(parents=True)
    (room / "frame_0.jpg").touch()
    os.utime(room, (time.time() - age,) * 2)
    return room


def test_each_run_has_its_own_room(store):
    rooms = [store.make_staging() for _ in range(3)]
    assert len(set(rooms)) == 3 and store.list_staging() == sorted(rooms)
    assert {room.parent for room in rooms} == {store.root / "incomplete"}
    assert not any(is_abandoned(room) for room in rooms)


def test_a_live_run_of_this_machine_keeps_its_room_however_old(store, room):
    os.utime(room, (time.time() - 100 * ABANDONED_AFTER,) * 2)
    store.prepare()
    assert store.list_staging() == [room]


def test_what_a_killed_run_of_this_machine_left_is_cleared_at_once(store, room):
    host = room.name.rsplit("_", 2)[0]
    left = make_named_room(store, f"{host}_{ended_process()}_0123abcd")
    assert is_abandoned(left)
    store.prepare()
    assert store.list_staging() == [room]


@pytest.mark.parametrize("name", ["another-machine_1_0123abcd", "under_scored_1_0123abcd", "old"])
def test_what_a_run_of_another_machine_left_is_cleared_when_it_is_old(store, name):
    """Its process cannot be seen from here; number 1 is one that runs on this machine."""
    fresh, old = make_named_room(store, name, 60), make_named_room(store, f"x{name}", ABANDONED_AFTER + 60)
    assert (is_abandoned(fresh), is_abandoned(old)) == (False, True)
    store.prepare()
    assert store.list_staging() == [fresh]


# What is there


def test_holds(store, room):
    assert not store.holds(NAME) and store.names() == set()
    store.write(NAME, make_clip(), DIGEST, room)
    assert store.holds(NAME) and store.names() == {NAME}
    assert not store.holds(clip_name("8", DIGEST)) and not store.holds(clip_name("7", DIGEST[::-1]))


def test_what_is_being_written_is_not_there(store, room):
    (room / "half").mkdir()
    assert store.names() == set()


def test_clips_of_a_replaced_video_lie_side_by_side(store, room):
    other = clip_name("7", DIGEST[::-1])
    store.write(NAME, make_clip(), DIGEST, room)
    store.write(other, make_clip(seed=5), DIGEST[::-1], room)
    assert store.names() == {NAME, other}
    assert not np.array_equal(store.read_stack(NAME, 0), store.read_stack(other, 0))
    assert [store.read_info(name)["video"] for name in (NAME, other)] == [DIGEST, DIGEST[::-1]]


# Names


def test_a_name_holds_the_id_and_the_digest():
    assert clip_name("clip 12", DIGEST) == f"clip 12-{DIGEST}"
    assert clip_name("7", DIGEST) != clip_name("7", DIGEST[::-1]) != clip_name("8", DIGEST[::-1])


@pytest.mark.parametrize("video_id", ["a" * 300, "ä" * 200, "手" * 100, "a手" * 60, "🎬" * 90, "caf\udce9" * 40])
def test_any_id_makes_a_folder_name(store, room, video_id):
    name = clip_name(video_id, DIGEST)
    store.write(name, make_clip(), DIGEST, room)
    assert store.names() == {name} and len(name.encode()) < 100
    assert name.endswith(f"-{DIGEST}") and name.startswith(video_id[:3])


def test_long_ids_that_begin_alike_share_a_name_only_for_the_same_bytes():
    first, second = "a" * 200 + "1", "a" * 200 + "2"
    assert clip_name(first, DIGEST) == clip_name(second, DIGEST)
    assert clip_name(first, DIGEST) != clip_name(second, DIGEST[::-1])


# Parameters


def test_two_sets_of_parameters_live_side_by_side(tmp_path):
    root, other = tmp_path / "prepared", ClipConfig(short_side=64, num_segments=2, flow_length=3)
    for config, size in ((CONFIG, 48), (other, 64)):
        store = ClipStore(root, config)
        store.prepare()
        store.write(NAME, make_clip(size, size), DIGEST, store.make_staging())
    assert ClipStore(root, CONFIG).read_frame(NAME, 0).shape == (48, 48, 3)
    assert ClipStore(root, other).read_frame(NAME, 0).shape == (64, 64, 3)


def test_without_a_config_the_last_prepared_one_is_taken(tmp_path):
    for config in (CONFIG, ClipConfig(), CONFIG):
        ClipStore(tmp_path, config).prepare()
        assert ClipStore(tmp_path).config == read_config(tmp_path) == config


def test_an_unprepared_folder_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere/config\.json: no prepared data here\. Run preprocess_data"):
        ClipStore(tmp_path / "nowhere")
    assert ClipStore(tmp_path / "nowhere", CONFIG).names() == set()


def test_parameters_that_differ_are_listed(tmp_path, store):
    stamp = store.folder / "config.json"
    stamp.write_text(json.dumps(CONFIG.to_dict() | {"flow_bound": 12.0, "flow_length": 5}))
    with pytest.raises(ValueError, match=r"flow_length: 5 → 3; flow_bound: 12\.0 → 20\.0.*Remove the folder") as error:
        ClipStore(store.root, CONFIG)
    assert str(stamp) in str(error.value)


def test_nearly_equal_parameters_with_one_folder_name_do_not_mix(tmp_path):
    near = ClipConfig(flow_bound=20.0000001)
    assert near.key == ClipConfig().key
    ClipStore(tmp_path, ClipConfig()).prepare()
    with pytest.raises(ValueError, match="flow_bound: 20.0 → 20.0000001"):
        ClipStore(tmp_path, near)


def test_clips_of_an_earlier_extraction_do_not_mix(tmp_path, monkeypatch):
    before = ClipConfig().key
    monkeypatch.setattr("src.config.EXTRACTION", EXTRACTION + 1)
    assert ClipConfig().key != before
