"""How fast a subset moves, against textures of known motion."""

import numpy as np
import pandas as pd
import pytest
from conftest import make_subset, moving_texture, write_video

from src.fingerprint import measure_motion, read_fingerprint
from src.fingerprint.motion import BINS


def measure(subset, **options):
    return measure_motion(subset, read_fingerprint(subset), short_side=64, flow_length=4, **options)


@pytest.fixture(scope="module")
def subset(tmp_path_factory):
    """Still, 2 and 6 px/frame; and a file that is no video."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "bad.avi").write_bytes(b"no video")
    for u in (0, 2, 6):
        write_video(folder / f"{u}.avi", moving_texture(14, u, 0, 64, 80), fourcc="MJPG")
    return make_subset((name, folder / f"{name}.avi") for name in ("0", "2", "6", "bad"))


def test_shares_and_percentiles(subset):
    motion = measure(subset)
    assert motion.clips == 3 and motion.short_side == 64 and motion.repeated == 0
    assert motion.moving == pytest.approx(2 / 3, abs=0.05)
    assert motion.bins.low.tolist() == BINS[:-1].tolist() and motion.bins.high.iloc[-1] == np.inf
    assert motion.bins.share.sum() == pytest.approx(1)
    near = [motion.bins.share[motion.bins.low.between(u / 1.6, u)].sum() for u in (2, 6)]
    assert near == pytest.approx([0.5, 0.5], abs=0.1)
    assert motion.faster_than(4) == pytest.approx(0.5, abs=0.1)
    assert list(motion.percentiles) == ["farneback", "dis"] and motion.percentiles.index.tolist() == [50, 90, 99, 99.9]
    assert motion.percentiles.loc[90, "dis"] == pytest.approx(6, rel=0.1)
    assert (motion.percentiles.diff().iloc[1:] >= 0).all(axis=None)


def test_neither_the_order_of_rows_nor_other_splits_change_it(subset):
    alone, others = measure(subset, max_clips=2), subset.assign(split="test", video_id=subset.video_id + " again")
    shuffled = pd.concat([others, subset.iloc[::-1]]).reset_index(drop=True)
    again = measure(shuffled, max_clips=2)
    pd.testing.assert_frame_equal(again.bins, alone.bins)
    pd.testing.assert_frame_equal(again.percentiles, alone.percentiles)


def test_a_still_subset_and_one_without_training_clips(subset):
    for table, clips in ((subset[:1], 1), (subset.assign(split="test"), 0), (subset[3:], 0)):
        motion = measure(table)
        assert motion.clips == clips and motion.moving == motion.repeated == 0
        assert (motion.bins.share == 0).all() and motion.percentiles.isna().all(axis=None)
        assert motion.camera.empty and len(motion.by_clip) == clips
        assert motion.describe().startswith("The background stands" if clips else "No clip could be measured")
    two = pd.concat([subset[:1], subset[:1].assign(video_id="again")], ignore_index=True)
    assert measure(two).describe() == "The background stands still in all 2 clips."


def test_the_camera_moves_where_the_background_does(subset):
    motion = measure(subset)
    assert motion.camera.index.tolist() == ["6", "2"] and motion.camera.tolist() == pytest.approx([6, 2], rel=0.1)
    assert motion.by_clip.background["0"] == 0 and (motion.by_clip.repeated == 0).all()
    sentence = motion.describe().replace("\n", " ")
    assert sentence.startswith("The background moves in 2 of 3 clips, by 4.0 px/frame (median): ")
    assert "most in 6 (6.0 px/frame), 2 (2.0 px/frame)." in sentence and "subtract_mean" in sentence
    assert "repeat" not in sentence


def test_an_object_that_moves_on_a_still_background_is_not_the_camera(tmp_path):
    frames = np.repeat(moving_texture(1, 0, 0, 64, 80), 14, axis=0)
    frames[:, 16:48, 20:60] = moving_texture(14, 3, 0, 64, 80, seed=1)[:, 16:48, 20:60]
    motion = measure(make_subset([("object", write_video(tmp_path / "a.avi", frames, fourcc="MJPG"))]))
    assert motion.moving > 0.15 and motion.camera.empty
    assert motion.describe() == "The background stands still in the only clip."


def test_repeated_frames_are_counted_and_said(tmp_path, subset):
    frames = moving_texture(14, 3, 0, 64, 80).repeat(2, axis=0)
    doubled = make_subset([("doubled", write_video(tmp_path / "a.avi", frames, fps=24, fourcc="MJPG"))])
    assert measure(doubled).repeated == pytest.approx(0.5, abs=0.1)
    motion = measure(pd.concat([subset[:3], doubled], ignore_index=True))
    assert motion.by_clip.repeated[["0", "2", "6"]].tolist() == [0, 0, 0]
    share = motion.by_clip.repeated["doubled"]  # 4 of the 9 frames that 5 different ones span
    assert share == pytest.approx(4 / 9)
    last = "Frames repeat the one before them in 1 of 4 clips, in doubled (44%), and are skipped. "
    assert motion.describe().replace("\n", " ").endswith(last + "Was their frame rate raised?")


def test_only_the_middle_of_a_long_clip_is_decoded(tmp_path, monkeypatch):
    """Its first half stands still."""
    from src.fingerprint import motion

    frames = np.concatenate([np.repeat(moving_texture(1, 2, 0, 64, 80), 60, axis=0), moving_texture(60, 2, 0, 64, 80)])
    subset = make_subset([("long", write_video(tmp_path / "a.avi", frames, fourcc="MJPG"))]).assign(start=5.0)
    read = []
    segments = motion.read_segments
    monkeypatch.setattr(motion, "read_segments", lambda video, *rest: read.append(video) or segments(video, *rest))
    result = measure(subset)
    assert read[0].end - read[0].start == pytest.approx(50 / 12, rel=0.01)
    assert (read[0].start + read[0].end) / 2 == pytest.approx((5 + 10) / 2, abs=0.1)
    assert result.percentiles.loc[90, "dis"] == pytest.approx(2, rel=0.1)
