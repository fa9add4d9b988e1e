"""Small archives of all three generations, and everything that can be wrong with them."""

import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import pandas as pd
import pytest

import src.sources.archive
from src.sources.annotations import read_source
from src.sources.archive import extract_videos, has_label_archive, is_archive_folder, unpack_labels, unpack_subset
from src.sources.ssv2 import VIDEO_FOLDER, read_ssv2

HOLD = "Holding something"
VIDEOS = {str(number): random.Random(number).randbytes(40_000 + 1000 * number) for number in range(1, 9)}
LABELS = {
    "labels": {HOLD: "0"},
    "train": [{"id": str(number), "template": "Holding [something]"} for number in range(1, 5)],
    "validation": [{"id": str(number), "template": "Holding [something]"} for number in range(5, 7)],
    "test": [{"id": "7"}, {"id": "8"}],
}
ANSWERS = f"7;{HOLD}\n8;{HOLD}\n"


def member(name, content=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(content), 1_500_000_000
    for field, value in fields.items():
        setattr(info, field, value)
    return info, io.BytesIO(content)


def make_tar(videos=VIDEOS, suffix=".webm", start="", extra=()):
    """A tar as 20BN made it; `extra` members come after the third video."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.addfile(*member(f"{start}{VIDEO_FOLDER}", type=tarfile.DIRTYPE))
        for place, (video_id, content) in enumerate(videos.items()):
            for item in extra if place == 3 else ():
                tar.addfile(*item)
            tar.addfile(*member(f"{start}{VIDEO_FOLDER}/{video_id}{suffix}", content))
    return data.getvalue()


def make_tgz(*args, **kwargs):
    return gzip.compress(make_tar(*args, **kwargs), 1)


TAR, TGZ = make_tar(), make_tgz()


def split(data, count=4):
    size = -(-len(data) // count)
    return [data[start : start + size] for start in range(0, len(data), size)]


def part_name(number, ending=""):
    return f"20bn-something-something-v2-{number:02d}{ending}"


def write_zip(path, files, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def write_parts(folder, parts, generation="raw"):
    """raw: -00, -01, ...; zipped: each in a zip; misnamed: raw parts that are called .zip."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(parts):
        if generation == "zipped":
            write_zip(folder / part_name(number, ".zip"), {part_name(number): part}, zipfile.ZIP_DEFLATED)
        else:
            (folder / part_name(number, ".zip" if generation == "misnamed" else "")).write_bytes(part)
    return folder


def write_labels(folder, start="labels/", prefix="", name="20bn-something-something-download-package-labels.zip"):
    files = {f"{start}{prefix}{key}.json": json.dumps(content) for key, content in LABELS.items()}
    write_zip(folder / name, files | {f"{start}{prefix}test-answers.csv": ANSWERS, "__MACOSX/labels/._x": "x"})


def extracted(target):
    """Content by id of what a person sees there."""
    return {path.stem: path.read_bytes() for path in (target / VIDEO_FOLDER).iterdir() if path.name[0] != "."}


def hidden(target):
    return [path.name for path in (target / VIDEO_FOLDER).iterdir() if path.name.startswith(".")]


def quietly(function, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return function(*args)


@pytest.fixture
def never_opened(monkeypatch):
    def refuse(*args):
        raise AssertionError("the archive was opened")

    monkeypatch.setattr(src.sources.archive, "find_parts", refuse)


@pytest.mark.parametrize("generation", ["raw", "zipped", "misnamed"])
@pytest.mark.parametrize("count", [1, 2, 20])
def test_all_generations(tmp_path, generation, count):
    folder, target = write_parts(tmp_path / "in", split(TGZ, count), generation), tmp_path / "out"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    paths = quietly(extract_videos, folder, target)
    assert extracted(target) == VIDEOS and hidden(target) == []
    assert paths == {video_id: str(target / VIDEO_FOLDER / f"{video_id}.webm") for video_id in VIDEOS}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert is_archive_folder(folder) and not is_archive_folder(target)


def test_awkward_splits(tmp_path):
    """Inside gzip's magic, its header and its checksum; between; parts of one byte."""
    borders = [0, 1, 2, 3, 11, 12, 600, 70_000, len(TGZ) - 5, len(TGZ) - 1, len(TGZ)]
    parts = [TGZ[start:end] for start, end in zip(borders, borders[1:], strict=False)]
    for generation in ("raw", "zipped"):
        folder = write_parts(tmp_path / generation, parts, generation)
        quietly(extract_videos, folder)
        assert extracted(folder) == VIDEOS


def test_mixed_generations_and_copies_that_browsers_name(tmp_path):
    one, two, three, four = split(TGZ)
    (tmp_path / part_name(0, " (1)")).write_bytes(one)
    write_zip(tmp_path / part_name(1, "(2).zip"), {"part/" + part_name(1): two, "__MACOSX/x": b"x"})
    write_zip(tmp_path / "download.zip", {part_name(2): three})  # the name in the zip counts
    write_zip(tmp_path / part_name(3, ".zip"), {"data": four})
    (tmp_path / part_name(0, ".md5")).write_text("no part")
    (tmp_path / f".{part_name(1)}").write_text("hidden")
    quietly(extract_videos, tmp_path)
    assert extracted(tmp_path) == VIDEOS


@pytest.mark.parametrize("name", ["ssv2.tgz", "ssv2.tar.gz", "all.tar", "20bn-something-something-v2.tgz"])
def test_one_whole_archive(tmp_path, name):
    (tmp_path / name).write_bytes(TAR if name.endswith(".tar") else TGZ)
    (tmp_path / "notes.txt").write_text("mine")
    assert not is_archive_folder(tmp_path)  # any tar; with labels it is SSv2's
    write_labels(tmp_path)
    assert is_archive_folder(tmp_path)
    quietly(extract_videos, tmp_path)
    assert extracted(tmp_path) == VIDEOS


def test_mirrors(tmp_path):
    extra = [member(f"{VIDEO_FOLDER}/readme.txt", b"text"), member(f"{VIDEO_FOLDER}/._3.mp4", b"fork")]
    folder = write_parts(tmp_path, split(make_tgz(suffix=".MP4", start="./", extra=extra)))
    paths = quietly(extract_videos, folder, None, {"2", "7"})
    assert paths["7"] == str(folder / VIDEO_FOLDER / "7.mp4") and set(paths) == {"2", "7"}
    assert extracted(folder) == {video_id: VIDEOS[video_id] for video_id in "27"}


def test_only_what_is_wanted_and_no_further(tmp_path):
    parts = split(make_tgz({str(n): random.Random(n).randbytes(100_000) for n in range(20)}), 4)
    parts[2] = parts[3] = b"broken" * 40_000
    folder = write_parts(tmp_path, parts)
    paths = quietly(extract_videos, folder, None, ["0", "8"])
    assert set(paths) == set(extracted(folder)) == {"0", "8"}
    with pytest.raises(ValueError, match=r"v2-02: .*breaks"):
        extract_videos(folder, None, ["0", "19"])


def test_where_all_is_there_nothing_is_opened(tmp_path, never_opened):
    videos = tmp_path / VIDEO_FOLDER
    videos.mkdir()
    for name in ("1.webm", "2.mp4", "3.webm"):
        (videos / name).touch()
    assert extract_videos(tmp_path, None, {"1", "2"}) == {"1": str(videos / "1.webm"), "2": str(videos / "2.mp4")}
    assert extract_videos(tmp_path, None, []) == {}
    with pytest.raises(AssertionError):
        extract_videos(tmp_path, None, {"1", "4"})


def test_what_is_there_is_left_alone_unless_its_size_is_wrong(tmp_path):
    folder = write_parts(tmp_path, split(TGZ))
    quietly(extract_videos, folder, None, {"1", "2", "3"})
    (folder / VIDEO_FOLDER / "2.webm").write_bytes(VIDEOS["2"][:100])
    (folder / VIDEO_FOLDER / "3.webm").write_bytes(bytes(len(VIDEOS["3"])))  # the size is all that is compared
    inodes = {name: (folder / VIDEO_FOLDER / f"{name}.webm").stat().st_ino for name in "13"}
    quietly(extract_videos, folder)
    assert extracted(folder) == VIDEOS | {"3": bytes(len(VIDEOS["3"]))}
    assert inodes == {name: (folder / VIDEO_FOLDER / f"{name}.webm").stat().st_ino for name in "13"}


def test_videos_keep_the_time_of_the_archive(tmp_path):
    """So that a clip store takes a video that was extracted again for the same one."""
    folder = write_parts(tmp_path, split(TGZ))
    extract_videos(folder, None, {"1"})
    assert (folder / VIDEO_FOLDER / "1.webm").stat().st_mtime == 1_500_000_000


def test_ids_not_in_the_archive_are_counted(tmp_path):
    folder = write_parts(tmp_path, split(TGZ))
    with pytest.warns(UserWarning) as record:
        paths = extract_videos(folder, None, ["3", "90", "91", "92", "93"])
    assert set(paths) == {"3"} and len(record) == 1
    assert "4 of 5 wanted videos" in str(record[0].message) and "90, 91, 92, ..." in str(record[0].message)
    assert record[0].filename == __file__


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("../outside.webm", {}),
        (f"{VIDEO_FOLDER}/../../outside.webm", {}),
        ("/tmp/outside.webm", {}),
        ("..\\outside.webm", {}),
        ("C:\\outside.webm", {}),
        (f"{VIDEO_FOLDER}/outside.webm", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        (f"{VIDEO_FOLDER}/outside.webm", {"type": tarfile.LNKTYPE, "linkname": "../outside.webm"}),
        (VIDEO_FOLDER, {"type": tarfile.SYMTYPE, "linkname": ".."}),
        (f"{VIDEO_FOLDER}/outside.webm", {"type": tarfile.CHRTYPE}),
        (f"{VIDEO_FOLDER}/outside.webm", {"type": tarfile.FIFOTYPE}),
        ("../outside", {"type": tarfile.DIRTYPE}),
    ],
)
@pytest.mark.parametrize("wanted", [None, {"1", "8"}])
def test_no_path_outside(tmp_path, name, fields, wanted):
    content = b"bad" if not fields else b""
    folder = write_parts(tmp_path / "a/in", split(make_tgz(extra=[member(name, content, **fields)])))
    with pytest.raises(ValueError) as error:
        extract_videos(folder, tmp_path / "a/out", wanted)
    assert repr(name) in str(error.value) and "20bn-something-something-v2-0" in str(error.value)
    assert not list(tmp_path.rglob("outside*")) and not Path("/tmp/outside.webm").exists()
    assert set(extracted(tmp_path / "a/out")) == ({"1", "2", "3"} if wanted is None else {"1"})
    assert {path.name for path in tmp_path.rglob("*")} >= {"a", "in", "out"} and len(list(tmp_path.iterdir())) == 1


def test_folders_of_a_member_do_not_matter(tmp_path):
    folder = write_parts(tmp_path, split(make_tgz(extra=[member("somewhere/else/99.webm", b"video")])))
    extract_videos(folder)
    assert extracted(folder) == VIDEOS | {"99": b"video"}


def damaged(**changes):
    """The four parts with some of them replaced, or left out where None."""
    parts = dict(enumerate(split(TGZ))) | {int(key[1:]): value for key, value in changes.items()}
    return {part_name(number): content for number, content in parts.items() if content is not None}


ONE, TWO, THREE, FOUR = split(TGZ)
ZIPPED = io.BytesIO()
write_zip(ZIPPED, {"a.webm": b"1", "b.webm": b"2"})
NOISE = random.Random(0).randbytes(len(TWO))
WRONG_TAR = make_tgz({"readme": b"text"}, suffix=".txt")


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({}, FileNotFoundError, r"no video archive.*found no archive.*Download"),
        ({"notes.txt": b"mine"}, FileNotFoundError, r"no video archive.*found notes\.txt"),
        (damaged(_0=None), FileNotFoundError, r"v2-01: .*1f 8b.*missing\. Download 20bn-something-something-v2-00\."),
        (damaged(_1=None), FileNotFoundError, r"missing\. Download 20bn-something-something-v2-01\."),
        (damaged(_1=None, _2=None), FileNotFoundError, r"v2-01, 20bn-something-something-v2-02\."),
        (damaged(_3=None), ValueError, r"v2-02: .*ends too early.*Download again: 20bn\S*-02.*any part after it"),
        (damaged(_3=FOUR[:-1000]), ValueError, r"v2-03: .*ends too early.*Download again: 20bn\S*-03"),
        (damaged(_3=FOUR[:-4]), ValueError, r"v2-03: .*ends too early"),
        (damaged(_1=TWO[:5000]), ValueError, r"v2-02: .*breaks.*again: 20bn\S*-02, and 20bn\S*-01, which may be cut"),
        (damaged(_1=NOISE), ValueError, r"v2-0[12]: .*breaks.*Download again: 20bn"),
        (damaged(_2=TWO[:-1] + b"x"), ValueError, r"breaks.*Download again: 20bn"),
        (damaged(_3=FOUR[:-8] + b"oops" + FOUR[-4:]), ValueError, r"data check.*checksum is not that of the source"),
        (damaged(_0=TWO, _1=ONE), ValueError, r"v2-00: .*1f 8b.*but 20bn\S*-01 begins so.*Rename"),
        (damaged(_1=THREE, _2=TWO), ValueError, r"breaks.*Download again"),
        (damaged(_1=b""), ValueError, r"v2-01: .*an empty file. Download it again"),
        (damaged(_2=b"\n<!DOCTYPE html><html>quota</html>"), ValueError, r"v2-02: .*a web page. Download it again"),
        (damaged(_0=b"version https://git-lfs"), ValueError, r"v2-00: .*1f 8b.*76 65 72 73: a wrong or broken file"),
        (damaged(_2=ZIPPED.getvalue()), ValueError, r"v2-02: a zip must hold one part.*a\.webm, b\.webm"),
        (damaged(_2=ZIPPED.getvalue()[:50]), ValueError, r"v2-02: a zip must hold one part.*cut short"),
        (damaged() | {part_name(1, " (1)"): TWO[:-1]}, ValueError, r"v2-01 \(\d.*v2-01 \(1\) \(\d.*same part.*differ"),
        (damaged() | {part_name(1, " (1)"): NOISE}, ValueError, r"same part of the archive by their names, but differ"),
        ({"a.tgz": TGZ, "b.tgz": WRONG_TAR}, ValueError, r"a\.tgz.*b\.tgz.*same part"),
        ({"a.tgz": WRONG_TAR}, ValueError, r"a\.tgz: a tar without videos"),
        ({"a.tgz": gzip.compress(NOISE)}, ValueError, r"a\.tgz: .*breaks"),
        ({"a.tgz": gzip.compress(b"")}, ValueError, r"a\.tgz: .*breaks.*empty"),
        ({"a.tar": TAR[:-30_000]}, ValueError, r"a\.tar: .*breaks.*unexpected end"),
        ({"a.tar": make_tar({"1": bytes(512)})[: 512 * 3]}, ValueError, r"a\.tar: .*no end mark.*a\.tar, if it is cut"),
        ({"a.tar": TAR[:512] + b"bad" + TAR[515:]}, ValueError, r"a\.tar: .*header of a member is broken"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, files, error, message):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message) as raised:
        extract_videos(tmp_path)
    assert str(tmp_path) in str(raised.value)
    assert not (tmp_path / VIDEO_FOLDER).exists() or hidden(tmp_path) == []


