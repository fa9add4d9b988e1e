"""The videos of a subset, extracted from the archives of an SSv2 download."""

import random
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
