import json
import os
import time
from pathlib import Path

import conftest
import pytest
from conftest import TINY_CONFIG, make_subset, moving_texture, read_content, write_good, write_video

from src.config import ClipConfig
from src.ownership import ABANDONED_AFTER, STAMP
from src.preprocessing import check_store
from src.store.clip_store import ClipStore, clip_name
from src.store.digests import read_digest
from src.store.manifest import read_manifest
from src.store.unused import find_unused, main, remove_unused
from src.units import format_bytes

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
    """Forgets the subsets of these videos, but leaves the current one, manifest.csv."""
    ids = [video_id for video_id, _ in videos]
    for path in (root / "subsets" / config.key).iterdir():
        if read_manifest(path).video_id.tolist() == ids:
            path.unlink()


def change_stamp(staging, **values):
    stamp = json.loads((staging / STAMP).read_text())
    (staging / STAMP).write_text(json.dumps(stamp | values))


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
    remove_unused(find_unused(root), root)
    assert ClipStore(root).names() == {name_of(videos[0])} and ClipStore(root, OTHER).names() == set()


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
    assert list(find_unused(root)) == ["path", "why", "num_bytes"] and find_unused(root).empty
    give_up(videos[:2], root)
    unused = find_unused(root)
    assert names(unused) == {name_of(videos[0])} and unused.why.tolist() == ["no subset uses it"]
    assert unused.num_bytes[0] == ClipStore(root).num_bytes(name_of(videos[0]))
    before = read_content(ClipStore(root))
    remove_unused(unused, root)
    after = read_content(ClipStore(root))
    assert {path.parts[0] for path in before.keys() - after.keys()} == {name_of(videos[0])}
    assert len(check_store(root)) == 3


def test_stray_files_stay(videos, root):
    """For example those of a file manager; removing clips does not fail because of them."""
    prepare(videos, root)
    strays = [folder / ".DS_Store" for folder in (ClipStore(root).folder, root / "incomplete")]
    for stray in strays:
        stray.write_bytes(b"1234")
        os.utime(stray, (time.time() - ABANDONED_AFTER - 60,) * 2)
    give_up(videos, root)
    assert find_unused(root).empty  # the subset is still the current one
    prepare(videos[:1], root)
    unused = find_unused(root)
    assert names(unused) == {name_of(video) for video in videos[1:]}
    remove_unused(unused, root)
    assert all(stray.exists() for stray in strays) and find_unused(root).empty
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


def test_staging_of_killed_jobs_is_unused(videos, root):
    prepare(videos, root)
    own, left = (ClipStore(root).make_staging() for _ in range(2))
    change_stamp(left, host="another-machine")
    (left / "clip").mkdir(parents=True)
    (left / "clip" / "frame_0.jpg").write_bytes(b"x" * 5000)
    assert find_unused(root).empty
    for staging in (own, left):  # `own` is of this process, which is running
        os.utime(staging, (time.time() - ABANDONED_AFTER - 60,) * 2)
    unused = find_unused(root)
    assert unused[["path", "why"]].to_numpy().tolist() == [[str(left), "its job was killed"]]
    assert unused.num_bytes[0] == pytest.approx(5100, abs=200)
    remove_unused(unused, root)
    assert own.exists() and not left.exists()


def test_clips_of_a_job_that_has_just_begun_are_used(videos, root, monkeypatch):
    """Its subset is recorded before its first clip is written."""
    seen, write = [], ClipStore.write

    def watched(store, *arguments):
        write(store, *arguments)
        seen.append(len(find_unused(root)))

    monkeypatch.setattr(ClipStore, "write", watched)
    prepare(videos, root)
    assert seen == [0] * 4


@pytest.mark.parametrize("content", ["", "video_id,path\n"])
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


def run(monkeypatch, capsys, root, *arguments):
    """The lines that the command prints."""
    monkeypatch.setattr("sys.argv", ["unused", str(root), *arguments])
    capsys.readouterr()
    main()
    return capsys.readouterr().out.splitlines()


