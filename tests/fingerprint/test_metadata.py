"""The fingerprint of a subset: a row for each of its videos, readable or not."""

import numpy as np
import pytest
from conftest import make_subset, moving_texture, write_video

from src.fingerprint import read_fingerprint

FRAMES = moving_texture(14, 2, 1, 48, 64)


@pytest.fixture
def subset(tmp_path):
    good = write_video(tmp_path / "good.webm", FRAMES)
    (tmp_path / "bad.webm").write_bytes(b"no video")
    subset = make_subset([("good", good), ("bad", tmp_path / "bad.webm"), ("part", good), ("after", good)])
    return subset.assign(start=[np.nan, np.nan, 0.5, 9], end=[np.nan, np.nan, 1, 10]).set_index(np.array([7, 3, 5, 1]))


def test_a_row_for_each_video(subset):
    fingerprint = read_fingerprint(subset)
    assert fingerprint.index.tolist() == [7, 3, 5, 1] and fingerprint.video_id.tolist() == subset.video_id.tolist()
    numbers = fingerprint[["frames", "seconds", "rate", "width", "height"]]
    assert set(map(str, numbers.dtypes)) == {"float64"}
    np.testing.assert_allclose(numbers.loc[7], [14, 14 / 12, 12, 64, 48], rtol=0.01)
    np.testing.assert_allclose(numbers.loc[5], [6, 0.5, 12, 64, 48], rtol=0.01)
    assert numbers.loc[[3, 1]].isna().all(axis=None)
    assert fingerprint.reason[[7, 5]].tolist() == ["", ""]
    assert "no video stream was found" in fingerprint.reason[3] and "at least one frame" in fingerprint.reason[1]


def test_tables_without_parts_and_files_that_are_not_there(subset):
    table = subset[["video_id", "path", "label", "split"]].assign(path="missing.mp4")
    fingerprint = read_fingerprint(table)
    assert fingerprint.frames.isna().all() and fingerprint.reason.str.contains("no regular file").all()


def test_a_file_of_many_clips_is_opened_once(subset, monkeypatch):
    from src.fingerprint import metadata

    opened = []
    probe = metadata.probe_video
    monkeypatch.setattr(metadata, "probe_video", lambda excerpt: opened.append(excerpt.path) or probe(excerpt))
    read_fingerprint(subset)
    assert sorted(opened) == sorted(set(subset.path))