def test_repair_goes_on(tmp_path):
    """What was extracted before the broken part stays, and is not written again."""
    folder = write_parts(tmp_path, [ONE, TWO, TWO[:5000], FOUR])
    with pytest.raises(ValueError, match="What was extracted stays"):
        extract_videos(folder)
    before = {path.name: path.stat().st_ino for path in (folder / VIDEO_FOLDER).iterdir()}
    assert 2 < len(before) < len(VIDEOS)
    (folder / part_name(2)).write_bytes(THREE)
    extract_videos(folder)
    assert extracted(folder) == VIDEOS
    assert before.items() <= {path.name: path.stat().st_ino for path in (folder / VIDEO_FOLDER).iterdir()}.items()


@pytest.mark.parametrize("damage", ["content", "password", "directory"])
def test_broken_zip_part(tmp_path, damage):
    folder = write_parts(tmp_path, split(TGZ), "zipped")
    path = folder / part_name(1, ".zip")
    content = bytearray(path.read_bytes())
    if damage == "content":
        content[2000:2100] = bytes(100)
    if damage == "password":  # the flag in the directory at the end and in the local header
        content[content.rindex(b"PK\x01\x02") + 8] |= 1
        content[6] |= 1
    path.write_bytes(content[:-10] if damage == "directory" else content)
    with pytest.raises(ValueError, match=r"v2-01\.zip: .*ownload"):
        extract_videos(folder)