def test_the_command_forgets_a_subset_and_removes_the_clip_of_a_replaced_video(videos, root, monkeypatch, capsys):
    first = prepare(videos, root).subset
    old = name_of(videos[1])
    replace(videos[1][1])
    second = prepare(videos, root).subset
    subsets = run(monkeypatch, capsys, root)
    assert [line.split()[:2] for line in subsets[:2]] == [["subset", first], ["subset", second]]
    assert subsets[1].endswith(", current)") and subsets[2:] == ["unused: 0, 0 bytes"]
    forgotten, kept, listed, found = run(monkeypatch, capsys, root, "--forget", first)
    assert (forgotten, kept) == (f"forgotten: {first}", subsets[1])
    size = format_bytes(ClipStore(root).num_bytes(old))
    assert listed.startswith(f"{ClipStore(root).folder / old}  (no subset uses it, {size}")
    assert found == f"unused: 1, {size}"
    assert old in ClipStore(root).names()
    assert run(monkeypatch, capsys, root, "--remove") == [kept, listed, f"removed: 1, {size}"]
    assert ClipStore(root).names() == {name_of(video) for video in videos}
    assert prepare(videos, root).found == 4


@pytest.mark.parametrize("arguments", [["--forget=-x"], ["--forget", "nothing"]])
def test_the_command_says_which_subsets_there_are(videos, root, monkeypatch, arguments):
    name = prepare(videos[:1], root).subset
    monkeypatch.setattr("sys.argv", ["unused", *arguments, "--", str(root)])
    with pytest.raises(SystemExit, match=f"there is no subset .* Prepared there: '{name}'"):
        main()


# What is not ours


def read_tree(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_the_user_put_into_the_folder_stays(videos, root, monkeypatch, capsys):
    prepare(videos, root)
    key = ClipStore(root).folder
    mine = [
        *("clips/train/run/a.avi", "clips/notes.txt", "my notes.txt", "videos/a.avi", "features/mine/a.npy"),
        *("incomplete/removed_x/a.avi", "incomplete/a.avi", f"features/{key.name}-crop1-x/a.npy"),
        *(f"clips/{key.name}/frames-0123456789abcdef/frame_0.jpg", f"clips/{key.name}/x-0123456789abcdef/clip.json"),
        *(f"clips/{key.name}/more/a.avi", "clips/caf\udce9"),
        *(f"clips/{name_of(videos[0])}/frame_0.jpg", f"clips/{key.name}/y-0123456789abcdef/frame_0.jpg/a.avi"),
    ]
    for name in mine:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text('{"mine": 1}')
    (key / "y-0123456789abcdef/clip.json").write_bytes(b"")
    (key / "link-0123456789abcdef").symlink_to(key / name_of(videos[0]))
    for folder in (root / "incomplete").iterdir():
        os.utime(folder, (time.time() - 100 * ABANDONED_AFTER,) * 2)
    before = read_tree(root)
    lines = run(monkeypatch, capsys, root, "--remove")
    "\n".join(lines).encode()
    assert lines[-1] == "removed: 0, 0 bytes" and lines[-2].startswith(f"not ours, left alone: {root}/clips/")
    assert lines[-2].endswith("(15)") and read_tree(root) == before
    assert prepare(videos, root).found == 4 and read_tree(root) == before


def test_a_clip_to_which_the_user_added_a_file_stays(videos, root):
    prepare(videos, root)
    added = ClipStore(root).folder / name_of(videos[0]) / "notes.txt"
    added.write_text("mine")
    prepare(videos[1:], root)
    give_up(videos, root)
    assert find_unused(root).empty and added.exists()


def test_a_folder_of_the_users_that_has_a_folder_subsets_is_refused(tmp_path, monkeypatch):
    (tmp_path / "subsets").mkdir()
    (tmp_path / "clips").mkdir()
    with pytest.raises(ValueError, match="must be a new or an empty folder"):
        find_unused(tmp_path)


def test_a_folder_of_an_older_version_is_known_by_its_content(videos, root):
    prepare(videos, root)
    prepare(videos[1:], root)
    (root / STAMP).unlink()
    give_up(videos, root)
    assert names(find_unused(root)) == {name_of(videos[0])}
    assert prepare(videos, root).found == 4 and (root / STAMP).exists()
