"""What bears no stamp is never written to or removed."""

import json
import os
import time

import psutil
import pytest

from src.ownership import (
    ABANDONED_AFTER,
    STAMP,
    claim,
    discard,
    is_abandoned,
    is_claimed,
    list_staging,
    make_staging,
    read_stamp,
    remove,
)


def read_tree(folder):
    return {path.relative_to(folder): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


# Folders


def test_a_new_an_empty_and_a_claimed_folder_are_claimed(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".DS_Store").touch()
    for folder in (tmp_path / "new" / "one", tmp_path / "empty", "~/at home"):
        assert not is_claimed(folder, "runs")
        for _ in range(2):
            claim(folder, "runs")
            assert is_claimed(folder, "runs")
    for name in ("new/one", "empty", "at home"):
        assert read_stamp(tmp_path / name) == {"written_by": "two-stream", "kind": "runs"}
    (tmp_path / "empty" / "later.txt").touch()
    claim(tmp_path / "empty", "runs")


@pytest.mark.parametrize("name", ["manifest.csv", "clips/a.avi", ".hidden", STAMP, "two\nlines", "caf\udce9"])
def test_a_folder_of_the_users_is_refused_unchanged(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('{"written_by": "me", "kind": "runs"}')
    before = read_tree(tmp_path)
    with pytest.raises(ValueError, match="must be a new or an empty folder.*Found: .*Nothing was written"):
        claim(tmp_path, "runs")
    assert read_tree(tmp_path) == before
    claim(tmp_path, "runs", recognises=lambda folder: True)
    assert (read_stamp(tmp_path) is not None) and (tmp_path / name).exists()


def test_a_folder_of_another_kind_and_a_file_are_refused(tmp_path):
    claim(tmp_path / "a", "runs")
    with pytest.raises(ValueError, match="must be a folder for sample, but holds: runs"):
        claim(tmp_path / "a", "sample")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="but is a file"):
        claim(tmp_path / "file", "runs")


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"written_by": "two-stream"}', "[" * 100_000, '{"kind": 1}'])
def test_what_is_no_stamp(tmp_path, content):
    (tmp_path / STAMP).write_text(content)
    assert read_stamp(tmp_path) is None


def test_an_unfinished_stamp_of_another_process_is_no_file_of_the_users(tmp_path):
    (tmp_path / f".partial-01234567-{STAMP}").touch()
    claim(tmp_path, "runs")


# Staging directories


def restamp(staging, **values):
    stamp = json.loads((staging / STAMP).read_text())
    (staging / STAMP).write_text(json.dumps(stamp | values))
    return staging


def test_only_stamped_folders_are_staging_directories(tmp_path):
    staging = make_staging(tmp_path / "incomplete")
    unstamped = staging.with_name(f"{staging.name[:-8]}01234567")
    unstamped.mkdir()
    (staging.parent / "file").touch()
    (staging.parent / "link").symlink_to(staging)
    claim(staging.parent / "run", "runs")
    assert list_staging(staging.parent) == [staging] and list_staging(tmp_path / "nowhere") == []
    assert not is_abandoned(unstamped) and not is_abandoned(staging.parent / "run")


def test_a_staging_directory_is_abandoned_when_its_process_has_ended(tmp_path):
    running, ended, unknown = (make_staging(tmp_path) for _ in range(3))
    restamp(ended, pid=10**9)
    restamp(unknown, pid="x")
    old = time.time() - ABANDONED_AFTER - 60
    os.utime(running, (old, old))
    assert [is_abandoned(staging) for staging in (running, ended, unknown)] == [False, True, True]


def test_a_number_that_another_process_has_now_does_not_count(tmp_path):
    staging = restamp(make_staging(tmp_path), started=psutil.Process().create_time() - 5000)
    assert not is_abandoned(staging)  # the clock may have been set
    old = time.time() - ABANDONED_AFTER - 60
    os.utime(staging, (old, old))
    assert is_abandoned(staging)


def test_one_of_another_machine_is_abandoned_when_it_is_old(tmp_path):
    staging = restamp(make_staging(tmp_path), host="another", pid=10**9)
    assert not is_abandoned(staging)
    old = time.time() - ABANDONED_AFTER - 60
    os.utime(staging, (old, old))
    assert is_abandoned(staging)


# Removal


def test_what_is_removed_is_gone_and_links_are_not_followed(tmp_path):
    kept, parent = tmp_path / "kept", tmp_path / "incomplete"
    (kept / "below").mkdir(parents=True)
    (kept / "below" / "file").touch()
    folder, file, link = tmp_path / "folder", tmp_path / "file", tmp_path / "link"
    folder.mkdir()
    (folder / "link").symlink_to(kept)
    file.touch()
    link.symlink_to(kept)
    for path in (folder, file, link, tmp_path / "nowhere"):
        remove(path, parent)
    assert sorted(os.listdir(tmp_path)) == ["incomplete", "kept"] and list(parent.iterdir()) == []
    assert (kept / "below" / "file").exists()


def test_on_a_full_disk_something_can_be_removed(tmp_path, monkeypatch):
    (tmp_path / "folder" / "below").mkdir(parents=True)
    staging = make_staging(tmp_path / "incomplete")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("src.ownership.write_json", refuse)
    with pytest.raises(OSError, match="No space"):
        make_staging(tmp_path / "incomplete")
    for path in (tmp_path / "folder", staging):
        remove(path, tmp_path / "incomplete")
        assert not path.exists()
    assert list((tmp_path / "incomplete").iterdir()) == []


def test_a_removal_that_is_killed_leaves_a_staging_directory(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("src.ownership.shutil.rmtree", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        remove(tmp_path / "folder", tmp_path / "incomplete")
    [left] = list_staging(tmp_path / "incomplete")
    assert not (tmp_path / "folder").exists() and (left / "removed" / "file").exists()
    discard(left)
    assert list((tmp_path / "incomplete").iterdir()) == []