def test_repeated_parts_count_once(tmp_path):
    folder = write_parts(write_parts(tmp_path, split(TGZ)), split(TGZ)[:3], "zipped")
    (folder / part_name(3, " (1)")).write_bytes(FOUR)
    with pytest.warns(UserWarning) as record:
        extract_videos(folder)
    assert len(record) == 1 and "4 files in" in str(record[0].message) and record[0].filename == __file__
    assert extracted(folder) == VIDEOS


def test_interrupt_leaves_whole_videos(tmp_path, monkeypatch):
    folder, copy = write_parts(tmp_path, split(TGZ)), src.sources.archive.shutil.copyfileobj
    calls = iter(range(100))

    def interrupted(source, file, length):
        if next(calls) == 3:
            file.write(source.read(100))
            raise KeyboardInterrupt
        copy(source, file, length)

    monkeypatch.setattr(src.sources.archive.shutil, "copyfileobj", interrupted)
    with pytest.raises(KeyboardInterrupt):
        extract_videos(folder)
    assert extracted(folder) == {name: VIDEOS[name] for name in "123"} and hidden(folder) == []
    extract_videos(folder)
    assert extracted(folder) == VIDEOS


SLOW_RUN = """
import shutil, sys, time
from src.sources.archive import extract_videos
copy = shutil.copyfileobj
def copy_slowly(source, file, length):
    file.write(source.read(9000))
    file.flush()
    time.sleep(0.002)
    copy(source, file, length)
shutil.copyfileobj = copy_slowly
extract_videos(sys.argv[1])
"""


