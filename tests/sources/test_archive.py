"""The videos of a subset, extracted from the archives of an SSv2 download."""

import errno
import random
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pandas as pd
import pytest
from archives import TGZ, VIDEOS, extracted, make_tgz, make_zip, member, split, unfinished, write_label_zip, write_parts
from source_folders import touch

from src.ownership import make_staging
from src.sample import VIDEO_FOLDER
from src.sources import archive, unpacking
from src.sources.archive import extract_videos, is_archive_folder, unpack_subset
from src.sources.source import read_source

pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def inodes(folder):
    return {path.name: path.stat().st_ino for path in (folder / VIDEO_FOLDER).glob("*.webm")}


def test_a_whole_archive_is_recognised_by_the_labels_beside_it(tmp_path):
    (tmp_path / "ssv2.tgz").write_bytes(TGZ)
    assert not is_archive_folder(tmp_path)  # any tgz
    write_label_zip(tmp_path)
    assert is_archive_folder(tmp_path)
    extract_videos(tmp_path, VIDEOS)
    assert extracted(tmp_path) == VIDEOS


def test_other_folders_are_no_archives_and_their_subset_is_unchanged(tmp_path, tiny_ssv2):
    (tmp_path / "20bn-something-something-v2-00").mkdir()
    (tmp_path / "backup.tgz").write_bytes(TGZ)
    (tmp_path / "cut.zip").write_bytes(make_zip({"a.webm": b"1"})[:50])
    subset = pd.DataFrame({"video_id": ["1"], "path": ["a.mp4"]})
    for source in (tmp_path, tmp_path / "nowhere", tiny_ssv2, "sample"):
        assert not is_archive_folder(source) and unpack_subset(subset, source) is subset


def test_a_subset_is_read_chosen_and_unpacked(tmp_path):
    write_label_zip(write_parts(tmp_path, generation="zipped"))
    table = read_source(tmp_path)
    assert set(table.video_id) == set(VIDEOS) and not (tmp_path / VIDEO_FOLDER).exists()
    chosen = table[table.video_id.isin(["2", "5", "7"])].reset_index(drop=True)
    subset = unpack_subset(chosen, tmp_path)
    pd.testing.assert_frame_equal(subset, chosen)
    assert {row.video_id: Path(row.path).read_bytes() for row in subset.itertuples()} == extracted(tmp_path)
    assert extracted(tmp_path) == {video_id: VIDEOS[video_id] for video_id in "257"}


def test_videos_that_are_not_in_the_archive_are_left_out_and_counted(tmp_path):
    write_label_zip(write_parts(tmp_path))
    table = read_source(tmp_path)
    absent = [table[:1].assign(video_id=str(number)) for number in range(90, 94)]
    with pytest.warns(UserWarning, match=r"4 of 6 wanted videos are not in the archive.*: 90, 91, 92, \.\.\."):
        subset = unpack_subset(pd.concat([table[:2], *absent], ignore_index=True), tmp_path)
    assert subset.video_id.tolist() == table.video_id[:2].tolist()


def test_a_label_zip_beside_unpacked_videos_is_no_archive_and_absent_videos_are_counted(tmp_path):
    write_label_zip(tmp_path)
    (tmp_path / VIDEO_FOLDER).mkdir()
    for video_id in list(VIDEOS)[:-1]:
        (tmp_path / VIDEO_FOLDER / f"{video_id}.webm").write_bytes(VIDEOS[video_id])
    assert not is_archive_folder(tmp_path)
    with pytest.warns(UserWarning, match="1 of 8 videos listed"):
        table = read_source(tmp_path)
    assert len(table) == len(VIDEOS) - 1
    assert unpack_subset(table, tmp_path) is table


def test_re_encoded_videos_keep_their_suffix_and_other_files_are_ignored(tmp_path):
    extra = [member(f"{VIDEO_FOLDER}/readme.txt", b"text"), member(f"{VIDEO_FOLDER}/._3.mp4", b"fork")]
    write_parts(tmp_path, split(make_tgz(suffix=".MP4", start="./", extra=extra)))
    paths = extract_videos(tmp_path, VIDEOS)
    assert paths["7"] == str(tmp_path / VIDEO_FOLDER / "7.mp4") and extracted(tmp_path) == VIDEOS


def test_reading_ends_with_the_last_wanted_video(tmp_path):
    parts = split(make_tgz({str(n): random.Random(n).randbytes(100_000) for n in range(20)}), 4)
    parts[2] = parts[3] = b"broken" * 40_000
    write_parts(tmp_path, parts)
    assert set(extract_videos(tmp_path, ["0", "8"])) == set(extracted(tmp_path)) == {"0", "8"}
    with pytest.raises(ValueError, match=r"v2-02: .*breaks.*Extracted videos are kept"):
        extract_videos(tmp_path, ["1", "19"])
    assert set(extracted(tmp_path)) == {"0", "1", "8"}


