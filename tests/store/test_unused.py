import os
import subprocess
import sys
import time
from pathlib import Path

import conftest
import pytest
from conftest import TINY_CONFIG, make_subset, moving_texture, read_content, write_good, write_video

from src.config import ClipConfig
from src.preprocessing import check_store
from src.store.clip_store import ABANDONED_AFTER, ClipStore, clip_name
from src.store.digests import read_digest
from src.store.manifest import read_manifest, read_prepared
from src.store.unused import find_unused, remove_unused

ROOT = Path(__file__).parents[2]
OTHER = ClipConfig(short_side=32, num_segments=2, flow_length=3)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "prepared"


@pytest.fixture
def videos(tmp_path):
    (tmp_path / "videos").mkdir()
    return write_good(tmp_path / "videos", 4)


def prepare(videos, root, config=TINY_CONFIG):
    return conftest.prepare(make_subset(videos), root, config)


def name_of(video):
    return clip_name(video[0], read_digest(video[1]))


def names(unused):
    return {Path(path).name for path in unused.path}


def replace(path):
    write_video(path, moving_texture(14, -2, 0, 48, 64, seed=9))


def give_up(videos, root, config=TINY_CONFIG):
    """Removes a subset from the record, as a person does."""
    ids = [video_id for video_id, _ in videos]
    for path in (root / "subsets" / config.key).iterdir():
        if read_manifest(path).video_id.tolist() == ids:
            path.unlink()


