import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import make_subset, moving_texture, prepare, write_good_and_bad, write_video

from src.config import ClipConfig
from src.preprocessing.checking import CHECKS, check_store, find_worst
from src.store import ClipStore, read_digest
from src.store.clip_store import clip_name


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Do not write to it."""
    return write_good_and_bad(tmp_path_factory.mktemp("videos"))


def test_check_store_measures_each_clip_of_the_current_subset(videos, tmp_path):
    prepare(videos[2:3], tmp_path)
    prepare(videos[3:], tmp_path)
    table, store = check_store(tmp_path), ClipStore(tmp_path)
    facts = ["video_id", "split", "label", "height", "width", "num_bytes"]
    assert list(table) == [*facts, "moving", "at_bound", "repeated", "overlap", "brightness"]
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


def test_check_store_measures_repeats_short_clips_and_darkness(tmp_path):
    frames = moving_texture(16, 2, 0, 48, 64)
    videos = {
        "plain": frames,
        "doubled": frames.repeat(2, axis=0),
        "short": frames[:5],
        "dark": frames // 8,
    }
    paths = [(name, write_video(tmp_path / f"{name}.avi", content, fourcc="MJPG")) for name, content in videos.items()]
    prepare(make_subset(paths), tmp_path / "prepared", ClipConfig(48, 2, 3))
    table = check_store(tmp_path / "prepared").set_index("video_id")
    assert table.repeated.round(2).to_dict() == {"plain": 0, "doubled": 0.43, "short": 0, "dark": 0}  # 4 frames of 7
    assert table.overlap.to_dict() == {"plain": 0, "doubled": 0, "short": 0.375, "dark": 0}  # 3 of 8 are shared
    assert table.brightness["plain"] == pytest.approx(frames.mean(), abs=3)
    assert table.brightness["dark"] == pytest.approx((frames // 8).mean(), abs=3)
    worst = find_worst(table.reset_index(), 1).set_index("check")
    assert worst.video_id[["largest repeated", "largest overlap", "smallest brightness"]].tolist() == [
        "doubled", "short", "dark",
    ]  # fmt: skip
    assert worst.value["largest repeated"] == "43%" and worst.value["largest overlap"] == "38%"
    assert "frame rate" in worst.verdict["largest repeated"] and worst.verdict["largest overlap"] == "fine"
    assert worst.verdict["smallest brightness"].startswith("dark")


def test_the_worst_clips_of_each_check_come_first():
    values = {
        "at_bound": [0.0004, 0.02, 0.005],
        "moving": [0.01, 0.5, 0.04],
        "repeated": 0.0,
        "overlap": 0.0,
        "brightness": 90,
    }
    check = pd.DataFrame({"video_id": list("abc"), "label": "run", "split": "test", **values})
    worst = find_worst(check, 2)
    assert list(worst) == ["check", "video_id", "label", "split", "value", "verdict"]
    assert len(worst) == 2 * len(CHECKS)
    assert worst.video_id[:4].tolist() == ["b", "c", "a", "c"]
    assert worst.value[:6].tolist() == ["2.0%", "0.5%", "1.0%", "4.0%", "0%", "0%"]
    assert find_worst(check, 3).value[2] == "< 0.1%"
    assert worst.verdict[:2].tolist() == ["raise flow_bound", "fine"]
    assert find_worst(check[:1], 2).video_id.tolist() == ["a"] * len(CHECKS)