def test_kill_and_run_again(tmp_path):
    """Real processes, killed at moments of their own: nothing is half there, and nothing is written twice."""
    contents = {str(number): random.Random(number).randbytes(30_000) for number in range(600)}
    folder = write_parts(tmp_path, split(make_tgz(contents), 5), "zipped")
    command = [sys.executable, "-c", SLOW_RUN, str(folder)]
    videos, before = folder / VIDEO_FOLDER, {}
    for goal in (40, 200):
        process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL)
        while not videos.is_dir() or len(os.listdir(videos)) < goal:
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = {path.name: path.stat().st_ino for path in videos.glob("[!.]*")}
        assert before.items() <= now.items() and len(before) < len(now) < 600
        assert all((videos / name).read_bytes() == contents[name[:-5]] for name in now)
        before = now
    (videos / ".partial-0-7.webm").touch()
    os.utime(videos / ".partial-0-7.webm", (0, 0))
    (videos / ".partial-0-8.webm").touch()  # may be of another run, which is at work
    extract_videos(folder)
    assert extracted(folder) == contents
    assert before.items() <= {path.name: path.stat().st_ino for path in videos.iterdir()}.items()
    assert ".partial-0-7.webm" not in hidden(folder) and ".partial-0-8.webm" in hidden(folder)


