import hashlib
import json
import os

import pytest
from conftest import wait_for

from src.store import digests
from src.store.digests import read_digest, read_digests


def expected(content):
    return hashlib.blake2b(content, digest_size=8).hexdigest()


@pytest.fixture
def memory(tmp_path):
    return tmp_path / "prepared" / "digests.json"


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{n}.webm" for n in range(3)]
    for n, path in enumerate(paths):
        path.write_bytes(b"video %d" % n)
    return [str(path) for path in paths]


@pytest.fixture
def opened(monkeypatch):
    """The paths whose bytes are read."""
    seen, read = [], digests.read_digest
    monkeypatch.setattr(digests, "read_digest", lambda path: seen.append(path) or read(path))
    return seen


def wait_for_the_clock(path):
    """Waits until a file that changes gets another time than this one. Some file systems count in steps of 10 ms."""
    probe, changed = os.path.join(os.path.dirname(path), "clock"), os.stat(path).st_ctime_ns

    def has_moved():
        with open(probe, "w"):
            return os.stat(probe).st_ctime_ns > changed

    wait_for(has_moved, "the clock of the file system moves")


def test_the_digest_is_that_of_the_bytes(tmp_path, files, memory):
    (tmp_path / "link").symlink_to(files[1])
    paths = [files[2], files[0], files[2], str(tmp_path / "link")]
    assert read_digests(paths, memory) == [expected(b"video %d" % n) for n in (2, 0, 2, 1)]
    assert read_digest(files[1]) == expected(b"video 1")


def test_digests_are_remembered(files, memory, opened):
    """Only new files are read, and older entries stay."""
    first = read_digests(files[:2], memory)
    assert sorted(opened) == files[:2]
    opened.clear()
    assert read_digests(files, memory)[:2] == first and opened == files[2:]
    opened.clear()
    assert read_digests(files[:1], memory) == first[:1] and opened == []
    assert set(json.loads(memory.read_text())) == set(files)


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_noticed(files, memory):
    before = os.stat(files[0])
    first = read_digests(files, memory)
    wait_for_the_clock(files[0])
    with open(files[0], "wb") as file:
        file.write(b"other 0")
    os.utime(files[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    now = os.stat(files[0])
    assert (now.st_size, now.st_mtime_ns, now.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
    assert read_digests(files, memory) == [expected(b"other 0"), *first[1:]]


def test_unreadable_empty_and_special_files_have_no_digest(tmp_path, files, memory):
    os.mkfifo(tmp_path / "pipe")  # opening it would wait forever
    (tmp_path / "empty").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    bad = [str(tmp_path / name) for name in ("pipe", "empty", "dangling", "missing")]
    bad += [str(tmp_path), "", "with\0null", "/dev/zero"]
    good = read_digests(files, memory)
    for _ in range(2):
        assert read_digests([*bad, *files], memory) == [""] * len(bad) + good
    assert set(json.loads(memory.read_text())) == set(files)
    os.remove(files[0])
    assert read_digests(files, memory) == ["", *good[1:]]  # although it is remembered


def test_a_file_that_could_not_be_read_is_tried_again(files, memory, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(digests, "read_digest", lambda path: "")  # as after an error of the disk
        assert read_digests(files, memory) == [""] * 3
    assert read_digests(files, memory) == [expected(b"video %d" % n) for n in range(3)]


def test_an_empty_memory_is_replaced(files, memory):
    memory.parent.mkdir()
    memory.touch()
    assert read_digests(files, memory) == [expected(b"video %d" % n) for n in range(3)]
    assert set(json.loads(memory.read_text())) == set(files)


NO_ENTRIES = ("", "1", "[[[]]], {}, null, 1, 2", "1, 2, 3, 4, 5", '1, 2, 3, 4, "../../x"', '"x", "x", "x", "x", "x"')
HOSTILE = [
    *('"text"', "7", "[1, 2]", "[" * 100_000, '{"a": ' * 100_000, "\0", "9" * 5000, '{"a": 1e999}'),
    *(f'{{"PATH": [{entry}]}}' for entry in (*NO_ENTRIES, "9" * 4000)),
]


@pytest.mark.filterwarnings("ignore:.*is not what this project writes")
@pytest.mark.parametrize("content", HOSTILE)
def test_a_hostile_memory_is_ignored(files, memory, content):
    memory.parent.mkdir()
    memory.write_text(content.replace("PATH", files[0]))
    assert read_digests(files, memory) == [expected(b"video %d" % n) for n in range(3)]
    assert set(json.loads(memory.read_text())) == set(files)


@pytest.mark.filterwarnings("ignore:.*is not what this project writes")
def test_entries_of_another_form_do_not_harm_the_others(files, memory, opened):
    first = read_digests(files, memory)
    known = json.loads(memory.read_text())
    memory.write_text(json.dumps(known | {files[0]: [*known[files[0]][:4], "../x"], "other": [[], {}, 1, 2, 3]}))
    opened.clear()
    assert read_digests(files, memory) == first and opened == files[:1]


@pytest.mark.parametrize("content", ['{"mine": {"a": 1}}', '{"mine": 1}\n{"mine": 2}\n', "null"])
def test_a_file_that_is_no_memory_is_kept(files, memory, content):
    memory.parent.mkdir()
    memory.write_text(content)
    with pytest.warns(UserWarning, match="digests.json is not what this project writes. It was kept as digests-"):
        read_digests(files, memory)
    [kept] = memory.parent.glob("digests-*.json")
    assert kept.read_text() == content


# Folders of images


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for n in (1, 2, 10):
        (folder / f"img_{n}.jpg").write_bytes(b"image %d" % n)
    return folder


def test_the_digest_of_a_folder_is_that_of_its_images_names_and_bytes(images, memory, opened):
    [first] = read_digests([str(images)], memory)
    assert first == read_digest(images) and len(first) == 16
    opened.clear()
    (images / "notes.txt").write_text("no image")
    assert read_digests([str(images)], memory) == [first] and opened == []
    seen = {first}
    changes = (
        lambda: (images / "img_2.jpg").write_bytes(b"other 2"),
        lambda: (images / "img_2.jpg").rename(images / "img_3.jpg"),
        lambda: (images / "img_11.jpg").write_bytes(b"image 11"),
        lambda: (images / "img_10.jpg").unlink(),
    )
    for change in changes:
        wait_for_the_clock(images)
        change()
        [digest] = read_digests([str(images)], memory)
        assert digest == read_digest(images) and digest not in seen
        seen.add(digest)


def test_a_folder_without_images_has_no_digest(tmp_path, memory):
    (tmp_path / "empty").mkdir()
    assert read_digests([str(tmp_path / "empty")], memory) == [""] and read_digest(tmp_path / "empty") == ""


def test_a_memory_that_cannot_be_written_is_no_error(files, memory, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(digests, "write_text", refuse)
    assert read_digests(files, memory) == [expected(b"video %d" % n) for n in range(3)]


def test_nothing_to_read_writes_nothing(memory):
    assert read_digests([], memory) == [] and not memory.exists()


def test_entries_that_another_job_adds_meanwhile_are_kept(files, memory, monkeypatch):
    read = digests.read_digest

    def read_while_another_job_writes(path):
        monkeypatch.setattr(digests, "read_digest", read)
        read_digests(files[1:], memory)
        return read(path)

    monkeypatch.setattr(digests, "read_digest", read_while_another_job_writes)
    read_digests(files[:1], memory)
    assert set(json.loads(memory.read_text())) == set(files)