def test_the_archive_is_not_needed_if_all_videos_exist(tmp_path):
    videos = tmp_path / VIDEO_FOLDER
    touch(*(videos / name for name in ("1.webm", "2.mp4", "3.webm")))
    assert extract_videos(tmp_path, {"1", "2"}) == {"1": str(videos / "1.webm"), "2": str(videos / "2.mp4")}
    with pytest.raises(FileNotFoundError, match="no video archive"):
        extract_videos(tmp_path, {"1", "4"})


def test_existing_videos_are_kept_unless_their_size_is_wrong(tmp_path):
    write_parts(tmp_path)
    extract_videos(tmp_path, {"1", "2", "3"})
    assert (tmp_path / VIDEO_FOLDER / "1.webm").stat().st_mtime == 1_500_000_000  # the archive's
    (tmp_path / VIDEO_FOLDER / "2.webm").write_bytes(VIDEOS["2"][:100])
    (tmp_path / VIDEO_FOLDER / "3.webm").write_bytes(bytes(len(VIDEOS["3"])))  # only sizes are compared
    before = {name: inode for name, inode in inodes(tmp_path).items() if name != "2.webm"}
    extract_videos(tmp_path, VIDEOS)
    assert extracted(tmp_path) == VIDEOS | {"3": bytes(len(VIDEOS["3"]))}
    assert before.items() <= inodes(tmp_path).items()


def test_memory_does_not_grow_with_the_archive(tmp_path):
    contents = {str(number): b"" for number in range(2000)} | {"big": bytes(20 << 20)}
    write_parts(tmp_path, split(make_tgz(contents)))
    program = (
        "import sys, tracemalloc\nfrom src.sources.archive import extract_videos\ntracemalloc.start()\n"
        "extract_videos(sys.argv[1], {'1999', 'big'})\nprint(tracemalloc.get_traced_memory()[1], file=sys.stderr)\n"
    )
    # In a process of its own: tracemalloc also counts what threads of earlier tests allocate.
    command = [sys.executable, "-c", program, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert int(done.stderr) < 3 << 20
    assert set(extracted(tmp_path)) == {"1999", "big"}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        (f"{VIDEO_FOLDER}/../../outside.webm", {}),
        ("/tmp/outside.webm", {}),
        ("..\\outside.webm", {}),
        ("C:\\outside.webm", {}),
        (f"{VIDEO_FOLDER}/outside.webm", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        (f"{VIDEO_FOLDER}/outside.webm", {"type": tarfile.LNKTYPE, "linkname": "../outside.webm"}),
        (VIDEO_FOLDER, {"type": tarfile.SYMTYPE, "linkname": ".."}),
        (f"{VIDEO_FOLDER}/outside.webm", {"type": tarfile.FIFOTYPE}),
    ],
)
def test_no_member_leaves_the_folder(tmp_path, name, fields):
    content = b"bad" if not fields else b""
    folder = write_parts(tmp_path / "a/in", split(make_tgz(extra=[member(name, content, **fields)])))
    with pytest.raises(ValueError) as error:
        extract_videos(folder, {"1", "8"})
    assert repr(name) in str(error.value) and "20bn-something-something-v2-0" in str(error.value)
    assert not list(tmp_path.rglob("outside*")) and not Path("/tmp/outside.webm").exists()
    assert set(extracted(folder)) == {"1"}


KILLED_EXTRACTION = """
import os, sys
from src.sources import archive
copy, calls = archive.TarStream.copy_to, iter(range(100))
def copy_or_die(tar, file):
    if next(calls) == 3:
        file.write(b"begin")
        file.flush()
        os._exit(9)
    copy(tar, file)
archive.TarStream.copy_to = copy_or_die
archive.extract_videos(sys.argv[1], [str(number) for number in range(1, 9)])
"""


def test_a_killed_process_leaves_whole_videos_and_extraction_goes_on(tmp_path):
    write_parts(tmp_path, generation="zipped")
    done = subprocess.run([sys.executable, "-c", KILLED_EXTRACTION, tmp_path], cwd=Path(__file__).parents[2])
    assert done.returncode == 9
    before, [staging] = inodes(tmp_path), unfinished(tmp_path)
    assert (tmp_path / VIDEO_FOLDER / staging / "4.webm").read_bytes() == b"begin"
    running = make_staging(tmp_path / VIDEO_FOLDER)  # of another process, which is still running
    for name in (".partial-0-1.webm", f"{staging}-mine"):  # the user's, whatever their names
        (tmp_path / VIDEO_FOLDER / name).mkdir()
    extract_videos(tmp_path, VIDEOS)
    assert before.items() <= inodes(tmp_path).items()
    assert set(unfinished(tmp_path)) == {running.name, ".partial-0-1.webm", f"{staging}-mine"}
    assert {name: (tmp_path / VIDEO_FOLDER / f"{name}.webm").read_bytes() for name in VIDEOS} == VIDEOS


