import shutil

import numpy as np
import pytest
from conftest import TINY_CONFIG, make_subset, moving_texture, prepare, write_good, write_video

from src.config import ClipConfig
from src.preprocessing.checking import check_store, find_example
from src.preprocessing.extraction import extract_clip
from src.store import ClipStore, read_digest
from src.store.clip_store import clip_name
from src.video import VideoError


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A subset of three videos that move, the second one portrait, and two that cannot be used. Do not write to it."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "bad_text.webm").write_text("no video")
    bad = [(f"bad_{kind}", folder / f"bad_{kind}.webm") for kind in ("text", "missing")]
    return make_subset([*bad, *write_good(folder, 3)])


def test_the_example_is_the_first_usable_training_clip_of_its_class(videos):
    split = ["train", "train", "test", "train", "train"]
    example = find_example(videos.assign(label="one", split=split), TINY_CONFIG)
    assert example.video_id == "good_1" and example.video.path.endswith("good 1.webm")
    assert example.clip.frames.shape == (2, 64, 48, 3)


def test_the_example_is_the_clip_with_the_fastest_motion(videos):
    motion = {
        row.video_id: np.abs(extract_clip(row.path, TINY_CONFIG).stacks.astype(int) - 128).mean()
        for row in videos[2:].itertuples()
    }
    assert find_example(videos.assign(label=videos.video_id), TINY_CONFIG).video_id == max(motion, key=motion.get)


def test_without_a_usable_clip_the_error_says_why(videos):
    with pytest.raises(VideoError, match=r"bad_text\.webm: must be a video"):
        find_example(videos[:1], TINY_CONFIG)
    with pytest.raises(VideoError, match="needs a training clip"):
        find_example(videos.assign(split="test"), TINY_CONFIG)


def test_check_store_measures_each_clip_of_the_current_subset(videos, tmp_path):
    prepare(videos[2:3], tmp_path)
    prepare(videos[3:], tmp_path)
    table, store = check_store(tmp_path), ClipStore(tmp_path)
    assert list(table) == ["video_id", "split", "label", "height", "width", "num_bytes", "moving", "at_bound"]
    assert table.video_id.tolist() == ["good_1", "good_2"]
    assert table[["height", "width"]].to_numpy().tolist() == [[64, 48], [48, 64]]
    assert table.num_bytes[0] == store.num_bytes(clip_name("good_1", read_digest(videos.path[3])))
    assert (table.moving > 0.7).all() and (table.at_bound < 0.05).all()


def test_check_store_lists_all_broken_clips(videos, tmp_path):
    prepare(videos[2:], tmp_path)
    store = ClipStore(tmp_path)
    first, second, third = (store.folder / clip_name(f"good_{n}", read_digest(videos.path[2 + n])) for n in range(3))
    (first / "frame_0.jpg").write_bytes(b"")
    (second / "flow_1.jpg").write_bytes(bytes((second / "flow_1.jpg").stat().st_size))  # as large as it was written
    with pytest.raises(ValueError) as error:
        check_store(tmp_path)
    head, *lines = str(error.value).splitlines()
    assert head == (
        f"{tmp_path}: 2 of 3 clips are broken. Remove their folders, and run preprocess_data.ipynb again, "
        "which computes them anew:"
    )
    assert lines[0] == f"{first}: frame_0.jpg is empty" and lines[1].startswith(f"{second}: ") and len(lines) == 2
    shutil.rmtree(second)
    assert prepare(videos[2:], tmp_path).computed == 2
    assert check_store(tmp_path).video_id.tolist() == ["good_0", "good_1", "good_2"] and third.exists()


def test_check_store_of_nothing_is_an_error(videos, tmp_path):
    prepare(videos[:2], tmp_path)
    with pytest.raises(ValueError, match="none of the 2 clips is stored. failures.csv there has the reasons"):
        check_store(tmp_path)


def test_check_store_measures_a_subset_by_name(videos, tmp_path):
    first = prepare(videos[2:3], tmp_path).subset
    prepare(videos[3:], tmp_path)
    assert check_store(tmp_path, first).video_id.tolist() == ["good_0"]


def test_check_store_measures_still_and_clipped_values(tmp_path):
    still = write_video(tmp_path / "still.avi", np.full((8, 48, 64, 3), 90, np.uint8), fourcc="MJPG")
    fast = write_video(tmp_path / "fast.avi", moving_texture(8, 3, 3, 48, 64), fourcc="MJPG")
    subset, config = make_subset([("still", still), ("fast", fast)]), ClipConfig(48, 2, 3, flow_bound=2)
    prepare(subset, tmp_path / "prepared", config)
    table = check_store(tmp_path / "prepared").set_index("video_id")
    assert (table.moving["still"], table.at_bound["still"]) == (0, 0)
    assert table.moving["fast"] > 0.9 and table.at_bound["fast"] > 0.5
