import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import moving_texture, read_content, write_video

from src.config import ClipConfig
from src.flow import compute_flow, dequantize_flow, stack_fields
from src.ownership import STAMP
from src.preprocessing import extract_clip
from src.store import clip_store, encoding, wholeness
from src.store.clip_store import ClipStore, clip_name
from src.store.encoding import Clip

CONFIG = ClipConfig(short_side=48, num_segments=2, flow_length=3)
DIGEST = "0123456789abcdef"
NAME = clip_name("7", DIGEST)


def make_clip(height=48, width=64, config=CONFIG, seed=0):
    """A clip of textures that move by (3, -2), as the extraction makes it."""
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
def staging(store):
    return store.make_staging()


# Write and read


@pytest.mark.parametrize("height, width", [(48, 64), (51, 48)])
def test_what_is_read_is_close_to_what_was_written(store, staging, height, width):
    clip = make_clip(height, width)
    store.write(NAME, clip, DIGEST, staging)
    for segment in range(2):
        frame, stack = store.read_frame(NAME, segment), store.read_stack(NAME, segment)
        assert frame.shape == (height, width, 3) and frame.dtype == np.uint8
        assert stack.shape == (height, width, 6) and stack.dtype == np.uint8
        assert np.abs(frame.astype(int) - clip.frames[segment]).mean() < 6
        error = dequantize_flow(stack, CONFIG.flow_bound) - dequantize_flow(clip.stacks[segment], CONFIG.flow_bound)
        assert np.abs(error).mean() < 0.2  # px/frame
        assert np.median(stack, axis=(0, 1)) == pytest.approx(np.median(clip.stacks[segment], axis=(0, 1)), abs=1)