def tree(folder):
    """Size, time and content of all files of a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes()) for path in files}


def test_archives_are_unpacked_to_another_folder(tmp_path, monkeypatch):
    source = write_label_zip(write_parts(tmp_path / "source"))
    before = tree(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    table = read_source("~/source", unpack_to="~/mine")
    subset = unpack_subset(table[:2], "~/source", "~/mine")
    assert [Path(path).read_bytes() for path in subset.path] == [VIDEOS["1"], VIDEOS["2"]]
    assert (tmp_path / "mine/labels/labels.json").is_file() and set(extracted(tmp_path / "mine")) == {"1", "2"}
    again = read_source("~/source", unpack_to="~/mine")
    assert again.path.tolist()[:2] == subset.path.tolist()
    pd.testing.assert_frame_equal(unpack_subset(again[:2], "~/source", "~/mine"), subset)
    assert before.items() <= tree(tmp_path).items()
    assert {path.name for path in tmp_path.iterdir()} == {"source", "mine"}
    assert tree(source) == before


def test_labels_of_another_download_are_named(tmp_path):
    write_label_zip(write_parts(tmp_path / "source"))
    read_source(tmp_path / "source", unpack_to=tmp_path / "mine")
    train = tmp_path / "mine/labels/train.json"
    train.write_text(train.read_text().replace('"1"', '"11"'))
    with pytest.warns(UserWarning, match=r"1 label files in .*mine/labels are not those in .*: train\.json"):
        table = read_source(tmp_path / "source", unpack_to=tmp_path / "mine")
    assert "11" in set(table.video_id)


AS_NOBODY = """
import os, sys, encodings.cp437
from src.sources import read_source, unpack_subset
unpack_subset(read_source(sys.argv[3]), sys.argv[3])  # imports what nobody may not read
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
source, target = sys.argv[1], sys.argv[2] or None
try:
    table = read_source(source, unpack_to=target)
    print(*unpack_subset(table[:2], source, target).path)
except OSError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("unpacked", [None, "labels", "all"])
def test_a_source_that_cannot_be_written_to_says_so(tmp_path, unpacked):
    source, mine = write_label_zip(write_parts(tmp_path / "source")), tmp_path / "mine"
    mine.mkdir()
    mine.chmod(0o777)
    if unpacked:
        table = read_source(source)
        unpack_subset(table[: 2 if unpacked == "all" else 0], source)
    for folder in (source, source / "labels", source / VIDEO_FOLDER):
        if folder.exists():
            folder.chmod(0o555)
    depth = [parent.name.startswith("pytest-of-") for parent in tmp_path.parents].index(True) + 1
    for parent in (tmp_path, *tmp_path.parents[:depth]):
        parent.chmod(0o755)  # pytest's folders are closed to others
    before = tree(source)

    def run(target):
        command = [sys.executable, "-c", AS_NOBODY, source, target, write_label_zip(write_parts(tmp_path / "other"))]
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1]

    if unpacked == "all":
        assert run("").split() == [str(source / VIDEO_FOLDER / f"{name}.webm") for name in "12"]
    else:
        answer = run("")
        assert answer.startswith("PermissionError") and "Set unpack_to" in answer and str(source) in answer
        for _ in range(2):
            assert run(mine).split() == [str(mine / VIDEO_FOLDER / f"{name}.webm") for name in "12"]
    assert tree(source) == before


@pytest.mark.parametrize("name", ["4.webm", "4.mp4"])
def test_files_of_the_user_are_kept_and_named(tmp_path, name):
    """Of another size than the archive's, even if they are the begin of it."""
    write_parts(tmp_path)
    videos = tmp_path / VIDEO_FOLDER
    mine = {name: b"mine", "2.webm": VIDEOS["2"][:100], "notes.txt": b"text", ".partial-12345678-5.webm": b"old"}
    videos.mkdir()
    for key, content in mine.items():
        (videos / key).write_bytes(content)
    (videos / "host_1_abc").mkdir()
    before = tree(videos)
    with pytest.warns(UserWarning, match=rf"2 files in .* kept: 2\.webm, {name}\. If they are not yours"):
        paths = extract_videos(tmp_path, VIDEOS)
    assert before.items() <= tree(videos).items() and paths["4"] == str(videos / name)
    new = {f"{key}.webm" for key in VIDEOS} - {"2.webm", "4.webm"}
    assert {path.name for path in videos.iterdir()} == {*mine, *new, "host_1_abc"}