def test_memory_does_not_grow_with_the_archive(tmp_path):
    contents = {str(number): b"" for number in range(6000)} | {"big": bytes(50 << 20)}
    folder = write_parts(tmp_path, split(make_tgz(contents)))
    tracemalloc.start()
    try:
        extract_videos(folder, tmp_path / "out", {"5999", "big"})
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()
    assert set(extracted(tmp_path / "out")) == {"5999", "big"}


def test_disk_full_is_said_as_it_is(tmp_path, monkeypatch):
    folder = write_parts(tmp_path, split(TGZ))

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(src.sources.archive.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        extract_videos(folder)
    assert extracted(folder) == {} and hidden(folder) == []


@pytest.mark.parametrize("start", ["", "labels/", "package/labels/"])
@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
def test_labels(tmp_path, start, prefix):
    write_labels(tmp_path, start, prefix, name="labels (1).zip")
    assert has_label_archive(tmp_path) and not is_archive_folder(tmp_path)
    unpack_labels(tmp_path)
    names = {"labels.json", "train.json", "validation.json", "test.json", "test-answers.csv"}
    assert {path.name for path in (tmp_path / "labels").iterdir()} == names
    assert json.loads((tmp_path / "labels/train.json").read_text()) == LABELS["train"]
    assert (tmp_path / "labels/test-answers.csv").read_text() == ANSWERS
    (tmp_path / "labels (1).zip").unlink()
    quietly(unpack_labels, tmp_path)  # there already
    unpack_labels(tmp_path, tmp_path / "elsewhere")  # from the files beside
    assert {path.name for path in (tmp_path / "elsewhere/labels").iterdir()} == names


def test_labels_half_unpacked_are_completed(tmp_path):
    write_labels(tmp_path)
    unpack_labels(tmp_path)
    for name in ("labels.json", "train.json"):
        (tmp_path / "labels" / name).unlink()
    unpack_labels(tmp_path)
    assert len(list((tmp_path / "labels").iterdir())) == 5


def test_no_labels(tmp_path):
    write_parts(tmp_path, split(TGZ))
    with pytest.raises(FileNotFoundError, match=r"no labels.*20bn\S*-00.*Download the labels zip"):
        unpack_labels(tmp_path)
    write_labels(tmp_path)
    path = next(tmp_path.glob("*labels.zip"))
    path.write_bytes(path.read_bytes().replace(b"Holding [something]", b"Folding [something]", 1))
    with pytest.raises(ValueError, match=r"labels\.zip: train\.json in it is broken.*Download it again"):
        unpack_labels(tmp_path)
    assert not (tmp_path / "labels/labels.json").exists()


def test_other_folders_are_no_archives(tmp_path, tiny_ssv2):
    (tmp_path / "classes/20bn-something-something-v2-00").mkdir(parents=True)
    (tmp_path / "classes/backup.tgz").write_bytes(TGZ)
    (tmp_path / "classes/other.zip").write_bytes(ZIPPED.getvalue())
    (tmp_path / "classes/cut.zip").write_bytes(ZIPPED.getvalue()[:50])
    assert not is_archive_folder(tmp_path / "classes")
    assert not is_archive_folder(tmp_path / "nowhere") and not is_archive_folder(tiny_ssv2)


def test_from_labels_to_the_videos_of_a_subset(tmp_path):
    """As the first notebook does: the table before any video is there, then only what was chosen."""
    folder = write_parts(tmp_path, split(TGZ), "zipped")
    write_labels(folder)
    unpack_labels(folder)
    table = quietly(read_ssv2, folder, 0, True)
    assert set(table.video_id) == set(VIDEOS) and not any(map(os.path.exists, table.path))
    subset = table[table.video_id.isin(["2", "5", "7"])]
    paths = quietly(extract_videos, folder, None, subset.video_id)
    assert paths == dict(zip(subset.video_id, subset.path, strict=True)) and all(map(os.path.isfile, subset.path))
    with pytest.warns(UserWarning, match="5 of 8 videos"):
        assert set(read_ssv2(folder).video_id) == {"2", "5", "7"}


# The first notebook's way


def test_a_subset_is_read_chosen_and_unpacked(tmp_path):
    folder = write_parts(tmp_path, split(TGZ))
    write_labels(folder)
    table = read_source(folder)
    assert set(table.video_id) == set(VIDEOS) and not (folder / VIDEO_FOLDER).exists()
    chosen = table[table.video_id.isin(["2", "5", "7"])]
    subset = unpack_subset(chosen, folder)
    assert {row.video_id: Path(row.path).read_bytes() for row in subset.itertuples()} == {
        video_id: VIDEOS[video_id] for video_id in ("2", "5", "7")
    }
    assert sorted(path.stem for path in (folder / VIDEO_FOLDER).iterdir()) == ["2", "5", "7"]


def test_what_is_not_in_the_archive_is_left_out_of_the_subset(tmp_path):
    folder = write_parts(tmp_path, split(TGZ))
    write_labels(folder)
    table = read_source(folder)
    lost = pd.concat([table[:2], table[:1].assign(video_id="99")], ignore_index=True)
    with pytest.warns(UserWarning, match="1 of 3 wanted videos are not in the archive"):
        subset = unpack_subset(lost, folder)
    assert subset.video_id.tolist() == table.video_id[:2].tolist()


def test_another_source_is_left_as_it_is(tmp_path):
    (tmp_path / "class").mkdir()
    subset = pd.DataFrame({"video_id": ["1"], "path": ["a.mp4"]})
    assert unpack_subset(subset, tmp_path) is subset
    assert unpack_subset(subset, "sample") is subset


def test_labels_beside_unpacked_videos_are_no_archive_and_missing_videos_are_counted(tmp_path):
    write_labels(tmp_path)
    (tmp_path / VIDEO_FOLDER).mkdir()
    for video_id in list(VIDEOS)[:-1]:
        (tmp_path / VIDEO_FOLDER / f"{video_id}.webm").write_bytes(VIDEOS[video_id])
    assert not is_archive_folder(tmp_path)
    with pytest.warns(UserWarning, match="1 of 8 videos listed"):
        table = read_source(tmp_path)
    assert len(table) == len(VIDEOS) - 1
    assert unpack_subset(table, tmp_path) is table