def test_a_frame_and_its_flow_are_registered(tmp_path):
    """A red square moves over a still background: the flow moves where the frame is red, and nowhere else."""
    frames = np.repeat(moving_texture(1, 0, 0, 96, 160)[..., :1].repeat(3, axis=-1) // 2, 40, axis=0)
    square = moving_texture(1, 0, 0, 32, 32, seed=1)[0]
    square[..., 0], square[..., 2] = 255, 0
    for index, frame in enumerate(frames):
        frame[8 + index : 40 + index, 10 + 2 * index : 42 + 2 * index] = square
    path = write_video(tmp_path / "square.webm", frames)
    config = ClipConfig(short_side=96)
    store = ClipStore(tmp_path / "prepared", config)
    store.prepare()
    store.write(NAME, extract_clip(path, config), DIGEST, store.make_staging())
    for segment, indices in enumerate(store.read_info(NAME)["indices"]):
        now = indices[5]
        frame, stack = store.read_frame(NAME, segment).astype(int), store.read_stack(NAME, segment)
        red = np.argwhere(frame[..., 0] - frame[..., 2] > 150).mean(axis=0)
        assert red == pytest.approx([8 + now + 15.5, 10 + 2 * now + 15.5], abs=1.5)
        u, v = np.moveaxis(dequantize_flow(stack[..., 10:12], config.flow_bound), -1, 0)  # from this frame on
        top, left = 8 + now, 10 + 2 * now
        inside = (slice(top + 8, top + 24), slice(left + 8, left + 24))
        assert (np.median(u[inside]), np.median(v[inside])) == pytest.approx((2, 1), abs=0.5)
        far = np.ones(u.shape, bool)
        far[max(0, top - 16) : top + 48, max(0, left - 16) : left + 48] = False
        assert np.abs(u[far]).mean() < 0.1 and np.abs(v[far]).mean() < 0.1


def test_the_files_of_a_clip(store, staging):
    clip = make_clip()
    store.write(NAME, clip, DIGEST, staging)
    indices = [[0, 1, 2, 3], [10, 11, 12, 13]]
    files = list((store.folder / NAME).iterdir())
    sizes = {file.name: file.stat().st_size for file in files if file.name != "clip.json"}
    expected = {"video": DIGEST, "height": 48, "width": 64, "indices": indices, "sizes": sizes}
    assert store.read_info(NAME) == expected
    assert {file.name for file in files} == {"frame_0.jpg", "frame_1.jpg", "flow_0.jpg", "flow_1.jpg", "clip.json"}
    assert store.num_bytes(NAME) == sum(len(file.read_bytes()) for file in files)
    for path in [store.folder / NAME, store.folder / "config.json", store.root / "config.json"]:
        assert path.stat().st_mode & 0o044 == 0o044  # other users can read it


def test_a_broken_image_is_named(store, staging):
    store.write(NAME, make_clip(), DIGEST, staging)
    broken = [("frame_1", b"\xff\xd8 not an image", store.read_frame), ("flow_1", b"", store.read_stack)]
    for name, content, read in broken:
        (store.folder / NAME / f"{name}.jpg").write_bytes(content)
        with pytest.raises(ValueError, match=rf"{NAME}/{name}\.jpg: must be a JPEG.*Remove its folder"):
            read(NAME, 1)
        read(NAME, 0)


# Whole or not at all


def refuse(*_):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("what", ["encoding.encode_stack", "clip_store.os.rename"])
def test_a_write_that_fails_leaves_nothing(store, staging, monkeypatch, what):
    with monkeypatch.context() as patch:
        patch.setattr(f"src.store.{what}", refuse)
        with pytest.raises(OSError, match="No space left"):
            store.write(NAME, make_clip(), DIGEST, staging)
    assert store.names() == set() and not store.holds(NAME)
    assert os.listdir(staging) == [STAMP]
    store.write(NAME, make_clip(), DIGEST, staging)
    assert store.holds(NAME)


def test_a_clip_that_another_job_wrote_first_stays(store, staging):
    """Two jobs compute the same clip, so that both results are equally good."""
    clip = make_clip()
    store.write(NAME, clip, DIGEST, staging)
    before = {path: path.stat().st_mtime_ns for path in (store.folder / NAME).iterdir()}
    store.write(NAME, clip, DIGEST, store.make_staging())
    assert {path: path.stat().st_mtime_ns for path in (store.folder / NAME).iterdir()} == before
    assert store.names() == {NAME}
    assert [os.listdir(folder) for folder in store.list_staging()] == [[STAMP]] * 2


def test_a_job_whose_staging_directory_was_removed_writes_nothing(store, staging, monkeypatch):
    """As a worker that survives its killed job: its clip appears whole or not at all."""
    encode = encoding.encode_clip

    def encode_meanwhile(*given):
        store.remove(staging)
        return encode(*given)

    monkeypatch.setattr("src.store.clip_store.encode_clip", encode_meanwhile)
    with pytest.raises(OSError):
        store.write(NAME, make_clip(), DIGEST, staging)
    assert store.names() == set() and store.list_staging() == []


# Wholeness


def empty(path):
    path.write_bytes(b"")


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


DAMAGE = [  # as a power cut leaves files
    (empty, "frame_1.jpg", "frame_1.jpg is empty"),
    (cut, "flow_0.jpg", "flow_0.jpg has .* bytes, but .* were written"),
    (Path.unlink, "flow_1.jpg", "flow_1.jpg is missing"),
    (empty, "clip.json", "clip.json is missing, or does not describe a clip"),
    (cut, "clip.json", "clip.json is missing, or does not describe a clip"),
]


@pytest.mark.parametrize(("damage", "file", "defect"), DAMAGE)
def test_a_broken_clip_is_not_in_the_store_and_is_written_again(store, staging, damage, file, defect):
    store.write(NAME, make_clip(), DIGEST, staging)
    whole = read_content(store)
    assert store.find_defect(NAME) is None and store.names() == {NAME}
    damage(store.folder / NAME / file)
    assert re.fullmatch(defect, store.find_defect(NAME))
    assert not store.holds(NAME) and store.names() == set()
    store.write(NAME, make_clip(), DIGEST, staging)
    assert store.holds(NAME) and read_content(store) == whole


def test_a_broken_clip_that_another_job_removes_is_written_again(store, staging, monkeypatch):
    """Two jobs replace it at the same time."""
    read_info, find_foreign_files = wholeness.read_info, wholeness.find_foreign_files

    def read_before_removal(folder):
        info = read_info(folder)
        store.remove(folder)
        return info

    def find_after_removal(folder):
        store.remove(folder)
        return find_foreign_files(folder)

    store.write(NAME, make_clip(), DIGEST, staging)
    with monkeypatch.context() as patch:
        patch.setattr(wholeness, "read_info", read_before_removal)
        assert not store.holds(NAME)
    store.write(NAME, make_clip(), DIGEST, staging)
    empty(store.folder / NAME / "frame_1.jpg")
    monkeypatch.setattr(clip_store, "find_foreign_files", find_after_removal)
    store.write(NAME, make_clip(), DIGEST, staging)
    assert store.holds(NAME)


def test_empty_and_missing_files_of_clips_without_sizes_are_found(store, staging):
    """Those of older versions."""
    store.write(NAME, make_clip(), DIGEST, staging)
    info = store.read_info(NAME)
    del info["sizes"]
    (store.folder / NAME / "clip.json").write_text(json.dumps(info))
    assert store.holds(NAME)
    for damage in (empty, Path.unlink):
        damage(store.folder / NAME / "flow_1.jpg")
        assert not store.holds(NAME)


HOSTILE = [
    *("[]", "7", "{}", "[" * 100_000, '{"sizes": {"frame_0.jpg": "x"}}', '{"sizes": [1]}'),
    *('{"video": 1, "height": 2, "width": 3, "indices": 5}', '{"video": 1, "height": "2", "width": 3, "indices": []}'),
]


@pytest.mark.parametrize("content", HOSTILE)
def test_a_clip_with_another_description_is_broken(store, staging, content):
    store.write(NAME, make_clip(), DIGEST, staging)
    (store.folder / NAME / "clip.json").write_text(content)
    assert not store.holds(NAME)
    with pytest.raises(ValueError, match=r"clip\.json: is missing, or does not describe a clip. Remove its folder"):
        store.read_stack(NAME, 0)
    store.write(NAME, make_clip(), DIGEST, staging)
    assert store.holds(NAME)


def test_flow_of_another_size_is_an_error_that_names_the_file(store, staging):
    store.write(NAME, make_clip(), DIGEST, staging)
    (store.folder / NAME / "flow_1.jpg").write_bytes(encoding.encode_frame(np.zeros((8, 8, 3), np.uint8)))
    with pytest.raises(ValueError, match=r"flow_1\.jpg: must hold 3 flow fields of 64 × 48 px as tiles. Remove"):
        store.read_stack(NAME, 1)


def test_what_a_user_put_into_the_folder_of_a_broken_clip_stays(store, staging):
    store.write(NAME, make_clip(), DIGEST, staging)
    empty(store.folder / NAME / "frame_0.jpg")
    (store.folder / NAME / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="but holds other files: notes.txt. Move them away"):
        store.write(NAME, make_clip(), DIGEST, staging)
    assert (store.folder / NAME / "notes.txt").read_text() == "mine"


# Staging directories


def test_abandoned_staging_directories_are_removed(store, staging):
    [(left, stamp)] = [(path, json.loads((path / STAMP).read_text())) for path in [store.make_staging()]]
    (left / STAMP).write_text(json.dumps(stamp | {"pid": 10**9}))  # no process has this number
    (unknown := staging.parent / "x_1_0123abcd").mkdir()
    store.prepare()
    assert store.list_staging() == [staging] and unknown.is_dir()


# Names and configurations


@pytest.mark.parametrize("video_id", ["clip 12", "a" * 300, "手" * 100, "a手" * 60, "🎬" * 90, "caf\udce9" * 40])
def test_any_id_makes_a_folder_name(store, staging, video_id):
    name = clip_name(video_id, DIGEST)
    store.write(name, make_clip(), DIGEST, staging)
    assert store.names() == {name} and len(name.encode()) < 100
    assert name.endswith(f"-{DIGEST}") and name.startswith(video_id[:3])


def test_a_part_of_a_video_has_a_clip_of_its_own():
    assert clip_name("7", DIGEST, math.nan, math.nan, 25.0) == NAME == f"7-{DIGEST}"
    parts = [(0.0, math.nan, math.nan), (0.0, 2.5, math.nan), (1.0, 2.5, math.nan), (1.0, 2.5, 25.0)]
    names = {clip_name("7", digest, *part) for part in parts for digest in (DIGEST, "f" * 16)}
    assert len(names) == 8 and all(re.fullmatch("7-[0-9a-f]{16}", name) for name in names)
    assert clip_name("7", DIGEST, 1, 2.5) == clip_name("7", DIGEST, 1.0, 2.5)


@pytest.mark.parametrize("video_id", ["../../../escaped", "a/b", "a\\b", "", "..", "a\0b", 7, None])
def test_an_id_that_leads_out_of_the_folder_is_refused(video_id):
    with pytest.raises(ValueError, match="a video_id becomes a folder name"):
        clip_name(video_id, DIGEST)


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ClipStore("~/prepared", CONFIG).root == tmp_path / "prepared"


def test_an_unprepared_folder_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere/config\.json: no prepared data here\. Run preprocess_data"):
        ClipStore(tmp_path / "nowhere")
    assert ClipStore(tmp_path / "nowhere", CONFIG).names() == set()


def test_nearly_equal_configurations_with_one_folder_name_do_not_mix(tmp_path):
    near = ClipConfig(flow_bound=10.0000001)
    assert near.key == ClipConfig().key
    ClipStore(tmp_path, ClipConfig()).prepare()
    message = rf"{near.key}/config\.json: .*flow_bound: 10.0 → 10.0000001.*Remove the folder"
    with pytest.raises(ValueError, match=message):
        ClipStore(tmp_path, near)