def test_what_is_no_file_is_kept(tmp_path):
    write_parts(tmp_path)
    videos = tmp_path / VIDEO_FOLDER
    (videos / "4.webm").mkdir(parents=True)
    (videos / "5.webm").symlink_to("nowhere")
    with pytest.warns(UserWarning) as record:
        paths = extract_videos(tmp_path, VIDEOS)
    assert ["2 files" in str(item.message) for item in record] == [True, False]
    assert paths.keys() == VIDEOS.keys() - {"4", "5"} and not (videos / "nowhere").exists()


def test_a_video_that_a_user_changed_in_our_folder_is_kept(tmp_path):
    write_parts(tmp_path)
    extract_videos(tmp_path, {"1", "2"})
    (tmp_path / VIDEO_FOLDER / "2.webm").write_bytes(b"re-encoded")
    with pytest.warns(UserWarning, match=r"1 files in .*: 2\.webm"):
        extract_videos(tmp_path, VIDEOS)
    assert extracted(tmp_path) == VIDEOS | {"2": b"re-encoded"}


def test_a_video_that_a_power_cut_emptied_is_extracted_again(tmp_path):
    write_parts(tmp_path)
    extract_videos(tmp_path, {"1", "2"})
    (tmp_path / VIDEO_FOLDER / "2.webm").write_bytes(b"")
    extract_videos(tmp_path, {"1", "2"})
    assert extracted(tmp_path) == {"1": VIDEOS["1"], "2": VIDEOS["2"]}


def test_two_processes_may_extract_at_once(tmp_path):
    write_parts(tmp_path)
    program = "import sys; from src.sources.archive import extract_videos; extract_videos(sys.argv[1], '12345678')"
    command = [sys.executable, "-W", "error", "-c", program, tmp_path]
    running = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert extracted(tmp_path) == VIDEOS and unfinished(tmp_path) == []


@pytest.mark.parametrize("free", [0, unpacking.DISK_RESERVE + 100_000])
def test_the_disk_is_never_filled_up(tmp_path, monkeypatch, free):
    """Neither before reading, nor while videos are written; what was extracted is kept."""
    write_parts(tmp_path)

    def usage(path):
        used = sum(file.stat().st_size for file in tmp_path.rglob("*.webm"))
        return shutil._ntuple_diskusage(10**9, used, max(0, free - used))

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(OSError, match=r"must keep 105 MB free.*MB are free\. Make room, or set unpack_to") as error:
        extract_videos(tmp_path, VIDEOS)
    assert error.value.errno == errno.ENOSPC and VIDEO_FOLDER in str(error.value)
    assert extracted(tmp_path) == ({name: VIDEOS[name] for name in "12"} if free else {}) and unfinished(tmp_path) == []


def test_the_share_of_the_archive_that_is_wanted_must_fit(tmp_path, monkeypatch):
    write_label_zip(write_parts(tmp_path))
    monkeypatch.setattr(archive, "SSV2_VIDEOS", 8)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, unpacking.DISK_RESERVE + 1))
    monkeypatch.setattr(archive.TarStream, "copy_to", None)  # is not reached
    with pytest.raises(OSError, match=r"0\.4 MB are to be unpacked"):
        extract_videos(tmp_path, VIDEOS)
    with pytest.raises(OSError, match="to be unpacked"):
        read_source(tmp_path)


@pytest.mark.parametrize("video_id", ["../1", "a/b", "a\\b", "", ".", "a\0b", "é" * 101, "a\nb"])
def test_ids_that_are_no_file_names_are_refused(tmp_path, video_id):
    write_parts(tmp_path)
    with pytest.raises(ValueError, match="a video id becomes a folder name"):
        extract_videos(tmp_path, {"1", video_id})
    assert not (tmp_path / VIDEO_FOLDER).exists()


def test_parts_and_folders_may_be_links(tmp_path, monkeypatch):
    write_parts(tmp_path / "store")
    (tmp_path / "disk").mkdir()
    (tmp_path / "source").mkdir()
    for path in (tmp_path / "store").iterdir():
        (tmp_path / "source" / path.name).symlink_to(path)
    write_label_zip(tmp_path / "source")
    (tmp_path / "source" / VIDEO_FOLDER).symlink_to("../disk")
    (tmp_path / "link").symlink_to("source")
    (tmp_path / "source" / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    subset = unpack_subset(read_source("link")[:2], "link")
    assert subset.path.tolist() == [f"link/{VIDEO_FOLDER}/{name}.webm" for name in "12"]
    assert {path.name for path in (tmp_path / "disk").glob("*.webm")} == {"1.webm", "2.webm"}