def run(*arguments):
    """The command line, as a process of its own."""
    command = [sys.executable, "-m", "src.store.unused", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


# What is used


def test_clips_of_every_recorded_subset_are_used(videos, root):
    for chosen in (videos[:2], videos[1:3], videos[3:]):
        prepare(chosen, root)
    unused = find_unused(root)
    assert list(unused) == ["path", "why", "megabytes"] and len(unused) == 0


def test_clips_of_other_configurations_are_used(videos, root):
    for config, chosen in ((TINY_CONFIG, videos), (OTHER, videos[:2]), (TINY_CONFIG, videos[:1])):
        prepare(chosen, root, config)
    assert len(find_unused(root)) == 0
    give_up(videos, root)
    assert {tuple(Path(path).parts[-2:]) for path in find_unused(root).path} == {
        (TINY_CONFIG.key, name_of(video)) for video in videos[1:]
    }  # the first clip is in the remaining subset, and those of the other configuration are not affected
    give_up(videos[:2], root, OTHER)
    assert len(find_unused(root)) == 3 + 2


# What is unused


def test_the_clip_of_a_replaced_video_is_unused(videos, root):
    prepare(videos, root)
    old = name_of(videos[1])
    replace(videos[1][1])
    assert len(find_unused(root)) == 0  # before the new video is prepared
    prepare(videos, root)
    unused, store = find_unused(root), ClipStore(root)
    assert names(unused) == {old} and unused.why.tolist() == ["no subset uses it"]
    assert unused.megabytes[0] == store.num_bytes(old) / 1e6
    remove_unused(unused, root)
    assert store.names() == {name_of(video) for video in videos}
    assert len(find_unused(root)) == 0 and prepare(videos, root).found == 4


def test_the_clip_of_a_replaced_video_is_used_while_another_subset_has_it(videos, root):
    prepare(videos[:3], root)
    old = name_of(videos[1])
    replace(videos[1][1])
    prepare(videos, root)
    assert len(find_unused(root)) == 0
    give_up(videos[:3], root)
    assert names(find_unused(root)) == {old}


def test_clips_of_a_given_up_subset_are_unused(videos, root):
    prepare(videos[:2], root)
    prepare(videos[1:], root)
    give_up(videos[:2], root)
    unused = find_unused(root)
    assert names(unused) == {name_of(videos[0])}
    before = read_content(ClipStore(root))
    remove_unused(unused, root)
    after = read_content(ClipStore(root))
    assert {path.parts[0] for path in before.keys() - after.keys()} == {name_of(videos[0])}
    assert len(check_store(root)) == 3


def test_configurations_without_a_subset_are_unused(videos, root):
    """For example after an update whose extraction gives other bytes."""
    prepare(videos, root, OTHER)
    prepare(videos, root)
    for path in (root / "subsets" / OTHER.key).iterdir():
        path.unlink()
    assert {Path(path).parent.name for path in find_unused(root).path} == {OTHER.key}
    remove_unused(find_unused(root), root)
    assert ClipStore(root, OTHER).names() == set() and prepare(videos, root).found == 4


@pytest.mark.parametrize("place", ["clips", "incomplete"])
def test_a_stray_file_is_not_a_clip(videos, root, place):
    """For example one of a file manager; it stays, and removing clips does not fail."""
    prepare(videos, root)
    stray = (ClipStore(root).folder if place == "clips" else root / "incomplete") / ".DS_Store"
    stray.write_bytes(b"1234")
    os.utime(stray, (time.time() - ABANDONED_AFTER - 60,) * 2)
    give_up(videos, root)
    assert len(find_unused(root)) == 0  # the subset is still the current one
    prepare(videos[:1], root)
    unused = find_unused(root)
    assert names(unused) == {name_of(video) for video in videos[1:]}
    remove_unused(unused, root)
    assert stray.exists() and len(find_unused(root)) == 0
    assert prepare(videos, root).computed == 3


def test_cached_features_of_unused_clips_are_unused(root, videos):
    prepare(videos, root)
    folder = root / "features" / f"{TINY_CONFIG.key}-crop32-whole6-torch-float32-0123456789ab"
    folder.mkdir(parents=True)
    for video in videos:
        (folder / f"{name_of(video)}.npy").write_bytes(b"features")
    assert find_unused(root).empty
    prepare(videos[:2], root)
    give_up(videos, root)
    unused = find_unused(root)
    expected = {name_of(video) for video in videos[2:]}
    assert names(unused) == expected | {f"{name}.npy" for name in expected}
    remove_unused(unused, root)
    assert find_unused(root).empty
    assert {path.stem for path in folder.iterdir()} == {name_of(video) for video in videos[:2]}
    assert not any(path.name.startswith("removed_") for path in (root / "incomplete").iterdir())


# Staging directories


def test_staging_of_a_running_job_is_kept(videos, root):
    prepare(videos, root)
    store = ClipStore(root)
    own = store.make_staging()  # of this process, which is running
    os.utime(own, (time.time() - 100 * ABANDONED_AFTER,) * 2)
    (root / "incomplete" / "another-machine_1_0123abcd").mkdir()
    assert len(store.list_staging()) == 2 and find_unused(root).empty


def test_staging_of_a_killed_job_is_unused(videos, root):
    prepare(videos, root)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = ClipStore(root).make_staging().name.rsplit("_", 2)[0]
    here, old = (root / "incomplete" / name for name in (f"{host}_{ended.pid}_0123abcd", "another-machine_1_0123abcd"))
    for staging in (here, old):
        (staging / "clip").mkdir(parents=True)
        (staging / "clip" / "frame_0.jpg").write_bytes(b"x" * 5000)
    os.utime(old, (time.time() - ABANDONED_AFTER - 60,) * 2)
    unused = find_unused(root)
    assert set(unused.path) == {str(here), str(old)} and set(unused.why) == {"its job was killed"}
    assert unused.megabytes.tolist() == [0.005, 0.005]
    remove_unused(unused, root)
    assert not here.exists() and not old.exists()


def test_clips_of_a_job_that_has_just_begun_are_used(videos, root, monkeypatch):
    """Its subset is recorded before its first clip is written."""
    seen, write = [], ClipStore.write

    def watched(store, *arguments):
        write(store, *arguments)
        seen.append(len(find_unused(root)))

    monkeypatch.setattr(ClipStore, "write", watched)
    prepare(videos, root)
    assert seen == [0] * 4


# Errors


@pytest.mark.parametrize("content", ["", "video_id,path\n", "\x00"])
def test_a_record_that_cannot_be_read_is_an_error(videos, root, content):
    prepare(videos, root)
    [record] = (root / "subsets" / TINY_CONFIG.key).iterdir()
    record.write_text(content)
    with pytest.raises(ValueError):
        find_unused(root)
    assert len(ClipStore(root).names()) == 4


def test_a_folder_that_was_never_prepared_is_refused(videos, tmp_path):
    with pytest.raises(FileNotFoundError, match="no prepared data here: it has no folder subsets/. Give the output"):
        find_unused(tmp_path / "videos")


# The command line


def test_the_command_lists_and_removes(videos, root):
    prepare(videos, root)
    old = name_of(videos[1])
    replace(videos[1][1])
    prepare(videos, root)
    done = run(root)
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith(str(ClipStore(root).folder / old)) and "(no subset uses it, 0.0" in lines[0]
    assert lines[1:] == ["unused: 1, 0.0 MB"]
    assert old in ClipStore(root).names()
    done = run(root, "--remove")
    assert done.returncode == 0 and done.stdout.splitlines() == [lines[0], "removed: 1, 0.0 MB"]
    table, store = read_prepared(root)
    assert store.names() == {name_of(video) for video in videos} and table.stored.all()
    assert find_unused(root).empty
